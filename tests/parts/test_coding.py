import numpy as np
import pytest
import tensorflow as tf

from tfcolor.parts import coding
from tfcolor.parts.coding import code_parts, edge_counts, part_kernel
from tfcolor.parts.edges import EdgeOptions, oriented_edges
from tfcolor.parts.pooling import FeatureLayout, PoolOptions, pooled_map, pooled_matrix

FOUR = np.array([[1, 1, 0, 0], [1, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 0]], np.uint8)
FOUR_PARTS = np.array([[[0.9, 0.9], [0.1, 0.1]], [[0.1, 0.9], [0.1, 0.9]], [[0.5] * 2] * 2])


@pytest.fixture(autouse=True)
def run_eagerly(request):
    """Tracing costs more than these tests; one of them is about graphs."""
    tf.config.run_functions_eagerly("saved_model" not in request.node.name)
    yield
    tf.config.run_functions_eagerly(False)


def filters(parts):
    """Returns kernel and bias of means [F, S, S, D]."""
    parts = np.asarray(parts, np.float64)
    count, size = parts.shape[:2]
    log_odds = (np.log(parts) - np.log1p(-parts)).reshape(count, 1, -1)
    bias = np.log1p(-parts).reshape(count, -1).sum(axis=1)
    return part_kernel(log_odds, size), bias.astype(np.float32)


def coded_by_loops(edges, parts, min_edges, frame):
    """Section 7 of the specification in float64, one position at a time."""
    size = parts.shape[1]
    shape = [len(edges), *(max(d - size + 1, 0) for d in edges.shape[1:3])]
    result = np.full(shape, -1)
    for n, i, j in np.ndindex(*shape):
        patch = edges[n, i : i + size, j : j + size].astype(np.float64)
        inner = patch[frame : size - frame, frame : size - frame]
        if inner.sum() >= min_edges:
            likelihoods = patch * np.log(parts) + (1 - patch) * np.log1p(-parts)
            result[n, i, j] = np.argmax(likelihoods.sum(axis=(1, 2, 3)))
    return result


def golden_image():
    image = np.random.RandomState(0).randint(0, 256, (1, 12, 12, 1)) / 256
    return image.astype(np.float32)


def golden_edges():
    return oriented_edges(golden_image(), EdgeOptions())


def golden_parts():
    f, i, j, c = np.indices([4, 6, 6, 8])
    return 0.05 + 0.09 * ((7 * f + 3 * i + 5 * j + 2 * c) % 11)


@pytest.mark.parametrize(
    "min_edges,expected",
    [
        (0, [[0, 0, 1], [0, 1, 1], [1, 1, 0]]),
        (1, [[0, 0, 1], [0, 1, 1], [1, 1, 0]]),
        (2, [[0, -1, -1], [-1, -1, 1], [-1, 1, 0]]),
        (3, [[0, -1, -1], [-1, -1, 1], [-1, 1, 0]]),
    ],
)
def test_four_by_four_image(min_edges, expected):
    kernel, bias = filters(FOUR_PARTS[..., None])
    np.testing.assert_allclose(bias, [-4.815891, -4.815891, -2.772589], atol=1e-5)
    scores = np.tensordot(FOUR[:2, :2], kernel[:, :, 0], 2) + bias
    np.testing.assert_allclose(scores, [-2.618667, -7.013116, -2.772589], atol=1e-5)
    found = code_parts(FOUR[None, ..., None], kernel, bias, min_edges=min_edges, frame=0)
    np.testing.assert_array_equal(found[0], expected)


GOLDEN = np.array(
    [
        [3, 3, 0, 2, 2, 2, 3],
        [1, 3, 1, 3, 2, 1, 2],
        [0, 3, 1, 0, 2, 0, 1],
        [0, 1, 3, 1, 1, 2, 0],
        [2, 1, 1, 1, 3, 1, 0],
        [0, 0, 3, 3, 1, 1, 2],
        [1, 2, 2, 1, 1, 3, 0],
    ]
)


@pytest.mark.parametrize(
    "frame,min_edges,background",
    [
        (1, 2, []),
        (1, 40, [(0, 0), (0, 1), (0, 6), (1, 0), (4, 0), (5, 0), (6, 0), (6, 1), (6, 6)]),
        (
            0,
            80,
            [(0, t) for t in range(7)]
            + [(t, 0) for t in range(7)]
            + [(1, 6), (4, 6), (5, 6), (6, 1), (6, 5), (6, 6)],
        ),
    ],
)
def test_edges_of_a_random_image(frame, min_edges, background):
    kernel, bias = filters(golden_parts())
    expected = GOLDEN.copy()
    for place in background:
        expected[place] = -1
    found = code_parts(golden_edges(), kernel, bias, min_edges=min_edges, frame=frame)
    np.testing.assert_array_equal(found[0], expected)


