#include "algorithm.h"

#include <math.h>
#include <stdatomic.h>

#include "lanes.h"
#include "memory.h"

/* The costs of one tile, one channel, one filter, in multiply-adds at the peak of the microkernel. They were measured on one thread of a Zen 4
   with AVX-512. Filters are counted as if SHARED images shared them; but those that are far, and weigh more than the image, as if only two
   did where they are compared with the direct method, so that one image by itself loses little. Some of these stay with the direct method
   that would gain (7x7, 512 channels, 8 images: 1.5 and 0.7). */
static const double DIRECT_MULTIPLY = 1.08; /* a multiply-add of the direct method, its share of the peak being 93 % */
static const double DIRECT_GRADIENT = 1.1;  /* likewise, for the weight gradient */
static const double PRODUCT = 1.25;         /* a multiply-add of a tile's products, at 80 % */
/* Likewise, where an image's results are one tile: a session of one image reads transformed filters, three times as many numbers, for it alone. */
static const double LONE_PRODUCT = 3.2;
static const double TRANSFORM[] = {
    [3] = 400, [4] = 550, [5] = 1000};      /* of an image's channel, or of a result's, by the size of tiles */
static const double FILTER_TRANSFORM = 5.6; /* for each element, */
static const double FAR_FILTER_TRANSFORM =
    22; /* and likewise, where all that are there at a time are more than a second-level cache holds */
static const double NEAR_BYTES = 1 << 20;
static const double SHARED = 8, FAR_SHARED = 2;
static const double GRADIENT_PRODUCT = 1.53;                                   /* at 65 % */
static const double GRADIENT_TRANSFORM[] = {[3] = 500, [4] = 700, [5] = 1000}; /* of an image's channel, or of a row of dy's, */
static const double GRADIENT_BLOCK = 64;                                       /* for each block of so many of the other */
static const int64_t LEAST_VECTOR = 16; /* filters are computed in whole vectors; so wide are the widest */

static atomic_int winograd_use = FCNN_WINOGRAD_IF_FASTER;

void fcnn_set_winograd(enum fcnn_winograd_use use) { atomic_store(&winograd_use, use); }

enum fcnn_winograd_use fcnn_get_winograd(void) { return (enum fcnn_winograd_use)atomic_load(&winograd_use); }

/* How many taps of an axis' windows lie on the plane, in all. */
static double taps_of_axis(int64_t windows, int64_t size, int64_t taps, int64_t origin) {
  int64_t count = 0;
  for (int64_t u = origin; u < origin + taps; u++) /* that tap of window i is pixel u + i */
    count += fcnn_max(fcnn_min(windows, size - u) - fcnn_max(-u, 0), 0);
  return (double)count;
}

/* The products of an image and one channel and filter by the direct method, for windows one pixel apart. */
static double direct_products(const fcnn_windows *w) {
  return taps_of_axis(w->OH, w->H, w->KH, w->origin_h) * taps_of_axis(w->OW, w->W, w->KW, w->origin_w);
}

/* Tiles over a plane. */
static int64_t tiles_over(int64_t rows, int64_t cols, int64_t tile) {
  return fcnn_ceil_div(rows, tile) * fcnn_ceil_div(cols, tile);
}

bool fcnn_winograd_scatters(const fcnn_windows *w, int64_t tile) {
  return tiles_over(w->H, w->W, tile) < tiles_over(w->OH, w->OW, tile);
}

/* Whether Winograd's method can compute such windows; if not, the choice says why. */
static bool winograd_serves(const fcnn_windows *w, bool double_precision, fcnn_conv2d_choice *choice) {
  choice->algorithm = FCNN_DIRECT;
  if (w->KH != 3 || w->KW != 3 || w->step_h != 1 || w->step_w != 1 || w->tap_h != 1 || w->tap_w != 1)
    choice->reason = FCNN_NOT_3X3;
  else if (double_precision)
    choice->reason = FCNN_NOT_FLOAT;
  else if (fcnn_get_winograd() == FCNN_WINOGRAD_NEVER)
    choice->reason = FCNN_SWITCHED_OFF;
  else
    choice->reason = FCNN_COSTS;
  return choice->reason == FCNN_COSTS;
}

/* Whether tiles of that size may be used. */
static bool tile_is_allowed(int64_t tile) {
  const int64_t only = (int64_t)fcnn_get_winograd();
  return only < FCNN_WINOGRAD_BY_3 || only == tile;
}

