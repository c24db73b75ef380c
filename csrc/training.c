/* Training: a network's steps forward, and back, in one call each; or both, with a loss between them, in one.

   A caller could run the same kernels one after the other, and would get the same bits. But between large kernels everything that the caller
   itself needs is driven out of the caches, and comes back line by line: for Python some tens of microseconds a kernel. */
#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "fastcnn.h"
#include "memory.h"

enum { KEPT_BYTES = 1 << 16 }; /* so large blocks are kept, and used again: below, malloc is as fast */

/* --- Memory ------------------------------------------------------------------------------------------------------------------- */

/* Memory between steps; `data` is NULL where there is none. */
typedef struct {
  void *data;
  size_t capacity; /* 0 for malloc's */
} block;

/* Room for count * size bytes. False, and nothing to give back, without memory. */
static bool take(int64_t count, size_t size, block *to) {
  size_t bytes;
  *to = (block){0};
  if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes)) return false;
  to->data = bytes < KEPT_BYTES ? fcnn_scratch(count, size) : fcnn_buffer_take(bytes, &to->capacity);
  return to->data;
}

/* Gives a block back, if there is one. */
static void give(block *from) {
  if (from->capacity)
    fcnn_buffer_give(from->data, from->capacity);
  else
    free(from->data);
  *from = (block){0};
}

/* What a step leaves for its gradient. */
typedef struct {
  block y;     /* its result, unless it is the last one, whose result is the caller's */
  block noted; /* which taps won a max pooling, or what a dropout drew */
} step_notes;

struct fcnn_pass {
  int64_t count;
  step_notes notes[];
};

fcnn_pass *fcnn_pass_create(int64_t count) {
  fcnn_pass *pass = calloc(1, sizeof *pass + (size_t)count * sizeof *pass->notes);
  if (pass) pass->count = count;
  return pass;
}

void fcnn_pass_free(fcnn_pass *pass) {
  if (!pass) return;
  for (int64_t i = 0; i < pass->count; i++) {
    give(&pass->notes[i].y);
    give(&pass->notes[i].noted);
  }
  free(pass);
}

/* --- Steps -------------------------------------------------------------------------------------------------------------------- */

static int64_t conv_inputs(const fcnn_conv2d_shape *s) { return s->N * s->H * s->W * s->C; }
static int64_t conv_outputs(const fcnn_conv2d_shape *s) { return s->N * s->OH * s->OW * s->F; }
static int64_t pool_inputs(const fcnn_pool2d_shape *s) { return s->N * s->H * s->W * s->C; }
static int64_t pool_outputs(const fcnn_pool2d_shape *s) { return s->N * s->OH * s->OW * s->C; }

int64_t fcnn_step_inputs(const fcnn_step *step) {
  switch (step->kind) {
    case FCNN_CONV2D:
    case FCNN_CONV2D_MAX_POOL2D:
      return conv_inputs(&step->conv);
    case FCNN_MAX_POOL2D:
    case FCNN_AVG_POOL2D:
      return pool_inputs(&step->pool);
    default:
      return step->rows * step->columns;
  }
}

int64_t fcnn_step_outputs(const fcnn_step *step) {
  switch (step->kind) {
    case FCNN_CONV2D:
      return conv_outputs(&step->conv);
    case FCNN_CONV2D_MAX_POOL2D:
    case FCNN_MAX_POOL2D:
    case FCNN_AVG_POOL2D:
      return pool_outputs(&step->pool);
    default:
      return step->rows * step->columns;
  }
}

/* y and winners (pool_outputs) from x (conv_inputs): both kernels in one, or else one after the other. */
static int convolve_and_pool(const fcnn_step *step, const float *w, const float *bias, const float *x, float *y, uint8_t *winners) {
  const float lo = step->relu ? 0 : -INFINITY;
  int status = fcnn_conv2d_max_pool2d_f32(&step->conv, &step->pool, x, w, bias, lo, y, winners);
  if (status != FCNN_NOT_FUSED) return status;
  block z;
  if (!take(conv_outputs(&step->conv), sizeof(float), &z)) return FCNN_NO_MEMORY;
  status = fcnn_conv2d_f32(&step->conv, x, w, bias, lo, INFINITY, z.data);
  if (status == FCNN_OK) status = fcnn_max_pool2d_winners_f32(&step->pool, z.data, -INFINITY, y, winners);
  give(&z);
  return status;
}

