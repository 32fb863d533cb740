import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfcolor.core.errors import UserError
from tfcolor.data.images import UnreadableImageError
from tfcolor.data.pipeline import Annotation, BatchPlan, build_dataset, example_position
from tfcolor.data.reading import ExampleReader
from tfcolor.data.sources.image_folder import FileSource
from tfcolor.data.transforms import ViewOptions, random_locations, random_view

NUM_IMAGES = 7
OPTIONS = ViewOptions(crop_size=8, min_side=8, max_side=14)


@pytest.fixture
def paths(tmp_path):
    """Noise images of different sizes, image i with first sample 10 i."""
    generator = np.random.default_rng(0)
    paths = [tmp_path / f"{number}.png" for number in range(NUM_IMAGES)]
    for number, path in enumerate(paths):
        image = generator.integers(0, 256, (9 + number, 17 - number, 3)).astype(np.uint8)
        image[0, 0, 0] = 10 * number
        Image.fromarray(image).save(path)
    return paths


@pytest.fixture
def reader(paths):
    return ExampleReader(FileSource(paths), cache_bytes=10_000)


def _make_example(image, seed):
    inputs = {"view": random_view(image, seed, OPTIONS), "number": image[0, 0, 0] // 10}
    return inputs, {"locations": random_locations(seed, 4, size=8, edge=1)}


def _batches(reader, plan, **options):
    return list(build_dataset(reader, _make_example, plan, **options).as_numpy_iterator())


def _assert_same(batches, expected):
    assert len(batches) == len(expected)
    for batch, other in zip(batches, expected, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, batch, other)


def _concatenate(batches):
    return tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)


def test_resuming_gives_the_same_batches_bit_for_bit(reader, paths):
    whole = _batches(reader, BatchPlan(batch_size=3, seed=5, num_batches=6))
    fresh = ExampleReader(FileSource(paths))
    resumed = _batches(fresh, BatchPlan(batch_size=3, seed=5, first_batch=4, num_batches=2))
    _assert_same(resumed, whole[4:])


@pytest.mark.parametrize(
    "shards",
    [((0, 3), (3, 6)), ((0, 4), (4, 6)), ((0, 2), (2, 4), (4, 5), (5, 6)), ((0, 1), (1, 6))],
)
def test_shards_together_are_the_global_batch(reader, shards):
    whole = _batches(reader, BatchPlan(batch_size=6, seed=5, num_batches=3))
    parts = _batches(reader, BatchPlan(batch_size=6, seed=5, num_batches=3, shards=shards))
    sizes = [len(inputs["number"]) for inputs, _ in parts]
    assert sizes == 3 * [end - begin for begin, end in shards]
    num = len(shards)
    joined = [_concatenate(parts[begin : begin + num]) for begin in range(0, 3 * num, num)]
    _assert_same(joined, whole)


def test_a_worker_yields_its_slots_only(reader):
    whole = _batches(reader, BatchPlan(batch_size=6, seed=5, num_batches=3))
    plan = BatchPlan(batch_size=6, seed=5, num_batches=3, shards=((2, 5),))
    expected = [tf.nest.map_structure(lambda array: array[2:5], batch) for batch in whole]
    _assert_same(_batches(reader, plan), expected)


def test_every_epoch_shows_each_image_once_in_its_own_order(reader):
    batches = _batches(reader, BatchPlan(batch_size=5, seed=1, num_batches=3 * NUM_IMAGES))
    numbers = np.concatenate([inputs["number"] for inputs, _ in batches]).reshape(-1, NUM_IMAGES)
    assert len(numbers) == 15
    np.testing.assert_array_equal(np.sort(numbers, axis=1), [list(range(NUM_IMAGES))] * 15)
    assert len({tuple(order) for order in numbers}) > 10


def test_the_images_of_the_examples_can_be_chosen(reader):
    plan = BatchPlan(batch_size=4, seed=1, first_batch=2, num_batches=4)
    batches = _batches(reader, plan, choose=lambda index: 3 * index % NUM_IMAGES)
    numbers = np.concatenate([inputs["number"] for inputs, _ in batches])
    np.testing.assert_array_equal(numbers, 3 * np.arange(8, 24) % NUM_IMAGES)


def test_pipeline_equals_the_same_functions_called_eagerly(reader):
    plan = BatchPlan(batch_size=4, seed=3, num_batches=3)
    for batch, (inputs, targets) in enumerate(_batches(reader, plan)):
        for slot in range(4):
            index = tf.constant(4 * batch + slot, tf.int64)
            position = int(example_position(index, NUM_IMAGES, seed=3))
            seed = tf.stack([tf.constant(3, tf.int64), index])
            expected = _make_example(tf.constant(reader.read(position)[0]), seed)
            np.testing.assert_array_equal(inputs["seed"][slot], seed)
            np.testing.assert_array_equal(inputs["view"][slot], expected[0]["view"])
            np.testing.assert_array_equal(targets["locations"][slot], expected[1]["locations"])