/* Compares the methods, once the choice has the best tile, or none. */
static fcnn_conv2d_choice decided(fcnn_conv2d_choice choice) {
  const bool forced = fcnn_get_winograd() >= FCNN_WINOGRAD_IF_POSSIBLE;
  if (choice.tile == 0) choice.reason = FCNN_FILTERS_TOO_LARGE;
  choice.algorithm = choice.tile && (forced || choice.winograd_cost < choice.direct_cost) ? FCNN_WINOGRAD : FCNN_DIRECT;
  if (choice.tile == 0) choice.direct_cost = 0; /* there was nothing to compare it with */
  return choice;
}

fcnn_conv2d_choice fcnn_choose_correlation(const fcnn_windows *w, int64_t filters, bool double_precision) {
  fcnn_conv2d_choice choice = {0};
  if (!winograd_serves(w, double_precision, &choice)) return choice;
  const double C = (double)w->channels, F = (double)fcnn_round_up(filters, LEAST_VECTOR);
  choice.direct_cost = DIRECT_MULTIPLY * direct_products(w) * C * F;
  double least = INFINITY;
  for (int64_t tile = FCNN_LEAST_TILE; tile <= FCNN_MOST_TILE; tile++) {
    const int64_t elements = (tile + 2) * (tile + 2), panel = elements * w->channels * FCNN_WIDEST_PANEL * (int64_t)sizeof(float);
    if (!tile_is_allowed(tile) || panel > FCNN_WINOGRAD_FILTERS) continue;
    const double gathered = (double)tiles_over(w->OH, w->OW, tile), tiles = fmin(gathered, (double)tiles_over(w->H, w->W, tile));
    const double products = (double)elements * C * F;
    const bool near = products * (double)sizeof(float) < NEAR_BYTES;
    const double work = tiles * ((gathered > 1 ? PRODUCT : LONE_PRODUCT) * products + TRANSFORM[tile] * (C + F));
    const double of_filters = (near ? FILTER_TRANSFORM : FAR_FILTER_TRANSFORM) * products, cost = work + of_filters / SHARED;
    if (cost >= least) continue;
    least = cost;
    choice.tile = tile;
    choice.winograd_cost = near ? cost : work + of_filters / FAR_SHARED;
  }
  return decided(choice);
}

fcnn_conv2d_choice fcnn_choose_weight_gradient(const fcnn_windows *w, int64_t filters, bool double_precision) {
  fcnn_conv2d_choice choice = {0};
  if (!winograd_serves(w, double_precision, &choice)) return choice;
  const double C = (double)w->channels, F = (double)fcnn_round_up(filters, LEAST_VECTOR);
  const double block_c = C < GRADIENT_BLOCK ? C : GRADIENT_BLOCK, block_f = F < GRADIENT_BLOCK ? F : GRADIENT_BLOCK;
  choice.direct_cost = DIRECT_GRADIENT * direct_products(w) * C * F;
  for (int64_t tile = FCNN_LEAST_TILE; tile <= FCNN_MOST_TILE; tile++) {
    const double elements = (double)((tile + 2) * (tile + 2)), tiles = (double)tiles_over(w->OH, w->OW, tile);
    const double cost = tiles * C * F * (GRADIENT_PRODUCT * elements + GRADIENT_TRANSFORM[tile] * (1 / block_c + 1 / block_f));
    if (!tile_is_allowed(tile) || (choice.tile && cost >= choice.winograd_cost)) continue;
    choice.tile = tile;
    choice.winograd_cost = cost;
  }
  return decided(choice);
}

fcnn_conv2d_choice fcnn_choose_conv2d(const fcnn_conv2d_shape *s, enum fcnn_conv2d_op op, bool double_precision) {
  if (fcnn_small_groups(s)) return (fcnn_conv2d_choice){.algorithm = FCNN_GROUPED, .reason = FCNN_SMALL_GROUPS};
  const fcnn_windows windows = fcnn_conv2d_windows(s);
  if (op == FCNN_WEIGHT_GRADIENT) return fcnn_choose_weight_gradient(&windows, s->F / s->groups, double_precision);
  if (op == FCNN_FORWARD) return fcnn_choose_correlation(&windows, s->F / s->groups, double_precision);
  if (s->stride_h > 1 || s->stride_w > 1 || s->KH != 3 || s->KW != 3)
    return (fcnn_conv2d_choice){.algorithm = FCNN_DIRECT, .reason = FCNN_NOT_3X3};
  fcnn_phase h, v;
  const fcnn_windows gradient = fcnn_input_gradient_windows(s, 0, 0, &h, &v);
  return fcnn_choose_correlation(&gradient, s->C / s->groups, double_precision);
}
