/* Memory and threads that are counted, and may be refused: linked with --wrap, which is in the Makefile. */
#ifndef FASTCNN_CTEST_REFUSE_H
#define FASTCNN_CTEST_REFUSE_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

static struct {
  atomic_int_fast64_t taken;   /* calls that ask for memory */
  atomic_int_fast64_t granted; /* so many are granted, and then one is refused; none is for -1 */
  bool threadless;             /* no thread can be had */
  atomic_int threads;          /* so many could */
  bool slow;                   /* starting one takes a while, */
  atomic_bool starting;        /* and longer than until somebody looks on */
  atomic_bool watched;
} memory = {.granted = -1};

/* Counts a call; whether it is the one that is refused. */
static inline bool refuse(void) {
  atomic_fetch_add(&memory.taken, 1);
  return atomic_load(&memory.granted) >= 0 && atomic_fetch_sub(&memory.granted, 1) == 0;
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument);

void *__wrap_aligned_alloc(size_t alignment, size_t size) { return refuse() ? NULL : __real_aligned_alloc(alignment, size); }
void *__wrap_malloc(size_t size) { return refuse() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return refuse() ? NULL : __real_calloc(count, size); }
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  if (memory.threadless) return EAGAIN;
  atomic_fetch_add(&memory.threads, 1);
  if (memory.slow) {
    atomic_store(&memory.starting, true);
    while (!atomic_load(&memory.watched)) sched_yield();
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  }
  const int status = __real_pthread_create(thread, attributes, run, argument);
  atomic_store(&memory.starting, false);
  return status;
}

#endif