def test_seeds_change_order_and_views(reader):
    first, second = (
        _batches(reader, BatchPlan(batch_size=7, seed=seed, num_batches=2)) for seed in (0, 1)
    )
    assert any(
        np.any(one[0]["number"] != other[0]["number"])
        for one, other in zip(first, second, strict=True)
    )
    assert np.any(first[0][1]["locations"] != second[0][1]["locations"])


def test_global_random_state_does_not_matter(reader):
    plan = BatchPlan(batch_size=3, seed=5, num_batches=2)
    tf.random.set_seed(1)
    first = _batches(reader, plan)
    tf.random.set_seed(2)
    _assert_same(_batches(reader, plan), first)


def test_cached_images_stay_as_they_were(reader, paths):
    def brighten(image, seed):
        return {"image": tf.bitwise.invert(image)[:8, :8] + tf.constant(1, tf.uint8)}, {}

    plan = BatchPlan(batch_size=2, seed=0, num_batches=20)
    for _ in build_dataset(reader, brighten, plan):
        pass
    for number, path in enumerate(paths):
        np.testing.assert_array_equal(reader.read(number)[0], np.asarray(Image.open(path)))


def test_a_corrupt_file_is_skipped_and_named(paths):
    paths[2].write_bytes(b"torn")
    reader = ExampleReader(FileSource(paths))
    batches = _batches(reader, BatchPlan(batch_size=7, seed=0, num_batches=2))
    numbers = np.concatenate([inputs["number"] for inputs, _ in batches])
    assert sorted(numbers) == sorted(2 * [0, 1, 3, 3, 4, 5, 6])
    assert list(reader.unreadable) == [str(paths[2])]


def test_nothing_readable_is_a_user_error_when_building(tmp_path):
    reader = ExampleReader(FileSource([tmp_path / "gone.png"]))
    with pytest.raises(UserError, match=r"none of the 1 images .*gone\.png"):
        build_dataset(reader, _make_example, BatchPlan(batch_size=2, seed=0))


def test_shapes_are_static_where_shards_agree(reader):
    def batch_sizes(shards):
        plan = BatchPlan(batch_size=6, seed=0, shards=shards)
        specs = build_dataset(reader, _make_example, plan).element_spec
        assert specs[0]["view"].shape[1:] == [8, 8, 3]
        return {spec.shape[0] for spec in tf.nest.flatten(specs)}

    assert batch_sizes(()) == {6}
    assert batch_sizes(((0, 3), (3, 6))) == {3}
    assert batch_sizes(((0, 2), (2, 6))) == {None}


def test_an_endless_plan_goes_on(reader):
    dataset = build_dataset(reader, _make_example, BatchPlan(batch_size=2, seed=0, first_batch=9))
    expected = _batches(reader, BatchPlan(batch_size=2, seed=0, num_batches=12))
    _assert_same(list(dataset.take(3).as_numpy_iterator()), expected[9:])


def test_nothing_is_tuned_while_it_runs(reader):
    """Or to end a run could take minutes."""
    dataset = build_dataset(reader, _make_example, BatchPlan(batch_size=2, seed=0))
    assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize("num_examples", [1, 2, 3, 10, 1001])
def test_positions_are_a_permutation_of_any_number(num_examples):
    @tf.function
    def positions(indices):
        place = lambda index: example_position(index, num_examples, seed=4)  # noqa: E731
        return tf.map_fn(place, indices)

    order = positions(tf.range(2 * num_examples, dtype=tf.int64)).numpy().reshape(2, -1)
    np.testing.assert_array_equal(np.sort(order), [np.arange(num_examples)] * 2)
    if num_examples > 1000:
        assert np.abs(np.corrcoef([*order, np.arange(num_examples)]) - np.eye(3)).max() < 0.13


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"batch_size": 0}, "batch_size=0: expected at least 1"),
        ({"batch_size": 4, "first_batch": -1}, "first_batch=-1"),
        ({"batch_size": 4, "num_batches": -2}, "num_batches=-2"),
        ({"batch_size": 4, "shards": ((0, 2), (2, 5))}, r"shard \(2, 5\): expected .* <= 4"),
        ({"batch_size": 4, "shards": ((2, 2),)}, r"shard \(2, 2\)"),
    ],
)
def test_impossible_plans_are_refused(plan, message):
    with pytest.raises(ValueError, match=message):
        BatchPlan(seed=0, **plan)


