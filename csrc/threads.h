/* The thread pool. Chunks are a function of the problem, never of the number of threads, so neither are results. */
#ifndef FASTCNN_THREADS_H
#define FASTCNN_THREADS_H

#include <stdbool.h>
#include <stdint.h>

/* Computes chunk `chunk`; `worker` in [0, workers) is this thread's number, for scratch of its own. */
typedef void (*fcnn_chunk_fn)(void *context, int64_t chunk, int64_t worker);

/* What a loop takes one core, in about nanoseconds: the shape alone tells, and nothing but who computes what depends on it. */
typedef double fcnn_work;

/* `count` multiply-adds in microkernels of `lanes` numbers a vector, at some two thirds of what such a core can do. */
static inline fcnn_work fcnn_products(double count, int64_t lanes) { return count / (2.5 * (double)lanes); }
/* `count` numbers read or written, one after the other. */
static inline fcnn_work fcnn_numbers(double count) { return count / 4; }
/* `count` exponentials in vectors of `lanes` numbers. */
static inline fcnn_work fcnn_exponentials(double count, int64_t lanes) { return count * 12 / (double)lanes; }

/* How many workers are worth asking for `chunks` chunks of `work` in all: at most the configured number of threads, at least 1, and no
   more than have some microseconds to do. Where threads sleep, so little work that they would come too late leaves them alone. */
int64_t fcnn_workers(int64_t chunks, fcnn_work work);

/* Says how many nanoseconds of work a worker must have, 5000 without a call; checks say 0, so that small problems meet threads, too. */
void fcnn_set_least_share(double nanoseconds);

/* Calls fn(context, chunk, worker) once for each chunk in [0, chunks), on at most `workers` threads, the caller's among them,
   and returns when all are done, or when the call is given up. Where the pool is busy, or its threads cannot be had, the caller does more
   itself. */
void fcnn_parallel_for(fcnn_chunk_fn fn, void *context, int64_t chunks, int64_t workers);

/* The same, but all chunks are computed whatever happens: what is changed in place must not be left half changed. */
void fcnn_parallel_for_all(fcnn_chunk_fn fn, void *context, int64_t chunks, int64_t workers);

/* `asked` is called every so many nanoseconds by threads whose loops run, and tells whether their call is to be given up; NULL for never. */
void fcnn_set_interruption(int (*asked)(void), int64_t nanoseconds);

/* Whether this thread's call, or the one it works for, is given up: chunks are left as they are, and so is all that comes after them. Chunks that
   take long ask, too. */
bool fcnn_given_up(void);

/* Numbers that take microseconds: who goes through so many, or more, without an end of a chunk asks each time. */
enum { FCNN_MANY_NUMBERS = 65536 };

/* Whether this thread's call was given up, so that its results are worth nothing. The next call is another one. */
bool fcnn_was_given_up(void);

#endif
