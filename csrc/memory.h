/* Scratch memory: aligned to a cache line, sized by checked products, owned by one call. */
#ifndef FASTCNN_MEMORY_H
#define FASTCNN_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

enum { FCNN_CACHE_LINE = 64 };

/* Room for count * size bytes, or NULL. Freed with free. */
static inline void *fcnn_scratch(int64_t count, size_t size) {
  size_t bytes;
  if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) || bytes > SIZE_MAX - FCNN_CACHE_LINE) return NULL;
  bytes = (bytes + FCNN_CACHE_LINE - 1) / FCNN_CACHE_LINE * FCNN_CACHE_LINE;
  return aligned_alloc(FCNN_CACHE_LINE, bytes ? bytes : FCNN_CACHE_LINE);
}

static inline int64_t fcnn_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fcnn_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t fcnn_clamp(int64_t value, int64_t lo, int64_t hi) { return fcnn_max(lo, fcnn_min(value, hi)); }
static inline int64_t fcnn_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t fcnn_round_up(int64_t a, int64_t b) { return fcnn_ceil_div(a, b) * b; }

/* How far apart the workers' lists of `count` things begin: no two of them share a cache line, which both would write to in turns. */
static inline int64_t fcnn_list_length(int64_t count) { return fcnn_round_up(count, FCNN_CACHE_LINE); }

#endif
