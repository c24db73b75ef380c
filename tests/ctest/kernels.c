/* Every function of fastcnn.h against plain loops that sum in double: for every kernel set that the machine can run, float and double,
   and shapes drawn from a generator with a fixed seed.

     kernels [cases]     how many shapes each check draws

   A check that fails prints a line with its case. The last line is "N passed, N failed"; the exit status is 1 if any failed. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <fenv.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "axes.h"
#include "common.h"
#include "lanes.h"
#include "refuse.h"

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

/* --- Sums in double ------------------------------------------------------------------------------------------------------- */

/* A sum, and that of the absolute values of its terms, which the roundings of any other way to sum are relative to. */
typedef struct {
  double value, scale;
} sum;

static void add(sum *s, double a, double b) {
  s->value += a * b;
  s->scale += fabs(a * b);
}

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
#include "passes.inc"
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

#include "arithmetic.inc"

int main(int argc, char **argv) {
  const int64_t cases = argc > 1 ? strtoll(argv[1], NULL, 10) : 40;
  check_configuration();
  check_shapes();
  check_replaced();
  check_fork_beside_start();
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
    check_passes(fcnn_ceil_div(cases, 10));
    check_threads();
  }
  for (int64_t i = 0; i < cases; i++) check_gather(random_between(0, 40), random_between(1, 40), random_between(0, 300));
  printf("%" PRId64 " passed, %" PRId64 " failed\n", report.passed, report.failed);
  return report.failed > 0;
}
