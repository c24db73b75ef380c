/* Every function of fastcnn.h against plain loops that sum in double: for every kernel set that the machine can run, float and double,
   and shapes drawn from a generator with a fixed seed.

     kernels [cases]     how many shapes each check draws

   A check that fails prints a line with its case. The last line is "N passed, N failed"; the exit status is 1 if any failed. */
#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "axes.h"
#include "fastcnn.h"
#include "lanes.h"
#include "threads.h"

/* --- What passed and what failed ------------------------------------------------------------------------------------------ */

static struct {
  char what[512]; /* the case that is being checked */
  int64_t passed, failed;
} report;

/* Names the case that the next checks are about. */
static __attribute__((format(printf, 1, 2))) void begin_case(const char *format, ...) {
  const int length = snprintf(report.what, sizeof report.what, "%s, ", fcnn_selected_isa());
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(report.what + length, sizeof report.what - (size_t)length, format, arguments);
  va_end(arguments);
}

/* Counts a check; one that failed is told, with what it was about and how it failed. */
static __attribute__((format(printf, 2, 3))) void check(bool passed, const char *format, ...) {
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

static uint32_t random_bits(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 32);
}

/* From low to high, both included. */
static int64_t random_between(int64_t low, int64_t high) { return low + (int64_t)(random_bits() % (uint64_t)(high - low + 1)); }

/* In [-1, 1). */
static double random_signed(void) { return (double)random_bits() / 2147483648.0 - 1; }

/* About the edges of vectors and tiles. */
static int64_t random_channels(void) {
  static const int64_t edges[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 24, 25, 31, 32, 33};
  return edges[random_between(0, (int64_t)(sizeof edges / sizeof edges[0]) - 1)];
}

/* One axis of windows that fit: some pixels, more or less padding than a window has taps, and what follows from them. */
typedef struct {
  int64_t size, window, out, stride, dilation, before, after;
} axis;

