/* Where windows read and where their results go, for one image after another. */
#ifndef FASTCNN_WINDOWS_H
#define FASTCNN_WINDOWS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

#include "fastcnn.h"
#include "memory.h"

/* Windows of KH x KW taps over planes of H x W pixels, each pixel `pixel` numbers of which a patch takes the first `channels`.
   Tap (u, v) of window (i, j) is pixel (i * step_h + u * tap_h + origin_h, j * step_w + v * tap_w + origin_w), or zeros where
   that lies outside the plane. */
typedef struct {
  int64_t H, W, pixel, channels, KH, KW;
  int64_t N, OH, OW; /* planes, and windows in each */
  int64_t step_h, step_w, tap_h, tap_w, origin_h, origin_w;
} fcnn_windows;

/* The pixels that the windows' results are written to: (i * step_h + origin_h, j * step_w + origin_w) of H x W planes, each
   pixel `pixel` numbers. */
typedef struct {
  int64_t H, W, pixel, step_h, step_w, origin_h, origin_w;
} fcnn_grid;

/* One window of a grid of rows x cols of them, image after image, in row-major order. */
typedef struct {
  int64_t n, i, j;
} fcnn_cursor;

static inline fcnn_cursor fcnn_cursor_at(int64_t index, int64_t rows, int64_t cols) {
  return (fcnn_cursor){index / cols / rows, index / cols % rows, index % cols};
}

static inline void fcnn_cursor_next(fcnn_cursor *at, int64_t rows, int64_t cols) {
  if (++at->j < cols) return;
  at->j = 0;
  if (++at->i < rows) return;
  at->i = 0;
  at->n++;
}

static inline int64_t fcnn_window_count(const fcnn_windows *windows) { return windows->N * windows->OH * windows->OW; }

static inline int64_t fcnn_patch_length(const fcnn_windows *windows) { return windows->KH * windows->KW * windows->channels; }

/* How many numbers after the first one of a patch number k of it lies, where all its taps are on the plane. */
static inline int64_t fcnn_patch_offset(const fcnn_windows *windows, int64_t k) {
  const int64_t tap = k / windows->channels;
  return (tap / windows->KW * windows->tap_h * windows->W + tap % windows->KW * windows->tap_w) * windows->pixel +
         k % windows->channels;
}

/* Whether all taps of all windows are on the plane. */
static inline bool fcnn_no_padding(const fcnn_windows *w) {
  return w->origin_h >= 0 && (w->OH - 1) * w->step_h + w->origin_h + (w->KH - 1) * w->tap_h < w->H && w->origin_w >= 0 &&
         (w->OW - 1) * w->step_w + w->origin_w + (w->KW - 1) * w->tap_w < w->W;
}

/* The pixel, counted from the first one of the first plane, that the result of window `at` goes to. */
static inline int64_t fcnn_grid_pixel(const fcnn_grid *grid, fcnn_cursor at) {
  return (at.n * grid->H + at.i * grid->step_h + grid->origin_h) * grid->W + at.j * grid->step_w + grid->origin_w;
}

/* pixels (size, size): the numbers, counted from the first pixel of the first of some H x W planes, of those of plane n from (top, left) on; -1 for
   one beside the plane. */
static inline void fcnn_square(int64_t size, int64_t H, int64_t W, int64_t n, int64_t top, int64_t left, int64_t *pixels) {
  for (int64_t u = 0; u < size; u++)
    for (int64_t v = 0; v < size; v++) {
      const bool inside = top + u >= 0 && top + u < H && left + v >= 0 && left + v < W;
      pixels[size * u + v] = inside ? (n * H + top + u) * W + left + v : -1;
    }
}

/* What every caller promises about a shape; a debug build checks it. */
static inline void fcnn_assert_conv2d(const fcnn_conv2d_shape *s) {
  assert(s->N >= 0 && s->H > 0 && s->W > 0 && s->C > 0 && s->F > 0 && s->KH > 0 && s->KW > 0 && s->OH > 0 && s->OW > 0);
  assert(s->stride_h > 0 && s->stride_w > 0 && s->dilation_h > 0 && s->dilation_w > 0 && s->pad_top >= 0 && s->pad_left >= 0);
  (void)s;
}

static inline void fcnn_assert_pool2d(const fcnn_pool2d_shape *s) {
  assert(s->N >= 0 && s->H > 0 && s->W > 0 && s->C > 0 && s->KH > 0 && s->KW > 0 && s->OH > 0 && s->OW > 0);
  assert(s->stride_h > 0 && s->stride_w > 0 && s->dilation_h > 0 && s->dilation_w > 0);
  assert(s->pad_top >= 0 && s->pad_left >= 0 && s->pad_bottom >= 0 && s->pad_right >= 0);
  (void)s;
}

