/* fastcnn: convolution, pooling and their gradients on dense NHWC arrays. The whole C interface; it knows no Python.

   Arrays are C-contiguous and aligned to their elements; the caller has checked every shape (see the asserts of a debug
   build). Outputs are written whole and never read first. Functions return FCNN_OK or the one status that their comment
   names, and may be called from many threads at once. Results do not depend on the number of threads.

   Glossary: N batch, H W input plane, OH OW output plane, C input channels, F filters (output channels), KH KW kernel. */
#ifndef FASTCNN_H
#define FASTCNN_H

#include <stdbool.h>
#include <stdint.h>

#include "activation.h"

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

/* Where float convolutions use Winograd's method: nowhere, where it is faster (at first), or wherever it can compute them, to test and to
   measure it, by the fastest tiles or by those of 3x3, 4x4 or 5x5 results. */
enum fcnn_winograd_use {
  FCNN_WINOGRAD_NEVER,
  FCNN_WINOGRAD_IF_FASTER,
  FCNN_WINOGRAD_IF_POSSIBLE,
  FCNN_WINOGRAD_BY_3,
  FCNN_WINOGRAD_BY_4,
  FCNN_WINOGRAD_BY_5,
};

/* The sizes of its tiles, and the most elements that a transform has. */
enum { FCNN_LEAST_TILE = 3, FCNN_MOST_TILE = 5, FCNN_MOST_ELEMENTS = (FCNN_MOST_TILE + 2) * (FCNN_MOST_TILE + 2) };

void fcnn_set_winograd(enum fcnn_winograd_use use);
enum fcnn_winograd_use fcnn_get_winograd(void);

enum fcnn_conv2d_op { FCNN_FORWARD, FCNN_INPUT_GRADIENT, FCNN_WEIGHT_GRADIENT };

enum fcnn_algorithm { FCNN_DIRECT, FCNN_WINOGRAD, FCNN_GROUPED };

/* Why a convolution does not use Winograd's method, or that the costs decide. */
enum fcnn_reason { FCNN_COSTS, FCNN_SWITCHED_OFF, FCNN_NOT_3X3, FCNN_NOT_FLOAT, FCNN_FILTERS_TOO_LARGE, FCNN_SMALL_GROUPS };

/* How a convolution, or one of its gradients, is computed: a function of the shape, but for N, and of the precision. The costs are those of
   one image, in multiply-adds at the machine's peak; 0 where there is no choice. */
typedef struct {
  enum fcnn_algorithm algorithm;
  enum fcnn_reason reason;
  int64_t tile; /* by Winograd's method, the cheapest: tile x tile results at a time; 0 where it is no choice */
  double direct_cost, winograd_cost;
} fcnn_conv2d_choice;

fcnn_conv2d_choice fcnn_choose_conv2d(const fcnn_conv2d_shape *shape, enum fcnn_conv2d_op op, bool double_precision);
/* --- Arrays of any kind --------------------------------------------------------------------------------------------------- */

/* to (count, row_bytes) = rows indices (count) of from (rows, row_bytes). FCNN_BAD_INDEX: `to` is undefined. */
int fcnn_gather_rows(int64_t count, int64_t rows, int64_t row_bytes, const void *from, const int64_t *indices, void *to);

/* u (N, count) = numbers from [0, 1), each row from the stream of (seed, epoch, its sample, place): the same in any batch. samples (N) are
   in [0, 2**32), and count is at most 2**34. */
void fcnn_uniform(uint64_t seed, uint32_t epoch, uint32_t place, int64_t N, int64_t count, const int64_t *samples, float *u);

/* The rules by which optimizers change a weight, given its gradient: each with its coefficients and its slots, which are what it keeps for
   every weight. A share is what a running mean takes of the new number. */
enum fcnn_rule {
  /* weight -= rate * gradient; or, with a slot, velocity = momentum * velocity - rate * gradient, and weight += velocity or, with nesterov,
     momentum * velocity - rate * gradient.    (rate, momentum, nesterov: 0 or 1; velocity or NULL) */
  FCNN_SGD,
  /* mean and square move by their shares to the gradient and to its square; weight -= rate * mean / (sqrt(square) + epsilon).
     (rate, share_1, share_2, epsilon; mean, square) */
  FCNN_ADAM,
  /* square = rho * square + share * gradient ** 2, and mean likewise of the gradient; variance = square - mean ** 2, not less than 0, or
     square without a mean; change = rate * gradient / sqrt(variance + epsilon); velocity = momentum * velocity + change; weight -=
     velocity, or change without one.    (rate, rho, share, momentum, epsilon; square, velocity or NULL, mean or NULL) */
  FCNN_RMSPROP,
  /* weight -= rate * the sign of beta_1 * mean + share_1 * gradient; then mean = beta_2 * mean + share_2 * gradient.
     (rate, beta_1, share_1, beta_2, share_2; mean) */
  FCNN_LION,
  FCNN_RULES,
};

