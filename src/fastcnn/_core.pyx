"""The C kernels for Python: this module picks the dtype, drops the GIL and raises what went wrong, and nothing more.

Arrays come C-contiguous, aligned and of one dtype, float32 or float64, with their shapes checked; outputs are allocated by the caller.
Shapes come as tuples in the order of the C structures' fields.
"""

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS,
    PyBUF_WRITABLE,
    PyBuffer_FillInfo,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from libc.math cimport INFINITY
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

include "_fastcnn.pxi"

cdef extern from "threads.h" nogil:
    void fcnn_set_least_share(double nanoseconds)
    void fcnn_set_interruption(int (*asked)() noexcept nogil, int64_t nanoseconds)
    bint fcnn_was_given_up()


cdef extern from "buffers.h" nogil:
    void *fcnn_buffer_take(size_t size, size_t *capacity)
    void fcnn_buffer_give(void *block, size_t capacity)


# --- Configuration -----------------------------------------------------------------------------------------------------


def isas():
    """The kernel sets of this build, best first: a dictionary from name to whether this machine can run it."""
    result = {}
    cdef int index = 0
    while fcnn_isa_name(index) != NULL:
        result[fcnn_isa_name(index).decode()] = fcnn_isa_available(index)
        index += 1
    return result


def select_isa(name=None):
    """Use the kernel set `name`, or the best one for None; ValueError where there is none such, OSError where the machine cannot run it."""
    cdef bytes encoded
    cdef const char *wanted = NULL
    if name is not None:
        encoded = name.encode()
        wanted = encoded
    cdef int status = fcnn_select_isa(wanted)
    if status == FCNN_NO_ISA:
        raise OSError(f"this machine cannot run the {name!r} kernels")
    if status != FCNN_OK:
        raise ValueError(f"this build has no {name!r} kernels")


def selected_isa():
    """The name of the kernel set in use."""
    return fcnn_selected_isa().decode()


def compiler():
    """The compiler that built this module."""
    return FCNN_COMPILER.decode()


def set_num_threads(int64_t count):
    """Share the work of later calls among `count` threads."""
    fcnn_set_num_threads(count)


def get_num_threads():
    """The number of threads that work is shared among."""
    return fcnn_get_num_threads()


def set_winograd(int use):
    """Use Winograd's method never (0), where it is faster (1), or wherever it is possible (2), by tiles of that size (3 to 5)."""
    fcnn_set_winograd(<fcnn_winograd_use>use)


def get_winograd():
    """The number that `set_winograd` was given."""
    return <int>fcnn_get_winograd()


def set_least_share(double nanoseconds):
    """Share out what gives every thread so much work, 5000 ns without a call: for tests of small problems on many threads."""
    fcnn_set_least_share(nanoseconds)


# --- Arguments and results ---------------------------------------------------------------------------------------------


cdef class Array:
    """An array's memory, held for as long as this object lives."""

    cdef Py_buffer view
    cdef bint held

    def __cinit__(self, array, bint writable=False):
        if array is not None:
            PyObject_GetBuffer(array, &self.view, PyBUF_C_CONTIGUOUS | (PyBUF_WRITABLE if writable else 0))
            self.held = True

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)

    cdef bint is_double(self) noexcept nogil:
        return self.view.itemsize == sizeof(double)

    cdef void *data(self) noexcept nogil:
        """The first element, or NULL for None."""
        return self.view.buf if self.held else NULL


cdef class Memory:
    """`size` bytes for an array's data, uninitialised; they are used again when the last array on them is gone."""

    cdef void *block
    cdef size_t capacity
    cdef Py_ssize_t size

    def __cinit__(self, Py_ssize_t size):
        self.size = size
        self.block = fcnn_buffer_take(size, &self.capacity)
        if self.block == NULL:
            raise MemoryError(f"not enough memory for a result of {size} bytes")

    def __dealloc__(self):
        if self.block != NULL:
            fcnn_buffer_give(self.block, self.capacity)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.block, self.size, 0, flags)


