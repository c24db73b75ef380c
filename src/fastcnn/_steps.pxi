# --- Steps, in training and in sessions --------------------------------------------------------------------------------------

from libc.stdlib cimport calloc, free

cdef extern from "fastcnn.h" nogil:
    enum fcnn_step_kind:
        FCNN_CONV2D, FCNN_CONV2D_MAX_POOL2D, FCNN_MAX_POOL2D, FCNN_AVG_POOL2D, FCNN_RELU, FCNN_SOFTMAX, FCNN_DROPOUT

    ctypedef struct fcnn_step:
        fcnn_step_kind kind
        fcnn_conv2d_shape conv
        fcnn_pool2d_shape pool
        int64_t rows, columns
        bint relu
        uint32_t place
        float threshold, scale

    ctypedef struct fcnn_pass:
        pass

    ctypedef struct fcnn_draws:
        uint64_t seed
        uint32_t epoch
        const int64_t *samples

    fcnn_pass *fcnn_pass_create(int64_t count)
    void fcnn_pass_free(fcnn_pass *)
    int fcnn_forward(
        const fcnn_step *steps, const float **w, const float **bias, const fcnn_draws *draws, const float *x, float *y, fcnn_pass *)
    int fcnn_backward(
        const fcnn_step *steps, const float **w, const float *x, const float *y, const float *dy, fcnn_pass *, float **dw, float **db,
        float *dx)
    int fcnn_cross_entropy_gradients(
        const fcnn_step *steps, const float **w, const float **bias, const fcnn_draws *draws, const float *x, int64_t rows, int64_t columns,
        const int64_t *labels, float *y, fcnn_pass *, float **dw, float **db, double *total)

    ctypedef struct fcnn_session:
        pass

    int64_t fcnn_step_inputs(const fcnn_step *step)
    int64_t fcnn_step_outputs(const fcnn_step *step)
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
    "dropout": FCNN_DROPOUT,
}


cdef fcnn_step *allocated_steps(steps, int64_t inputs, int64_t outputs) except NULL:
    """The C structures, to be freed, of `steps` (kind, conv2d shape, pool2d shape, rows, columns, relu, place, threshold, scale).

    Shapes that a kind has not are None. Together they make as many numbers as `outputs` of as many as `inputs`.
    """
    cdef fcnn_step *c_steps = <fcnn_step *>calloc(len(steps), sizeof(fcnn_step))
    cdef Py_ssize_t i
    if c_steps == NULL:
        raise MemoryError("not enough memory for the steps")
    try:
        for i, (kind, conv, pool, rows, columns, relu, place, threshold, scale) in enumerate(steps):
            c_steps[i].kind = <fcnn_step_kind><int>STEP_KINDS[kind]
            if conv is not None:
                c_steps[i].conv = conv2d_shape(conv)
            if pool is not None:
                c_steps[i].pool = pool2d_shape(pool)
            c_steps[i].rows, c_steps[i].columns, c_steps[i].relu = rows, columns, relu
            c_steps[i].place, c_steps[i].threshold, c_steps[i].scale = place, threshold, scale
            if fcnn_step_inputs(&c_steps[i]) != inputs:
                raise ValueError(f"layers must fit each other, but one makes {inputs} numbers where {kind} takes {fcnn_step_inputs(&c_steps[i])}")
            inputs = fcnn_step_outputs(&c_steps[i])
        if inputs != outputs:
            raise ValueError(f"layers must make {outputs} numbers, as when the model was built, and not {inputs}")
    except BaseException:
        free(c_steps)
        raise
    return c_steps


cdef class Pass:
    """What a forward pass has left for a backward one."""

    cdef fcnn_pass *notes

    def __cinit__(self, int64_t count):
        self.notes = fcnn_pass_create(count)
        if self.notes == NULL:
            raise MemoryError("not enough memory for a pass")

    def __dealloc__(self):
        fcnn_pass_free(self.notes)


cdef class Pairs:
    """A pair of arrays, each perhaps None, for each of some steps; held, and their addresses with them, for as long as this object lives."""

    cdef list arrays
    cdef void **data
    cdef Py_ssize_t count

    def __cinit__(self, pairs, bint writable=False):
        cdef Py_ssize_t i
        self.count = len(pairs)
        self.arrays = [Array(array, writable) for pair in pairs for array in pair]
        self.data = <void **>calloc(2 * self.count + 1, sizeof(void *))
        if self.data == NULL:
            raise MemoryError("not enough memory for a list of arrays")
        for i in range(self.count):
            self.data[i] = (<Array>self.arrays[2 * i]).data()
            self.data[self.count + i] = (<Array>self.arrays[2 * i + 1]).data()

    def __dealloc__(self):
        free(self.data)

    cdef float **first(self) noexcept nogil:
        return <float **>self.data

    cdef float **second(self) noexcept nogil:
        return <float **>(self.data + self.count)


