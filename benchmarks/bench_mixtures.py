"""EM iterations of mixtures against what they cannot do without.

`python benchmarks/bench_mixtures.py` times one iteration of

- a plain Bernoulli mixture (1280 components of 288 bits) and its two matrix
  products alone;
- a diagonal Gaussian mixture here and in scikit-learn's `GaussianMixture`;
- a mixture over 32 rotations, and the two products of the direct sum over all
  pairs of blocks on a part of the samples, scaled up;
- a class-level mixture of sparse samples;

each function in turn, round after round, and then the peak memory of the plain
iteration for more and more samples. Results go to results/mixtures.json.
"""

import argparse
import functools
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

import numpy as np  # noqa: E402
import scipy.sparse  # noqa: E402
import tensorflow as tf  # noqa: E402
from measuring import (  # noqa: E402
    RESULTS,
    Record,
    environment_without_keeping,
    keep_memory,
    measure,
    measure_limits,
    peak_bytes,
    summarize,
    write_results,
)
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.mixture import GaussianMixture as ReferenceMixture  # noqa: E402

from tfcolor.mixtures.bernoulli import BernoulliMixture, BernoulliOptions  # noqa: E402
from tfcolor.mixtures.expectation_maximization import em_step  # noqa: E402
from tfcolor.mixtures.gaussian import GaussianMixture, GaussianOptions  # noqa: E402
from tfcolor.mixtures.samples import DenseSamples, Samples, SparseSamples  # noqa: E402

SIZE, PLAIN_COMPONENTS, COMPONENTS, ROTATIONS = 288, 1280, 40, 32
CHUNK = 1000
DIRECT_SHARE = 10
"""One of how many samples the direct sums are timed on."""
Runs = dict[str, Callable[[], object]]


