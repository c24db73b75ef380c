/* Arrays that end, or begin, at a page that nobody may touch. */
#ifndef FASTCNN_CTEST_GUARDED_H
#define FASTCNN_CTEST_GUARDED_H

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common.h"

enum { SLOTS = 8, PAGE = 1 << 16, SLOT_BYTES = 1 << 26, MARGIN = 256, UNTOUCHED = 0xA5 };

/* Room for one array each, with a guarded page before and after it. */
static char *slots[SLOTS];

/* Tells which case touched a page that is none of its own, or crashed in another way; it then does so again, without this. */
static inline void tell_crash(int number) {
  static const char text[] = "\nFAILED: a crash in ";
  if (write(STDOUT_FILENO, text, sizeof text - 1) + write(STDOUT_FILENO, report.what, strlen(report.what)) >= 0)
    (void)!write(STDOUT_FILENO, "\n", 1);
  signal(number, SIG_DFL);
}

static inline void open_slots(void) {
  for (int i = 0; i < SLOTS; i++) {
    char *begin = mmap(NULL, SLOT_BYTES + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED || mprotect(begin + PAGE, SLOT_BYTES, PROT_READ | PROT_WRITE) != 0) {
      fputs("no memory\n", stderr);
      exit(2);
    }
    slots[i] = begin + PAGE;
  }
  const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
  for (int i = 0; i < 4; i++) sigaction(numbers[i], &(struct sigaction){.sa_handler = tell_crash}, NULL);
}

/* Where an array (bytes) is in slot i; the bytes on its other side have a pattern. */
static inline void *place(int i, size_t bytes, bool at_end) {
  if (bytes + MARGIN > SLOT_BYTES) {
    fputs("a case is too large\n", stderr);
    exit(2);
  }
  char *array = at_end ? slots[i] + SLOT_BYTES - bytes : slots[i];
  memset(at_end ? array - MARGIN : array + bytes, UNTOUCHED, MARGIN);
  return array;
}

/* Whether the pattern is as it was. */
static inline bool untouched(const char *array, size_t bytes, bool at_end) {
  const char *margin = at_end ? array - MARGIN : array + bytes;
  for (int i = 0; i < MARGIN; i++)
    if ((unsigned char)margin[i] != UNTOUCHED) return false;
  return true;
}

#endif
