/* One call of a kernel: its shapes, and its arrays in the order that its row of the table reads them. */
#ifndef FASTCNN_CTEST_CALL_H
#define FASTCNN_CTEST_CALL_H

#include "common.h"

enum { MOST_ARRAYS = 7 };

/* What an array has before the call. UNWRITTEN is NaN, or -1, and must be gone afterwards; SCRATCH likewise, but need not. */
enum content { SIGNED, TIES, SQUARES, INDICES, WINNERS, UNWRITTEN, SCRATCH };

enum element { FLOATS, DOUBLES, INTEGERS, BYTES };

typedef struct {
  enum content content;
  enum element element;
  int64_t count;
  int64_t limit; /* integers and bytes are below it */
  bool absent;   /* NULL for the kernel */
  bool changed;  /* by the kernel, in place */
  /* A number is the sum of so many terms, whose absolute values add up to `scale` at most: see tests/compare.py. All kernel sets have the
     same bits where scale is 0; bytes may be others where it is not. */
  double terms, scale;
} array;

typedef struct {
  fcnn_conv2d_shape conv;
  fcnn_pool2d_shape pool;
  int64_t rows, columns;
  int64_t tile; /* of Winograd's method; 0 where it is not used */
  int choice;   /* which activation, which rule */
  double lo, hi;
  int count;
  array arrays[MOST_ARRAYS];
  void *at[MOST_ARRAYS];
} call;

typedef struct {
  const char *name;
  void (*draw)(call *c);
  int (*run)(call *c);
} kernel;

static inline size_t element_bytes(enum element element) {
  return element == FLOATS ? sizeof(float) : element == DOUBLES ? sizeof(double) : element == INTEGERS ? sizeof(int64_t) : 1;
}

static inline array *add_array(call *c, enum element element, enum content content, int64_t count) {
  array *a = &c->arrays[c->count++];
  *a = (array){.content = content, .element = element, .count = count};
  return a;
}

/* An array that the kernel may do without. */
static inline void add_optional(call *c, enum element element, enum content content, int64_t count) {
  add_array(c, element, content, count)->absent = random_between(0, 2) == 0;
}

static inline void add_result(call *c, enum element element, int64_t count, double terms, double scale) {
  array *a = add_array(c, element, UNWRITTEN, count);
  a->terms = terms;
  a->scale = scale;
}

/* A tap, for result o of the pooling, that lies on the plane. */
static inline uint8_t random_winner(const fcnn_pool2d_shape *s, int64_t o) {
  const int64_t j = o / s->C % s->OW, i = o / s->C / s->OW % s->OH;
  int64_t u, v;
  do {
    u = random_between(0, s->KH - 1);
    v = random_between(0, s->KW - 1);
  } while (
      !inside(i * s->stride_h + u * s->dilation_h - s->pad_top, j * s->stride_w + v * s->dilation_w - s->pad_left, s->H, s->W));
  return (uint8_t)(u * s->KW + v);
}

/* Element i of an array before the call. */
static inline void fill_element(const call *c, const array *a, void *data, int64_t i) {
  if (a->element == INTEGERS) {
    ((int64_t *)data)[i] = random_between(0, a->limit - 1);
  } else if (a->element == BYTES) {
    ((uint8_t *)data)[i] = a->content == WINNERS ? random_winner(&c->pool, i) : (uint8_t)random_between(0, 255);
  } else {
    double number = a->content == TIES ? (double)random_between(-3, 2) : random_signed();
    if (a->content == SQUARES) number *= number;
    if (a->element == FLOATS)
      ((float *)data)[i] = (float)number;
    else
      ((double *)data)[i] = number;
  }
}

static inline void fill(const call *c, const array *a, void *data) {
  if (a->content == UNWRITTEN || a->content == SCRATCH)
    memset(data, 0xFF, (size_t)a->count * element_bytes(a->element));
  else
    for (int64_t i = 0; i < a->count; i++) fill_element(c, a, data, i);
}

static inline double real_at(enum element element, const void *data, int64_t i) {
  return element == FLOATS ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

/* How many elements of a result are not what `expected` has, or NULL before there is any: written, in range, near. */
static inline int64_t wrong_elements(const array *a, const void *data, const void *expected) {
  const double epsilon = a->element == FLOATS ? FLT_EPSILON : DBL_EPSILON;
  const double bound = 2 * (2 * sqrt(a->terms) + 2) * epsilon * a->scale; /* twice: both are rounded */
  int64_t wrong = 0;
  for (int64_t i = 0; i < a->count; i++) {
    if (a->element == FLOATS || a->element == DOUBLES) {
      const double number = real_at(a->element, data, i);
      wrong += !(expected ? fabs(number - real_at(a->element, expected, i)) <= bound : isfinite(number));
    } else {
      const int64_t number = a->element == INTEGERS ? ((const int64_t *)data)[i] : ((const uint8_t *)data)[i];
      const int64_t other = !expected                ? number
                            : a->element == INTEGERS ? ((const int64_t *)expected)[i]
                                                     : ((const uint8_t *)expected)[i];
      wrong += number < 0 || number >= a->limit || (a->scale == 0 && number != other);
    }
  }
  return wrong;
}

#endif
