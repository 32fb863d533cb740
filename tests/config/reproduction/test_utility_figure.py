import itertools

from tfcolor.config.reproduction.layout import TESTBED
from tfcolor.config.reproduction.study import SCALES
from tfcolor.config.reproduction.utility_figure import LABEL_COUNTS, UTILITY_FIGURE


def test_there_are_three_pretext_tasks_that_share_what_is_from_scratch():
    assert [series.name for series in UTILITY_FIGURE.series] == [
        "rotation",
        "colorization",
        "simclr",
    ]
    for scale in SCALES:
        downstream = [series.downstream[scale] for series in UTILITY_FIGURE.series]
        starts = {one.start for one in downstream}
        assert starts == {series.pretraining[scale] for series in UTILITY_FIGURE.series}
        assert len({(one.name, one.config, one.images, one.flags) for one in downstream}) == 1


def test_labels_at_least_double_up_to_all_images():
    for counts in LABEL_COUNTS.values():
        assert all(more >= 2 * few for few, more in itertools.pairwise(counts))
    assert LABEL_COUNTS["small"][-1] == 160  # what a class has
    assert all(series.pretraining["small"].images == TESTBED for series in UTILITY_FIGURE.series)
