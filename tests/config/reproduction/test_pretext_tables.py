import json

from tfcolor.config.reproduction.pretext_tables import MULTI_PROXY_TABLE, PRETEXT_TABLE
from tfcolor.config.reproduction.reproduction import ReproduceOptions, run_reproduction
from tfcolor.config.reproduction.study import FULL, SMALL
from tfcolor.tasks import TASKS

PROXIES = {row.name: row for row in MULTI_PROXY_TABLE.rows}


def test_published_numbers():
    numbers = {
        name: [row.cells[key].published for key in ("classification", "segmentation")]
        for name, row in PROXIES.items()
    }
    assert numbers == {
        "none": [46.2, 23.5],
        "c": [61.1, 36.3],
        "j": [60.0, 33.7],
        "v": [60.6, 35.9],
        "cj": [59.2, 35.5],
        "cj_sgd": [None, None],
        "cjv": [60.2, 36.1],
    }


def test_both_columns_start_from_one_pretraining():
    for scale in (SMALL, FULL):
        starts = {cell.subjects[scale].runs[0].start for cell in PROXIES["cjv"].cells.values()}
        assert len(starts) == 1


def test_all_pretext_tasks_are_compared_on_the_same_network(data, commands, tmp_path):
    options = ReproduceOptions(
        table="pretext", data=str(data), output=str(tmp_path / "out"), seeds=1
    )
    page = run_reproduction(options).read_text()
    assert "| Rotation |" in page and "18.8" in page and "6.2" in page and "50.0" in page
    starts = [one for one in commands if one[0] == "train" and "+" not in one[-1]]
    assert len(starts) == len(PRETEXT_TABLE.rows)
    configs = {flag for one in starts for flag in one if flag.startswith("--flagfile=")}
    assert all(flag.startswith("--flagfile=configs/pretext/") for flag in configs)
    probed = [one for one in commands if "--protocol=linear_evaluation" in one]
    assert len(probed) == len(starts)
    records = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(records) == 4 * len(starts)


def test_front_ends_are_kept_downstream():
    rows = {row.name: row for row in PRETEXT_TABLE.rows}
    for name, front_end in (("split_brain", "split_lab"), ("deep_clustering", "sobel")):
        for column in ("segmentation", "detection"):
            run = rows[name].cells[column].subjects[SMALL].runs[0]
            assert f"--alexnet_front_end={front_end}" in run.flags


def test_every_pretext_task_has_a_row():
    others = {"classification", "linear_probe", "multilabel", "segmentation", "detection", "depth"}
    others |= {"autoencoder", "distillation"}
    assert TASKS.keys() - others <= {row.name for row in PRETEXT_TABLE.rows}
