"""Checks and times the CUDA kernels alone, without TensorFlow.

Needs a GPU, nvcc and PyTorch (for memory and for `grid_sample`):
`python benchmarks/cuda/check_sparse_hypercolumn.py`; with `--check_only` also
under `compute-sanitizer`. Results go to benchmarks/results/.
"""

import argparse
import ctypes
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "custom_ops/sparse_hypercolumn/kernels_gpu.cu.cc"
TYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}
EPSILON = {torch.float32: 2e-6, torch.bfloat16: 2**-8, torch.float16: 2**-11}
VGG = ((1, 1, 1), (1, 64, 2), (2, 128, 2), (4, 256, 3), (8, 512, 3), (16, 512, 3), (32, 4096, 2))


class MapGeometry(ctypes.Structure):
    """As in coordinates.h."""

    _fields_ = [(n, ctypes.c_int64) for n in ("height", "width", "channels", "first_channel")]
    _fields_ += [(n, ctypes.c_double) for n in ("stride", "row_offset", "column_offset")]


class ColumnsShape(ctypes.Structure):
    """As in kernels.h."""

    _fields_ = [(n, ctypes.c_int64) for n in ("batch", "num_locations", "channels")]


class Hypercolumns:
    """The kernels on a list of maps, through the C launchers.

    Args:
      library: the compiled kernels.
      maps: [B, H, W, C] tensors on the GPU.
      locations: float32 [B, L, 2] on the GPU, input pixels.
      strides: of each map; its offset is (stride - 1) / 2.
    """

    def __init__(self, library: ctypes.CDLL, maps: list, locations: torch.Tensor, strides: list):
        self.library, self.maps, self.locations = library, maps, locations
        self.geometry, first = [], 0
        for one, stride in zip(maps, strides, strict=True):
            _, height, width, channels = one.shape
            offset = (stride - 1) / 2
            self.geometry.append(
                MapGeometry(height, width, channels, first, stride, offset, offset)
            )
            first += channels
        self.shape = ColumnsShape(*locations.shape[:2], first)
        size = library.TfcolorScatterScratchBytes(ctypes.byref(self.shape))
        self.scratch = torch.empty(max(size, 1), dtype=torch.uint8, device="cuda")
        self.columns = torch.empty(
            [*locations.shape[:2], first], dtype=maps[0].dtype, device="cuda"
        )
        self.gradients = [torch.empty_like(one) for one in maps]

    def forward(self) -> torch.Tensor:
        """Samples every map."""
        for one, geometry in zip(self.maps, self.geometry, strict=True):
            error = self.library.TfcolorSampleOnGpu(
                TYPES[one.dtype],
                ctypes.byref(geometry),
                _pointer(one),
                _pointer(self.locations),
                ctypes.byref(self.shape),
                _pointer(self.columns),
                ctypes.c_void_p(torch.cuda.current_stream().cuda_stream),
            )
            _require(error)
        return self.columns

    def backward(self, columns_gradient: torch.Tensor, adds: bool) -> list:
        """Scatters into every gradient, or adds to it."""
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        for one, geometry in zip(self.gradients, self.geometry, strict=True):
            error = self.library.TfcolorScatterOnGpu(
                TYPES[one.dtype],
                ctypes.byref(geometry),
                _pointer(self.locations),
                ctypes.byref(self.shape),
                _pointer(columns_gradient),
                int(adds),
                _pointer(one),
                _pointer(self.scratch),
                stream,
            )
            _require(error)
        return self.gradients


