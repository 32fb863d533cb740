#include <algorithm>
#include <cstring>

#include "kernels.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "elements.h"
#include "rows.h"
#include "streaming.h"

namespace tfcolor {
namespace {

constexpr int64_t kUnitBytes = 1 << 17;      // Of traffic in one unit of work.
constexpr int64_t kStreamedBytes = 1 << 25;  // Larger gradients bypass the caches.
constexpr int64_t kHugePage = 1 << 21;       // Bytes.
constexpr int64_t kBlock = 256;              // Channels summed at a time.
constexpr int64_t kPieceChannels = 1024;     // Four rows of their sums stay in cache.
constexpr int64_t kCoarseCells = 256;        // Maps up to here are cut by channels.
constexpr int kLocationsPerUnit = 64;
constexpr int kAhead = 4;                    // Locations prefetched.
constexpr int64_t kPrefetchedBytes = 1024;   // Beyond, the hardware follows.
constexpr double kNanosecondsPerByte = 0.1;  // One core's share of bandwidth.

int64_t CeilOfRatio(int64_t value, int64_t divisor) { return (value + divisor - 1) / divisor; }

int64_t Cost(double bytes) { return std::max<int64_t>(1, bytes * kNanosecondsPerByte); }

template <typename T>
void PrefetchRow(const T* row, int64_t channels) {
  const int64_t bytes = std::min<int64_t>(channels * sizeof(T), kPrefetchedBytes);
  for (int64_t byte = 0; byte < bytes; byte += kCacheLine) {
    __builtin_prefetch(reinterpret_cast<const char*>(row) + byte);
  }
}

// ---------------------------------------------------------------- Sampling --

// Orders one image's locations by row, so that neighbors in the order read
// neighboring rows of every map while those are still in cache.
std::vector<int64_t> OrderByRow(const float* locations, int64_t num_locations) {
  std::vector<int64_t> order(num_locations);
  for (int64_t l = 0; l < num_locations; ++l) order[l] = l;
  std::stable_sort(order.begin(), order.end(), [locations](int64_t left, int64_t right) {
    return locations[2 * left] < locations[2 * right];
  });
  return order;
}

// Writes one map's slice of the columns of up to kLocationsPerUnit locations.
template <typename T>
void SampleUnit(const MapGeometry& map, const T* features, const float* locations,
                const int64_t* order, int count, int64_t columns_channels, T* columns) {
  Corners corners[kLocationsPerUnit];
  for (int i = 0; i < count; ++i) corners[i] = FindCorners(locations + 2 * order[i], map);
  for (int i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      const Corners& next = corners[i + kAhead];
      for (int k = 0; k < next.count; ++k) {
        PrefetchRow(features + next.cells[k] * map.channels, map.channels);
      }
    }
    WeightedRows<T> sum = {};
    sum.count = corners[i].count;
    for (int k = 0; k < sum.count; ++k) {
      sum.rows[k] = features + corners[i].cells[k] * map.channels;
      sum.weights[k] = corners[i].weights[k];
    }
    SumRows(sum, map.channels, columns + order[i] * columns_channels + map.first_channel);
  }
}

template <typename T>
void Sample(const std::vector<MapGeometry>& maps, const std::vector<const void*>& features,
            const float* locations, const ColumnsShape& shape, void* columns,
            const ParallelFor& parallel_for) {
  if (shape.batch == 0 || shape.num_locations == 0) return;
  const int64_t num_maps = maps.size();
  std::vector<std::vector<int64_t>> orders(shape.batch);
  for (int64_t image = 0; image < shape.batch; ++image) {
    orders[image] = OrderByRow(locations + 2 * image * shape.num_locations, shape.num_locations);
  }
  int64_t total_channels = 0;
  for (const MapGeometry& map : maps) total_channels += map.channels;
  const int64_t ranges = CeilOfRatio(shape.num_locations, kLocationsPerUnit);
  const double unit_bytes = 3.0 * sizeof(T) * kLocationsPerUnit * total_channels / num_maps;
  parallel_for(shape.batch * ranges * num_maps, Cost(unit_bytes), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t index = unit % num_maps;
      const int64_t first = unit / num_maps % ranges * kLocationsPerUnit;
      const int64_t image = unit / (num_maps * ranges);
      const MapGeometry& map = maps[index];
      const int64_t map_elements = map.height * map.width * map.channels;
      SampleUnit(map, static_cast<const T*>(features[index]) + image * map_elements,
                 locations + 2 * image * shape.num_locations, orders[image].data() + first,
                 std::min<int64_t>(kLocationsPerUnit, shape.num_locations - first), shape.channels,
                 static_cast<T*>(columns) + image * shape.num_locations * shape.channels);
    }
  });
}

