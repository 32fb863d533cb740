// Weighted sums of rows of channels: the inner loops of the CPU kernels,
// compiled once per instruction set and chosen when the library is loaded.

#ifndef TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_ROWS_H_
#define TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_ROWS_H_

#include <cstdint>

#include "elements.h"

// Fused multiply-add is left out on purpose (-ffp-contract=off): every
// instruction set then gives the same bits. The choice is made by a function
// that runs before ThreadSanitizer is up, which crashes.
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_THREAD__)
#define TFCOLOR_PER_INSTRUCTION_SET __attribute__((target_clones("default", "avx2")))
#else
#define TFCOLOR_PER_INSTRUCTION_SET
#endif

namespace tfcolor {

constexpr int kMaxRows = 4;

// A sum of `count` rows, 1 to kMaxRows, each of `channels` elements.
template <typename T>
struct WeightedRows {
  const T* rows[kMaxRows];
  float weights[kMaxRows];
  int count;
};

// Where a row is added to: `count` different rows, 1 to kMaxRows.
struct WeightedTargets {
  float* rows[kMaxRows];
  float weights[kMaxRows];
  int count;
};

// result[c] = sum_k weights[k] * rows[k][c]
void SumRows(const WeightedRows<float>& sum, int64_t channels, float* result);
void SumRows(const WeightedRows<Bfloat16>& sum, int64_t channels, Bfloat16* result);
void SumRows(const WeightedRows<Half>& sum, int64_t channels, Half* result);

// result[c] += sum_k weights[k] * rows[k][c], for elements of any type.
void AddRows(const WeightedRows<float>& sum, int64_t channels, float* result);
void AddRows(const WeightedRows<Bfloat16>& sum, int64_t channels, float* result);
void AddRows(const WeightedRows<Half>& sum, int64_t channels, float* result);

// targets.rows[k][c] += targets.weights[k] * row[c] for all k.
void SpreadRow(const float* row, int64_t channels, const WeightedTargets& targets);
void SpreadRow(const Bfloat16* row, int64_t channels, const WeightedTargets& targets);
void SpreadRow(const Half* row, int64_t channels, const WeightedTargets& targets);

// Converts `channels` elements; both ends may be of the same type.
void LoadRow(const float* source, int64_t channels, float* result);
void LoadRow(const Bfloat16* source, int64_t channels, float* result);
void LoadRow(const Half* source, int64_t channels, float* result);
void StoreRow(const float* source, int64_t channels, float* result);
void StoreRow(const float* source, int64_t channels, Bfloat16* result);
void StoreRow(const float* source, int64_t channels, Half* result);

}  // namespace tfcolor

#endif  // TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_ROWS_H_
