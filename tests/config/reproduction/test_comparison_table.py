from tfcolor.config.reproduction.comparison_table import COMPARISON_TABLE
from tfcolor.config.reproduction.study import SCALES

ROWS = {row.name: row for row in COMPARISON_TABLE.rows}


def test_published_numbers():
    numbers = {
        name: tuple(cell.published for cell in row.cells.values()) for name, row in ROWS.items()
    }
    assert len(numbers) == 18
    assert numbers["imagenet"] == (86.9, 69.5)
    assert numbers["ours_alexnet"] == (65.9, 38.4) and numbers["ours_vgg16"] == (77.2, 56.0)
    assert numbers["ours_resnet152"] == (77.3, 60.0) and numbers["ensemble"] == (79.8, 61.6)
    assert numbers["kmeans_vgg16"] == (56.5, None) and numbers["noroozi"] == (68.6,)
    assert numbers["autoencoder"] == (53.3, 28.7) and ROWS["random_pathak"].is_quoted


def test_our_rows_are_trained_again_by_the_schedule_that_was_found():
    for scale in SCALES:
        (run,) = ROWS["ours_vgg16"].cells["segmentation"].subjects[scale].runs
        assert run.schedule.start == run.start and run.start.name == "vgg16_10_epochs"


def test_the_ensemble_is_of_three_networks_that_were_pretrained_apart():
    for scale in SCALES:
        runs = ROWS["ensemble"].cells["classification"].subjects[scale].runs
        assert len({(run.start.run_name, run.start.seed_offset) for run in runs}) == 3
        assert [run.start.name.split("_")[1] for run in runs] == ["35", "10", "10"]
