/* The two axes of a correlation in its grouped kernels: which pixels a result is a sum over, and which of them the plane has. */
#ifndef FASTCNN_AXES_H
#define FASTCNN_AXES_H

#include "memory.h"
#include "windows.h"

/* Results of an axis with the same taps: tap t of number i of them lies on pixel i * step + t * dilation + origin, is row `panel` + t of the
   packed filters, and tap filter + t * filter_step of the filters as they come. */
typedef struct {
  int64_t results, taps;
  int64_t step, origin, dilation;
  int64_t panel, filter, filter_step;
} fcnn_axis_phase;

/* Result r of an axis is number r / phases of phase r % phases. A convolution has one phase; its input gradient, seen as a correlation of
   dy, has as many as the stride. */
typedef struct {
  int64_t size, results, taps; /* pixels of the plane, results, and taps of all phases */
  int64_t phases;
  const fcnn_axis_phase *phase; /* (phases) */
} fcnn_axis;

/* The axis of a convolution, of one phase: phase (1). */
static inline fcnn_axis fcnn_forward_axis(int64_t size, int64_t results, int64_t taps, int64_t stride, int64_t dilation,
                                          int64_t pad, fcnn_axis_phase *phase) {
  phase[0] =
      (fcnn_axis_phase){.results = results, .taps = taps, .step = stride, .origin = -pad, .dilation = dilation, .filter_step = 1};
  return (fcnn_axis){.size = size, .results = results, .taps = taps, .phases = 1, .phase = phase};
}

static inline int64_t fcnn_gradient_phases(int64_t size, int64_t stride) { return fcnn_min(size, stride); }

/* The axis of its input gradient: phase (fcnn_gradient_phases). */
static inline fcnn_axis fcnn_gradient_axis(int64_t size, int64_t results, int64_t taps, int64_t stride, int64_t dilation,
                                           int64_t pad, fcnn_axis_phase *phase) {
  fcnn_axis axis = {.size = results, .results = size, .phases = fcnn_gradient_phases(size, stride), .phase = phase};
  for (int64_t p = 0; p < axis.phases; p++) {
    const fcnn_phase of = fcnn_phase_at(p, size, taps, stride, dilation, pad);
    phase[p] = (fcnn_axis_phase){.results = of.pixels,
                                 .taps = of.taps,
                                 .step = 1,
                                 .origin = of.origin,
                                 .dilation = of.dilation,
                                 .panel = axis.taps,
                                 .filter = of.tap0 + (of.taps - 1) * of.step,
                                 .filter_step = -of.step};
    axis.taps += of.taps;
  }
  return axis;
}

/* Which tap of the filters is row `row` of the packed ones. */
static inline int64_t fcnn_axis_filter(const fcnn_axis *axis, int64_t row) {
  const fcnn_axis_phase *phase = axis->phase;
  while (row >= phase->panel + phase->taps) phase++;
  return phase->filter + (row - phase->panel) * phase->filter_step;
}

/* Pixel of tap 0 of result r, on the plane or not. */
static inline int64_t fcnn_axis_start(const fcnn_axis *axis, int64_t r) {
  const fcnn_axis_phase *phase = axis->phase + r % axis->phases;
  return r / axis->phases * phase->step + phase->origin;
}

/* The taps of result r that are on the plane. */
static inline fcnn_taps fcnn_axis_taps(const fcnn_axis *axis, int64_t r) {
  const fcnn_axis_phase *phase = axis->phase + r % axis->phases;
  return fcnn_taps_on_plane(fcnn_axis_start(axis, r), axis->size, phase->taps, phase->dilation);
}

/* Pixels [begin, end) of an axis. */
typedef struct {
  int64_t begin, end;
} fcnn_pixels;

/* Those that results [begin, end) are sums over, from the first to the last. */
static inline fcnn_pixels fcnn_axis_pixels(const fcnn_axis *axis, int64_t begin, int64_t end) {
  fcnn_pixels pixels = {axis->size, 0};
  for (int64_t r = begin; r < end; r++) {
    const fcnn_taps on = fcnn_axis_taps(axis, r);
    if (on.begin == on.end) continue;
    const int64_t start = fcnn_axis_start(axis, r), dilation = axis->phase[r % axis->phases].dilation;
    pixels.begin = fcnn_min(pixels.begin, start + on.begin * dilation);
    pixels.end = fcnn_max(pixels.end, start + (on.end - 1) * dilation + 1);
  }
  return pixels.begin < pixels.end ? pixels : (fcnn_pixels){0, 0};
}

/* Of numbers i, those whose pixel i * step + origin is on the plane. */
static inline fcnn_pixels fcnn_axis_on_plane(const fcnn_axis *axis, int64_t step, int64_t origin) {
  return (fcnn_pixels){origin < 0 ? fcnn_ceil_div(-origin, step) : 0,
                       origin < axis->size ? (axis->size - 1 - origin) / step + 1 : 0};
}

#endif
