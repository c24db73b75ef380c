/* The table of microkernels: tight loops over contiguous memory that know nothing of images, one set for each ISA. */
#ifndef FASTCNN_DISPATCH_H
#define FASTCNN_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "activation.h"
#include "fastcnn.h"
#include "lanes.h"

/* `length` numbers of a patch that are neighbours in memory: they start `from` numbers after the patch's base, and meet the rows
   `row` ... of the filters' matrix. */
typedef struct {
  int64_t from, row, length;
} fcnn_run;

/* Taps side by side, or one, of a row of results: position q lies q steps after number `from` of a row of the image. Position p * stride + v
   is tap v of result p, and meets the filters from number `row` of a panel on; those in [begin, end) are on the plane. */
typedef struct {
  int64_t from, row, begin, end;
} fcnn_strip_line;

/* Of convolutions with a max pooling behind them: */
enum {
  FCNN_POOLED = 4,   /* results that are computed, and pooled, at once */
  FCNN_FEW_ROWS = 9, /* rows of dw that are summed at once */
};

/* Bits [begin, end) of 32, as far as there are such. */
static inline uint32_t fcnn_bits(int64_t begin, int64_t end) {
  return ~(uint32_t)0 << fcnn_clamp(begin, 0, 31) & ~(~(uint32_t)0 << fcnn_clamp(end, 0, 31));
}

#define REAL float
#define TYPED(name) name##_f32
#include "microkernel_table.inc"
#undef TYPED
#undef REAL

#define REAL double
#define TYPED(name) name##_f64
#include "microkernel_table.inc"
#undef TYPED
#undef REAL

typedef struct {
  const char *name;
  const microkernels_f32 *f32;
  const microkernels_f64 *f64;
} fcnn_isa;

#define ISA(name, available) extern const fcnn_isa fcnn_isa_##name;
#include "isa.inc"
#undef ISA

/* The set in use. */
const fcnn_isa *fcnn_isa_in_use(void);

#endif