/* y (rows, columns) from x likewise; u gets what was drawn for each. */
static int drop_out(const fcnn_step *step, const fcnn_draws *draws, const float *x, float *y, float *u) {
  fcnn_uniform(draws->seed, draws->epoch, step->place, step->rows, step->columns, draws->samples, u);
  return fcnn_dropout_f32(step->rows * step->columns, step->threshold, step->scale, u, x, y);
}

/* y (fcnn_step_outputs) from x (fcnn_step_inputs). */
static int forward_step(const fcnn_step *step, const float *w, const float *bias, const fcnn_draws *draws, const float *x, float *y,
                        step_notes *notes) {
  const int64_t outputs = fcnn_step_outputs(step);
  block *noted = &notes->noted;
  switch (step->kind) {
    case FCNN_CONV2D:
      return fcnn_conv2d_f32(&step->conv, x, w, bias, step->relu ? 0 : -INFINITY, INFINITY, y);
    case FCNN_CONV2D_MAX_POOL2D:
      return take(outputs, sizeof(uint8_t), noted) ? convolve_and_pool(step, w, bias, x, y, noted->data) : FCNN_NO_MEMORY;
    case FCNN_MAX_POOL2D:
      if (!take(outputs, sizeof(uint8_t), noted)) return FCNN_NO_MEMORY;
      return fcnn_max_pool2d_winners_f32(&step->pool, x, -INFINITY, y, noted->data);
    case FCNN_AVG_POOL2D:
      return fcnn_avg_pool2d_f32(&step->pool, x, y);
    case FCNN_RELU:
      return fcnn_relu_f32(outputs, x, y);
    case FCNN_DROPOUT:
      return take(outputs, sizeof(float), noted) ? drop_out(step, draws, x, y, noted->data) : FCNN_NO_MEMORY;
    case FCNN_SOFTMAX:
      break;
  }
  assert(false);
  return FCNN_OK;
}

/* What a step's gradient is taken from. */
typedef struct {
  const float *x, *w, *y, *dy;
  const void *noted;
  float *dw, *db, *dx; /* each NULL if it is not wanted */
} step_gradient;

/* Those of dw, db and dx that are wanted, from dz (conv_outputs). */
static int conv_gradients(const fcnn_conv2d_shape *conv, const step_gradient *g, const float *dz) {
  int status = FCNN_OK;
  if (g->dw) status = fcnn_conv2d_weight_gradient_f32(conv, dz, g->x, g->dw, g->db);
  if (g->dx && status == FCNN_OK) status = fcnn_conv2d_input_gradient_f32(conv, dz, g->w, NULL, -INFINITY, INFINITY, g->dx);
  return status;
}

static int conv_backward(const fcnn_step *step, const step_gradient *g) {
  if (!step->relu) return conv_gradients(&step->conv, g, g->dy);
  const int64_t outputs = conv_outputs(&step->conv);
  block dz;
  if (!take(outputs, sizeof(float), &dz)) return FCNN_NO_MEMORY;
  fcnn_relu_gradient_f32(outputs, g->dy, g->y, dz.data);
  const int status = conv_gradients(&step->conv, g, dz.data);
  give(&dz);
  return status;
}

static int conv_and_pool_backward(const fcnn_step *step, const step_gradient *g) {
  const float *y = step->relu ? g->y : NULL;
  int status = FCNN_NOT_FUSED;
  if (!g->dx) status = fcnn_conv2d_max_pool2d_weight_gradient_f32(&step->conv, &step->pool, g->dy, g->noted, y, g->x, g->dw, g->db);
  if (status != FCNN_NOT_FUSED) return status;
  block dz;
  if (!take(conv_outputs(&step->conv), sizeof(float), &dz)) return FCNN_NO_MEMORY;
  status = fcnn_max_pool2d_winners_gradient_f32(&step->pool, g->dy, g->noted, y, dz.data);
  if (status == FCNN_OK) status = conv_gradients(&step->conv, g, dz.data);
  give(&dz);
  return status;
}

