// Stores that go past the caches, for results larger than these: a plain store
// first reads the line that it overwrites, which costs as much as writing it.

#ifndef TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_STREAMING_H_
#define TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_STREAMING_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

// Sanitizers do not see such stores.
#if defined(__SSE2__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define TFCOLOR_STREAMS
#include <emmintrin.h>
#endif

namespace tfcolor {

constexpr int64_t kCacheLine = 64;

// Sets memory to zero. Only whole cache lines are streamed: part of a line that
// goes past the caches costs more than a plain store.
inline void StreamZeros(int64_t bytes, char* result) {
#ifdef TFCOLOR_STREAMS
  const int64_t misaligned = reinterpret_cast<uintptr_t>(result) % kCacheLine;
  const int64_t head = std::min(bytes, (kCacheLine - misaligned) % kCacheLine);
  const int64_t tail = head + (bytes - head) / kCacheLine * kCacheLine;
  std::memset(result, 0, head);
  for (int64_t byte = head; byte < tail; byte += sizeof(__m128i)) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(result + byte), _mm_setzero_si128());
  }
  std::memset(result + tail, 0, bytes - tail);
#else
  std::memset(result, 0, bytes);
#endif
}

// To be called before another thread reads what was streamed.
inline void FinishStreaming() {
#ifdef TFCOLOR_STREAMS
  _mm_sfence();
#endif
}

}  // namespace tfcolor

#endif  // TFCOLOR_CUSTOM_OPS_SPARSE_HYPERCOLUMN_STREAMING_H_
