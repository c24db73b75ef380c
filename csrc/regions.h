/* Regions: the windows of a correlation sorted by which of their taps lie on the plane.

   At the rim of a plane some taps of a window fall on padding and add nothing. Windows whose taps on the plane are the same make up
   rectangles: `rows` x `cols` segments of the two axes. Inside one region no window needs padding, so patches can be read where they
   are, and nothing is multiplied by zero. A plane without padding is one region. */
#ifndef FASTCNN_REGIONS_H
#define FASTCNN_REGIONS_H

#include <stdlib.h>

#include "dispatch.h"
#include "memory.h"
#include "windows.h"

/* Windows [begin, end) of an axis have taps [tap, tap_end) on the plane; none if tap == tap_end. */
typedef struct {
  int64_t begin, end, tap, tap_end;
} fcnn_segment;

typedef struct {
  fcnn_segment *rows, *cols;
  int64_t row_count, col_count;
  /* All regions' windows, cut into tiles of one region, as equal as can be, of at most tile_windows: region r has tiles [first_tile[r], first_tile[r + 1]). */
  int64_t tile_windows, group, *first_tile; /* tiles are groups of so many windows, but for the last one */
} fcnn_regions;

/* One tile: windows [first, first + count) of all images' windows in a region. */
typedef struct {
  fcnn_segment rows, cols;
  int64_t first, count;
} fcnn_tile;

/* segments (at most 2 * taps + 1) of an axis of `windows` windows over `size` pixels; returns how many there are. */
static int64_t fcnn_segments(int64_t windows, int64_t size, int64_t taps, int64_t step, int64_t dilation, int64_t origin,
                             fcnn_segment *segments) {
  int64_t count = 0;
  if (origin >= 0 && (windows - 1) * step + origin + (taps - 1) * dilation < size) { /* no padding */
    segments[0] = (fcnn_segment){0, windows, 0, taps};
    return 1;
  }
  for (int64_t i = 0; i < windows; i++) {
    const fcnn_taps on = fcnn_taps_on_plane(i * step + origin, size, taps, dilation);
    if (count > 0 && segments[count - 1].tap == on.begin && segments[count - 1].tap_end == on.end)
      segments[count - 1].end = i + 1;
    else
      segments[count++] = (fcnn_segment){i, i + 1, on.begin, on.end};
  }
  return count;
}

/* Room for the regions of windows of KH x KW taps. */
static void fcnn_regions_place(fcnn_regions *regions, int64_t KH, int64_t KW, fcnn_pieces *pieces) {
  const int64_t most_rows = 2 * KH + 1, most_cols = 2 * KW + 1;
  regions->rows = fcnn_piece(pieces, most_rows, sizeof *regions->rows);
  regions->cols = fcnn_piece(pieces, most_cols, sizeof *regions->cols);
  regions->first_tile = fcnn_piece(pieces, most_rows * most_cols + 1, sizeof *regions->first_tile);
}

/* The same in memory of its own, in tiles of at most tile_windows, a multiple of group. False, and nothing to free, without memory. */
static bool fcnn_regions_allocate(fcnn_regions *regions, int64_t KH, int64_t KW, int64_t tile_windows, int64_t group) {
  fcnn_pieces pieces = {0};
  *regions = (fcnn_regions){.tile_windows = tile_windows, .group = group};
  fcnn_regions_place(regions, KH, KW, &pieces);
  if (!fcnn_pieces_allocate(&pieces)) return false;
  fcnn_regions_place(regions, KH, KW, &pieces);
  return true;
}

static void fcnn_regions_free(fcnn_regions *regions) { free(regions->rows); /* the first piece */ }

/* Sorts `windows` into regions, for which there is room. */
static void fcnn_regions_sort(fcnn_regions *regions, const fcnn_windows *windows) {
  regions->row_count =
      fcnn_segments(windows->OH, windows->H, windows->KH, windows->step_h, windows->tap_h, windows->origin_h, regions->rows);
  regions->col_count =
      fcnn_segments(windows->OW, windows->W, windows->KW, windows->step_w, windows->tap_w, windows->origin_w, regions->cols);
  int64_t tiles = 0, region = 0;
  for (int64_t r = 0; r < regions->row_count; r++)
    for (int64_t c = 0; c < regions->col_count; c++, region++) {
      const int64_t rows = regions->rows[r].end - regions->rows[r].begin, cols = regions->cols[c].end - regions->cols[c].begin;
      regions->first_tile[region] = tiles;
      tiles += fcnn_ceil_div(windows->N * rows * cols, regions->tile_windows);
    }
  regions->first_tile[region] = tiles;
}

