from tfcolor.config.reproduction import TABLES
from tfcolor.config.reproduction.representation_tables import fine_tuned, on_colors, on_labels

ROWS = {(number, row.name): row for number, table in TABLES.items() for row in table.rows}


def published(number, row):
    return tuple(cell.published for cell in ROWS[number, row].cells.values())


def test_published_numbers():
    assert published("2.1", "locations_256") == (69.2, None, None)
    assert published("3.2", "no_hypercolumn") == (52.7,)
    assert published("3.3", "colorization") == (56.0, 55.9)
    assert published("3.4", "resnet152_35") == (58.7, 60.0, 68.8, 35.0)
    assert published("3.4", "alexnet_random") == (23.5, 24.6, 39.1, 6.7)
    assert published("3.5", "r16_40_epochs") == (53.5,) and published("3.5", "none") == (35.1,)
    assert published("3.6", "nothing") == (3.6, 36.5, 60.8)
    assert published("3.6", "conv4_1_to_fc7") == (53.6, 64.2)


def test_equal_numbers_of_the_source_are_one_training():
    vgg = {
        ("3.4", "vgg16_10", "fov"),
        ("3.3", "colorization", "gray"),
        ("3.6", "all", "colorization"),
    }
    full = [ROWS[number, row].cells[column].subjects["full"] for number, row, column in vgg]
    assert full[0] == full[1] == full[2]
    assert fine_tuned("full", None) == ROWS["3.5", "none"].cells["fov"].subjects["full"].runs[0]


def test_only_a_network_without_batch_norm_is_rebalanced():
    assert "--rebalance=true" in fine_tuned("full", on_labels("full")).flags
    assert "--rebalance=true" not in fine_tuned("full", on_colors("full")).flags
    assert "--rebalance=true" not in fine_tuned("small", on_labels("small")).flags


def test_few_label_columns_of_small_scale_have_networks_for_small_images():
    small = ROWS["3.4", "vgg16_3"].cells["imnt_100k"].subjects["small"].runs[0]
    assert small.run_name == "cifar_deep_3_epochs+cifar_deep_imnt_100k"
    assert small.start.images == small.images == "labels"
    assert "small" not in ROWS["3.4", "resnet152_3"].cells["imnt_100k"].subjects


def test_frozen_layers_of_small_scale_are_those_of_the_small_network():
    runs = {
        name: ROWS["3.6", name].cells["colorization"].subjects["small"].runs[0]
        for name in ("nothing", "fc6_to_fc7", "conv4_1_to_fc7", "all")
    }
    frozen = [[flag for flag in run.flags if "frozen" in flag] for run in runs.values()]
    taps = ["--frozen_through=conv4b", "--frozen_through=conv3b", "--frozen_through=conv2b"]
    assert frozen == [[tap] for tap in taps] + [[]]
