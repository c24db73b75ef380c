/* Which results of a grouped convolution share a vector, and which numbers of a pixel they are sums of. */
#ifndef FASTCNN_LANES_H
#define FASTCNN_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "fastcnn.h"
#include "memory.h"

/* How the lanes of a vector of results find the numbers of their group in a pixel. */
enum fcnn_spread {
  FCNN_OWN,       /* a channel and a filter each: every lane has a number of its own */
  FCNN_GROUPS,    /* lanes of several groups: a permutation of one vector of the pixel */
  FCNN_ONE_GROUP, /* lanes of one group: all have the same number */
  FCNN_SPREADS
};

enum {
  FCNN_MOST_LANES = 16,
  FCNN_MOST_TAPS = 5, /* of a line of a strip, and by so many of them is a result from its neighbour: */
  FCNN_MOST_STRIDE = 2,
  FCNN_MOST_TERMS = 32, /* and results of a group, where strips are better than a product of matrices for each group */
};

/* A vector of results, numbers to ... of a result's pixel, of which lanes [first, end) are wanted. They are sums over what lies from
   number `from` on in pixels of the image: term k of lane l is number k there, plus index[l] for FCNN_GROUPS, or l for FCNN_OWN. */
typedef struct {
  int64_t from, to;
  int first, end;
  uint8_t index[FCNN_MOST_LANES];
} fcnn_lanes;

/* `groups` groups; each of the `results` results of one is a sum over its `terms` numbers of a pixel; `lanes` lanes in a vector. */
typedef struct {
  int64_t groups, terms, results, lanes;
  enum fcnn_spread spread;
  int64_t groups_a_vector, vectors_a_group; /* one of them is 1; for FCNN_OWN, both have no meaning */
  int64_t vectors;
} fcnn_grouping;

static inline fcnn_grouping fcnn_grouping_of(int64_t groups, int64_t terms, int64_t results, int64_t lanes) {
  fcnn_grouping g = {.groups = groups, .terms = terms, .results = results, .lanes = lanes};
  g.groups_a_vector = fcnn_max(lanes / fcnn_max(terms, results), 1);
  g.vectors_a_group = fcnn_ceil_div(results, lanes);
  g.spread = terms == 1 && results == 1 ? FCNN_OWN : g.groups_a_vector > 1 ? FCNN_GROUPS : FCNN_ONE_GROUP;
  g.vectors = g.spread == FCNN_ONE_GROUP ? groups * g.vectors_a_group : fcnn_ceil_div(groups, g.groups_a_vector);
  return g;
}

/* Whether there are groups, and small ones. */
static inline bool fcnn_small_groups(const fcnn_conv2d_shape *s) {
  return s->groups > 1 && s->C / s->groups <= FCNN_MOST_TERMS && s->F / s->groups <= FCNN_MOST_TERMS;
}

/* Vector `vector` of g->vectors. The last ones begin early enough to end with the pixel, if it is that long. */
static inline fcnn_lanes fcnn_lanes_at(const fcnn_grouping *g, int64_t vector) {
  const bool one = g->spread == FCNN_ONE_GROUP;
  const int64_t group = one ? vector / g->vectors_a_group : vector * g->groups_a_vector;
  const int64_t begin = one ? vector % g->vectors_a_group * g->lanes : 0;
  const int64_t count = one ? fcnn_min(g->results - begin, g->lanes) : fcnn_min(g->groups - group, g->groups_a_vector) * g->results;
  const int64_t wanted = group * g->results + begin;
  fcnn_lanes lanes = {.from = group * g->terms, .to = fcnn_min(wanted, fcnn_max(g->groups * g->results - g->lanes, 0))};
  lanes.first = (int)(wanted - lanes.to);
  lanes.end = (int)(wanted - lanes.to + count);
  if (one) return lanes;
  lanes.from = fcnn_min(lanes.from, fcnn_max(g->groups * g->terms - g->lanes, 0));
  for (int64_t l = lanes.first; l < lanes.end; l++) lanes.index[l] = (uint8_t)((lanes.to + l) / g->results * g->terms - lanes.from);
  return lanes;
}

#endif
