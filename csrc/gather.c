/* Batches: rows of an array, in any order. */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "fastcnn.h"
#include "memory.h"
#include "threads.h"

enum { GATHER_CHUNK = 8 }; /* rows a chunk */

typedef struct {
  int64_t count, rows, row_bytes;
  const char *from;
  const int64_t *indices;
  char *to;
  atomic_bool bad_index;
} gather_job;

static void gather_chunk(void *context, int64_t chunk, int64_t worker) {
  gather_job *job = context;
  (void)worker;
  const int64_t end = fcnn_min((chunk + 1) * GATHER_CHUNK, job->count);
  for (int64_t row = chunk * GATHER_CHUNK; row < end; row++) {
    if (job->row_bytes >= FCNN_MANY_NUMBERS && fcnn_given_up()) return;
    const int64_t index = job->indices[row]; /* read once: another thread may be writing there */
    if (index < 0 || index >= job->rows) {
      atomic_store(&job->bad_index, true);
      return;
    }
    memcpy(job->to + row * job->row_bytes, job->from + index * job->row_bytes, (size_t)job->row_bytes);
  }
}

/* from (rows, row_bytes), indices (count), to (count, row_bytes). */
int fcnn_gather_rows(int64_t count, int64_t rows, int64_t row_bytes, const void *from, const int64_t *indices, void *to) {
  gather_job job = {.count = count, .rows = rows, .row_bytes = row_bytes, .from = from, .indices = indices, .to = to};
  const int64_t chunks = fcnn_ceil_div(count, GATHER_CHUNK);
  const double words =
      (double)count * (double)row_bytes / 4; /* read from memory, which takes a few times as long as from a cache */
  fcnn_parallel_for(gather_chunk, &job, chunks, fcnn_workers(chunks, fcnn_numbers(2 * words)));
  return atomic_load(&job.bad_index) ? FCNN_BAD_INDEX : FCNN_OK;
}
