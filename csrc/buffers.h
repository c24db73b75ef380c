/* Memory for results, used again rather than given back.

   The first touch of fresh memory is dear: the system clears it page by page, which for a large result takes longer than computing
   it. Blocks that are given back are therefore kept, up to a bound, for the next result of about their size. */
#ifndef FASTCNN_BUFFERS_H
#define FASTCNN_BUFFERS_H

#include <stddef.h>

/* A block of at least `size` bytes, aligned to a cache line, its contents anything; *capacity is its true size. NULL without memory. */
void *fcnn_buffer_take(size_t size, size_t *capacity);

/* Gives back a block of fcnn_buffer_take. */
void fcnn_buffer_give(void *block, size_t capacity);

#endif