static int backward_step(const fcnn_step *step, const step_gradient *g) {
  const int64_t outputs = fcnn_step_outputs(step);
  switch (step->kind) {
    case FCNN_CONV2D:
      return conv_backward(step, g);
    case FCNN_CONV2D_MAX_POOL2D:
      return conv_and_pool_backward(step, g);
    case FCNN_MAX_POOL2D:
      return fcnn_max_pool2d_winners_gradient_f32(&step->pool, g->dy, g->noted, NULL, g->dx);
    case FCNN_AVG_POOL2D:
      return fcnn_avg_pool2d_gradient_f32(&step->pool, g->dy, g->dx);
    case FCNN_RELU:
      return fcnn_relu_gradient_f32(outputs, g->dy, g->y, g->dx);
    case FCNN_DROPOUT:
      return fcnn_dropout_f32(outputs, step->threshold, step->scale, g->noted, g->dy, g->dx);
    case FCNN_SOFTMAX:
      break;
  }
  assert(false);
  return FCNN_OK;
}

/* --- Passes ------------------------------------------------------------------------------------------------------------------- */

/* x (fcnn_step_inputs of the first), y (fcnn_step_outputs of the last). */
int fcnn_forward(const fcnn_step *steps, const float *const *w, const float *const *bias, const fcnn_draws *draws, const float *x,
                 float *y, fcnn_pass *pass) {
  for (int64_t i = 0; i < pass->count; i++) {
    assert(i == 0 || fcnn_step_inputs(&steps[i]) == fcnn_step_outputs(&steps[i - 1]));
    step_notes *notes = &pass->notes[i];
    const bool last = i == pass->count - 1;
    if (!last && !take(fcnn_step_outputs(&steps[i]), sizeof(float), &notes->y)) return FCNN_NO_MEMORY;
    float *to = last ? y : notes->y.data;
    const int status = forward_step(&steps[i], w[i], bias[i], draws, x, to, notes);
    if (status != FCNN_OK) return status;
    x = to;
  }
  return FCNN_OK;
}

/* x (fcnn_step_inputs of the first), y, dy (fcnn_step_outputs of the last), dx like x. */
int fcnn_backward(const fcnn_step *steps, const float *const *w, const float *x, const float *y, const float *dy, fcnn_pass *pass,
                  float *const *dw, float *const *db, float *dx) {
  int64_t first = 0; /* none before it has a gradient that is wanted */
  while (!dx && first < pass->count && !dw[first]) first++;
  block gradient = {0}; /* that dy lies in, once it is not the caller's */
  int status = FCNN_OK;
  for (int64_t i = pass->count - 1; i >= first && status == FCNN_OK; i--) {
    step_notes *notes = &pass->notes[i];
    block next = {0};
    if (i > first && !take(fcnn_step_inputs(&steps[i]), sizeof(float), &next)) {
      status = FCNN_NO_MEMORY;
      break;
    }
    const step_gradient g = {
        .x = i > 0 ? pass->notes[i - 1].y.data : x,
        .w = w[i],
        .y = i < pass->count - 1 ? notes->y.data : y,
        .dy = dy,
        .noted = notes->noted.data,
        .dw = dw[i],
        .db = db[i],
        .dx = i > first ? next.data : dx,
    };
    status = backward_step(&steps[i], &g);
    give(&gradient);
    give(&notes->y);
    give(&notes->noted);
    gradient = next;
    dy = next.data;
  }
  give(&gradient);
  return status;
}

/* x (fcnn_step_inputs of the first), y (rows, columns) = (fcnn_step_outputs of the last), labels (rows). */
int fcnn_cross_entropy_gradients(const fcnn_step *steps, const float *const *w, const float *const *bias, const fcnn_draws *draws,
                                 const float *x, int64_t rows, int64_t columns, const int64_t *labels, float *y, fcnn_pass *pass,
                                 float *const *dw, float *const *db, double *total) {
  assert(rows * columns == fcnn_step_outputs(&steps[pass->count - 1]));
  block losses = {0}, dy = {0};
  const bool taken = take(rows, sizeof(float), &losses) && take(rows * columns, sizeof(float), &dy);
  int status = taken ? fcnn_forward(steps, w, bias, draws, x, y, pass) : FCNN_NO_MEMORY;
  if (status == FCNN_OK) status = fcnn_softmax_cross_entropy_f32(rows, columns, y, labels, losses.data, dy.data, total);
  if (status == FCNN_OK) status = fcnn_backward(steps, w, x, y, dy.data, pass, dw, db, NULL);
  give(&losses);
  give(&dy);
  return status;
}
