# What fastcnn.h declares; see there.

from libc.stdint cimport int64_t, uint8_t

cdef extern from "fastcnn.h" nogil:
    """
    #if defined(__clang__)
    #define FCNN_COMPILER "Clang " __clang_version__
    #elif defined(__GNUC__)
    #define FCNN_COMPILER "GCC " __VERSION__
    #else
    #define FCNN_COMPILER "unknown"
    #endif
    """
    const char *FCNN_COMPILER
    int FCNN_OK, FCNN_NO_MEMORY, FCNN_BAD_INDEX, FCNN_NO_ISA, FCNN_NOT_FUSED

    ctypedef struct fcnn_conv2d_shape:
        int64_t N, H, W, C, F, KH, KW, OH, OW
        int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, groups

    ctypedef struct fcnn_pool2d_shape:
        int64_t N, H, W, C, KH, KW, OH, OW
        int64_t stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, pad_bottom, pad_right
        bint count_padding

    const char *fcnn_isa_name(int index)
    bint fcnn_isa_available(int index)
    int fcnn_select_isa(const char *name)
    const char *fcnn_selected_isa()
    void fcnn_set_num_threads(int64_t count)
    int64_t fcnn_get_num_threads()

    enum fcnn_winograd_use:
        FCNN_WINOGRAD_NEVER

    void fcnn_set_winograd(fcnn_winograd_use use)
    fcnn_winograd_use fcnn_get_winograd()

    enum fcnn_rule:
        FCNN_SGD, FCNN_ADAM, FCNN_RMSPROP, FCNN_LION

    int FCNN_MAX_COEFFICIENTS, FCNN_MAX_SLOTS

    enum fcnn_conv2d_op:
        FCNN_FORWARD

    ctypedef struct fcnn_conv2d_choice:
        int algorithm, reason
        int64_t tile
        double direct_cost, winograd_cost

    fcnn_conv2d_choice fcnn_choose_conv2d(const fcnn_conv2d_shape *, fcnn_conv2d_op op, bint double_precision)

    int fcnn_conv2d_f32(const fcnn_conv2d_shape *, const float *x, const float *w, const float *bias, float lo, float hi, float *y)
    int fcnn_conv2d_f64(const fcnn_conv2d_shape *, const double *x, const double *w, const double *bias, double lo, double hi, double *y)
    int fcnn_conv2d_input_gradient_f32(
        const fcnn_conv2d_shape *, const float *dy, const float *w, const float *bias, float lo, float hi, float *dx)
    int fcnn_conv2d_input_gradient_f64(
        const fcnn_conv2d_shape *, const double *dy, const double *w, const double *bias, double lo, double hi, double *dx)
    int fcnn_conv2d_weight_gradient_f32(const fcnn_conv2d_shape *, const float *dy, const float *x, float *dw, float *db)
    int fcnn_conv2d_weight_gradient_f64(const fcnn_conv2d_shape *, const double *dy, const double *x, double *dw, double *db)
    int fcnn_column_sums_f32(int64_t rows, int64_t columns, const float *a, float *sums)
    int fcnn_column_sums_f64(int64_t rows, int64_t columns, const double *a, double *sums)
    int fcnn_max_pool2d_f32(const fcnn_pool2d_shape *, const float *x, float *y, int64_t *indices)
    int fcnn_max_pool2d_f64(const fcnn_pool2d_shape *, const double *x, double *y, int64_t *indices)
    int fcnn_max_pool2d_winners_f32(const fcnn_pool2d_shape *, const float *x, float lo, float *y, uint8_t *winners)
    int fcnn_max_pool2d_winners_f64(const fcnn_pool2d_shape *, const double *x, double lo, double *y, uint8_t *winners)
    int fcnn_conv2d_max_pool2d_f32(
        const fcnn_conv2d_shape *, const fcnn_pool2d_shape *, const float *x, const float *w, const float *bias, float lo, float *y,
        uint8_t *winners)
    int fcnn_conv2d_max_pool2d_f64(
        const fcnn_conv2d_shape *, const fcnn_pool2d_shape *, const double *x, const double *w, const double *bias, double lo, double *y,
        uint8_t *winners)
    int fcnn_conv2d_max_pool2d_weight_gradient_f32(
        const fcnn_conv2d_shape *, const fcnn_pool2d_shape *, const float *dy, const uint8_t *winners, const float *y, const float *x,
        float *dw, float *db)
    int fcnn_conv2d_max_pool2d_weight_gradient_f64(
        const fcnn_conv2d_shape *, const fcnn_pool2d_shape *, const double *dy, const uint8_t *winners, const double *y, const double *x,
        double *dw, double *db)
    int fcnn_max_pool2d_winners_gradient_f32(
        const fcnn_pool2d_shape *, const float *dy, const uint8_t *winners, const float *y, float *dx)
    int fcnn_max_pool2d_winners_gradient_f64(
        const fcnn_pool2d_shape *, const double *dy, const uint8_t *winners, const double *y, double *dx)
    int fcnn_max_pool2d_gradient_f32(
        int64_t N, int64_t windows, int64_t plane, int64_t C, const float *dy, const int64_t *indices, float *dx)
    int fcnn_max_pool2d_gradient_f64(
        int64_t N, int64_t windows, int64_t plane, int64_t C, const double *dy, const int64_t *indices, double *dx)
    int fcnn_avg_pool2d_f32(const fcnn_pool2d_shape *, const float *x, float *y)
    int fcnn_avg_pool2d_f64(const fcnn_pool2d_shape *, const double *x, double *y)
    int fcnn_avg_pool2d_gradient_f32(const fcnn_pool2d_shape *, const float *dy, float *dx)
    int fcnn_avg_pool2d_gradient_f64(const fcnn_pool2d_shape *, const double *dy, double *dx)
    int fcnn_im2col_f32(const fcnn_conv2d_shape *, const float *x, float *cols)
    int fcnn_im2col_f64(const fcnn_conv2d_shape *, const double *x, double *cols)
    int fcnn_col2im_f32(const fcnn_conv2d_shape *, const float *cols, float *x)
    int fcnn_col2im_f64(const fcnn_conv2d_shape *, const double *cols, double *x)
    int fcnn_relu_f32(int64_t n, const float *x, float *y)
    int fcnn_relu_f64(int64_t n, const double *x, double *y)
    int fcnn_relu_gradient_f32(int64_t n, const float *dy, const float *y, float *dx)
    int fcnn_relu_gradient_f64(int64_t n, const double *dy, const double *y, double *dx)
    enum fcnn_activation:
        FCNN_SIGMOID, FCNN_RELU6, FCNN_HARD_SIGMOID, FCNN_SILU, FCNN_HARD_SILU, FCNN_GELU

    int fcnn_dropout_f32(int64_t n, float threshold, float scale, const float *u, const float *x, float *y)
    int fcnn_dropout_f64(int64_t n, double threshold, double scale, const double *u, const double *x, double *y)
    int fcnn_activation_f32(fcnn_activation kind, int64_t n, const float *x, float *y)
    int fcnn_activation_f64(fcnn_activation kind, int64_t n, const double *x, double *y)
    int fcnn_activation_gradient_f32(fcnn_activation kind, int64_t n, const float *dy, const float *kept, float *dx)
    int fcnn_activation_gradient_f64(fcnn_activation kind, int64_t n, const double *dy, const double *kept, double *dx)
    int fcnn_channel_moments_f32(int64_t rows, int64_t C, const float *x, float *means, float *variances)
    int fcnn_channel_moments_f64(int64_t rows, int64_t C, const double *x, double *means, double *variances)
    int fcnn_channel_products_f32(
        int64_t rows, int64_t C, const float *dy, const float *x, const float *shift, float *sums, float *products)
    int fcnn_channel_products_f64(
        int64_t rows, int64_t C, const double *dy, const double *x, const double *shift, double *sums, double *products)
    int fcnn_scale_channels_f32(
        int64_t rows, int64_t C, const float *x, const float *shift, const float *scale, const float *offset, float *y)
    int fcnn_scale_channels_f64(
        int64_t rows, int64_t C, const double *x, const double *shift, const double *scale, const double *offset, double *y)
    int fcnn_scale_channels_gradient_f32(
        int64_t rows, int64_t C, const float *dy, const float *x, const float *shift, const float *slope, const float *offset,
        const float *scale, float *dx)
    int fcnn_scale_channels_gradient_f64(
        int64_t rows, int64_t C, const double *dy, const double *x, const double *shift, const double *slope, const double *offset,
        const double *scale, double *dx)
    int fcnn_softmax_f32(int64_t rows, int64_t columns, const float *x, float *p)
    int fcnn_softmax_f64(int64_t rows, int64_t columns, const double *x, double *p)
    int fcnn_softmax_cross_entropy_f32(
        int64_t rows, int64_t columns, const float *logits, const int64_t *labels, float *losses, float *dlogits, double *total)
    int fcnn_softmax_cross_entropy_f64(
        int64_t rows, int64_t columns, const double *logits, const int64_t *labels, double *losses, double *dlogits, double *total)
    int fcnn_optimizer_step_f32(
        fcnn_rule rule, int64_t n, const float *gradients, const double *coefficients, double decay, float *weights, float **slots)
    int fcnn_optimizer_step_f64(
        fcnn_rule rule, int64_t n, const double *gradients, const double *coefficients, double decay, double *weights, double **slots)
    void fcnn_uniform(
        uint64_t seed, uint32_t epoch, uint32_t place, int64_t N, int64_t count, const int64_t *samples, float *u)
    int fcnn_gather_rows(int64_t count, int64_t rows, int64_t row_bytes, const void *data, const int64_t *indices, void *to)
    double fcnn_fma_rounds_f32(int64_t rounds)
    double fcnn_fma_rounds_f64(int64_t rounds)