// -------------------------------------------------------------- Scattering --

// Sorts items by their `cell`, else leaves them in order. By counting, first by
// column and then by row: linear in their number.
template <typename Item>
void SortByCell(const MapGeometry& map, std::vector<Item>* items) {
  std::vector<Item> sorted(items->size());
  const auto sort_by = [items, &sorted](int64_t size, const auto& key) {
    std::vector<int64_t> starts(size + 1, 0);
    for (const Item& item : *items) ++starts[key(item) + 1];
    for (int64_t i = 0; i < size; ++i) starts[i + 1] += starts[i];
    for (const Item& item : *items) sorted[starts[key(item)]++] = item;
    items->swap(sorted);
  };
  sort_by(map.width, [&map](const Item& item) { return item.cell % map.width; });
  sort_by(map.height, [&map](const Item& item) { return item.cell / map.width; });
}

// One location in one map. `cell` is the first of the corners.
struct Visit {
  int64_t cell;
  int64_t location;
  Corners corners;
};

// The locations of one image in one map, by cell: neighbors in the order touch
// the same cells while those are in cache.
using Visits = std::vector<Visit>;

Visits FindVisits(const MapGeometry& map, const float* locations, int64_t num_locations) {
  Visits visits(num_locations);
  for (int64_t l = 0; l < num_locations; ++l) {
    const Corners corners = FindCorners(locations + 2 * l, map);
    visits[l] = {corners.cells[0], l, corners};
  }
  SortByCell(map, &visits);
  return visits;
}

// Calls find(i) for i in [0, total) in parallel; returns what it returned.
template <typename Found, typename Find>
std::vector<Found> FindAll(int64_t total, const ColumnsShape& shape,
                           const ParallelFor& parallel_for, const Find& find) {
  constexpr int64_t kNanosecondsPerLocation = 50;
  std::vector<Found> found(total);
  parallel_for(total, kNanosecondsPerLocation * (1 + shape.num_locations),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) found[i] = find(i);
               });
  return found;
}

// One location's share in one cell.
struct Share {
  int64_t cell;
  int64_t location;
  float weight;
};

// The shares in one image of one map: by cell, then by location.
using Shares = std::vector<Share>;

Shares FindShares(const MapGeometry& map, const float* locations, int64_t num_locations) {
  Shares shares;
  shares.reserve(4 * num_locations);
  for (int64_t l = 0; l < num_locations; ++l) {
    const Corners corners = FindCorners(locations + 2 * l, map);
    for (int k = 0; k < corners.count; ++k) {
      shares.push_back({corners.cells[k], l, corners.weights[k]});
    }
  }
  SortByCell(map, &shares);
  return shares;
}

// A rectangle of one image's gradient map that one thread writes.
struct Piece {
  int64_t map;
  int64_t image;
  int64_t first_cell;
  int64_t end_cell;
  int64_t first_channel;
  int64_t end_channel;
};

bool IsCoarse(const MapGeometry& map) { return map.height * map.width <= kCoarseCells; }

// Cuts fine maps by rows into pieces of about kUnitBytes of traffic, and coarse
// ones by channels, so that the sums of a location's cells stay in cache.
std::vector<Piece> CutIntoPieces(const std::vector<MapGeometry>& maps, const ColumnsShape& shape,
                                 int64_t element_bytes, Scatter mode) {
  std::vector<Piece> pieces;
  for (int64_t image = 0; image < shape.batch; ++image) {
    for (size_t index = 0; index < maps.size(); ++index) {
      const MapGeometry& map = maps[index];
      const int64_t cells = map.height * map.width;
      const int64_t written = mode == Scatter::kOverwrite ? cells : 0;
      const int64_t bytes = (written + 4 * shape.num_locations) * map.channels * element_bytes;
      const int64_t wanted = std::max<int64_t>(1, bytes / kUnitBytes);
      const bool by_channel = IsCoarse(map);
      const int64_t size = by_channel ? map.channels : map.height;
      const int64_t step = by_channel ? kPieceChannels : CeilOfRatio(size, std::min(wanted, size));
      for (int64_t first = 0; first < size; first += step) {
        const int64_t end = std::min(first + step, size);
        Piece piece = {static_cast<int64_t>(index), image, 0, cells, 0, map.channels};
        if (by_channel) {
          piece.first_channel = first;
          piece.end_channel = end;
        } else {
          piece.first_cell = first * map.width;
          piece.end_cell = end * map.width;
        }
        pieces.push_back(piece);
      }
    }
  }
  return pieces;
}

