/* Random numbers by counter: those of a sample are found from its number alone, so neither batches nor threads change them.

   Philox4x32-10 of J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw: Parallel random numbers: as easy as 1, 2, 3. SC 2011. */
#include <stdint.h>

#include "fastcnn.h"
#include "memory.h"
#include "threads.h"

enum { ROUNDS = 10, WORDS = 4, BLOCKS = 16 }; /* of a counter: its words; counters at a time, for the compiler to make vectors of */

/* words (WORDS, BLOCKS) = the bijection of counters (WORDS, BLOCKS) under the key (low, high), in place. */
static void philox(uint32_t low, uint32_t high, uint32_t words[WORDS][BLOCKS]) {
  for (int round = 0; round < ROUNDS; round++, low += 0x9E3779B9u, high += 0xBB67AE85u) {
    for (int i = 0; i < BLOCKS; i++) {
      const uint64_t first = (uint64_t)words[0][i] * 0xD2511F53u, second = (uint64_t)words[2][i] * 0xCD9E8D57u;
      words[0][i] = (uint32_t)(second >> 32) ^ words[1][i] ^ low;
      words[1][i] = (uint32_t)second;
      words[2][i] = (uint32_t)(first >> 32) ^ words[3][i] ^ high;
      words[3][i] = (uint32_t)first;
    }
  }
}

typedef struct {
  uint64_t seed;
  uint32_t epoch, place;
  int64_t count;
  const int64_t *samples; /* (N) */
  float *u;               /* (N, count) */
} uniform_job;

/* The numbers of sample `chunk`. */
static void uniform_chunk(void *context, int64_t chunk, int64_t worker) {
  const uniform_job *job = context;
  (void)worker;
  const uint32_t sample = (uint32_t)job->samples[chunk];
  float *u = job->u + chunk * job->count;
  for (int64_t at = 0; at < job->count; at += WORDS * BLOCKS) {
    if (at % FCNN_MANY_NUMBERS == 0 && fcnn_given_up()) return;
    uint32_t words[WORDS][BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
      words[0][i] = (uint32_t)(at / WORDS) + (uint32_t)i;
      words[1][i] = sample;
      words[2][i] = job->epoch;
      words[3][i] = job->place;
    }
    philox((uint32_t)job->seed, (uint32_t)(job->seed >> 32), words);
    const int64_t n = fcnn_min(WORDS * BLOCKS, job->count - at);
    for (int64_t i = 0; i < n; i++) u[at + i] = (float)(words[i % WORDS][i / WORDS] >> 8) * 0x1p-24f;
  }
}

/* samples (N), u (N, count). */
void fcnn_uniform(uint64_t seed, uint32_t epoch, uint32_t place, int64_t N, int64_t count, const int64_t *samples, float *u) {
  uniform_job job = {.seed = seed, .epoch = epoch, .place = place, .count = count, .samples = samples, .u = u};
  const double numbers = (double)N * (double)count;
  fcnn_parallel_for(uniform_chunk, &job, N, fcnn_workers(N, fcnn_numbers(8 * numbers))); /* about eight operations each */
}