cdef class Training:
    """Float32 kernels that are run one after the other, forward and back, for a batch of one size."""

    cdef fcnn_step *steps
    cdef Py_ssize_t count

    def __cinit__(self, steps, int64_t inputs, int64_t outputs):
        """Kernels of `steps`: see `allocated_steps`."""
        self.count = len(steps)
        self.steps = allocated_steps(steps, inputs, outputs)

    def __dealloc__(self):
        free(self.steps)

    def forward(self, Pairs weights not None, uint64_t seed, uint32_t epoch, samples, x, y):
        """y from x, with w and bias for each step; return the pass, for `backward`."""
        cdef Pass made = Pass(self.count)
        cdef Array x_ = Array(x), y_ = Array(y, True), samples_ = Array(samples)
        cdef fcnn_draws draws
        cdef int status
        draws.seed, draws.epoch, draws.samples = seed, epoch, <int64_t *>samples_.data()
        with nogil:
            status = fcnn_forward(
                self.steps, <const float **>weights.first(), <const float **>weights.second(), &draws, <float *>x_.data(),
                <float *>y_.data(), made.notes)
        check(status)
        return made

    def backward(self, Pass made not None, Pairs weights not None, x, y, dy, Pairs gradients not None, dx):
        """dw and db for each step, and dx or None, from dy; `made` is used up."""
        cdef Array x_ = Array(x), y_ = Array(y), dy_ = Array(dy), dx_ = Array(dx, True)
        cdef int status
        with nogil:
            status = fcnn_backward(
                self.steps, <const float **>weights.first(), <float *>x_.data(), <float *>y_.data(), <float *>dy_.data(), made.notes,
                gradients.first(), gradients.second(), <float *>dx_.data())
        check(status)

    def cross_entropy(
            self, Pairs weights not None, uint64_t seed, uint32_t epoch, samples, x, int64_t rows, int64_t columns, labels, y,
            Pairs gradients not None):
        """y (rows, columns), the logits, from x, and dw and db for each step, of the mean cross-entropy; return the sum."""
        cdef Pass made = Pass(self.count)
        cdef Array x_ = Array(x), y_ = Array(y, True), samples_ = Array(samples), labels_ = Array(labels)
        cdef fcnn_draws draws
        cdef double total
        cdef int status
        draws.seed, draws.epoch, draws.samples = seed, epoch, <int64_t *>samples_.data()
        with nogil:
            status = fcnn_cross_entropy_gradients(
                self.steps, <const float **>weights.first(), <const float **>weights.second(), &draws, <float *>x_.data(), rows, columns,
                <int64_t *>labels_.data(), <float *>y_.data(), made.notes, gradients.first(), gradients.second(), &total)
        check(status, f"labels must be in [0, {columns}), the classes of logits")
        return total


cdef class Session:
    """Float32 kernels that are run one after the other, again and again. One thread at a time may run it."""

    cdef fcnn_session *session

    def __cinit__(self, steps, int64_t inputs, int64_t outputs, int64_t batch_size):
        """A session of `steps`, for one input: see `allocated_steps`."""
        cdef fcnn_step *c_steps = allocated_steps(steps, inputs, outputs)
        self.session = fcnn_session_create(c_steps, len(steps), batch_size)
        free(c_steps)
        if self.session == NULL:
            raise MemoryError("not enough memory for the session's buffers")

    def __dealloc__(self):
        fcnn_session_free(self.session)

    def prepare(self, Pairs weights not None):
        """Pack w (KH, KW, C, F) and bias (F) or None of each convolution; return what `run` reads of them."""
        cdef Memory prepared = Memory(fcnn_session_prepared_numbers(self.session) * sizeof(float))
        with nogil:
            fcnn_session_prepare(
                self.session, <const float **>weights.first(), <const float **>weights.second(), <float *>prepared.block)
        check(FCNN_OK)
        return prepared

    def run(self, Memory prepared, int64_t n, x, y):
        """y (n, outputs) from x (n, inputs)."""
        cdef Array x_ = Array(x), y_ = Array(y, True)
        cdef int status
        with nogil:
            status = fcnn_session_run(self.session, <float *>prepared.block, n, <float *>x_.data(), <float *>y_.data())
        check(status)
