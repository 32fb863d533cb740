// From input pixels to cells of a feature map: the one place where the native
// op does it, on the host and on the device, forward and backward.

#ifndef TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_COORDINATES_H_
#define TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_COORDINATES_H_

#include <cstdint>

#ifdef __CUDACC__
#define TFCOLOR_HOST_DEVICE __host__ __device__
#else
#define TFCOLOR_HOST_DEVICE
#endif

namespace tfcolor {

// One feature map [batch, height, width, channels], where its cells lie in the
// input image, and where its slice of the columns begins.
struct MapGeometry {
  int64_t height;
  int64_t width;
  int64_t channels;
  int64_t first_channel;
  double stride;         // Input pixels per cell.
  double row_offset;     // Input pixel on which cell row 0 is centered.
  double column_offset;  // Likewise for columns.
};

// The two cells around a position along one axis. `fraction` is the weight of
// `high`, in [0, 1]; at the last cell, high == low and the weight is 0.
struct Neighbors {
  int64_t low;
  int64_t high;
  float fraction;
};

// The cells around a location: row-major indices into a height x width map,
// only those whose weight is not 0. The weights sum to 1.
struct Corners {
  int count;
  int64_t cells[4];
  float weights[4];
};

// Maps an input-pixel position to cells, clamped to [0, size - 1]. Computed in
// double: in float32, (location - offset) / 3 is off by 1e-5 cells at 300 px.
// A NaN is taken for 0, so that no index ever leaves the map.
TFCOLOR_HOST_DEVICE inline Neighbors FindNeighbors(double position, double offset, double stride,
                                                   int64_t size) {
  const double last = static_cast<double>(size - 1);
  double cell = (position - offset) / stride;
  cell = cell > 0 ? (cell < last ? cell : last) : 0;
  const int64_t low = static_cast<int64_t>(cell);
  const int64_t high = low + 1 < size ? low + 1 : size - 1;
  return {low, high, static_cast<float>(cell - static_cast<double>(low))};
}

// Finds the cells around `location`, (row, column) in input pixels.
TFCOLOR_HOST_DEVICE inline Corners FindCorners(const float* location, const MapGeometry& map) {
  const Neighbors row = FindNeighbors(location[0], map.row_offset, map.stride, map.height);
  const Neighbors column = FindNeighbors(location[1], map.column_offset, map.stride, map.width);
  const int64_t rows[2] = {row.low, row.high};
  const int64_t columns[2] = {column.low, column.high};
  const float row_weights[2] = {1 - row.fraction, row.fraction};
  const float column_weights[2] = {1 - column.fraction, column.fraction};
  Corners corners = {};
  for (int corner = 0; corner < 4; ++corner) {
    const float weight = row_weights[corner / 2] * column_weights[corner % 2];
    if (weight == 0) continue;
    corners.cells[corners.count] = rows[corner / 2] * map.width + columns[corner % 2];
    corners.weights[corners.count++] = weight;
  }
  return corners;
}

}  // namespace tfcolor

#endif  // TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_COORDINATES_H_
