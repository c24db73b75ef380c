# --- Sessions ------------------------------------------------------------------------------------------------------------

from libc.stdlib cimport calloc, free

cdef extern from "fastcnn.h" nogil:
    enum fcnn_step_kind:
        FCNN_CONV2D, FCNN_CONV2D_MAX_POOL2D, FCNN_MAX_POOL2D, FCNN_AVG_POOL2D, FCNN_RELU, FCNN_SOFTMAX

    ctypedef struct fcnn_step:
        fcnn_step_kind kind
        fcnn_conv2d_shape conv
        fcnn_pool2d_shape pool
        int64_t rows, columns
        bint relu

    ctypedef struct fcnn_session:
        pass

    fcnn_session *fcnn_session_create(const fcnn_step *steps, int64_t count, int64_t batch_size)
    void fcnn_session_free(fcnn_session *session)
    int64_t fcnn_session_prepared_numbers(const fcnn_session *session)
    void fcnn_session_prepare(const fcnn_session *session, const float **w, const float **bias, float *prepared)
    int fcnn_session_run(fcnn_session *session, const float *prepared, int64_t N, const float *x, float *y)


cdef dict STEP_KINDS = {
    "conv2d": FCNN_CONV2D,
    "conv2d_max_pool2d": FCNN_CONV2D_MAX_POOL2D,
    "max_pool2d": FCNN_MAX_POOL2D,
    "avg_pool2d": FCNN_AVG_POOL2D,
    "relu": FCNN_RELU,
    "softmax": FCNN_SOFTMAX,
}


cdef class Session:
    """Float32 kernels that are run one after the other, again and again. One thread at a time may run it."""

    cdef fcnn_session *session

    def __cinit__(self, steps, int64_t batch_size):
        """A session of `steps` (kind, conv2d shape, pool2d shape, rows, columns, relu); shapes that a kind has not are None."""
        cdef fcnn_step *c_steps = <fcnn_step *>calloc(len(steps), sizeof(fcnn_step))
        cdef Py_ssize_t i
        if c_steps == NULL:
            raise MemoryError("not enough memory for the session's steps")
        try:
            for i, (kind, conv, pool, rows, columns, relu) in enumerate(steps):
                c_steps[i].kind = <fcnn_step_kind><int>STEP_KINDS[kind]
                if conv is not None:
                    c_steps[i].conv = conv2d_shape(conv)
                if pool is not None:
                    c_steps[i].pool = pool2d_shape(pool)
                c_steps[i].rows, c_steps[i].columns, c_steps[i].relu = rows, columns, relu
            self.session = fcnn_session_create(c_steps, len(steps), batch_size)
        finally:
            free(c_steps)
        if self.session == NULL:
            raise MemoryError("not enough memory for the session's buffers")

    def __dealloc__(self):
        fcnn_session_free(self.session)

    def prepare(self, weights):
        """Pack pairs of w (KH, KW, C, F) and bias (F) or None, one for each convolution; return what `run` reads of them."""
        cdef Py_ssize_t count = len(weights), i
        cdef Memory prepared = Memory(fcnn_session_prepared_numbers(self.session) * sizeof(float))
        arrays = [(Array(w), Array(bias)) for w, bias in weights]  # held until all are packed
        cdef const float **pointers = <const float **>calloc(2 * count + 1, sizeof(float *))
        if pointers == NULL:
            raise MemoryError("not enough memory to prepare the session's filters")
        for i in range(count):
            pointers[i] = <const float *>(<Array>arrays[i][0]).data()
            pointers[count + i] = <const float *>(<Array>arrays[i][1]).data()
        with nogil:
            fcnn_session_prepare(self.session, pointers, pointers + count, <float *>prepared.block)
        free(pointers)
        check(FCNN_OK)
        return prepared

    def run(self, Memory prepared, int64_t n, x, y):
        """y (n, outputs) from x (n, inputs)."""
        cdef Array x_ = Array(x), y_ = Array(y, True)
        cdef int status
        with nogil:
            status = fcnn_session_run(self.session, <float *>prepared.block, n, <float *>x_.data(), <float *>y_.data())
        check(status)