cdef extern from *:
    """
    /* -1 with an exception set, that of a signal's handler as a rule, if a kernel was given up. */
    static int signals_exception(void) {
      if (!fcnn_was_given_up()) return 0;
      if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "a signal's handler forked inside this call, whose threads are not in the child");
      return -1;
    }
    """
    int signals_exception() except -1

cdef extern from "Python.h":
    int PyErr_CheckSignals()  # declared without its exception, which stays until `signals_exception`


cdef int signal_raised() noexcept nogil:
    """Whether a signal arrived, Ctrl-C as a rule, and its handler raised an exception; only Python's main thread ever sees one."""
    with gil:
        return PyErr_CheckSignals() != 0


def set_patience(int64_t nanoseconds):
    """Ask for signals every so many nanoseconds within kernels, 60 ms without a call: whoever asks takes the GIL."""
    fcnn_set_interruption(signal_raised, nanoseconds)


set_patience(60_000_000)


cdef int check(int status, str bad_index="") except -1:
    """Raise what stopped a kernel: a signal, or what `status` stands for."""
    signals_exception()
    if status == FCNN_NO_MEMORY:
        raise MemoryError("not enough memory for the kernel's scratch space")
    if status == FCNN_BAD_INDEX:
        raise ValueError(bad_index)
    return 0


cdef fcnn_conv2d_shape conv2d_shape(t) except *:
    cdef fcnn_conv2d_shape s
    (s.N, s.H, s.W, s.C, s.F, s.KH, s.KW, s.OH, s.OW, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, s.pad_top, s.pad_left,
     s.groups) = t
    return s


cdef fcnn_pool2d_shape pool2d_shape(t) except *:
    cdef fcnn_pool2d_shape s
    (s.N, s.H, s.W, s.C, s.KH, s.KW, s.OH, s.OW, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, s.pad_top, s.pad_left,
     s.pad_bottom, s.pad_right, s.count_padding) = t
    return s


def choose_conv2d(shape, int op, bint double_precision):
    """How operation `op` (0 forward, 1 input gradient, 2 weight gradient) is computed: numbers of algorithm and reason, tile, two costs."""
    cdef fcnn_conv2d_shape s = conv2d_shape(shape)
    choice = fcnn_choose_conv2d(&s, <fcnn_conv2d_op>op, double_precision)
    return choice.algorithm, choice.reason, choice.tile, choice.direct_cost, choice.winograd_cost


# --- Kernels for images -------------------------------------------------------------------------------------------------

include "_image_kernels.pxi"

# --- Kernels for numbers ------------------------------------------------------------------------------------------------


