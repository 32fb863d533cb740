import pytest

from tfcolor_client.answers import named_shape


@pytest.mark.parametrize(
    ("dims", "is_unknown", "shape"),
    [
        ([-1, 4], False, (None, 4)),
        (["-1", "4"], False, (None, 4)),
        ([], False, ()),
        ([], True, (None,)),
    ],
)
def test_any_size_is_none(dims, is_unknown, shape):
    assert named_shape(dims, is_unknown) == shape
