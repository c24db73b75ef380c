/* Scratch memory: aligned to a cache line, sized by checked products, owned by one call. */
#ifndef FASTCNN_MEMORY_H
#define FASTCNN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "buffers.h"

enum { FCNN_CACHE_LINE = 64 };

/* Room for count * size bytes, or NULL. Freed with free. */
static inline void *fcnn_scratch(int64_t count, size_t size) {
  size_t bytes;
  if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes) || bytes > SIZE_MAX - FCNN_CACHE_LINE) return NULL;
  bytes = (bytes + FCNN_CACHE_LINE - 1) / FCNN_CACHE_LINE * FCNN_CACHE_LINE;
  return aligned_alloc(FCNN_CACHE_LINE, bytes ? bytes : FCNN_CACHE_LINE);
}

/* One block of memory, cut into pieces. While there is no block, pieces are NULL and only add to its size: so whoever wants some asks for
   them twice, once before fcnn_pieces_allocate and once after. Freed with free(begin). */
typedef struct {
  char *begin;
  size_t size; /* of the pieces so far */
} fcnn_pieces;

/* Room for count * size bytes, aligned to a cache line. */
static inline void *fcnn_piece(fcnn_pieces *pieces, int64_t count, size_t size) {
  size_t bytes, end;
  void *piece = pieces->begin ? pieces->begin + pieces->size : NULL;
  const bool fits = count >= 0 && !__builtin_mul_overflow((size_t)count, size, &bytes) &&
                    !__builtin_add_overflow(pieces->size, bytes, &end) && end <= SIZE_MAX - FCNN_CACHE_LINE;
  pieces->size = fits ? (end + FCNN_CACHE_LINE - 1) / FCNN_CACHE_LINE * FCNN_CACHE_LINE : SIZE_MAX;
  return piece;
}

/* Allocates the block for the pieces asked for so far, to be asked for again. False, and nothing to free, without memory. */
static inline bool fcnn_pieces_allocate(fcnn_pieces *pieces) {
  pieces->begin = pieces->size > INT64_MAX ? NULL : fcnn_scratch((int64_t)pieces->size, 1);
  pieces->size = 0;
  return pieces->begin;
}

/* The same with a block that is kept and used again, as results are: for pieces of which fresh memory would cost as much as the work. */
static inline bool fcnn_pieces_take(fcnn_pieces *pieces, size_t *capacity) {
  pieces->begin = pieces->size > INT64_MAX ? NULL : fcnn_buffer_take(pieces->size, capacity);
  pieces->size = 0;
  return pieces->begin;
}

static inline int64_t fcnn_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t fcnn_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t fcnn_clamp(int64_t value, int64_t lo, int64_t hi) { return fcnn_max(lo, fcnn_min(value, hi)); }
static inline int64_t fcnn_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t fcnn_round_up(int64_t a, int64_t b) { return fcnn_ceil_div(a, b) * b; }

/* How far apart the workers' lists of `count` things begin: no two of them share a cache line, which both would write to in turns. */
static inline int64_t fcnn_list_length(int64_t count) { return fcnn_round_up(count, FCNN_CACHE_LINE); }

#endif
