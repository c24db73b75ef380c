/* fastcnn: convolution, pooling and their gradients on dense NHWC arrays. The whole C interface; it knows no Python.

   Arrays are C-contiguous and aligned to their elements; the caller has checked every shape (see the asserts of a debug
   build). Outputs are written whole and never read first. Functions return FCNN_OK or the one status that their comment
   names, and may be called from many threads at once. Results do not depend on the number of threads.

   Glossary: N batch, H W input plane, OH OW output plane, C input channels, F filters (output channels), KH KW kernel. */
#ifndef FASTCNN_H
#define FASTCNN_H

#include <stdbool.h>
#include <stdint.h>

enum fcnn_status {
  FCNN_OK = 0,
  FCNN_NO_MEMORY = 1,   /* scratch could not be allocated */
  FCNN_BAD_INDEX = 2,   /* an index or a label points outside its array */
  FCNN_UNKNOWN_ISA = 3, /* no kernels of that name in this build */
  FCNN_NO_ISA = 4,      /* kernels of that name are here, but the machine cannot run them */
  FCNN_NOT_FUSED = 5,   /* nothing was done: two kernels after each other serve this shape better than one */
};

/* A convolution of x (N, H, W, C) with w (KH, KW, C / groups, F) to y (N, OH, OW, F). Padding pixels add nothing (not
   even 0 times infinity): pad_top rows and pad_left columns of them lie before pixel (0, 0); those after follow from OH and OW. */
typedef struct {
  int64_t N, H, W, C, F, KH, KW, OH, OW;
  int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, groups;
} fcnn_conv2d_shape;

/* A pooling of x (N, H, W, C) over windows of (KH, KW) pixels to y (N, OH, OW, C). Padding never wins a maximum; it counts
   towards an average only with count_padding, and then no further than pad_bottom and pad_right after the image. */
typedef struct {
  int64_t N, H, W, C, KH, KW, OH, OW;
  int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, pad_bottom, pad_right;
  bool count_padding;
} fcnn_pool2d_shape;

/* --- Configuration ------------------------------------------------------------------------------------------------- */

/* The name of kernel set `index`, best first, or NULL past the last one of this build. */
const char *fcnn_isa_name(int index);
/* Whether the machine and its operating system can run kernel set `index`. */
bool fcnn_isa_available(int index);
/* Uses the kernels called `name`, or the best available for NULL. FCNN_UNKNOWN_ISA or FCNN_NO_ISA: nothing has changed. */
int fcnn_select_isa(const char *name);
/* The name of the kernels in use. */
const char *fcnn_selected_isa(void);

/* The number of threads, at least 1, that later calls share their work among. */
void fcnn_set_num_threads(int64_t count);
int64_t fcnn_get_num_threads(void);

/* --- Arrays of any kind --------------------------------------------------------------------------------------------------- */

/* to (count, row_bytes) = rows indices (count) of from (rows, row_bytes). FCNN_BAD_INDEX: `to` is undefined. */
int fcnn_gather_rows(int64_t count, int64_t rows, int64_t row_bytes, const void *from, const int64_t *indices, void *to);

/* --- Kernels, for float (_f32) and double (_f64) ----------------------------------------------------------------------- */

#define REAL float
#define FCNN(name) fcnn_##name##_f32
#include "api.inc"
#undef FCNN
#undef REAL

#define REAL double
#define FCNN(name) fcnn_##name##_f64
#include "api.inc"
#undef FCNN
#undef REAL

#endif