// Of all gradient maps.
int64_t TotalBytes(const std::vector<MapGeometry>& maps, const ColumnsShape& shape,
                   int64_t element_bytes) {
  int64_t bytes = 0;
  for (const MapGeometry& map : maps) {
    bytes += shape.batch * map.height * map.width * map.channels * element_bytes;
  }
  return bytes;
}

// Writes, or adds to, the elements of one cell the sum of its shares. `rows` is
// the map's slice of the columns' gradient of the image.
template <typename T>
void ScatterCell(const Share* shares, int64_t num_shares, const T* rows, int64_t row_stride,
                 int64_t channels, Scatter mode, T* result) {
  float total[kBlock];
  for (int64_t first = 0; first < channels; first += kBlock) {
    const int64_t size = std::min(kBlock, channels - first);
    if (mode == Scatter::kAdd) {
      LoadRow(result + first, size, total);
    } else {
      std::fill(total, total + size, 0.0f);
    }
    for (int64_t share = 0; share < num_shares; share += kMaxRows) {
      WeightedRows<T> sum = {};
      sum.count = std::min<int64_t>(kMaxRows, num_shares - share);
      for (int k = 0; k < sum.count; ++k) {
        sum.rows[k] = rows + shares[share + k].location * row_stride + first;
        sum.weights[k] = shares[share + k].weight;
      }
      AddRows(sum, size, total);
    }
    StoreRow(total, size, result + first);
  }
}

// Sets cells [first, end) to zero.
template <typename T>
void ClearCells(const MapGeometry& map, int64_t first, int64_t end, bool streams, T* gradient) {
  char* result = reinterpret_cast<char*>(gradient + first * map.channels);
  const int64_t bytes = (end - first) * map.channels * sizeof(T);
  streams ? StreamZeros(bytes, result) : void(std::memset(result, 0, bytes));
}

// Writes one piece of a fine map, every cell once. `rows` is the image's columns'
// gradient.
template <typename T>
void ScatterPiece(const MapGeometry& map, const Piece& piece, const Shares& shares, const T* rows,
                  int64_t row_stride, Scatter mode, bool streams, T* gradient) {
  rows += map.first_channel;
  const auto by_cell = [](const Share& share, int64_t cell) { return share.cell < cell; };
  auto share = std::lower_bound(shares.begin(), shares.end(), piece.first_cell, by_cell);
  const auto last = std::lower_bound(share, shares.end(), piece.end_cell, by_cell);
  int64_t cleared = piece.first_cell;
  while (share != last) {
    auto next = share + 1;
    while (next != last && next->cell == share->cell) ++next;
    if (last - next > kAhead) {
      PrefetchRow(rows + next[kAhead].location * row_stride, map.channels);
      PrefetchRow(gradient + next[kAhead].cell * map.channels, map.channels);
    }
    T* result = gradient + share->cell * map.channels;
    if (mode == Scatter::kOverwrite) ClearCells(map, cleared, share->cell, streams, gradient);
    ScatterCell(&*share, next - share, rows, row_stride, map.channels, mode, result);
    cleared = share->cell + 1;
    share = next;
  }
  if (mode == Scatter::kOverwrite) ClearCells(map, cleared, piece.end_cell, streams, gradient);
}

