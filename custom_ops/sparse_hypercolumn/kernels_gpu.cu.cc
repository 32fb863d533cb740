// CUDA kernels: neighboring threads take neighboring channels, so that reads
// and writes coalesce. No atomics: results do not depend on timing.

#include "kernels_gpu.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <algorithm>

namespace tfcolor {
namespace {

constexpr int kThreads = 128;
constexpr int kPerThread = 4;  // Channels summed by one thread.
constexpr int kTile = kThreads * kPerThread;
constexpr int64_t kMaxGrid = 65535;  // In the second and third dimension.

__device__ inline float ToFloat(float value) { return value; }
__device__ inline float ToFloat(__nv_bfloat16 value) { return __bfloat162float(value); }
__device__ inline float ToFloat(__half value) { return __half2float(value); }

__device__ inline void FromFloat(float value, float* result) { *result = value; }
__device__ inline void FromFloat(float value, __nv_bfloat16* result) {
  *result = __float2bfloat16_rn(value);
}
__device__ inline void FromFloat(float value, __half* result) { *result = __float2half_rn(value); }

// One block samples tiles of one location after another.
template <typename T>
__global__ void SampleKernel(MapGeometry map, const T* __restrict__ features,
                             const float* __restrict__ locations, ColumnsShape shape,
                             T* __restrict__ columns) {
  const int64_t rows = shape.batch * shape.num_locations;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const Corners corners = FindCorners(locations + 2 * row, map);
    const int64_t image = row / shape.num_locations;
    const T* source = features + image * map.height * map.width * map.channels;
    T* target = columns + row * shape.channels + map.first_channel;
    for (int64_t c = blockIdx.y * blockDim.x + threadIdx.x; c < map.channels;
         c += static_cast<int64_t>(gridDim.y) * blockDim.x) {
      float total = 0;
      for (int k = 0; k < corners.count; ++k) {
        total += corners.weights[k] * ToFloat(source[corners.cells[k] * map.channels + c]);
      }
      FromFloat(total, target + c);
    }
  }
}

// Writes the four shares of every location: cells, -1 for a weight of 0, and
// weights, both [batch, num_locations, 4].
__global__ void FindSharesKernel(MapGeometry map, const float* __restrict__ locations, int64_t rows,
                                 int64_t* __restrict__ cells, float* __restrict__ weights) {
  for (int64_t row = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x; row < rows;
       row += static_cast<int64_t>(gridDim.x) * blockDim.x) {
    const Corners corners = FindCorners(locations + 2 * row, map);
    for (int k = 0; k < 4; ++k) {
      cells[4 * row + k] = k < corners.count ? corners.cells[k] : -1;
      weights[4 * row + k] = corners.weights[k];
    }
  }
}

// One block per share and tile of channels. The block of the first share in a
// cell sums all of them, in the order of the locations; the others leave.
template <typename T>
__global__ void ScatterKernel(MapGeometry map, const int64_t* __restrict__ cells,
                              const float* __restrict__ weights, ColumnsShape shape,
                              const T* __restrict__ columns_gradient, bool adds,
                              T* __restrict__ gradient) {
  __shared__ int64_t matches[kThreads];
  __shared__ int num_matches;
  const int64_t num_shares = 4 * shape.num_locations;
  const int64_t image = blockIdx.x / num_shares;
  const int64_t own = blockIdx.x % num_shares;
  const int64_t* image_cells = cells + image * num_shares;
  const int64_t cell = image_cells[own];
  if (cell < 0) return;
  bool is_later = false;
  for (int64_t i = threadIdx.x; i < own; i += kThreads) is_later |= image_cells[i] == cell;
  if (__syncthreads_or(is_later)) return;

  const T* rows = columns_gradient + image * shape.num_locations * shape.channels;
  T* target = gradient + (image * map.height * map.width + cell) * map.channels;
  for (int64_t tile = blockIdx.y; tile * kTile < map.channels; tile += gridDim.y) {
    float totals[kPerThread] = {};
    for (int64_t first = own; first < num_shares; first += kThreads) {
      // One thread lists the matches among the next shares, so in their order.
      const int64_t candidate = first + threadIdx.x;
      const bool matches_here = candidate < num_shares && image_cells[candidate] == cell;
      if (!__syncthreads_or(matches_here)) continue;
      matches[threadIdx.x] = matches_here ? candidate : -1;
      __syncthreads();
      if (threadIdx.x == 0) {
        num_matches = 0;
        for (int i = 0; i < kThreads; ++i) {
          if (matches[i] >= 0) matches[num_matches++] = matches[i];
        }
      }
      __syncthreads();
      for (int i = 0; i < num_matches; ++i) {
        const float weight = weights[image * num_shares + matches[i]];
        const T* row = rows + matches[i] / 4 * shape.channels + map.first_channel;
        for (int k = 0; k < kPerThread; ++k) {
          const int64_t c = tile * kTile + k * kThreads + threadIdx.x;
          if (c < map.channels) totals[k] += weight * ToFloat(row[c]);
        }
      }
      __syncthreads();
    }
    for (int k = 0; k < kPerThread; ++k) {
      const int64_t c = tile * kTile + k * kThreads + threadIdx.x;
      if (c < map.channels) FromFloat((adds ? ToFloat(target[c]) : 0) + totals[k], target + c);
    }
  }
}

const char* LastError() {
  const cudaError_t error = cudaGetLastError();
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

unsigned TilesOf(int64_t channels, int64_t tile) {
  return static_cast<unsigned>(
      std::max<int64_t>(1, std::min(kMaxGrid, (channels + tile - 1) / tile)));
}

template <typename T>
const char* Sample(const MapGeometry& map, const void* features, const float* locations,
                   const ColumnsShape& shape, void* columns, cudaStream_t stream) {
  const int64_t rows = shape.batch * shape.num_locations;
  if (rows == 0 || map.channels == 0) return nullptr;
  const dim3 grid(static_cast<unsigned>(std::min<int64_t>(rows, INT32_MAX)),
                  TilesOf(map.channels, kTile));
  SampleKernel<T><<<grid, kThreads, 0, stream>>>(map, static_cast<const T*>(features), locations,
                                                 shape, static_cast<T*>(columns));
  return LastError();
}

template <typename T>
const char* ScatterAll(const MapGeometry& map, const float* locations, const ColumnsShape& shape,
                       const void* columns_gradient, bool adds, void* gradient, void* scratch,
                       cudaStream_t stream) {
  const int64_t elements = shape.batch * map.height * map.width * map.channels;
  if (elements == 0) return nullptr;
  if (!adds) cudaMemsetAsync(gradient, 0, elements * sizeof(T), stream);
  const int64_t rows = shape.batch * shape.num_locations;
  if (rows == 0) return LastError();
  if (4 * rows > INT32_MAX) return "more than 2^29 locations in one batch";
  int64_t* cells = static_cast<int64_t*>(scratch);
  float* weights = reinterpret_cast<float*>(cells + 4 * rows);
  const unsigned blocks = static_cast<unsigned>((rows + kThreads - 1) / kThreads);
  FindSharesKernel<<<blocks, kThreads, 0, stream>>>(map, locations, rows, cells, weights);
  const dim3 grid(static_cast<unsigned>(4 * rows), TilesOf(map.channels, kTile));
  ScatterKernel<T><<<grid, kThreads, 0, stream>>>(map, cells, weights, shape,
                                                  static_cast<const T*>(columns_gradient), adds,
                                                  static_cast<T*>(gradient));
  return LastError();
}

}  // namespace
}  // namespace tfcolor