def _pointer(tensor: torch.Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def _require(error: bytes | None) -> None:
    if error:
        raise RuntimeError(error.decode())


def compile_library(folder: Path) -> ctypes.CDLL:
    """Compiles the kernels for the GPU that is there."""
    major, minor = torch.cuda.get_device_capability()
    target = folder / "kernels_gpu.so"
    command = ["nvcc", "-x", "cu", "-std=c++17", "-O3", f"-arch=sm_{major}{minor}", "-shared"]
    subprocess.run([*command, "-Xcompiler=-fPIC", str(SOURCE), "-o", str(target)], check=True)
    library = ctypes.CDLL(str(target))
    library.TfcolorSampleOnGpu.restype = ctypes.c_char_p
    library.TfcolorScatterOnGpu.restype = ctypes.c_char_p
    library.TfcolorScatterScratchBytes.restype = ctypes.c_int64
    return library


def corners(location: np.ndarray, geometry: MapGeometry) -> list:
    """The cells around a location and their weights, in float64."""
    axes = []
    offsets = (geometry.row_offset, geometry.column_offset)
    for position, offset, size in zip(
        location, offsets, (geometry.height, geometry.width), strict=True
    ):
        cell = np.clip((np.float64(position) - offset) / geometry.stride, 0, size - 1)
        low = int(cell)
        axes.append([(low, 1 - cell + low), (min(low + 1, size - 1), cell - low)])
    return [((r, c), a * b) for r, a in axes[0] for c, b in axes[1]]


def check(library: ctypes.CDLL, dtype: torch.dtype) -> None:
    """Compares both directions with float64, and repeats them for equal bits."""
    torch.manual_seed(1)
    sizes = ((21, 17, 5, 1), (9, 4, 67, 3), (1, 6, 700, 8), (1, 1, 9, 32), (2, 2, 33, 16))
    maps = [torch.randn(3, h, w, c, device="cuda").to(dtype) for h, w, c, _ in sizes]
    locations = torch.rand(3, 70, 2, device="cuda") * 40 - 9
    locations[:, ::5] = locations[:, ::5].round()
    run = Hypercolumns(library, maps, locations, [size[3] for size in sizes])
    columns = run.forward().double().cpu().numpy()
    weights = torch.randn_like(run.columns)
    for gradient in run.gradients:
        gradient.fill_(0.5)
    added = [one.clone() for one in run.backward(weights, adds=True)]
    plain = [one.clone() for one in run.backward(weights, adds=False)]
    again = run.backward(weights, adds=False)
    where, slope = locations.cpu().numpy(), weights.double().cpu().numpy()
    for index, (one, geometry) in enumerate(zip(maps, run.geometry, strict=True)):
        values, exact = one.double().cpu().numpy(), np.zeros(one.shape)
        channels = slice(geometry.first_channel, geometry.first_channel + geometry.channels)
        for b, index_l in np.ndindex(*where.shape[:2]):
            sample = 0.0
            for (row, column), weight in corners(where[b, index_l], geometry):
                sample += weight * values[b, row, column]
                exact[b, row, column] += weight * slope[b, index_l, channels]
            np.testing.assert_allclose(
                columns[b, index_l, channels], sample, atol=8 * EPSILON[dtype]
            )
        tolerance = {"rtol": 2 * EPSILON[dtype], "atol": 3e-5}
        np.testing.assert_allclose(plain[index].double().cpu(), exact, **tolerance)
        np.testing.assert_allclose(added[index].double().cpu(), exact + 0.5, **tolerance)
        assert torch.equal(plain[index], again[index])
    print(f"{dtype}: forward, backward and adding agree with float64, bits repeat")


def grid_sample(maps: list, grids: list) -> torch.Tensor:
    """PyTorch's own op on every map [B, C, H, W], then a concat."""
    samples = [
        torch.nn.functional.grid_sample(one, grid, align_corners=True, padding_mode="border")
        for one, grid in zip(maps, grids, strict=True)
    ]
    return torch.cat([one[:, :, 0].transpose(1, 2) for one in samples], -1)


def time_on_gpu(run: Callable, rounds: int = 30) -> float:
    """Returns the median time of a call, ms."""
    times = []
    for _ in range(rounds + 3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times[3:])


def compare(library: ctypes.CDLL, size: int, count: int, batch: int = 4) -> list[dict]:
    """Times ours, `grid_sample` and a device copy of as many bytes."""
    layers = [(stride, channels) for stride, channels, n in VGG for _ in range(n)]
    maps = [torch.rand(batch, -(-size // s), -(-size // s), c, device="cuda") for s, c in layers]
    locations = torch.randint(0, size, (batch, count, 2), device="cuda").float()
    run = Hypercolumns(library, maps, locations, [stride for stride, _ in layers])
    weights = torch.rand_like(run.columns)
    planar = [one.permute(0, 3, 1, 2).contiguous().requires_grad_() for one in maps]
    grids = []
    for one, (stride, _) in zip(maps, layers, strict=True):
        cells = (locations.flip(-1) - (stride - 1) / 2) / stride
        grids.append((2 * cells / max(one.shape[1] - 1, 1) - 1)[:, None])
    copied = torch.empty_like(run.columns)

    def both() -> None:
        run.forward()
        run.backward(weights, adds=False)

    def peer() -> None:
        for one in planar:
            one.grad = None
        grid_sample(planar, grids).backward(weights)

    runs = {
        "forward": run.forward,
        "pass_through_backward": lambda: run.backward(weights, adds=True),
        "both": both,
        "grid_sample_forward": lambda: grid_sample([p.detach() for p in planar], grids),
        "grid_sample_both": peer,
        "copy_of_columns": lambda: copied.copy_(run.columns),
    }
    case = f"{size} px, L={count}"
    return [
        {"benchmark": "cuda", "case": case, "implementation": name, "median_ms": time_on_gpu(one)}
        for name, one in runs.items()
    ]


def main(arguments: list[str]) -> int:
    """Checks, then times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check_only", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        library = compile_library(Path(folder))
        for dtype in TYPES:
            check(library, dtype)
        if options.check_only:
            return 0
        records = [
            record
            for size in (256, 448)
            for count in (256, 1024)
            for record in compare(library, size, count)
        ]
    for record in records:
        print(f"{record['case']:16}{record['implementation']:24}{record['median_ms']:9.3f} ms")
    path = ROOT / "benchmarks/results/sparse_hypercolumn_cuda.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps([*records, {"gpu": torch.cuda.get_device_name()}], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