/* The windows of a convolution's x. */
static inline fcnn_windows fcnn_conv2d_windows(const fcnn_conv2d_shape *s) {
  fcnn_assert_conv2d(s);
  return (fcnn_windows){
      .H = s->H,
      .W = s->W,
      .pixel = s->C,
      .channels = s->C / s->groups,
      .KH = s->KH,
      .KW = s->KW,
      .N = s->N,
      .OH = s->OH,
      .OW = s->OW,
      .step_h = s->stride_h,
      .step_w = s->stride_w,
      .tap_h = s->dilation_h,
      .tap_w = s->dilation_w,
      .origin_h = -s->pad_top,
      .origin_w = -s->pad_left,
  };
}

/* Taps [begin, end) of one axis of a window. */
typedef struct {
  int64_t begin, end;
} fcnn_taps;

/* Those on a plane of `size` pixels, of a window whose tap 0 is at pixel `start`; [0, 0) if there are none. Most windows are inside, and
   divisions take long. */
static inline fcnn_taps fcnn_taps_on_plane(int64_t start, int64_t size, int64_t taps, int64_t dilation) {
  if (start >= 0 && start + (taps - 1) * dilation < size) return (fcnn_taps){0, taps};
  const int64_t begin = start < 0 ? fcnn_ceil_div(-start, dilation) : 0;
  const int64_t end = start < size ? fcnn_min(taps, (size - 1 - start) / dilation + 1) : 0;
  return begin < end ? (fcnn_taps){begin, end} : (fcnn_taps){0, 0};
}

/* Whether some window of a line has tap `tap` on pixel `position`; if so, `*window` is its number. */
static inline bool fcnn_window_with_tap_at(int64_t position, int64_t pad, int64_t tap, int64_t dilation, int64_t stride,
                                           int64_t windows, int64_t *window) {
  const int64_t start = position + pad - tap * dilation;
  *window = start / stride;
  return start >= 0 && start % stride == 0 && *window < windows;
}

typedef struct {
  int64_t begin, end;
} fcnn_span;

/* Those of a line's windows that reach over a pixel, `position` pixels behind where window 0 begins: it is between their first tap and their
   last one, and with a dilation not under a tap of each. */
static inline fcnn_span fcnn_windows_over(int64_t position, int64_t taps, int64_t dilation, int64_t stride, int64_t windows) {
  const int64_t first = position - (taps - 1) * dilation; /* where a window begins whose last tap is there */
  return (fcnn_span){first > 0 ? fcnn_ceil_div(first, stride) : 0, fcnn_min(position / stride + 1, windows)};
}

/* One axis of the input gradient at the pixels p, p + stride, p + 2 stride ... of x. Of the taps, only tap0, tap0 + step, ... (`taps`
   of them) ever meet such a pixel, and each meets it from one pixel of dy, so that these pixels of dx are a correlation with
   stride 1. The taps are taken backwards, which makes the pixels of dy ascend: the one of the first tap taken is `origin`, the
   next ones follow at `dilation`. */
typedef struct {
  int64_t pixels, taps, tap0, step, origin, dilation;
} fcnn_phase;

static inline fcnn_phase fcnn_phase_at(int64_t p, int64_t size, int64_t window, int64_t stride, int64_t dilation, int64_t pad) {
  fcnn_phase phase = {.pixels = fcnn_ceil_div(size - p, stride), .tap0 = -1, .dilation = 1};
  for (int64_t tap = 0; tap < window; tap++) {
    if ((p + pad - tap * dilation) % stride != 0) continue;
    if (phase.tap0 < 0)
      phase.tap0 = tap;
    else if (phase.taps == 1)
      phase.step = tap - phase.tap0;
    phase.origin = (p + pad - tap * dilation) / stride;
    phase.taps++;
  }
  if (phase.taps > 1) phase.dilation = phase.step * dilation / stride;
  return phase;
}

/* The windows of dy whose sums are dx at the pixels (ph + i * stride_h, pw + j * stride_w); `h` and `v` are the phases of the two axes. */
static inline fcnn_windows fcnn_input_gradient_windows(const fcnn_conv2d_shape *s, int64_t ph, int64_t pw, fcnn_phase *h,
                                                       fcnn_phase *v) {
  *h = fcnn_phase_at(ph, s->H, s->KH, s->stride_h, s->dilation_h, s->pad_top);
  *v = fcnn_phase_at(pw, s->W, s->KW, s->stride_w, s->dilation_w, s->pad_left);
  return (fcnn_windows){
      .H = s->OH,
      .W = s->OW,
      .pixel = s->F,
      .channels = s->F / s->groups,
      .KH = h->taps,
      .KW = v->taps,
      .N = s->N,
      .OH = h->pixels,
      .OW = v->pixels,
      .step_h = 1,
      .step_w = 1,
      .tap_h = h->dilation,
      .tap_w = v->dilation,
      .origin_h = h->origin,
      .origin_w = v->origin,
  };
}

/* Whether any tap meets pixel p of an axis. */
static inline bool fcnn_phase_has_taps(int64_t p, int64_t window, int64_t stride, int64_t dilation, int64_t pad) {
  return fcnn_phase_at(p % stride, stride, window, stride, dilation, pad).taps > 0;
}

#endif