def main(arguments: list[str]) -> None:
    """Measures everything, or with --peak one peak only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", type=int, help="print the peak memory for as many samples")
    options = parser.parse_args(arguments)
    if options.peak is not None:
        print(_peak(options.peak))
        return
    keep_memory()
    # As `fit_parts` does; a deterministic TensorFlow makes some pipelines serial.
    tf.config.experimental.enable_op_determinism()
    tf.random.set_seed(0)
    warnings.simplefilter("ignore", ConvergenceWarning)
    records: list[Record] = []
    cases = (_plain, _gaussian, _rotations, _sparse)
    for case in cases:
        name, runs = case(options.samples)
        times = measure(runs, options.rounds)
        records += summarize("mixtures", name, _scaled(times))
    records += _peaks(options.samples)
    for record in records:
        print(f"{record.case:44} {record.implementation:28} {record.median_ms:10.1f} ms", end="")
        print("" if record.peak_bytes is None else f" {record.peak_bytes / 2**20:8.0f} MiB")
    print(write_results("mixtures", records, measure_limits()).relative_to(RESULTS.parent))


def _plain(num_samples: int) -> tuple[str, Runs]:
    """Returns a plain iteration and its products, chunk by chunk."""
    samples = DenseSamples(_bits(num_samples, 1, SIZE))
    blocks = tf.constant(samples.values[:CHUNK, 0], tf.float32)
    weights = tf.random.normal([SIZE, PLAIN_COMPONENTS])
    shares = tf.random.uniform([CHUNK, PLAIN_COMPONENTS])

    @tf.function
    def products() -> tuple[tf.Tensor, tf.Tensor]:
        return blocks @ weights, tf.matmul(blocks, shares, transpose_a=True)

    def all_products() -> None:
        for _ in range(num_samples // CHUNK):
            result = products()
        result[0].numpy()

    return f"plain, {num_samples} x {SIZE}, {PLAIN_COMPONENTS} components", {
        "iteration": _iteration(samples, PLAIN_COMPONENTS),
        "its two products": all_products,
    }


def _gaussian(num_samples: int) -> tuple[str, Runs]:
    """Returns a diagonal Gaussian iteration here and in scikit-learn."""
    size, components = 108, 200
    values = np.random.default_rng(0).normal(size=[num_samples, 1, size]).astype(np.float32)
    samples = DenseSamples(values)
    options = GaussianOptions(num_components=components, covariance="diagonal")
    start = GaussianMixture.initialize(samples, options, seed=0)
    means = start.means[:, 0].astype(np.float32)

    def reference(iterations: int) -> ReferenceMixture:
        # Every setting is given, so that nothing else is timed.
        mixture = ReferenceMixture(
            components,
            covariance_type="diag",
            tol=0,
            max_iter=iterations,
            weights_init=start.weights[:, 0],
            means_init=means,
            precisions_init=np.ones_like(means),
            init_params="random",
        )
        return mixture.fit(values[:, 0])

    return f"diagonal Gaussian, {num_samples} x {size}, {components} components", {
        "iteration": functools.partial(em_step, start, samples, options),
        "scikit-learn 1": functools.partial(reference, 1),
        "scikit-learn 3": functools.partial(reference, 3),
    }


def _rotations(num_samples: int) -> tuple[str, Runs]:
    """Returns an iteration over rotations, and the direct products of a share."""
    samples = DenseSamples(_bits(num_samples, ROTATIONS, SIZE))
    part = max(num_samples // DIRECT_SHARE, 1)
    weights = tf.random.normal([SIZE, COMPONENTS * ROTATIONS])
    chunk = max(min(CHUNK // ROTATIONS, part), 1)

    def direct() -> None:
        for start in range(0, part, chunk):
            values = samples.values[start : start + chunk].reshape(-1, SIZE)
            blocks = tf.cast(values, tf.float32)
            sums = tf.matmul(blocks, blocks @ weights, transpose_a=True)
        sums.numpy()

    return f"{ROTATIONS} rotations, {num_samples} x {SIZE}, {COMPONENTS} components", {
        "iteration": _iteration(samples, COMPONENTS),
        f"direct products of 1/{DIRECT_SHARE}": direct,
    }


def _sparse(num_samples: int) -> tuple[str, Runs]:
    """Returns an iteration of one class: 16 rotations of 32,000 features."""
    num_samples, blocks, size, ones = num_samples // 10, 16, 32_000, 400
    columns = np.random.default_rng(0).integers(size, size=num_samples * blocks * ones)
    ends = np.arange(0, len(columns) + 1, ones)
    rows = scipy.sparse.csr_matrix(
        (np.ones(len(columns), np.uint8), columns, ends), [num_samples * blocks, size]
    )
    rows.sum_duplicates()
    rows.data[:] = 1
    return f"sparse, {num_samples} x {blocks} x {size}, 1 component", {
        "iteration": _iteration(SparseSamples(rows, blocks), 1)
    }


def _iteration(samples: Samples, num_components: int) -> Callable[[], object]:
    """Returns one EM iteration from random samples."""
    options = BernoulliOptions(num_components=num_components)
    start = BernoulliMixture.initialize(samples, options, seed=0)
    return functools.partial(em_step, start, samples, options)


def _scaled(times: dict[str, list[float]]) -> dict[str, list[float]]:
    """Adds what is only measured in part or as a difference."""
    direct = times.get(f"direct products of 1/{DIRECT_SHARE}")
    if direct is not None:
        times["direct products, scaled"] = [DIRECT_SHARE * value for value in direct]
    if "scikit-learn 3" in times:
        # Its start is an M-step of random responsibilities, its end an E-step.
        pairs = zip(times["scikit-learn 1"], times["scikit-learn 3"], strict=True)
        times["scikit-learn iteration"] = [(three - one) / 2 for one, three in pairs]
    return times


def _peaks(num_samples: int) -> list[Record]:
    """Returns the peak memory for several numbers of samples, of fresh processes."""
    records = []
    for count in (num_samples, 4 * num_samples, 16 * num_samples):
        command = [sys.executable, __file__, f"--peak={count}"]
        output = subprocess.run(
            command, env=environment_without_keeping(), capture_output=True, check=True, text=True
        ).stdout
        case = f"plain, {count} x {SIZE}, less the samples"
        records.append(Record("mixtures", case, "iteration", 0.0, 0.0, int(output), 1))
    return records


def _peak(num_samples: int) -> int:
    """Returns the peak memory of a plain iteration, less the samples themselves."""
    samples = DenseSamples(_bits(num_samples, 1, SIZE))
    _iteration(samples, PLAIN_COMPONENTS)()
    return peak_bytes() - samples.values.nbytes


def _bits(num_samples: int, num_blocks: int, size: int) -> np.ndarray:
    """Returns uint8 [N, P, D], one in eight a one, without a larger array between."""
    generator = np.random.default_rng(0)
    bits = np.empty([num_samples, num_blocks, size], np.uint8)
    for sample in bits:
        sample[:] = generator.integers(8, size=sample.shape, dtype=np.uint8) == 0
    return bits


if __name__ == "__main__":
    main(sys.argv[1:])
