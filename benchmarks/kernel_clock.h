/* Put before the sources of a build for measurements, this takes the time that a thread spends without the GIL, which is that of the kernels
   and nothing else: see step.py. */
#include <Python.h>
#include <time.h>

__attribute__((weak, visibility("default"))) double fastcnn_kernel_seconds;

static inline double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline PyThreadState *save_and_start(void) {
  PyThreadState *state = PyEval_SaveThread();
  fastcnn_kernel_seconds -= seconds_now();
  return state;
}

static inline void stop_and_restore(PyThreadState *state) {
  fastcnn_kernel_seconds += seconds_now();
  PyEval_RestoreThread(state);
}

#define PyEval_SaveThread() save_and_start()
#define PyEval_RestoreThread(state) stop_and_restore(state)
