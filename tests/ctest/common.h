/* What the programs of this folder have in common: what passed and what failed, random shapes and numbers, memory. */
#ifndef FASTCNN_CTEST_COMMON_H
#define FASTCNN_CTEST_COMMON_H

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fastcnn.h"
#include "threads.h"

/* --- What passed and what failed ------------------------------------------------------------------------------------------ */

static struct {
  char what[512]; /* the case that is being checked */
  int64_t passed, failed;
} report;

/* Names the case that the next checks are about. */
static inline __attribute__((format(printf, 1, 2))) void begin_case(const char *format, ...) {
  const int length = snprintf(report.what, sizeof report.what, "%s, ", fcnn_selected_isa());
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(report.what + length, sizeof report.what - (size_t)length, format, arguments);
  va_end(arguments);
}

/* Counts a check; one that failed is told, with what it was about and how it failed. */
static inline __attribute__((format(printf, 2, 3))) void check(bool passed, const char *format, ...) {
  if (passed) {
    report.passed++;
    return;
  }
  report.failed++;
  printf("FAILED: %s: ", report.what);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  putchar('\n');
}

/* --- Random shapes and numbers -------------------------------------------------------------------------------------------- */

/* D. E. Knuth's linear congruential generator, "The Art of Computer Programming", volume 2, 3.3.4: its upper half is random enough. */
static uint64_t random_state;

static inline uint32_t random_bits(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 32);
}

/* From low to high, both included. */
static inline int64_t random_between(int64_t low, int64_t high) {
  return low + (int64_t)(random_bits() % (uint64_t)(high - low + 1));
}

/* In [-1, 1). */
static inline double random_signed(void) { return (double)random_bits() / 2147483648.0 - 1; }

/* About the edges of vectors and tiles. */
static inline int64_t random_channels(void) {
  static const int64_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 24, 25, 31, 32, 33};
  return edges[random_between(0, (int64_t)(sizeof edges / sizeof edges[0]) - 1)];
}

/* One axis of windows that fit: some pixels, more or less padding than a window has taps, and what follows from them. */
typedef struct {
  int64_t size, window, out, stride, dilation, before, after;
} axis;

static inline axis random_axis(int64_t most_dilation, int64_t most_padding) {
  axis a = {.window = random_between(1, 4), .stride = random_between(1, 3), .dilation = random_between(1, most_dilation)};
  a.before = random_between(0, most_padding);
  a.after = random_between(0, most_padding);
  const int64_t span = (a.window - 1) * a.dilation + 1, least = span - a.before - a.after;
  a.size = (least > 1 ? least : 1) + random_between(0, 6);
  a.out = (a.size + a.before + a.after - span) / a.stride + 1;
  return a;
}

/* What the matrices of Winograd's method, by their absolute values and by the size of tiles, make of a tile and filters of ones, at most: a result,
   a weight's gradient. */
static const double WINOGRAD_SCALES[] = {[3] = 241, [4] = 564, [5] = 1906};
static const double WINOGRAD_GRADIENT_SCALES[] = {[3] = 241, [4] = 803, [5] = 2890};

static inline int64_t tiles_of(int64_t results, int64_t tile) { return (results + tile - 1) / tile; }

/* What Winograd's method serves: 3x3 taps, side by side, a pixel apart. */
static inline fcnn_conv2d_shape random_3x3(void) {
  fcnn_conv2d_shape s = {.KH = 3, .KW = 3, .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 1};
  s.N = random_between(0, 3);
  s.pad_top = random_between(0, 2);
  s.pad_left = random_between(0, 2);
  s.OH = random_between(1, 10);
  s.OW = random_between(1, 10);
  s.H = s.OH + 2 - s.pad_top - random_between(0, 2);
  s.W = s.OW + 2 - s.pad_left - random_between(0, 2);
  if (s.H < 1) s.OH += 1 - s.H, s.H = 1;
  if (s.W < 1) s.OW += 1 - s.W, s.W = 1;
  s.C = random_channels();
  s.F = random_channels();
  return s;
}

static inline fcnn_conv2d_shape random_conv2d(void) {
  const axis h = random_axis(3, 4), w = random_axis(3, 4);
  fcnn_conv2d_shape s = {
      .N = random_between(0, 3),
      .H = h.size,
      .W = w.size,
      .KH = h.window,
      .KW = w.window,
      .OH = h.out,
      .OW = w.out,
      .stride_h = h.stride,
      .stride_w = w.stride,
      .dilation_h = h.dilation,
      .dilation_w = w.dilation,
      .pad_top = h.before,
      .pad_left = w.before,
      .groups = 1,
  };
  s.C = random_channels();
  s.F = random_channels();
  switch (random_between(0, 3)) {
    case 0: /* depthwise, perhaps with several filters a channel */
      s.groups = s.C;
      s.F = s.C * random_between(1, 2);
      break;
    case 1:
      s.groups = random_between(2, 3);
      s.C *= s.groups;
      s.F *= s.groups;
      break;
    default:
      break;
  }
  return s;
}