using tfcolor::ColumnsShape;
using tfcolor::ElementType;
using tfcolor::MapGeometry;

extern "C" {

__attribute__((visibility("default"))) const char* TfcolorSampleOnGpu(
    int type, const MapGeometry* map, const void* features, const float* locations,
    const ColumnsShape* shape, void* columns, void* stream) {
  const cudaStream_t queue = static_cast<cudaStream_t>(stream);
  switch (static_cast<ElementType>(type)) {
    case ElementType::kFloat32:
      return tfcolor::Sample<float>(*map, features, locations, *shape, columns, queue);
    case ElementType::kBfloat16:
      return tfcolor::Sample<__nv_bfloat16>(*map, features, locations, *shape, columns, queue);
    case ElementType::kHalf:
      return tfcolor::Sample<__half>(*map, features, locations, *shape, columns, queue);
  }
  return "unknown element type";
}

__attribute__((visibility("default"))) int64_t
TfcolorScatterScratchBytes(const ColumnsShape* shape) {
  return shape->batch * shape->num_locations * 4 * (sizeof(int64_t) + sizeof(float));
}

__attribute__((visibility("default"))) const char* TfcolorScatterOnGpu(
    int type, const MapGeometry* map, const float* locations, const ColumnsShape* shape,
    const void* columns_gradient, int adds, void* gradient, void* scratch, void* stream) {
  const cudaStream_t queue = static_cast<cudaStream_t>(stream);
  switch (static_cast<ElementType>(type)) {
    case ElementType::kFloat32:
      return tfcolor::ScatterAll<float>(*map, locations, *shape, columns_gradient, adds, gradient,
                                        scratch, queue);
    case ElementType::kBfloat16:
      return tfcolor::ScatterAll<__nv_bfloat16>(*map, locations, *shape, columns_gradient, adds,
                                                gradient, scratch, queue);
    case ElementType::kHalf:
      return tfcolor::ScatterAll<__half>(*map, locations, *shape, columns_gradient, adds, gradient,
                                         scratch, queue);
  }
  return "unknown element type";
}

__attribute__((visibility("default"))) const char* TfcolorCopyOnGpu(const void* from, void* to,
                                                                    int64_t bytes, void* stream) {
  cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, static_cast<cudaStream_t>(stream));
  return tfcolor::LastError();
}

}  // extern "C"
