// Runs the CPU kernels on random maps and locations, without TensorFlow, and
// compares them with sums in double. Meant for a build with sanitizers: every
// buffer is of its exact size, NaN and infinite locations are among the inputs.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <thread>
#include <vector>

#include "elements.h"
#include "kernels.h"

namespace tfcolor {
namespace {

using Random = std::mt19937_64;

int64_t Draw(Random& random, int64_t low, int64_t high) {
  return std::uniform_int_distribution<int64_t>(low, high)(random);
}

float DrawLocation(Random& random) {
  switch (Draw(random, 0, 9)) {
    case 0:
      return std::numeric_limits<float>::quiet_NaN();
    case 1:
      return std::numeric_limits<float>::infinity();
    case 2:
      return -std::numeric_limits<float>::max();
    case 3:
      return Draw(random, -5, 60);
    default:
      return std::uniform_real_distribution<float>(-20, 80)(random);
  }
}

// Cuts the work among threads at random places.
void RunOnThreads(int64_t total, int64_t, const std::function<void(int64_t, int64_t)>& work) {
  std::vector<std::thread> threads;
  const int64_t step = 1 + total / 3;
  for (int64_t begin = 0; begin < total; begin += step) {
    threads.emplace_back([=, &work] { work(begin, std::min(begin + step, total)); });
  }
  for (std::thread& thread : threads) thread.join();
}

struct Case {
  std::vector<MapGeometry> maps;
  ColumnsShape shape;
  std::vector<float> locations;
};

Case DrawCase(Random& random) {
  Case drawn;
  drawn.shape = {Draw(random, 0, 3), Draw(random, 0, 140), 0};
  const int64_t num_maps = Draw(random, 1, 6);
  for (int64_t i = 0; i < num_maps; ++i) {
    MapGeometry map;
    map.height = Draw(random, 1, Draw(random, 0, 3) ? 12 : 50);
    map.width = Draw(random, 1, Draw(random, 0, 3) ? 12 : 50);
    map.channels = Draw(random, 0, Draw(random, 0, 3) ? 40 : 600);
    map.first_channel = drawn.shape.channels;
    map.stride = Draw(random, 1, 40);
    map.row_offset = std::uniform_real_distribution<double>(-50, 50)(random);
    map.column_offset = std::uniform_real_distribution<double>(-50, 50)(random);
    drawn.shape.channels += map.channels;
    drawn.maps.push_back(map);
  }
  drawn.locations.resize(drawn.shape.batch * drawn.shape.num_locations * 2);
  for (float& location : drawn.locations) location = DrawLocation(random);
  return drawn;
}

template <typename T>
std::vector<T> DrawElements(Random& random, int64_t size) {
  std::normal_distribution<float> normal;
  std::vector<T> elements(size);
  for (T& element : elements) FromFloat(normal(random), &element);
  return elements;
}

void Require(double error, double tolerance, const char* what, int64_t seed) {
  if (error <= tolerance) return;
  std::fprintf(stderr, "seed %lld: %s differ from the reference by %g, more than %g\n",
               static_cast<long long>(seed), what, error, tolerance);
  std::exit(1);
}

template <typename T>
void CheckSamples(const Case& drawn, const std::vector<std::vector<T>>& features,
                  const std::vector<T>& columns, double tolerance, int64_t seed) {
  for (int64_t row = 0; row < drawn.shape.batch * drawn.shape.num_locations; ++row) {
    const int64_t image = row / drawn.shape.num_locations;
    for (size_t i = 0; i < drawn.maps.size(); ++i) {
      const MapGeometry& map = drawn.maps[i];
      const Corners corners = FindCorners(&drawn.locations[2 * row], map);
      for (int64_t c = 0; c < map.channels; ++c) {
        double expected = 0;
        for (int k = 0; k < corners.count; ++k) {
          const int64_t cell = image * map.height * map.width + corners.cells[k];
          expected += corners.weights[k] *
                      static_cast<double>(ToFloat(features[i][cell * map.channels + c]));
        }
        const float result = ToFloat(columns[row * drawn.shape.channels + map.first_channel + c]);
        Require(std::abs(result - expected), tolerance * 8, "columns", seed);
      }
    }
  }
}

template <typename T>
void CheckGradients(const Case& drawn, const std::vector<T>& columns, double start,
                    const std::vector<std::vector<T>>& gradients, double tolerance, int64_t seed) {
  for (size_t i = 0; i < drawn.maps.size(); ++i) {
    const MapGeometry& map = drawn.maps[i];
    std::vector<double> expected(gradients[i].size(), start);
    for (int64_t row = 0; row < drawn.shape.batch * drawn.shape.num_locations; ++row) {
      const int64_t image = row / drawn.shape.num_locations;
      const Corners corners = FindCorners(&drawn.locations[2 * row], map);
      for (int k = 0; k < corners.count; ++k) {
        const int64_t cell = image * map.height * map.width + corners.cells[k];
        for (int64_t c = 0; c < map.channels; ++c) {
          const T& element = columns[row * drawn.shape.channels + map.first_channel + c];
          expected[cell * map.channels + c] +=
              corners.weights[k] * static_cast<double>(ToFloat(element));
        }
      }
    }
    for (size_t j = 0; j < expected.size(); ++j) {
      const double error = std::abs(ToFloat(gradients[i][j]) - expected[j]);
      // Up to 140 numbers of size 1 meet in one cell, one after another.
      Require(error, tolerance * (8 + std::abs(expected[j])), "gradients", seed);
    }
  }
}

template <typename T>
void RunCase(ElementType type, double tolerance, int64_t seed) {
  Random random(seed);
  const Case drawn = DrawCase(random);
  std::vector<std::vector<T>> features, gradients;
  std::vector<const void*> feature_pointers;
  std::vector<void*> gradient_pointers;
  const bool adds = Draw(random, 0, 1);
  T start;
  FromFloat(adds ? 0.5f : std::numeric_limits<float>::quiet_NaN(), &start);
  for (const MapGeometry& map : drawn.maps) {
    const int64_t size = drawn.shape.batch * map.height * map.width * map.channels;
    features.push_back(DrawElements<T>(random, size));
    gradients.emplace_back(size, start);
  }
  for (auto& one : features) feature_pointers.push_back(one.data());
  for (auto& one : gradients) gradient_pointers.push_back(one.data());
  const int64_t rows = drawn.shape.batch * drawn.shape.num_locations;
  std::vector<T> columns(rows * drawn.shape.channels);
  SampleOnCpu(type, drawn.maps, feature_pointers, drawn.locations.data(), drawn.shape,
              columns.data(), RunOnThreads);
  CheckSamples(drawn, features, columns, tolerance, seed);
  ScatterOnCpu(type, drawn.maps, drawn.locations.data(), drawn.shape, columns.data(),
               adds ? Scatter::kAdd : Scatter::kOverwrite, gradient_pointers, RunOnThreads);
  CheckGradients(drawn, columns, adds ? 0.5 : 0.0, gradients, tolerance, seed);
}

}  // namespace
}  // namespace tfcolor

// Runs the cases of seeds 0 to argv[1] - 1.
int main(int argc, char** argv) {
  const int64_t cases = argc > 1 ? std::atoll(argv[1]) : 300;
  for (int64_t seed = 0; seed < cases; ++seed) {
    tfcolor::RunCase<float>(tfcolor::ElementType::kFloat32, 3e-6, seed);
    tfcolor::RunCase<tfcolor::Bfloat16>(tfcolor::ElementType::kBfloat16, 4e-3, seed);
    tfcolor::RunCase<tfcolor::Half>(tfcolor::ElementType::kHalf, 5e-4, seed);
  }
  std::printf("%lld random cases passed\n", static_cast<long long>(3 * cases));
  return 0;
}
