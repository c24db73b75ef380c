/* The table of microkernels: tight loops over contiguous memory that know nothing of images, one set for each ISA. */
#ifndef FASTCNN_DISPATCH_H
#define FASTCNN_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "fastcnn.h"
#include "lanes.h"

/* `length` numbers of a patch that are neighbours in memory: they start `from` numbers after the patch's base, and meet the rows
   `row` ... of the filters' matrix. */
typedef struct {
  int64_t from, row, length;
} fcnn_run;

/* Taps side by side of the patches of a strip: the first one is `from` numbers after a patch's base, and meets the filters from number
   `row` of a panel on. */
typedef struct {
  int64_t from, row;
} fcnn_strip_line;

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
