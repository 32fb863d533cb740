// Conversions between float32 and the 16-bit types, free of branches so that
// compilers vectorize loops over them.

#ifndef TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_ELEMENTS_H_
#define TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_ELEMENTS_H_

#include <cstdint>
#include <cstring>

namespace tfcolor {

struct Bfloat16 {
  uint16_t bits;
};

struct Half {
  uint16_t bits;
};

template <typename To, typename From>
inline __attribute__((always_inline)) To BitCast(From from) {
  static_assert(sizeof(To) == sizeof(From), "sizes differ");
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

inline __attribute__((always_inline)) float ToFloat(float value) { return value; }

inline __attribute__((always_inline)) float ToFloat(Bfloat16 value) {
  return BitCast<float>(static_cast<uint32_t>(value.bits) << 16);
}

// TensorFlow's threads flush float32 subnormals, so that those of half are made
// by subtracting normal numbers.
inline __attribute__((always_inline)) float ToFloat(Half value) {
  const uint32_t magnitude = static_cast<uint32_t>(value.bits & 0x7fff) << 13;
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
  const uint32_t normal = magnitude + 0x38000000;
  const uint32_t special = magnitude | 0x7f800000;
  const uint32_t subnormal = BitCast<uint32_t>(BitCast<float>(magnitude + 0x38800000) - 0x1p-14f);
  const uint32_t finite = magnitude < 0x00800000 ? subnormal : normal;
  return BitCast<float>(sign | (magnitude >= 0x0f800000 ? special : finite));
}

inline __attribute__((always_inline)) void FromFloat(float value, float* result) {
  *result = value;
}

// Rounds to nearest, ties to even.
inline __attribute__((always_inline)) void FromFloat(float value, Bfloat16* result) {
  const uint32_t bits = BitCast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const uint32_t nan = (bits >> 16) | 0x40;
  result->bits = static_cast<uint16_t>((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

// Rounds to nearest, ties to even. A subnormal result is rounded by adding the
// number whose last bit has the value of the smallest subnormal.
inline __attribute__((always_inline)) void FromFloat(float value, Half* result) {
  const uint32_t bits = BitCast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7fffffff;
  const uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const uint32_t small = BitCast<uint32_t>(BitCast<float>(magnitude) + 0.5f) - 0x3f000000;
  uint32_t rounded = magnitude < 0x38800000 ? small : normal;
  rounded = magnitude >= 0x47800000 ? 0x7c00 : rounded;
  rounded = magnitude > 0x7f800000 ? 0x7e00 : rounded;
  result->bits = static_cast<uint16_t>(rounded | ((bits & 0x80000000) >> 16));
}

}  // namespace tfcolor

#endif  // TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_ELEMENTS_H_
