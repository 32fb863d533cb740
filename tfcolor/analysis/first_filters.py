"""The kernels of a network's first convolution, which can be looked at."""

import numpy as np
import tensorflow as tf

from tfcolor.analysis.figures import draw_filters
from tfcolor.analysis.findings import Findings
from tfcolor.analysis.observation import ObservedNetwork
from tfcolor.layers.batch_norm import EPSILON

NAME = "first_filters"
DEAD_SHARE = 0.01
"""A kernel is dead whose norm is below this share of the median norm."""


def show_first_filters(network: ObservedNetwork) -> Findings:
    """Shows the kernels of the first convolution.

    Args:
      network: any base network.

    Returns:
      `filters` with the `l2_norm` of each kernel, that after batch norm is
      absorbed into the kernel (`l2_norm_absorbed`, the same without batch norm)
      and its `smoothness`; `layer`, `kernel_size`, `batch_norm`, the number of
      dead kernels `num_dead` and the median of the norms and of the smoothness.

    References:
      Larsson. Discovery of Visual Semantics by Unsupervised and Self-Supervised
      Representation Learning. 2017, chapter 3.
    """
    layer = next(iter(network.backbone.convolutions))
    kernel = network.backbone.convolutions[layer].kernel.numpy().astype(np.float64)
    norms = np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)))
    smoothness = kernel_smoothness(kernel)
    normalization = network.backbone.batch_norms.get(layer)
    absorbed = norms if normalization is None else norms * _factors(normalization)
    rows = [
        {"filter": index, "l2_norm": norm, "l2_norm_absorbed": scaled, "smoothness": smooth}
        for index, (norm, scaled, smooth) in enumerate(
            zip(norms.tolist(), absorbed.tolist(), smoothness.tolist(), strict=True)
        )
    ]
    num_dead = int((norms <= DEAD_SHARE * np.median(norms)).sum())
    alive = smoothness[np.isfinite(smoothness)]
    median_smoothness = float(np.median(alive)) if alive.size else float("nan")
    note = "before batch norm" if normalization is not None else "no batch norm"
    tags = ("l2_norm", "smoothness")
    return Findings(
        name=NAME,
        numbers={
            "analysis": NAME,
            "model": network.name,
            "layer": layer,
            "kernel_size": list(kernel.shape[:2]),
            "num_channels": kernel.shape[2],
            "num_filters": kernel.shape[3],
            "batch_norm": normalization is not None,
            "num_dead": num_dead,
            "median_l2_norm": float(np.median(norms)),
            "median_smoothness": median_smoothness,
            "filters": rows,
        },
        figure=draw_filters(kernel, f"{layer} of {network.name} ({note})"),
        scalars=[(tag, row["filter"], row[tag]) for row in rows for tag in tags],
        headline=f"{kernel.shape[3]} filters of {layer}, {num_dead} dead, median smoothness "
        f"{median_smoothness:.2f}",
    )


def kernel_smoothness(kernel: np.ndarray) -> np.ndarray:
    """Returns how alike neighboring weights of each kernel are.

    The mean product of horizontally and vertically adjacent weights over the
    mean square of the weights.

    Args:
      kernel: float [kh, kw, C, out].

    Returns:
      float64 [out]: 1 for constant kernels, about 0 for noise, negative for
      checkerboards; NaN for kernels of one cell or of zeros.

    Example:
      >>> kernel_smoothness(np.ones([3, 3, 1, 2])).tolist()
      [1.0, 1.0]
    """
    kernel = np.asarray(kernel, np.float64)
    products = [
        (kernel[1:] * kernel[:-1]).reshape(-1, kernel.shape[-1]),
        (kernel[:, 1:] * kernel[:, :-1]).reshape(-1, kernel.shape[-1]),
    ]
    pairs = np.concatenate(products)
    power = np.mean(kernel**2, axis=(0, 1, 2))
    if not len(pairs):
        return np.full(kernel.shape[-1], np.nan)
    with np.errstate(invalid="ignore"):
        return np.where(power > 0, pairs.mean(axis=0) / power, np.nan)


def _factors(normalization: tf.keras.layers.Layer) -> np.ndarray:
    """Returns what a batch norm multiplies each channel by, float64 [out], unsigned."""
    factors = 1 / np.sqrt(normalization.moving_variance.numpy().astype(np.float64) + EPSILON)
    scale = getattr(normalization, "scale", None)
    return factors if scale is None else factors * np.abs(scale.numpy())