// Writes one piece of a coarse map, where a cell has many shares: reads every
// row once, by cell, and spreads it over the sums of its cells.
template <typename T>
void ScatterCoarsePiece(const MapGeometry& map, const Piece& piece, const Visits& visits,
                        const T* rows, int64_t row_stride, Scatter mode, T* gradient) {
  const int64_t channels = piece.end_channel - piece.first_channel;
  std::vector<float> sums(piece.end_cell * channels, 0.0f);
  rows += map.first_channel + piece.first_channel;
  for (size_t i = 0; i < visits.size(); ++i) {
    if (i + 1 < visits.size()) PrefetchRow(rows + visits[i + 1].location * row_stride, channels);
    const Corners& corners = visits[i].corners;
    WeightedTargets targets = {};
    targets.count = corners.count;
    for (int k = 0; k < corners.count; ++k) {
      targets.rows[k] = sums.data() + corners.cells[k] * channels;
      targets.weights[k] = corners.weights[k];
    }
    SpreadRow(rows + visits[i].location * row_stride, channels, targets);
  }
  gradient += piece.first_channel;
  for (int64_t cell = 0; cell < piece.end_cell; ++cell) {
    float* total = sums.data() + cell * channels;
    WeightedRows<T> held = {{gradient + cell * map.channels}, {1.0f}, 1};
    if (mode == Scatter::kAdd) AddRows(held, channels, total);
    StoreRow(total, channels, gradient + cell * map.channels);
  }
}

template <typename T>
void ScatterAll(const std::vector<MapGeometry>& maps, const float* locations,
                const ColumnsShape& shape, const void* columns_gradient, Scatter mode,
                const std::vector<void*>& gradients, const ParallelFor& parallel_for) {
  const auto image_locations = [&](int64_t image) {
    return locations + 2 * image * shape.num_locations;
  };
  const int64_t num_maps = maps.size(), total = shape.batch * num_maps;
  const auto shares = FindAll<Shares>(total, shape, parallel_for, [&](int64_t i) {
    if (IsCoarse(maps[i % num_maps])) return Shares();
    return FindShares(maps[i % num_maps], image_locations(i / num_maps), shape.num_locations);
  });
  const auto visits = FindAll<Visits>(total, shape, parallel_for, [&](int64_t i) {
    if (!IsCoarse(maps[i % num_maps])) return Visits();
    return FindVisits(maps[i % num_maps], image_locations(i / num_maps), shape.num_locations);
  });
  const std::vector<Piece> pieces = CutIntoPieces(maps, shape, sizeof(T), mode);
  const int64_t row_elements = shape.num_locations * shape.channels;
  const bool streams = TotalBytes(maps, shape, sizeof(T)) > kStreamedBytes;
  parallel_for(pieces.size(), Cost(kUnitBytes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[i];
      const MapGeometry& map = maps[piece.map];
      const int64_t index = piece.image * num_maps + piece.map;
      const int64_t map_elements = map.height * map.width * map.channels;
      const T* rows = static_cast<const T*>(columns_gradient) + piece.image * row_elements;
      T* gradient = static_cast<T*>(gradients[piece.map]) + piece.image * map_elements;
      if (IsCoarse(map)) {
        ScatterCoarsePiece(map, piece, visits[index], rows, shape.channels, mode, gradient);
      } else {
        ScatterPiece(map, piece, shares[index], rows, shape.channels, mode, streams, gradient);
      }
    }
    FinishStreaming();
  });
}

}  // namespace

void SampleOnCpu(ElementType type, const std::vector<MapGeometry>& maps,
                 const std::vector<const void*>& features, const float* locations,
                 const ColumnsShape& shape, void* columns, const ParallelFor& parallel_for) {
  switch (type) {
    case ElementType::kFloat32:
      return Sample<float>(maps, features, locations, shape, columns, parallel_for);
    case ElementType::kBfloat16:
      return Sample<Bfloat16>(maps, features, locations, shape, columns, parallel_for);
    case ElementType::kHalf:
      return Sample<Half>(maps, features, locations, shape, columns, parallel_for);
  }
}

void ScatterOnCpu(ElementType type, const std::vector<MapGeometry>& maps, const float* locations,
                  const ColumnsShape& shape, const void* columns_gradient, Scatter mode,
                  const std::vector<void*>& gradients, const ParallelFor& parallel_for) {
  switch (type) {
    case ElementType::kFloat32:
      return ScatterAll<float>(maps, locations, shape, columns_gradient, mode, gradients,
                               parallel_for);
    case ElementType::kBfloat16:
      return ScatterAll<Bfloat16>(maps, locations, shape, columns_gradient, mode, gradients,
                                  parallel_for);
    case ElementType::kHalf:
      return ScatterAll<Half>(maps, locations, shape, columns_gradient, mode, gradients,
                              parallel_for);
  }
}

void PreferHugePages(void* memory, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
  if (first < last) madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
#else
  (void)memory;
  (void)bytes;
#endif
}

}  // namespace tfcolor