def test_scores_and_counts_of_a_random_image():
    kernel, bias = filters(golden_parts())
    np.testing.assert_allclose(
        bias, [-275.263629, -274.157056, -276.949945, -274.923208], rtol=1e-6
    )
    patch = golden_edges()[0, :6, :6].numpy()
    scores = np.tensordot(patch, kernel, 3) + bias
    expected = [-282.936071, -285.990882, -284.636816, -263.768379]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    counts = edge_counts(golden_edges(), 6, 1)[0]
    np.testing.assert_array_equal(counts[0], [26, 34, 40, 43, 47, 46, 37])
    options = PoolOptions(window=2, stride=2)
    indices = code_parts(golden_edges(), kernel, bias, min_edges=40, frame=1)
    pooled = pooled_map(indices, FeatureLayout(4), options)[0].numpy()
    assert pooled.shape == (3, 3, 4)
    assert pooled[0, 0].tolist() == [0, 0, 0, 1]
    assert pooled[0, 2].tolist() == [0, 1, 1, 0]
    assert pooled[2, 0].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("per_chunk", [7, 4096])
@pytest.mark.parametrize("frame,min_edges", [(0, 0), (1, 2), (0, 9)])
def test_coding_agrees_with_loops(monkeypatch, per_chunk, frame, min_edges):
    monkeypatch.setattr(coding, "PATCHES_PER_CHUNK", per_chunk)
    monkeypatch.setattr(coding, "IMAGES_PER_BATCH", 2)
    random = np.random.RandomState(1)
    edges = (random.rand(3, 8, 11, 5) < 0.15).astype(np.uint8)
    edges[1] = 0
    parts = random.uniform(0.05, 0.95, [6, 4, 4, 5])
    found = code_parts(edges, *filters(parts), min_edges=min_edges, frame=frame)
    np.testing.assert_array_equal(found, coded_by_loops(edges, parts, min_edges, frame))


def test_first_of_equal_parts_wins():
    edges = (np.random.RandomState(2).rand(4, 9, 9, 2) < 0.4).astype(np.uint8)
    parts = np.random.RandomState(3).uniform(0.1, 0.9, [5, 3, 3, 2])
    kernel, bias = filters(np.tile(parts, [20, 1, 1, 1]))
    found = code_parts(edges, kernel, bias, min_edges=0, frame=0)
    np.testing.assert_array_equal(found, coded_by_loops(edges, parts, 0, 0))


def test_features_are_components_then_transformations():
    log_odds = np.arange(3 * 2 * 4 * 5, dtype=np.float32).reshape(3, 2, 20)
    kernel = part_kernel(log_odds, 2)
    assert kernel.shape == (2, 2, 5, 6)
    np.testing.assert_array_equal(kernel[..., 2 * 2 + 1], log_odds[2, 1].reshape(2, 2, 5))


def test_positions_that_pooling_discards_need_no_code():
    random = np.random.RandomState(4)
    edges = (random.rand(2, 13, 17, 3) < 0.3).astype(np.uint8)
    kernel, bias = filters(random.uniform(0.1, 0.9, [7, 3, 3, 3]))
    for options in (PoolOptions(), PoolOptions(window=2, stride=3), PoolOptions(dilation=1)):
        whole = code_parts(edges, kernel, bias, min_edges=1, frame=0)
        kept = code_parts(edges, kernel, bias, min_edges=1, frame=0, kept=options)
        pooled = [pooled_matrix(x, FeatureLayout(7), options).toarray() for x in (whole, kept)]
        np.testing.assert_array_equal(*pooled)
        assert (kept.numpy() >= 0).sum() < (whole.numpy() >= 0).sum()


@pytest.mark.parametrize("size", [(6, 6), (5, 9), (3, 3), (0, 0)])
def test_empty_and_small_images(size):
    kernel, bias = filters(golden_parts())
    shape = [2, *(max(d - 5, 0) for d in size)]
    empty = np.zeros([2, *size, 8], np.uint8)
    found = code_parts(empty, kernel, bias, min_edges=2, frame=1)
    np.testing.assert_array_equal(found, np.full(shape, -1))
    coded = code_parts(empty, kernel, bias, min_edges=0, frame=1).numpy()
    np.testing.assert_array_equal(coded, np.full(shape, np.argmax(bias)))
    assert code_parts(empty[:0], kernel, bias, min_edges=2, frame=1).shape == (0, *shape[1:])


def test_frame_must_leave_something():
    kernel, bias = filters(golden_parts())
    with pytest.raises(ValueError, match="frame=3: expected less than half of size=6"):
        code_parts(golden_edges(), kernel, bias, min_edges=2, frame=3)


def test_saved_model_of_edges_codes_and_pooling_takes_any_size(tmp_path):
    kernel, bias = filters(golden_parts())
    module = tf.Module()
    module.kernel, module.bias = tf.Variable(kernel), tf.Variable(bias)
    options = PoolOptions(window=2, stride=2)

    def classify(images):
        edges = oriented_edges(images, EdgeOptions())
        indices = code_parts(edges, module.kernel, module.bias, min_edges=40, frame=1)
        return {"indices": indices, "pooled": pooled_map(indices, FeatureLayout(4), options)}

    signature = [tf.TensorSpec([None, None, None, 1], tf.float32)]
    module.run = tf.function(classify, input_signature=signature, autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    found = loaded.run(tf.constant(golden_image()))
    expected = coded_by_loops(golden_edges().numpy(), golden_parts(), 40, 1)
    np.testing.assert_array_equal(found["indices"], expected)
    np.testing.assert_array_equal(
        found["pooled"], pooled_map(expected.astype(np.int32), FeatureLayout(4), options)
    )
    small = loaded.run(tf.zeros([2, 5, 8, 1]))
    assert small["indices"].shape == (2, 0, 3)
    assert small["pooled"].shape == (2, 0, 1, 4)