static int64_t fcnn_tile_count(const fcnn_regions *regions) { return regions->first_tile[regions->row_count * regions->col_count]; }

static fcnn_tile fcnn_tile_at(const fcnn_regions *regions, const fcnn_windows *windows, int64_t tile) {
  int64_t low = 0, high = regions->row_count * regions->col_count; /* the region is in [low, high) */
  while (high - low > 1) {
    const int64_t middle = (low + high) / 2;
    if (regions->first_tile[middle] <= tile)
      low = middle;
    else
      high = middle;
  }
  const fcnn_segment rows = regions->rows[low / regions->col_count], cols = regions->cols[low % regions->col_count];
  const int64_t all = windows->N * (rows.end - rows.begin) * (cols.end - cols.begin);
  const int64_t tiles = regions->first_tile[low + 1] - regions->first_tile[low], index = tile - regions->first_tile[low];
  const int64_t groups = fcnn_ceil_div(all, regions->group), share = groups / tiles, larger = groups % tiles;
  const int64_t first = (index * share + fcnn_min(index, larger)) * regions->group; /* the first `larger` tiles have a group more */
  return (fcnn_tile){rows, cols, first, fcnn_min((share + (index < larger)) * regions->group, all - first)};
}

/* The first window of a tile. Rows and columns count from the region's own. */
static inline fcnn_cursor fcnn_tile_begin(const fcnn_tile *tile) {
  return fcnn_cursor_at(tile->first, tile->rows.end - tile->rows.begin, tile->cols.end - tile->cols.begin);
}

/* How many windows of the tile, after `done`, lie side by side from `at` on: the rest of the line, or of the tile. */
static inline int64_t fcnn_tile_line(const fcnn_tile *tile, fcnn_cursor at, int64_t done) {
  return fcnn_min(tile->cols.end - tile->cols.begin - at.j, tile->count - done);
}

/* Moves on by what fcnn_tile_line said, to the next line. */
static inline void fcnn_tile_next_line(const fcnn_tile *tile, fcnn_cursor *at) {
  at->j = 0;
  if (++at->i < tile->rows.end - tile->rows.begin) return;
  at->i = 0;
  at->n++;
}

/* Where the patch of window `at` of a tile begins: numbers from the first of the source, at its first tap on the plane. */
static inline int64_t fcnn_patch_base(const fcnn_windows *w, const fcnn_tile *tile, fcnn_cursor at) {
  const int64_t h = (tile->rows.begin + at.i) * w->step_h + tile->rows.tap * w->tap_h + w->origin_h;
  const int64_t v = (tile->cols.begin + at.j) * w->step_w + tile->cols.tap * w->tap_w + w->origin_w;
  return ((at.n * w->H + h) * w->W + v) * w->pixel;
}

/* runs (at most KH * KW): the parts of a tile's patches that meet rows [k0, k1) of the filters' matrix; returns how many. */
static int64_t fcnn_runs(const fcnn_windows *w, const fcnn_tile *tile, int64_t k0, int64_t k1, fcnn_run *runs) {
  const bool neighbours = w->tap_w == 1 && w->channels == w->pixel; /* taps of one row lie side by side */
  const int64_t taps = tile->cols.tap_end - tile->cols.tap, taps_a_run = neighbours ? taps : 1;
  int64_t count = 0;
  for (int64_t u = 0; u < tile->rows.tap_end - tile->rows.tap; u++)
    for (int64_t v = 0; v < taps; v += taps_a_run) {
      const int64_t row = ((tile->rows.tap + u) * w->KW + tile->cols.tap + v) * w->channels;
      const int64_t begin = fcnn_max(row, k0), end = fcnn_min(row + taps_a_run * w->channels, k1);
      if (begin >= end) continue;
      const int64_t from = (u * w->tap_h * w->W + v * w->tap_w) * w->pixel + begin - row;
      runs[count++] = (fcnn_run){.from = from, .row = begin - k0, .length = end - begin};
    }
  return count;
}

#endif