enum { FCNN_MAX_COEFFICIENTS = 5, FCNN_MAX_SLOTS = 3 };

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

/* --- Steps one after the other, float ---------------------------------------------------------------------------------------- */

enum fcnn_step_kind {
  FCNN_CONV2D,            /* conv2d; lo is 0 with relu. A dense layer is one of images of one pixel */
  FCNN_CONV2D_MAX_POOL2D, /* conv2d_max_pool2d, or its two kernels where it is not fused */
  FCNN_MAX_POOL2D,
  FCNN_AVG_POOL2D,
  FCNN_RELU,    /* of rows * columns numbers */
  FCNN_SOFTMAX, /* of each of rows rows of columns numbers; in sessions only */
  FCNN_DROPOUT, /* of rows samples of columns numbers; in training only */
};

typedef struct {
  enum fcnn_step_kind kind;
  fcnn_conv2d_shape conv; /* with groups 1 */
  fcnn_pool2d_shape pool;
  int64_t rows, columns;
  bool relu;
  uint32_t place;         /* of what a dropout draws */
  float threshold, scale; /* of a dropout */
} fcnn_step;

/* --- Training: steps forward, and back ----------------------------------------------------------------------------------------- */

/* How many numbers a step is given, and gives. */
int64_t fcnn_step_inputs(const fcnn_step *step);
int64_t fcnn_step_outputs(const fcnn_step *step);

/* What the forward pass leaves for the backward one. */
typedef struct fcnn_pass fcnn_pass;

/* A pass of so many steps that has yet to be made; NULL without memory. */
fcnn_pass *fcnn_pass_create(int64_t count);
void fcnn_pass_free(fcnn_pass *pass);

/* The random numbers of a training step: see fcnn_uniform. */
typedef struct {
  uint64_t seed;
  uint32_t epoch;
  const int64_t *samples;
} fcnn_draws;

/* y = the last step's result for x, the first one's input: the bits that the steps' kernels give one after the other. Each step has w and bias,
   or NULL. The steps, as many as the pass was made for, follow on each other in their sizes, all for the same N; poolings have at most 255
   taps. FCNN_NO_MEMORY: y is undefined. */
int fcnn_forward(const fcnn_step *steps, const float *const *w, const float *const *bias, const fcnn_draws *draws, const float *x,
                 float *y, fcnn_pass *pass);

/* dw and db of each step, and dx of the first, unless NULL, from the last one's dy, and from what `fcnn_forward` was given, and gave, for the
   pass, which is used up. FCNN_NO_MEMORY: they are undefined. */
int fcnn_backward(const fcnn_step *steps, const float *const *w, const float *x, const float *y, const float *dy, fcnn_pass *pass,
                  float *const *dw, float *const *db, float *dx);

/* All of it in one: y, logits (rows, columns), as `fcnn_forward` gives them; *total, the sum of the rows' softmax cross-entropies with labels
   (rows); dw and db, the gradients of their mean. FCNN_BAD_INDEX, for a label outside of [0, columns), or FCNN_NO_MEMORY: they are undefined. */
int fcnn_cross_entropy_gradients(const fcnn_step *steps, const float *const *w, const float *const *bias, const fcnn_draws *draws,
                                 const float *x, int64_t rows, int64_t columns, const int64_t *labels, float *y, fcnn_pass *pass,
                                 float *const *dw, float *const *db, double *total);

/* --- Sessions ---------------------------------------------------------------------------------------------------------------- */

/* Steps that are run again and again: the shapes of each are those for one input of the session, so N, and rows, are 1 but where a step has
   several planes of one input. All that shapes decide is done once, and all memory allocated. Everything but one run at a time may
   go on in several threads at once. */
typedef struct fcnn_session fcnn_session;

/* A session of steps (count), at least one, whose sizes follow on each other; inputs are taken batch_size at a time, at most. NULL without memory. */
fcnn_session *fcnn_session_create(const fcnn_step *steps, int64_t count, int64_t batch_size);
void fcnn_session_free(fcnn_session *session);

/* How many numbers the prepared filters of all steps are; they serve every session of the same steps. */
int64_t fcnn_session_prepared_numbers(const fcnn_session *session);

/* prepared, aligned to a cache line, gets what runs read of w (KH, KW, C, F) and bias (F), or NULL, of each convolution: those of the
   next one are w[1] and bias[1]. */
void fcnn_session_prepare(const fcnn_session *session, const float *const *w, const float *const *bias, float *prepared);

/* y (N, the last step's outputs) from x (N, the first step's inputs): the bits that the steps' kernels give one after the other.
   FCNN_NO_MEMORY: there are more threads than before, and no memory for them; nothing was written. */
int fcnn_session_run(fcnn_session *session, const float *prepared, int64_t N, const float *x, float *y);

#endif
