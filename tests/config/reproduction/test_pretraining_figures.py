from tfcolor.config.reproduction import FIGURES
from tfcolor.config.reproduction.study import SCALES


def test_every_network_is_fine_tuned_from_its_pretraining():
    for number in ("3.3", "3.4", "3.5"):
        for series in FIGURES[number].series:
            for scale in SCALES:
                assert series.downstream[scale].start == series.pretraining[scale]


def test_snapshots_are_kept_only_where_they_are_needed():
    drops, no_drops = FIGURES["3.4"].series
    assert drops.moments[0] == 0.2 / 3 and no_drops.moments == (1.0,)
    assert drops.pretraining["small"].flags[-1].endswith("small_snapshots.cfg")
    assert no_drops.pretraining["small"].flags[-1] == "--rate_drops="
