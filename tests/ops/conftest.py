"""The sampling rule in float64, and the two implementations side by side."""

import numpy as np
import pytest

from tfcolor.ops.implementation import IMPLEMENTATIONS
from tfcolor.ops.native_library import NativeLibraryError, load_native_ops


def corners(location, size, stride, offset):
    """Section 4.1 in float64: the four cells and their weights."""
    axes = []
    for position, cells, start in zip(location, size, offset, strict=True):
        cell = np.clip((np.float64(position) - np.float64(start)) / stride, 0, cells - 1)
        low = int(min(np.floor(cell), max(cells - 2, 0)))
        axes.append([(low, 1 - (cell - low)), (min(low + 1, cells - 1), cell - low)])
    return [((row, column), a * b) for row, a in axes[0] for column, b in axes[1]]


def columns(maps, locations, taps):
    """Hypercolumns, one location at a time, in float64."""
    return np.concatenate(
        [_columns_of(one, locations, tap) for one, tap in zip(maps, taps, strict=True)], axis=-1
    )


def _columns_of(features, locations, tap):
    _, height, width, channels = features.shape
    samples = np.zeros([*locations.shape[:2], channels])
    for index in np.ndindex(*locations.shape[:2]):
        cells = corners(locations[index], (height, width), tap.stride, tap.offset)
        for (row, column), weight in cells:
            samples[index] += weight * features[index[0], row, column].astype(np.float64)
    return samples


def gradients(maps, locations, taps, columns_gradient):
    """The transpose of `columns`, in float64."""
    results, first = [], 0
    for features, tap in zip(maps, taps, strict=True):
        result = np.zeros(features.shape)
        piece = columns_gradient[..., first : first + features.shape[-1]].astype(np.float64)
        for index in np.ndindex(*locations.shape[:2]):
            cells = corners(locations[index], features.shape[1:3], tap.stride, tap.offset)
            for (row, column), weight in cells:
                result[index[0], row, column] += weight * piece[index]
        results.append(result)
        first += features.shape[-1]
    return results


@pytest.fixture(scope="session")
def exact_columns():
    """Returns `columns(maps, locations, taps)`."""
    return columns


@pytest.fixture(scope="session")
def exact_gradients():
    """Returns `gradients(maps, locations, taps, columns_gradient)`."""
    return gradients


@pytest.fixture(scope="session")
def native_ops():
    """Loads the native ops, or skips the test and says what is missing."""
    try:
        return load_native_ops()
    except NativeLibraryError as error:
        pytest.skip(str(error))


@pytest.fixture(
    params=[
        pytest.param(one, marks=[pytest.mark.native] * (one == "native")) for one in IMPLEMENTATIONS
    ]
)
def implementation(request):
    """Runs a test once for each implementation."""
    if request.param == "native":
        request.getfixturevalue("native_ops")
    return request.param
