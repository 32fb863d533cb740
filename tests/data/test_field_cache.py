import concurrent.futures
import threading

import numpy as np
import pytest

from tfcolor.core.errors import UserError
from tfcolor.data import field_cache
from tfcolor.data.field_cache import FieldCache


class Computation:
    """Counts how often it is done."""

    def __init__(self, value=1 / 3):
        self.count, self.value = 0, value

    def __call__(self):
        self.count += 1
        return np.full([2, 3, 2], self.value)


@pytest.mark.parametrize("is_on_disk", [False, True])
def test_a_field_is_computed_once(tmp_path, is_on_disk):
    cache, compute = FieldCache(str(tmp_path) if is_on_disk else ""), Computation()
    first, second = (cache.recall("a", compute) for _ in range(2))
    assert compute.count == 1
    assert first.dtype == np.float16 and not first.flags.writeable
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, np.float16(1 / 3))
    assert cache.recall("b", Computation(2.0))[0, 0, 0] == 2


def test_threads_that_want_one_field_compute_it_once():
    cache, started = FieldCache(""), threading.Event()
    compute = Computation()

    def slow():
        started.wait(5)
        return compute()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        fields = [pool.submit(cache.recall, "a", slow) for _ in range(4)]
        started.set()
    assert compute.count == 1
    assert len({id(field.result()) for field in fields}) == 1


def test_fields_on_disk_outlive_the_cache(tmp_path):
    compute = Computation()
    field = FieldCache(str(tmp_path)).recall("a", compute)
    again = FieldCache(str(tmp_path)).recall("a", compute)
    assert compute.count == 1
    np.testing.assert_array_equal(again, field)


def test_a_broken_file_is_computed_again(tmp_path):
    compute = Computation()
    FieldCache(str(tmp_path)).recall("a", compute)
    (path,) = tmp_path.rglob("*.npy")
    path.write_bytes(path.read_bytes()[:-3])
    FieldCache(str(tmp_path)).recall("a", compute)
    assert compute.count == 2
    assert [one.name for one in tmp_path.rglob("*.npy")] == [path.name]
    FieldCache(str(tmp_path)).recall("a", compute)
    assert compute.count == 2


def test_memory_holds_what_was_used_last(monkeypatch):
    monkeypatch.setattr(field_cache, "MEMORY_BYTES", 2 * 24)  # two fields
    cache, computations = FieldCache(""), {name: Computation() for name in "abc"}
    for name in "abacab":
        cache.recall(name, computations[name])
    assert [one.count for one in computations.values()] == [1, 2, 1]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="a file is in the place of its folder"):
        FieldCache(str(tmp_path / "file"))
