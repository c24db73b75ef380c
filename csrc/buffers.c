#define _POSIX_C_SOURCE 200809L /* pthread_atfork */
#include "buffers.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "memory.h"

enum { MOST_BLOCKS = 64 };

static const size_t MOST_BYTES = (size_t)256 << 20; /* kept in all */

/* The blocks kept, the one given back longest ago first. */
static struct {
  pthread_mutex_t lock;
  int count;
  size_t bytes;
  struct {
    void *block;
    size_t capacity;
  } kept[MOST_BLOCKS];
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* A fork must not catch another thread inside the lock: it would stay locked in the child for ever. */
static void before_fork(void) { pthread_mutex_lock(&cache.lock); }
static void after_fork(void) { pthread_mutex_unlock(&cache.lock); }
static void register_fork(void) { pthread_atfork(before_fork, after_fork, after_fork); }

static void lock(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_fork);
  pthread_mutex_lock(&cache.lock);
}

static void remove_kept(int index) {
  cache.bytes -= cache.kept[index].capacity;
  cache.count--;
  for (int i = index; i < cache.count; i++) cache.kept[i] = cache.kept[i + 1];
}

void *fcnn_buffer_take(size_t size, size_t *capacity) {
  lock();
  int best = -1; /* the smallest that is large enough, and wastes no more than a quarter */
  for (int i = 0; i < cache.count; i++) {
    const size_t have = cache.kept[i].capacity;
    if (have >= size && have - size <= size / 4 && (best < 0 || have < cache.kept[best].capacity)) best = i;
  }
  void *block = NULL;
  if (best >= 0) {
    block = cache.kept[best].block;
    *capacity = cache.kept[best].capacity;
    remove_kept(best);
  }
  pthread_mutex_unlock(&cache.lock);
  if (block) return block;
  *capacity = size;
  return size > INT64_MAX ? NULL : fcnn_scratch((int64_t)size, 1);
}

void fcnn_buffer_give(void *block, size_t capacity) {
  if (capacity > MOST_BYTES / 2) {
    free(block);
    return;
  }
  void *dropped[MOST_BLOCKS + 1];
  int drops = 0;
  lock();
  while (cache.count == MOST_BLOCKS || (cache.count > 0 && cache.bytes + capacity > MOST_BYTES)) {
    dropped[drops++] = cache.kept[0].block;
    remove_kept(0);
  }
  cache.kept[cache.count].block = block;
  cache.kept[cache.count++].capacity = capacity;
  cache.bytes += capacity;
  pthread_mutex_unlock(&cache.lock);
  while (drops > 0) free(dropped[--drops]);
}
