# Convolution, pooling and patches of images: included by _core.pyx.


def conv2d(shape, x, w, bias, bint relu, y):
    """y (N, OH, OW, F) from x (N, H, W, C), w (KH, KW, C / groups, F), bias (F) or None."""
    cdef fcnn_conv2d_shape s = conv2d_shape(shape)
    cdef Array x_ = Array(x), w_ = Array(w), bias_ = Array(bias), y_ = Array(y, True)
    cdef double lo = 0 if relu else -INFINITY
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_conv2d_f64(&s, <double *>x_.data(), <double *>w_.data(), <double *>bias_.data(), lo, INFINITY, <double *>y_.data())
        else:
            status = fcnn_conv2d_f32(
                &s, <float *>x_.data(), <float *>w_.data(), <float *>bias_.data(), <float>lo, INFINITY, <float *>y_.data())
    check(status)


def conv2d_input_gradient(shape, dy, w, bias, bint relu, dx):
    """dx (N, H, W, C) from dy (N, OH, OW, F), w (KH, KW, C / groups, F), bias (C) or None."""
    cdef fcnn_conv2d_shape s = conv2d_shape(shape)
    cdef Array dy_ = Array(dy), w_ = Array(w), bias_ = Array(bias), dx_ = Array(dx, True)
    cdef double lo = 0 if relu else -INFINITY
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_conv2d_input_gradient_f64(
                &s, <double *>dy_.data(), <double *>w_.data(), <double *>bias_.data(), lo, INFINITY, <double *>dx_.data())
        else:
            status = fcnn_conv2d_input_gradient_f32(
                &s, <float *>dy_.data(), <float *>w_.data(), <float *>bias_.data(), <float>lo, INFINITY, <float *>dx_.data())
    check(status)