static axis random_axis(int64_t most_dilation, int64_t most_padding) {
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

static int64_t tiles_of(int64_t results, int64_t tile) { return (results + tile - 1) / tile; }

/* What Winograd's method serves: 3x3 taps, side by side, a pixel apart. */
static fcnn_conv2d_shape random_3x3(void) {
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

static fcnn_conv2d_shape random_conv2d(void) {
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

/* What random shapes do not reach: more than one block of sums, of filters, of channels; many windows; lines that collide. */
static const fcnn_conv2d_shape LARGE_CONVOLUTIONS[] = {
#define PLAIN(count) .stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = count
    {.N = 1, .H = 2, .W = 3, .C = 2570, .F = 3, .KH = 1, .KW = 1, .OH = 2, .OW = 3, PLAIN(1)},
    {.N = 1, .H = 3, .W = 4, .C = 300, .F = 5, .KH = 3, .KW = 3, .OH = 3, .OW = 4, PLAIN(1), .pad_top = 1, .pad_left = 1},
    {.N = 1, .H = 2, .W = 2, .C = 20, .F = 1100, .KH = 2, .KW = 2, .OH = 1, .OW = 1, PLAIN(1)},
    {.N = 1, .H = 1, .W = 2, .C = 520, .F = 600, .KH = 1, .KW = 2, .OH = 1, .OW = 1, PLAIN(1)},
    {.N = 3, .H = 21, .W = 20, .C = 2, .F = 3, .KH = 1, .KW = 1, .OH = 21, .OW = 20, PLAIN(1)},
    {.N = 2, .H = 18, .W = 17, .C = 3, .F = 5, .KH = 3, .KW = 3, .OH = 18, .OW = 17, PLAIN(1), .pad_top = 1, .pad_left = 1},
    {.N = 1, .H = 3, .W = 5, .C = 512, .F = 9, .KH = 1, .KW = 1, .OH = 3, .OW = 5, PLAIN(1)},
    {.N = 1, .H = 3, .W = 4, .C = 259, .F = 259, .KH = 2, .KW = 2, .OH = 2, .OW = 3, PLAIN(259)},
#undef PLAIN
};
enum { LARGE = sizeof LARGE_CONVOLUTIONS / sizeof LARGE_CONVOLUTIONS[0] };

/* A pooling whose windows all have a pixel: no more than half of one is padding, and spread taps are not padded. */
static fcnn_pool2d_shape random_pool2d(bool spread) {
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
static fcnn_pool2d_shape random_pool2d_of(const fcnn_conv2d_shape *conv) {
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
static void tile_pool2d(fcnn_conv2d_shape *conv, fcnn_pool2d_shape *pool) {
  pool->stride_h = pool->KH;
  pool->stride_w = pool->KW;
  pool->pad_top = pool->pad_left = 0;
  pool->OH = conv->OH / pool->KH;
  pool->OW = conv->OW / pool->KW;
  conv->OH = pool->H = pool->OH * pool->KH;
  conv->OW = pool->W = pool->OW * pool->KW;
}

static void begin_conv2d(const char *name, const fcnn_conv2d_shape *s) {
  begin_case("%s of x (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "), w (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64
             "), y (%" PRId64 ", %" PRId64 "), stride (%" PRId64 ", %" PRId64 "), dilation (%" PRId64 ", %" PRId64
             "), padding (%" PRId64 ", %" PRId64 "), groups %" PRId64 ", threads %" PRId64,
             name, s->N, s->H, s->W, s->C, s->KH, s->KW, s->C / s->groups, s->F, s->OH, s->OW, s->stride_h, s->stride_w,
             s->dilation_h, s->dilation_w, s->pad_top, s->pad_left, s->groups, fcnn_get_num_threads());
}

static void begin_pool2d(const char *name, const fcnn_pool2d_shape *s) {
  begin_case("%s of x (%" PRId64 ", %" PRId64 ", %" PRId64 ", %" PRId64 "), window (%" PRId64 ", %" PRId64 "), y (%" PRId64
             ", %" PRId64 "), stride (%" PRId64 ", %" PRId64 "), dilation (%" PRId64 ", %" PRId64 "), padding (%" PRId64
             ", %" PRId64 ", %" PRId64 ", %" PRId64 "), %s, threads %" PRId64,
             name, s->N, s->H, s->W, s->C, s->KH, s->KW, s->OH, s->OW, s->stride_h, s->stride_w, s->dilation_h, s->dilation_w,
             s->pad_top, s->pad_left, s->pad_bottom, s->pad_right, s->count_padding ? "padding counts" : "padding does not count",
             fcnn_get_num_threads());
}

/* --- Sums in double ------------------------------------------------------------------------------------------------------- */

/* A sum, and that of the absolute values of its terms, which the roundings of any other way to sum are relative to. */
typedef struct {
  double value, scale;
} sum;

static void add(sum *s, double a, double b) {
  s->value += a * b;
  s->scale += fabs(a * b);
}

static void *allocate(int64_t count, size_t size) {
  void *memory = calloc((size_t)(count > 0 ? count : 1), size);
  if (!memory) {
    fputs("no memory\n", stderr);
    exit(2);
  }
  return memory;
}

/* Whether pixel (h, w) is on the plane. */
static bool inside(int64_t h, int64_t w, int64_t H, int64_t W) { return h >= 0 && h < H && w >= 0 && w < W; }

/* --- The checks, for float and for double ----------------------------------------------------------------------------------- */

#define REAL float
#define EPSILON FLT_EPSILON
#define TYPED(name) name##_f32
#define FCNN(name) fcnn_##name##_f32
#define NAMED(name) name " of floats"
#include "checks.inc"
#undef NAMED
#undef FCNN
#undef TYPED
#undef EPSILON
#undef REAL

#define REAL double
#define EPSILON DBL_EPSILON
#define TYPED(name) name##_f64
#define FCNN(name) fcnn_##name##_f64
#define NAMED(name) name " of doubles"
#include "checks.inc"
#undef NAMED
#undef FCNN
#undef TYPED
#undef EPSILON
#undef REAL

#include "sessions.inc"
#include "threads.inc"

static void check_configuration(void) {
  begin_case("configuration");
  const char *before = fcnn_selected_isa();
  check(fcnn_isa_name(0) != NULL, "there must be kernels");
  check(fcnn_isa_name(-1) == NULL && fcnn_isa_name(1000) == NULL, "there must be no kernels outside the table");
  check(!fcnn_isa_available(-1) && !fcnn_isa_available(1000), "no kernels outside the table can run");
  check(fcnn_select_isa("none such") == FCNN_UNKNOWN_ISA, "unknown kernels must be refused");
  for (int i = 0; fcnn_isa_name(i); i++)
    if (!fcnn_isa_available(i)) check(fcnn_select_isa(fcnn_isa_name(i)) == FCNN_NO_ISA, "kernels that cannot run must be refused");
  check(strcmp(fcnn_selected_isa(), before) == 0, "the kernels in use must stay as they were");
  fcnn_set_num_threads(0);
  check(fcnn_get_num_threads() == 1, "there must be a thread at least");
}

static void check_gather(int64_t count, int64_t rows, int64_t row_bytes) {
  char *from = allocate(rows * row_bytes, 1), *to = allocate(count * row_bytes, 1);
  int64_t *indices = allocate(count, sizeof *indices);
  for (int64_t i = 0; i < rows * row_bytes; i++) from[i] = (char)random_between(-128, 127);
  for (int64_t i = 0; i < count; i++) indices[i] = random_between(0, rows - 1);
  begin_case("gather (%" PRId64 " of %" PRId64 ", %" PRId64 ")", count, rows, row_bytes);
  check(fcnn_gather_rows(count, rows, row_bytes, from, indices, to) == FCNN_OK, "must be done");
  for (int64_t i = 0; i < count; i++)
    check(memcmp(to + i * row_bytes, from + indices[i] * row_bytes, (size_t)row_bytes) == 0, "row %" PRId64 " is wrong", i);
  if (count > 0) indices[count - 1] = rows;
  check(fcnn_gather_rows(count, rows, row_bytes, from, indices, to) == (count ? FCNN_BAD_INDEX : FCNN_OK), "must be refused");
  free(from), free(to), free(indices);
}

#include "shapes.inc"

int main(int argc, char **argv) {
  const int64_t cases = argc > 1 ? strtoll(argv[1], NULL, 10) : 40;
  check_configuration();
  check_shapes();
  fcnn_set_least_share(0); /* threads for the smallest of cases, too */
  for (int i = 0; fcnn_isa_name(i); i++) {
    if (!fcnn_isa_available(i)) {
      printf("%s: cannot run here\n", fcnn_isa_name(i));
      continue;
    }
    check(fcnn_select_isa(fcnn_isa_name(i)) == FCNN_OK && strcmp(fcnn_selected_isa(), fcnn_isa_name(i)) == 0, "must be selected");
    random_state = 2025;
    check_all_f32(cases);
    check_all_f64(cases);
    check_sessions(cases);
    check_threads();
  }
  for (int64_t i = 0; i < cases; i++) check_gather(random_between(0, 40), random_between(1, 40), random_between(0, 300));
  printf("%" PRId64 " passed, %" PRId64 " failed\n", report.passed, report.failed);
  return report.failed > 0;
}
