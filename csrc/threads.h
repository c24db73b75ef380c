/* The thread pool. Chunks are a function of the problem, never of the number of threads, so neither are results. */
#ifndef FASTCNN_THREADS_H
#define FASTCNN_THREADS_H

#include <stdint.h>

/* Computes chunk `chunk`; `worker` in [0, workers) is this thread's number, for scratch of its own. */
typedef void (*fcnn_chunk_fn)(void *context, int64_t chunk, int64_t worker);

/* How many workers are worth asking for `chunks` chunks: at most the configured number of threads, at least 1. */
int64_t fcnn_workers(int64_t chunks);

/* Calls fn(context, chunk, worker) once for each chunk in [0, chunks), on at most `workers` threads, the caller's among them,
   and returns when all are done. Where the pool is busy, or its threads cannot be had, the caller does more itself. */
void fcnn_parallel_for(fcnn_chunk_fn fn, void *context, int64_t chunks, int64_t workers);

#endif