def conv2d_weight_gradient(shape, dy, x, dw, db):
    """dw (KH, KW, C / groups, F) and db (F), or None, from dy (N, OH, OW, F), x (N, H, W, C)."""
    cdef fcnn_conv2d_shape s = conv2d_shape(shape)
    cdef Array dy_ = Array(dy), x_ = Array(x), dw_ = Array(dw, True), db_ = Array(db, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_conv2d_weight_gradient_f64(
                &s, <double *>dy_.data(), <double *>x_.data(), <double *>dw_.data(), <double *>db_.data())
        else:
            status = fcnn_conv2d_weight_gradient_f32(
                &s, <float *>dy_.data(), <float *>x_.data(), <float *>dw_.data(), <float *>db_.data())
    check(status)


def column_sums(int64_t rows, int64_t columns, a, sums):
    """sums (columns) from a (rows, columns)."""
    cdef Array a_ = Array(a), sums_ = Array(sums, True)
    cdef int status
    with nogil:
        if a_.is_double():
            status = fcnn_column_sums_f64(rows, columns, <double *>a_.data(), <double *>sums_.data())
        else:
            status = fcnn_column_sums_f32(rows, columns, <float *>a_.data(), <float *>sums_.data())
    check(status)


def max_pool2d(shape, x, y, indices):
    """y and indices (N, OH, OW, C), the latter int64 or None, from x (N, H, W, C)."""
    cdef fcnn_pool2d_shape s = pool2d_shape(shape)
    cdef Array x_ = Array(x), y_ = Array(y, True), indices_ = Array(indices, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_max_pool2d_f64(&s, <double *>x_.data(), <double *>y_.data(), <int64_t *>indices_.data())
        else:
            status = fcnn_max_pool2d_f32(&s, <float *>x_.data(), <float *>y_.data(), <int64_t *>indices_.data())
    check(status)


def max_pool2d_winners(shape, x, bint relu, y, winners):
    """y and winners (N, OH, OW, C), the latter uint8, from x (N, H, W, C)."""
    cdef fcnn_pool2d_shape s = pool2d_shape(shape)
    cdef Array x_ = Array(x), y_ = Array(y, True), winners_ = Array(winners, True)
    cdef double lo = 0 if relu else -INFINITY
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_max_pool2d_winners_f64(&s, <double *>x_.data(), lo, <double *>y_.data(), <uint8_t *>winners_.data())
        else:
            status = fcnn_max_pool2d_winners_f32(&s, <float *>x_.data(), <float>lo, <float *>y_.data(), <uint8_t *>winners_.data())
    check(status)


def conv2d_max_pool2d(conv, pool, x, w, bias, bint relu, y, winners):
    """y and winners (N, OH, OW, F), the latter uint8 or None, from x (N, H, W, C), w (KH, KW, C, F), bias (F) or None.

    False if nothing was done: two kernels after each other serve this shape better.
    """
    cdef fcnn_conv2d_shape s = conv2d_shape(conv)
    cdef fcnn_pool2d_shape p = pool2d_shape(pool)
    cdef Array x_ = Array(x), w_ = Array(w), bias_ = Array(bias), y_ = Array(y, True), winners_ = Array(winners, True)
    cdef double lo = 0 if relu else -INFINITY
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_conv2d_max_pool2d_f64(
                &s, &p, <double *>x_.data(), <double *>w_.data(), <double *>bias_.data(), lo, <double *>y_.data(),
                <uint8_t *>winners_.data())
        else:
            status = fcnn_conv2d_max_pool2d_f32(
                &s, &p, <float *>x_.data(), <float *>w_.data(), <float *>bias_.data(), <float>lo, <float *>y_.data(),
                <uint8_t *>winners_.data())
    check(status)
    return status != FCNN_NOT_FUSED


def conv2d_max_pool2d_weight_gradient(conv, pool, dy, winners, y, x, dw, db):
    """dw (KH, KW, C, F), db (F) from dy, winners (N, OH, OW, F), y likewise where there was a ReLU, or None, and x (N, H, W, C).

    False if nothing was done: two kernels after each other serve this shape better.
    """
    cdef fcnn_conv2d_shape s = conv2d_shape(conv)
    cdef fcnn_pool2d_shape p = pool2d_shape(pool)
    cdef Array dy_ = Array(dy), winners_ = Array(winners), y_ = Array(y), x_ = Array(x), dw_ = Array(dw, True), db_ = Array(db, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_conv2d_max_pool2d_weight_gradient_f64(
                &s, &p, <double *>dy_.data(), <uint8_t *>winners_.data(), <double *>y_.data(), <double *>x_.data(),
                <double *>dw_.data(), <double *>db_.data())
        else:
            status = fcnn_conv2d_max_pool2d_weight_gradient_f32(
                &s, &p, <float *>dy_.data(), <uint8_t *>winners_.data(), <float *>y_.data(), <float *>x_.data(),
                <float *>dw_.data(), <float *>db_.data())
    check(status)
    return status != FCNN_NOT_FUSED


def max_pool2d_winners_gradient(shape, dy, winners, y, dx):
    """dx (N, H, W, C) from dy, winners (N, OH, OW, C), and y likewise where a ReLU came with the pooling, or None."""
    cdef fcnn_pool2d_shape s = pool2d_shape(shape)
    cdef Array dy_ = Array(dy), winners_ = Array(winners), y_ = Array(y), dx_ = Array(dx, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_max_pool2d_winners_gradient_f64(
                &s, <double *>dy_.data(), <uint8_t *>winners_.data(), <double *>y_.data(), <double *>dx_.data())
        else:
            status = fcnn_max_pool2d_winners_gradient_f32(
                &s, <float *>dy_.data(), <uint8_t *>winners_.data(), <float *>y_.data(), <float *>dx_.data())
    check(status)


def max_pool2d_gradient(int64_t N, int64_t windows, int64_t plane, int64_t C, dy, indices, dx):
    """dx (N, plane, C) from dy (N, windows, C), indices (N, windows, C) int64."""
    cdef Array dy_ = Array(dy), indices_ = Array(indices), dx_ = Array(dx, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_max_pool2d_gradient_f64(
                N, windows, plane, C, <double *>dy_.data(), <int64_t *>indices_.data(), <double *>dx_.data())
        else:
            status = fcnn_max_pool2d_gradient_f32(
                N, windows, plane, C, <float *>dy_.data(), <int64_t *>indices_.data(), <float *>dx_.data())
    check(status, f"indices must be in [0, {plane}), the pixels of a plane of input_shape")


def avg_pool2d(shape, x, y):
    """y (N, OH, OW, C) from x (N, H, W, C)."""
    cdef fcnn_pool2d_shape s = pool2d_shape(shape)
    cdef Array x_ = Array(x), y_ = Array(y, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_avg_pool2d_f64(&s, <double *>x_.data(), <double *>y_.data())
        else:
            status = fcnn_avg_pool2d_f32(&s, <float *>x_.data(), <float *>y_.data())
    check(status)


def avg_pool2d_gradient(shape, dy, dx):
    """dx (N, H, W, C) from dy (N, OH, OW, C)."""
    cdef fcnn_pool2d_shape s = pool2d_shape(shape)
    cdef Array dy_ = Array(dy), dx_ = Array(dx, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_avg_pool2d_gradient_f64(&s, <double *>dy_.data(), <double *>dx_.data())
        else:
            status = fcnn_avg_pool2d_gradient_f32(&s, <float *>dy_.data(), <float *>dx_.data())
    check(status)


def im2col(shape, x, cols):
    """cols (N, OH, OW, KH * KW * C) from x (N, H, W, C)."""
    cdef fcnn_conv2d_shape s = conv2d_shape(shape)
    cdef Array x_ = Array(x), cols_ = Array(cols, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_im2col_f64(&s, <double *>x_.data(), <double *>cols_.data())
        else:
            status = fcnn_im2col_f32(&s, <float *>x_.data(), <float *>cols_.data())
    check(status)


def col2im(shape, cols, x):
    """x (N, H, W, C) from cols (N, OH, OW, KH * KW * C)."""
    cdef fcnn_conv2d_shape s = conv2d_shape(shape)
    cdef Array cols_ = Array(cols), x_ = Array(x, True)
    cdef int status
    with nogil:
        if cols_.is_double():
            status = fcnn_col2im_f64(&s, <double *>cols_.data(), <double *>x_.data())
        else:
            status = fcnn_col2im_f32(&s, <float *>cols_.data(), <float *>x_.data())
    check(status)
