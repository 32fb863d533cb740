import threading
import time

import pytest

from tfcolor.inference.conveyor import Conveyor, Early, Limits, Stations


class Numbers(Stations[int, int, int, str]):
    """Loads n as n, predicts 10 n and finishes as text; notes what goes on."""

    def __init__(self, bad=(), secs=0.0, finish_secs=0.0, shapes=1):
        self.bad, self.secs, self.finish_secs, self.shapes = bad, secs, finish_secs, shapes
        self.lock, self.inside, self.most, self.costs = threading.Lock(), [], 0, []
        self.batches, self.threads, self.busy = [], set(), 0.0

    def measure(self, item):
        return item

    def load(self, item):
        with self.lock:
            self.inside.append(item)
            self.most = max(self.most, len(self.inside))
            self.costs.append(sum(self.inside))
        time.sleep(self.secs)
        if ("load", item) in self.bad:
            self.leave(item)
            raise ValueError(f"load {item}")
        if ("early", item) in self.bad:
            self.leave(item)
            return Early(f"{item} early")
        return item

    def shape(self, loaded):
        return loaded % self.shapes

    def predict(self, batch):
        start = time.perf_counter()
        self.batches.append(list(batch))
        self.threads.add(threading.get_ident())
        time.sleep(self.secs)
        for item in batch:
            if ("predict", item) in self.bad:
                raise ValueError(f"predict {item}")
        self.busy += time.perf_counter() - start
        return [10 * item for item in batch]

    def finish(self, item, loaded, predicted):
        time.sleep(self.finish_secs)
        self.leave(item)
        if ("finish", item) in self.bad:
            raise ValueError(f"finish {item}")
        assert item == loaded
        return str(predicted)

    def leave(self, item):
        with self.lock:
            self.inside.remove(item)

    def fail(self, item, error):
        if ("stop", item) in self.bad:
            raise error
        with self.lock:
            if item in self.inside:
                self.inside.remove(item)
        return str(error)


def run(stations, items, is_stopped=lambda: False, **limits):
    limits = Limits(**{"num_threads": 3, **limits})
    return Conveyor(stations, limits, is_stopped).run(items)


@pytest.mark.parametrize("num_threads", [1, 4])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_every_item_has_one_result(num_threads, batch_size):
    numbers = Numbers(secs=0.001, shapes=2)
    results = list(run(numbers, range(40), num_threads=num_threads, batch_size=batch_size))
    assert sorted(map(int, results)) == list(range(0, 400, 10))
    assert numbers.threads == {threading.get_ident()}
    assert max(map(len, numbers.batches)) <= batch_size
    assert all(len({item % 2 for item in batch}) == 1 for batch in numbers.batches)
    assert list(run(Numbers(), [])) == []


def test_what_waits_is_looked_at_together():
    numbers = Numbers(secs=0.02, shapes=2)
    list(run(numbers, range(24), batch_size=4, num_threads=8))
    assert max(map(len, numbers.batches)) > 1


def test_what_fails_has_a_result_too_and_disturbs_no_other():
    bad = {("load", 3), ("predict", 5), ("finish", 7), ("early", 9)}
    results = list(run(Numbers(bad), range(12), batch_size=3))
    expected = {str(10 * n) for n in range(12) if n not in (3, 5, 7, 9)}
    assert set(results) == expected | {"load 3", "predict 5", "finish 7", "9 early"}
    assert len(results) == 12


@pytest.mark.parametrize("step", ["load", "predict", "finish"])
def test_what_stops_everything_begins_nothing_new(step):
    numbers = Numbers({(step, 4), ("stop", 4)}, secs=0.002)
    results = []
    with pytest.raises(ValueError, match=f"{step} 4"):
        for result in run(numbers, range(1000)):
            results.append(result)
    assert len(results) < 40
    assert threading.active_count() < 20


def test_items_that_are_large_together_go_one_by_one():
    numbers = Numbers(secs=0.002, finish_secs=0.002)
    list(run(numbers, [6, 5, 30, 4, 4, 7, 40, 1, 1, 1], budget=12))
    assert {cost for cost in numbers.costs if cost > 12} == {30, 40}
    assert numbers.most > 1


def test_what_is_loaded_is_bounded_however_slow_the_rest_is():
    numbers = Numbers(finish_secs=0.01)
    list(run(numbers, [0] * 60, num_threads=2))
    assert numbers.most <= Limits(2).max_items


def test_the_network_does_not_wait_for_the_others():
    numbers = Numbers(secs=0.02, finish_secs=0.02)
    start = time.perf_counter()
    list(run(numbers, range(30), num_threads=4))
    assert numbers.busy > 0.7 * (time.perf_counter() - start)


def test_a_stop_finishes_what_the_network_has_seen_and_drops_the_rest():
    numbers = Numbers(secs=0.002, finish_secs=0.01)
    results = []
    for result in run(numbers, range(1000), lambda: len(results) >= 5):
        results.append(result)
    seen = [item for batch in numbers.batches for item in batch]
    assert sorted(map(int, results)) == sorted(10 * item for item in seen)
    assert 5 <= len(results) < 40


def test_a_caller_who_gives_up_is_not_kept_waiting():
    numbers = Numbers(secs=0.002)
    results = run(numbers, range(100_000))
    assert len([next(results) for _ in range(3)]) == 3
    start = time.perf_counter()
    results.close()
    assert time.perf_counter() - start < 5