def relu(int64_t n, x, y):
    """y (n) from x (n)."""
    cdef Array x_ = Array(x), y_ = Array(y, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_relu_f64(n, <double *>x_.data(), <double *>y_.data())
        else:
            status = fcnn_relu_f32(n, <float *>x_.data(), <float *>y_.data())
    check(status)


def relu_gradient(int64_t n, dy, y, dx):
    """dx (n) from dy, y (n)."""
    cdef Array dy_ = Array(dy), y_ = Array(y), dx_ = Array(dx, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_relu_gradient_f64(n, <double *>dy_.data(), <double *>y_.data(), <double *>dx_.data())
        else:
            status = fcnn_relu_gradient_f32(n, <float *>dy_.data(), <float *>y_.data(), <float *>dx_.data())
    check(status)


cdef dict ACTIVATIONS = {
    "sigmoid": FCNN_SIGMOID,
    "relu6": FCNN_RELU6,
    "hard_sigmoid": FCNN_HARD_SIGMOID,
    "silu": FCNN_SILU,
    "hard_silu": FCNN_HARD_SILU,
    "gelu": FCNN_GELU,
}


def dropout(int64_t n, double threshold, double scale, u, x, y):
    """y (n) from x (n), where u (n) is above `threshold`."""
    cdef Array u_ = Array(u), x_ = Array(x), y_ = Array(y, True)
    with nogil:
        if x_.is_double():
            fcnn_dropout_f64(n, threshold, scale, <double *>u_.data(), <double *>x_.data(), <double *>y_.data())
        else:
            fcnn_dropout_f32(n, <float>threshold, <float>scale, <float *>u_.data(), <float *>x_.data(), <float *>y_.data())
    check(FCNN_OK)


def activation(kind, int64_t n, x, y):
    """y (n) from x (n)."""
    cdef fcnn_activation kind_ = <fcnn_activation><int>ACTIVATIONS[kind]
    cdef Array x_ = Array(x), y_ = Array(y, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_activation_f64(kind_, n, <double *>x_.data(), <double *>y_.data())
        else:
            status = fcnn_activation_f32(kind_, n, <float *>x_.data(), <float *>y_.data())
    check(status)


def activation_gradient(kind, int64_t n, dy, kept, dx):
    """dx (n) from dy (n) and kept (n): y or x, see activation.h."""
    cdef fcnn_activation kind_ = <fcnn_activation><int>ACTIVATIONS[kind]
    cdef Array dy_ = Array(dy), kept_ = Array(kept), dx_ = Array(dx, True)
    cdef int status
    with nogil:
        if dy_.is_double():
            status = fcnn_activation_gradient_f64(kind_, n, <double *>dy_.data(), <double *>kept_.data(), <double *>dx_.data())
        else:
            status = fcnn_activation_gradient_f32(kind_, n, <float *>dy_.data(), <float *>kept_.data(), <float *>dx_.data())
    check(status)


def channel_moments(int64_t rows, int64_t C, x, means, variances):
    """means and variances (C) from x (rows, C)."""
    cdef Array x_ = Array(x), means_ = Array(means, True), variances_ = Array(variances, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_channel_moments_f64(rows, C, <double *>x_.data(), <double *>means_.data(), <double *>variances_.data())
        else:
            status = fcnn_channel_moments_f32(rows, C, <float *>x_.data(), <float *>means_.data(), <float *>variances_.data())
    check(status)


def channel_products(int64_t rows, int64_t C, dy, x, shift, sums, products):
    """sums and products (C) from dy, x (rows, C) and shift (C)."""
    cdef Array dy_ = Array(dy), x_ = Array(x), shift_ = Array(shift), sums_ = Array(sums, True), products_ = Array(products, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_channel_products_f64(
                rows, C, <double *>dy_.data(), <double *>x_.data(), <double *>shift_.data(), <double *>sums_.data(),
                <double *>products_.data())
        else:
            status = fcnn_channel_products_f32(
                rows, C, <float *>dy_.data(), <float *>x_.data(), <float *>shift_.data(), <float *>sums_.data(),
                <float *>products_.data())
    check(status)


def scale_channels(int64_t rows, int64_t C, x, shift, scale, offset, y):
    """y (rows, C) from x (rows, C) and shift, scale, offset (C)."""
    cdef Array x_ = Array(x), shift_ = Array(shift), scale_ = Array(scale), offset_ = Array(offset), y_ = Array(y, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_scale_channels_f64(
                rows, C, <double *>x_.data(), <double *>shift_.data(), <double *>scale_.data(), <double *>offset_.data(),
                <double *>y_.data())
        else:
            status = fcnn_scale_channels_f32(
                rows, C, <float *>x_.data(), <float *>shift_.data(), <float *>scale_.data(), <float *>offset_.data(),
                <float *>y_.data())
    check(status)


def scale_channels_gradient(int64_t rows, int64_t C, dy, x, shift, slope, offset, scale, dx):
    """dx (rows, C) from dy, x (rows, C) and shift, slope, offset, scale (C)."""
    cdef Array dy_ = Array(dy), x_ = Array(x), dx_ = Array(dx, True)
    cdef Array shift_ = Array(shift), slope_ = Array(slope), offset_ = Array(offset), scale_ = Array(scale)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_scale_channels_gradient_f64(
                rows, C, <double *>dy_.data(), <double *>x_.data(), <double *>shift_.data(), <double *>slope_.data(),
                <double *>offset_.data(), <double *>scale_.data(), <double *>dx_.data())
        else:
            status = fcnn_scale_channels_gradient_f32(
                rows, C, <float *>dy_.data(), <float *>x_.data(), <float *>shift_.data(), <float *>slope_.data(),
                <float *>offset_.data(), <float *>scale_.data(), <float *>dx_.data())
    check(status)


def softmax(int64_t rows, int64_t columns, x, p):
    """p (rows, columns) from x (rows, columns)."""
    cdef Array x_ = Array(x), p_ = Array(p, True)
    cdef int status
    with nogil:
        if x_.is_double():
            status = fcnn_softmax_f64(rows, columns, <double *>x_.data(), <double *>p_.data())
        else:
            status = fcnn_softmax_f32(rows, columns, <float *>x_.data(), <float *>p_.data())
    check(status)


def softmax_cross_entropy(int64_t rows, int64_t columns, logits, labels, losses, dlogits):
    """losses (rows) and dlogits (rows, columns) from logits (rows, columns), labels (rows) int64; return the sum of the losses."""
    cdef double total
    cdef Array logits_ = Array(logits), labels_ = Array(labels), losses_ = Array(losses, True), dlogits_ = Array(dlogits, True)
    cdef int status
    with nogil:
        if logits_.is_double():
            status = fcnn_softmax_cross_entropy_f64(
                rows, columns, <double *>logits_.data(), <int64_t *>labels_.data(), <double *>losses_.data(), <double *>dlogits_.data(),
                &total)
        else:
            status = fcnn_softmax_cross_entropy_f32(
                rows, columns, <float *>logits_.data(), <int64_t *>labels_.data(), <float *>losses_.data(), <float *>dlogits_.data(),
                &total)
    check(status, f"labels must be in [0, {columns}), the classes of logits")
    return total


RULES = {"sgd": FCNN_SGD, "adam": FCNN_ADAM, "rmsprop": FCNN_RMSPROP, "lion": FCNN_LION}


def optimizer_step(rule, int64_t n, gradients, coefficients, double decay, weights, slots):
    """weights (n) and slots, a sequence of arrays (n) or None, change as gradients (n) and the rule of that name say."""
    cdef Array gradients_ = Array(gradients), weights_ = Array(weights, True), slot_
    cdef double coefficients_[6]
    cdef void *slots_[3]
    cdef int rule_ = RULES[rule], i
    held = [Array(slot, True) for slot in slots]
    for i in range(FCNN_MAX_COEFFICIENTS):
        coefficients_[i] = coefficients[i] if i < len(coefficients) else 0
    for i in range(FCNN_MAX_SLOTS):
        slots_[i] = NULL
        if i < len(held):
            slot_ = held[i]
            slots_[i] = slot_.data()
    with nogil:
        if gradients_.is_double():
            fcnn_optimizer_step_f64(
                <fcnn_rule>rule_, n, <double *>gradients_.data(), coefficients_, decay, <double *>weights_.data(), <double **>slots_)
        else:
            fcnn_optimizer_step_f32(
                <fcnn_rule>rule_, n, <float *>gradients_.data(), coefficients_, decay, <float *>weights_.data(), <float **>slots_)


def gather_rows(int64_t count, int64_t rows, int64_t row_bytes, data, indices, to):
    """to (count, row_bytes) from data (rows, row_bytes), of any dtype, and indices (count) int64."""
    cdef Array data_ = Array(data), indices_ = Array(indices), to_ = Array(to, True)
    cdef int status
    with nogil:
        status = fcnn_gather_rows(count, rows, row_bytes, data_.data(), <int64_t *>indices_.data(), to_.data())
    check(status, f"indices must be in [0, {rows})")


def uniform(uint64_t seed, uint32_t epoch, uint32_t place, int64_t N, int64_t count, samples, u):
    """u (N, count) of float32 in [0, 1), for samples (N) int64 in [0, 2**32): the stream of (seed, epoch, sample, place) for each row."""
    cdef Array samples_ = Array(samples), u_ = Array(u, True)
    with nogil:
        fcnn_uniform(seed, epoch, place, N, count, <int64_t *>samples_.data(), <float *>u_.data())
    check(FCNN_OK)


def fma_rounds(int64_t rounds, bint double_precision):
    """Run `rounds` rounds of multiply-adds in registers on this thread; return how many floating-point operations they were."""
    cdef double operations
    with nogil:
        operations = fcnn_fma_rounds_f64(rounds) if double_precision else fcnn_fma_rounds_f32(rounds)
    return operations


include "_steps.pxi"