def test_an_annotation_belongs_to_the_image_that_was_read(paths):
    paths[2].write_bytes(b"torn")
    reader = ExampleReader(FileSource(paths))
    ramp = Annotation(
        lambda position: np.arange(position, position + 2, dtype=np.int16), tf.int16, (2,)
    )

    def make_example(image, annotation, seed):
        return {"number": image[0, 0, 0] // 10, "draw": seed[1]}, {"ramp": annotation}

    plan = BatchPlan(batch_size=7, seed=1, num_batches=3, shards=((0, 3), (3, 7)))
    dataset = build_dataset(reader, make_example, plan, annotation=ramp)
    assert dataset.element_spec[1]["ramp"].shape[1:] == [2]
    inputs, targets = _concatenate(list(dataset.as_numpy_iterator()))
    np.testing.assert_array_equal(targets["ramp"][:, 0], inputs["number"])
    np.testing.assert_array_equal(targets["ramp"][:, 1], inputs["number"] + 1)
    assert targets["ramp"].dtype == np.int16
    assert sorted(set(inputs["number"])) == [0, 1, 3, 4, 5, 6]


def _numbered(image, annotation, seed):
    del seed
    return {"number": image[0, 0, 0] // 10}, {"annotation": annotation}


def _partly_damaged(damaged, reads):
    def read(position):
        reads.append(position)
        if position in damaged:
            raise UnreadableImageError(f"map{position}", "torn")
        return np.array(position, np.int32)

    return Annotation(read, tf.int32)


def test_an_image_whose_annotation_is_unreadable_is_skipped_and_named_once(paths, caplog):
    paths[3].write_bytes(b"torn")
    reader, reads = ExampleReader(FileSource(paths)), []
    annotation = _partly_damaged({2, 6}, reads)
    plan = BatchPlan(batch_size=7, seed=0, num_batches=3)
    for _ in range(2):
        dataset = build_dataset(reader, _numbered, plan, annotation=annotation)
        inputs, targets = _concatenate(list(dataset.as_numpy_iterator()))
        np.testing.assert_array_equal(targets["annotation"], inputs["number"])
        assert sorted(inputs["number"]) == sorted(3 * [0, 0, 1, 4, 4, 4, 5])
    assert sorted(reader.unreadable) == sorted(["map2", "map6", str(paths[3])])
    assert reader.unreadable["map2"] == "torn"
    assert sum(record.getMessage() == "skipped map2: torn" for record in caplog.records) == 1


def test_an_unreadable_annotation_leaves_the_image_to_others(reader):
    plan = BatchPlan(batch_size=7, seed=0, num_batches=1)
    before = _batches(reader, plan)
    list(build_dataset(reader, _numbered, plan, annotation=_partly_damaged({2}, [])))
    _assert_same(_batches(reader, plan), before)


def test_an_annotation_found_unreadable_is_not_read_again(reader):
    reads = []
    plan = BatchPlan(batch_size=1, seed=0, num_batches=10)
    annotation = _partly_damaged({2}, reads)
    chosen = build_dataset(
        reader, _numbered, plan, annotation=annotation, choose=lambda index: index * 0 + 2
    )
    numbers = [inputs["number"].item() for inputs, _ in chosen.as_numpy_iterator()]
    assert numbers == 10 * [3]
    # Several examples may find it at the same time.
    assert 1 <= reads.count(2) < 10


def test_an_image_is_decoded_once_for_each_example(paths, monkeypatch):
    reads, read_bytes = [], FileSource.read_bytes
    monkeypatch.setattr(
        FileSource,
        "read_bytes",
        lambda one, index: (reads.append(index), read_bytes(one, index))[1],
    )
    dataset = build_dataset(
        ExampleReader(FileSource(paths)),
        _numbered,
        BatchPlan(batch_size=7, seed=0, num_batches=1),
        annotation=_partly_damaged(set(), []),
    )
    reads.clear()  # the first one is tried when building
    list(dataset)
    assert sorted(reads) == list(range(NUM_IMAGES))


def test_no_readable_annotation_is_a_user_error_when_building(reader):
    annotation = _partly_damaged(set(range(NUM_IMAGES)), [])
    with pytest.raises(UserError, match=r"none of the 7 images .* annotation .*map0: torn"):
        build_dataset(reader, _numbered, BatchPlan(2, seed=0), annotation=annotation)


def test_examples_of_different_sizes_are_padded_to_those_of_their_batch(reader, paths):
    def make_example(image, seed):
        del seed
        return {"image": image, "size": tf.shape(image)[:2]}, {"number": image[0, 0, 0] // 10}

    plan = BatchPlan(batch_size=3, seed=2, num_batches=4, shards=((0, 1), (1, 3)))
    dataset = build_dataset(reader, make_example, plan, has_equal_shapes=False)
    assert dataset.element_spec[0]["image"].shape[1:].as_list() == [None, None, 3]
    batches = list(dataset.as_numpy_iterator())
    for pair in zip(batches[::2], batches[1::2], strict=True):
        largest = np.concatenate([inputs["size"] for inputs, _ in pair]).max(axis=0)
        for inputs, targets in pair:
            assert inputs["image"].shape[1:3] == tuple(largest)
            for image, (height, width), number in zip(
                inputs["image"], inputs["size"], targets["number"], strict=True
            ):
                expected = np.asarray(Image.open(paths[number]))
                np.testing.assert_array_equal(image[:height, :width], expected)
                assert not image[height:].any() and not image[:, width:].any()
