#include "rows.h"

namespace tfcolor {
namespace {

// result[c] = start[c] + sum_k weights[k] * rows[k][c], without `start` if
// kAdds is false. A fixed count lets the compiler keep the weights in registers.
template <bool kAdds, int kCount, typename T, typename Result>
inline __attribute__((always_inline)) void SumFixed(const WeightedRows<T>& sum, int64_t channels,
                                                    Result* __restrict result) {
  const T* __restrict first = sum.rows[0];
  const T* __restrict second = sum.rows[kCount > 1 ? 1 : 0];
  const T* __restrict third = sum.rows[kCount > 2 ? 2 : 0];
  const T* __restrict fourth = sum.rows[kCount > 3 ? 3 : 0];
  const float weights[kMaxRows] = {sum.weights[0], sum.weights[1], sum.weights[2], sum.weights[3]};
  for (int64_t c = 0; c < channels; ++c) {
    float total = weights[0] * ToFloat(first[c]);
    if (kCount > 1) total += weights[1] * ToFloat(second[c]);
    if (kCount > 2) total += weights[2] * ToFloat(third[c]);
    if (kCount > 3) total += weights[3] * ToFloat(fourth[c]);
    if (kAdds) total += ToFloat(result[c]);
    FromFloat(total, result + c);
  }
}

template <bool kAdds, typename T, typename Result>
inline __attribute__((always_inline)) void Sum(const WeightedRows<T>& sum, int64_t channels,
                                               Result* result) {
  switch (sum.count) {
    case 1:
      return SumFixed<kAdds, 1>(sum, channels, result);
    case 2:
      return SumFixed<kAdds, 2>(sum, channels, result);
    case 3:
      return SumFixed<kAdds, 3>(sum, channels, result);
    default:
      return SumFixed<kAdds, 4>(sum, channels, result);
  }
}

template <int kCount, typename T>
inline __attribute__((always_inline)) void SpreadFixed(const T* __restrict row, int64_t channels,
                                                       const WeightedTargets& targets) {
  float* __restrict first = targets.rows[0];
  float* __restrict second = targets.rows[kCount > 1 ? 1 : 0];
  float* __restrict third = targets.rows[kCount > 2 ? 2 : 0];
  float* __restrict fourth = targets.rows[kCount > 3 ? 3 : 0];
  const float weights[kMaxRows] = {targets.weights[0], targets.weights[1], targets.weights[2],
                                   targets.weights[3]};
  for (int64_t c = 0; c < channels; ++c) {
    const float value = ToFloat(row[c]);
    first[c] += weights[0] * value;
    if (kCount > 1) second[c] += weights[1] * value;
    if (kCount > 2) third[c] += weights[2] * value;
    if (kCount > 3) fourth[c] += weights[3] * value;
  }
}

template <typename T>
inline __attribute__((always_inline)) void Spread(const T* row, int64_t channels,
                                                  const WeightedTargets& targets) {
  switch (targets.count) {
    case 1:
      return SpreadFixed<1>(row, channels, targets);
    case 2:
      return SpreadFixed<2>(row, channels, targets);
    case 3:
      return SpreadFixed<3>(row, channels, targets);
    default:
      return SpreadFixed<4>(row, channels, targets);
  }
}

template <typename From, typename To>
inline __attribute__((always_inline)) void Convert(const From* __restrict source, int64_t channels,
                                                   To* __restrict result) {
  for (int64_t c = 0; c < channels; ++c) FromFloat(ToFloat(source[c]), result + c);
}

}  // namespace

TFCOLOR_PER_INSTRUCTION_SET
void SumRows(const WeightedRows<float>& sum, int64_t channels, float* result) {
  Sum<false>(sum, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void SumRows(const WeightedRows<Bfloat16>& sum, int64_t channels, Bfloat16* result) {
  Sum<false>(sum, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void SumRows(const WeightedRows<Half>& sum, int64_t channels, Half* result) {
  Sum<false>(sum, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void AddRows(const WeightedRows<float>& sum, int64_t channels, float* result) {
  Sum<true>(sum, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void AddRows(const WeightedRows<Bfloat16>& sum, int64_t channels, float* result) {
  Sum<true>(sum, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void AddRows(const WeightedRows<Half>& sum, int64_t channels, float* result) {
  Sum<true>(sum, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void SpreadRow(const float* row, int64_t channels, const WeightedTargets& targets) {
  Spread(row, channels, targets);
}

TFCOLOR_PER_INSTRUCTION_SET
void SpreadRow(const Bfloat16* row, int64_t channels, const WeightedTargets& targets) {
  Spread(row, channels, targets);
}

TFCOLOR_PER_INSTRUCTION_SET
void SpreadRow(const Half* row, int64_t channels, const WeightedTargets& targets) {
  Spread(row, channels, targets);
}

TFCOLOR_PER_INSTRUCTION_SET
void LoadRow(const float* source, int64_t channels, float* result) {
  Convert(source, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void LoadRow(const Bfloat16* source, int64_t channels, float* result) {
  Convert(source, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void LoadRow(const Half* source, int64_t channels, float* result) {
  Convert(source, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void StoreRow(const float* source, int64_t channels, float* result) {
  Convert(source, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void StoreRow(const float* source, int64_t channels, Bfloat16* result) {
  Convert(source, channels, result);
}

TFCOLOR_PER_INSTRUCTION_SET
void StoreRow(const float* source, int64_t channels, Half* result) {
  Convert(source, channels, result);
}

}  // namespace tfcolor
