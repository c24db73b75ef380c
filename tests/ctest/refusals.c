/* Loaded before the C library: calls for memory that come from some code, an extension's, are counted, and may be refused. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static uintptr_t code_begin, code_end;
static atomic_int_fast64_t granted = -1;

/* Says whose calls they are: those of the code in [begin, end). */
void watch(uintptr_t begin, uintptr_t end) {
  code_begin = begin;
  code_end = end;
}

/* So many calls are granted, and then one is refused; none is for -1. */
void grant(int64_t calls) { atomic_store(&granted, calls); }

/* Whether one was refused since then. */
bool refused(void) { return atomic_load(&granted) < 0; }

static bool refuse(const void *caller) {
  const uintptr_t at = (uintptr_t)caller;
  return at >= code_begin && at < code_end && atomic_load(&granted) >= 0 && atomic_fetch_sub(&granted, 1) == 0;
}

void *malloc(size_t size) { return refuse(__builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return refuse(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size); }
void *aligned_alloc(size_t alignment, size_t size) {
  return refuse(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}