/* A pooling whose windows all have a pixel: no more than half of one is padding, and spread taps are not padded. */
static inline fcnn_pool2d_shape random_pool2d(bool spread) {
  const axis h = random_axis(spread ? 3 : 1, 0), w = random_axis(spread ? 3 : 1, 0);
  fcnn_pool2d_shape s = {
      .N = random_between(0, 3),
      .H = h.size,
      .W = w.size,
      .C = random_channels(),
      .KH = h.window,
      .KW = w.window,
      .OH = h.out,
      .OW = w.out,
      .stride_h = h.stride,
      .stride_w = w.stride,
      .dilation_h = h.dilation,
      .dilation_w = w.dilation,
  };
  if (!spread) {
    s.pad_top = random_between(0, s.KH / 2);
    s.pad_bottom = random_between(0, s.KH / 2);
    s.pad_left = random_between(0, s.KW / 2);
    s.pad_right = random_between(0, s.KW / 2);
    s.OH = (s.H + s.pad_top + s.pad_bottom - s.KH) / s.stride_h + 1;
    s.OW = (s.W + s.pad_left + s.pad_right - s.KW) / s.stride_w + 1;
    if (s.OH * s.stride_h < s.H + s.pad_top)
      s.OH += random_between(0, 1); /* one more that hangs over, where it starts on the image */
    if (s.OW * s.stride_w < s.W + s.pad_left) s.OW += random_between(0, 1);
    s.count_padding = random_between(0, 1);
  }
  return s;
}

/* A pooling of a convolution's result, with or without overlap. */
static inline fcnn_pool2d_shape random_pool2d_of(const fcnn_conv2d_shape *conv) {
  const int64_t KH = random_between(1, conv->OH < 4 ? conv->OH : 4), KW = random_between(1, conv->OW < 4 ? conv->OW : 4);
  fcnn_pool2d_shape s = {
      .N = conv->N,
      .H = conv->OH,
      .W = conv->OW,
      .C = conv->F,
      .KH = KH,
      .KW = KW,
      .stride_h = random_between(1, KH + 1),
      .stride_w = random_between(1, KW + 1),
      .dilation_h = 1,
      .dilation_w = 1,
      .pad_top = random_between(0, KH / 2),
      .pad_left = random_between(0, KW / 2),
  };
  s.OH = (s.H + s.pad_top - s.KH) / s.stride_h + 1;
  s.OW = (s.W + s.pad_left - s.KW) / s.stride_w + 1;
  return s;
}

/* Cuts both down to windows of the pooling that lie side by side and cover all results of the convolution. */
static inline void tile_pool2d(fcnn_conv2d_shape *conv, fcnn_pool2d_shape *pool) {
  pool->stride_h = pool->KH;
  pool->stride_w = pool->KW;
  pool->pad_top = pool->pad_left = 0;
  pool->OH = conv->OH / pool->KH;
  pool->OW = conv->OW / pool->KW;
  conv->OH = pool->H = pool->OH * pool->KH;
  conv->OW = pool->W = pool->OW * pool->KW;
}

static inline void begin_conv2d(const char *name, const fcnn_conv2d_shape *s) {
  begin_case("%s of x (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "), w (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
             "), y (%" PRId64 ", %" PRId64 "), stride (%" PRId64 ", %" PRId64 "), dilation (%" PRId64 ", %" PRId64
             "), padding (%" PRId64 ", %" PRId64 "), groups %" PRId64 ", threads %" PRId64,
             name, s->N, s->H, s->W, s->C, s->KH, s->KW, s->C / s->groups, s->F, s->OH, s->OW, s->stride_h, s->stride_w,
             s->dilation_h, s->dilation_w, s->pad_top, s->pad_left, s->groups, fcnn_get_num_threads());
}

static inline void begin_pool2d(const char *name, const fcnn_pool2d_shape *s) {
  begin_case("%s of x (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "), window (%" PRId64 ", %" PRId64 "), y (%" PRId64
             ", %" PRId64 "), stride (%" PRId64 ", %" PRId64 "), dilation (%" PRId64 ", %" PRId64 "), padding (%" PRId64
             ", %" PRId64 ", %" PRId64 ", %" PRId64 "), %s, threads %" PRId64,
             name, s->N, s->H, s->W, s->C, s->KH, s->KW, s->OH, s->OW, s->stride_h, s->stride_w, s->dilation_h, s->dilation_w,
             s->pad_top, s->pad_left, s->pad_bottom, s->pad_right, s->count_padding ? "padding counts" : "padding does not count",
             fcnn_get_num_threads());
}

static inline void *allocate(int64_t count, size_t size) {
  void *memory = calloc((size_t)(count > 0 ? count : 1), size);
  if (!memory) {
    fputs("no memory\n", stderr);
    exit(2);
  }
  return memory;
}

/* Whether pixel (h, w) is on the plane. */
static inline bool inside(int64_t h, int64_t w, int64_t H, int64_t W) { return h >= 0 && h < H && w >= 0 && w < W; }

#endif
