/* The activations that are kernels, besides ReLU and softmax, which came first. */
#ifndef FASTCNN_ACTIVATION_H
#define FASTCNN_ACTIVATION_H

/* What a gradient is computed from, the result y or the input x, stands behind each. */
enum fcnn_activation {
  FCNN_SIGMOID,      /* 1 / (1 + exp(-x)); y */
  FCNN_RELU6,        /* min(max(x, 0), 6); y */
  FCNN_HARD_SIGMOID, /* relu6(x + 3) / 6; y */
  FCNN_SILU,         /* x * sigmoid(x); x */
  FCNN_HARD_SILU,    /* x * hard_sigmoid(x); x */
  FCNN_GELU,         /* x * (1 + erf(x / sqrt(2))) / 2; x */
};

#endif
