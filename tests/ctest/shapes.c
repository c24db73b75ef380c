/* Every kernel of fastcnn.h on many small shapes, its arrays beside pages that nobody may touch: at their end, then at their begin. No
   kernel may read or write past an array, change what it reads, or leave a number unwritten; and all kernel sets give what the generic
   one gives but for rounding. Where memory is refused, wherever a call asks for it, the call says so, and the next one is right; where no
   threads can be had, calls do without.

     shapes [cases [kernel set]]     how many shapes each kernel gets; of only one set, besides the generic one

   A crash prints the case that it is in. Then come a line for each kernel, and "N passed, N failed" as of kernels.c. */
#include "call.h"
#include "guarded.h"
#include "refuse.h"

#define REAL float
#define ELEMENT FLOATS
#define TYPED(name) name##_f32
#define FCNN(name) fcnn_##name##_f32
#define NAMED(name) name "_f32"
#include "shapes_conv.inc"
#include "shapes_rest.inc"
#undef NAMED
#undef FCNN
#undef TYPED
#undef ELEMENT
#undef REAL

#define REAL double
#define ELEMENT DOUBLES
#define TYPED(name) name##_f64
#define FCNN(name) fcnn_##name##_f64
#define NAMED(name) name "_f64"
#include "shapes_conv.inc"
#include "shapes_rest.inc"
#undef NAMED
#undef FCNN
#undef TYPED
#undef ELEMENT
#undef REAL

#include "shapes_plain.inc"

enum { THREADLESS_CASES = 16 }; /* before the first thread starts */

static int64_t refusals; /* of memory, in all */

static void name_case(const kernel *k, const call *c, bool at_end) {
  const char *name = k->name, *where = at_end ? "end" : "begin";
  char title[128];
  snprintf(title, sizeof title, "%s at the %s, rows %" PRId64 ", columns %" PRId64 ", choice %d, tile %" PRId64 ",", name, where,
           c->rows, c->columns, c->choice, c->tile);
  if (c->conv.KH)
    begin_conv2d(title, &c->conv);
  else if (c->pool.KH)
    begin_pool2d(title, &c->pool);
  else
    begin_case("%s threads %" PRId64, title, fcnn_get_num_threads());
}

/* Runs the call with its arrays, of these contents, beside guarded pages; `expected` is what results were, and are from now on if `first`.
   Without memory, what the call reads must have stayed as it was. */
static void run_guarded(const kernel *k, call *c, void *const *contents, void **expected, bool first, bool at_end) {
  name_case(k, c, at_end);
  for (int i = 0; i < c->count; i++) {
    const size_t bytes = (size_t)c->arrays[i].count * element_bytes(c->arrays[i].element);
    void *data = place(i, bytes, at_end);
    memcpy(data, contents[i], bytes);
    c->at[i] = c->arrays[i].absent ? NULL : data;
  }
  const bool refusing = memory.granted >= 0;
  const int status = k->run(c);
  const bool refused = refusing && memory.granted < 0;
  check(refused ? status == FCNN_NO_MEMORY : status == FCNN_OK || status == FCNN_NOT_FUSED, "must not return %d", status);
  for (int i = 0; i < c->count; i++) {
    const array *a = &c->arrays[i];
    const size_t bytes = (size_t)a->count * element_bytes(a->element);
    if (a->absent || (refused && (a->content == UNWRITTEN || a->content == SCRATCH))) continue;
    check(untouched(c->at[i], bytes, at_end), "array %d must not be written beside", i);
    if (status != FCNN_OK || (a->content != UNWRITTEN && !a->changed)) {
      if (a->content != SCRATCH) check(memcmp(c->at[i], contents[i], bytes) == 0, "array %d must stay as it was", i);
      continue;
    }
    const int64_t wrong = wrong_elements(a, c->at[i], first ? NULL : expected[i]);
    check(wrong == 0, "%" PRId64 " of %" PRId64 " elements of array %d are wrong", wrong, a->count, i);
    if (first) memcpy(expected[i], c->at[i], bytes);
  }
}

/* Refuses the first call for memory, then the second, until there are no more; then the results must be right. */
static void run_refused(const kernel *k, call *c, void *const *contents, void **expected) {
  int64_t granted = 0;
  do {
    memory.granted = granted++;
    run_guarded(k, c, contents, expected, false, true);
    refusals += memory.granted < 0;
  } while (memory.granted < 0);
  memory.granted = -1;
}

/* The generic kernels first, which the others are compared with. `only` is the one other set to run, or NULL. */
static int64_t run_everywhere(const kernel *k, call *c, const char *only) {
  void *contents[MOST_ARRAYS], *expected[MOST_ARRAYS];
  for (int i = 0; i < c->count; i++) {
    contents[i] = allocate(c->arrays[i].count, element_bytes(c->arrays[i].element));
    expected[i] = allocate(c->arrays[i].count, element_bytes(c->arrays[i].element));
    fill(c, &c->arrays[i], contents[i]);
  }
  fcnn_set_winograd(c->tile ? (enum fcnn_winograd_use)c->tile : FCNN_WINOGRAD_NEVER);
  int last = 0, runs = 0;
  while (fcnn_isa_name(last + 1)) last++;
  for (int isa = last; isa >= 0; isa--) {
    const bool wanted = isa == last || !only || strcmp(only, fcnn_isa_name(isa)) == 0;
    if (!wanted || fcnn_select_isa(fcnn_isa_name(isa)) != FCNN_OK) continue;
    for (int at_end = 0; at_end < 2; at_end++) run_guarded(k, c, contents, expected, runs == 0 && at_end == 0, at_end);
    run_refused(k, c, contents, expected);
    runs++;
  }
  for (int i = 0; i < c->count; i++) free(contents[i]), free(expected[i]);
  return runs;
}

static int64_t run_table(const kernel *kernels, int64_t cases, const char *only) {
  int64_t count = 0;
  for (; kernels[count].name; count++) {
    int64_t runs = 0;
    random_state = 2026 + (uint64_t)count;
    for (int64_t i = 0; i < cases; i++) {
      fcnn_set_num_threads(i % 8 == 0 ? 2 : i % 8 == 4 ? 3 : 1);
      call c = {0};
      kernels[count].draw(&c);
      runs += run_everywhere(&kernels[count], &c, only);
    }
    printf("%s: %" PRId64 " shapes, %" PRId64 " runs of kernel sets at the begin and at the end\n", kernels[count].name, cases,
           runs);
  }
  return count;
}

int main(int argc, char **argv) {
  const int64_t cases = argc > 1 ? strtoll(argv[1], NULL, 10) : 300;
  const char *only = argc > 2 ? argv[2] : NULL;
  setvbuf(stdout, NULL, _IOLBF, 0);
  open_slots();
  fcnn_set_least_share(0); /* threads for the smallest of cases, too */
  memory.threadless = true;
  run_table(KERNELS_f32, THREADLESS_CASES, only);
  memory.threadless = false;
  const int64_t kernels =
      run_table(KERNELS_f32, cases, only) + run_table(KERNELS_f64, cases, only) + run_table(KERNELS, cases, only);
  printf("%" PRId64 " kernels with %" PRId64 " shapes each, %" PRId64 " refusals of memory\n", kernels, cases, refusals);
  printf("%" PRId64 " passed, %" PRId64 " failed\n", report.passed, report.failed);
  return report.failed > 0;
}
