from tfcolor.backbones.stages import Conv, Pool, keep_apart, scale_width, with_top

POOL = Pool(3, 2)
CONV = Conv("conv", 96, kernel=3, groups=2)


def test_widths_are_multiples_of_four():
    assert scale_width(CONV, 0.25).channels == 24
    assert scale_width(CONV, 0.01).channels == 4
    assert scale_width(POOL, 0.25) is POOL


def test_columns_are_groups_of_their_own():
    assert keep_apart(Conv("conv", 8, kernel=3), 2).groups == 2
    assert keep_apart(CONV, 1) == CONV and keep_apart(POOL, 2) is POOL


def test_the_top_is_the_last_convolution():
    stages = (CONV, Conv("last", 32, kernel=1), POOL)
    assert [one.channels for one in with_top(stages, 20)[:2]] == [96, 20]
    assert with_top(stages, 0) == stages
