// Sampling feature maps at sparse locations and scattering gradients back, on
// plain memory. Knows nothing of TensorFlow; every argument has been validated.

#ifndef TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_KERNELS_H_
#define TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_KERNELS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "coordinates.h"

namespace tfcolor {

enum class ElementType { kFloat32, kBfloat16, kHalf };

// Columns [batch, num_locations, channels].
struct ColumnsShape {
  int64_t batch;
  int64_t num_locations;
  int64_t channels;
};

// Whether a gradient map is written from scratch, or added to what it holds.
enum class Scatter { kOverwrite, kAdd };

// Calls work(begin, end) for ranges that cover [0, total), in any order and in
// parallel or not. `cost` is the estimated time of one unit in nanoseconds.
using ParallelFor = std::function<void(int64_t total, int64_t cost,
                                       const std::function<void(int64_t, int64_t)>& work)>;

// Writes each map's slice of the columns. `locations` is [batch, num_locations,
// 2]; `features[i]` is map i. Interpolates in float32.
void SampleOnCpu(ElementType type, const std::vector<MapGeometry>& maps,
                 const std::vector<const void*>& features, const float* locations,
                 const ColumnsShape& shape, void* columns, const ParallelFor& parallel_for);

// Scatters the columns' gradient into the maps' gradients: every cell receives
// its sum, taken in float32 in an order that the locations decide, exactly once.
// The result depends neither on the number of threads nor on their timing.
void ScatterOnCpu(ElementType type, const std::vector<MapGeometry>& maps, const float* locations,
                  const ColumnsShape& shape, const void* columns_gradient, Scatter mode,
                  const std::vector<void*>& gradients, const ParallelFor& parallel_for);

// Asks the system to back freshly allocated memory with huge pages: at 4 KB a
// page, the first touch of a 50 MB output costs more than the sampling.
void PreferHugePages(void* memory, int64_t bytes);

}  // namespace tfcolor

#endif  // TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_KERNELS_H_
