/* Vectors of REAL: the only place that knows how the compiler spells them. Included once for each REAL, inside an ISA unit
   that has set VEC_BYTES, the width of its registers, or 0 where the compiler has no vectors: a vector is then one number. */
#undef LANES
#if VEC_BYTES
#define LANES ((int64_t)(VEC_BYTES / sizeof(REAL)))
typedef REAL TYPED(vec) __attribute__((vector_size(VEC_BYTES)));
typedef WHICH TYPED(mask) __attribute__((vector_size(VEC_BYTES))); /* of a comparison: all bits of a lane or none; or integers */
#else
#define LANES ((int64_t)1)
typedef REAL TYPED(vec);
typedef WHICH TYPED(mask);
#endif

static inline TYPED(vec) TYPED(load)(const REAL *p) {
  TYPED(vec) v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline void TYPED(store)(REAL *p, TYPED(vec) v) { memcpy(p, &v, sizeof v); }

/* `count` numbers, at most LANES, then zeros. */
static inline TYPED(vec) TYPED(load_some)(const REAL *p, int64_t count) {
  TYPED(vec) v = {0};
  memcpy(&v, p, (size_t)count * sizeof(REAL));
  return v;
}

/* The first `count` numbers, at most LANES. */
static inline void TYPED(store_some)(REAL *p, TYPED(vec) v, int64_t count) { memcpy(p, &v, (size_t)count * sizeof(REAL)); }

static inline TYPED(vec) TYPED(fill)(REAL value) { return value - (TYPED(vec)){0}; }

static inline TYPED(mask) TYPED(fill_mask)(WHICH value) { return value - (TYPED(mask)){0}; }

/* LANES bytes, each as an integer. */
static inline TYPED(mask) TYPED(load_bytes)(const uint8_t *p) {
#if VEC_BYTES
  typedef uint8_t bytes __attribute__((vector_size(VEC_BYTES / sizeof(REAL))));
  bytes b;
  memcpy(&b, p, sizeof b);
  return __builtin_convertvector(b, TYPED(mask));
#else
  return *p;
#endif
}

/* The lowest byte of each integer to LANES bytes. */
static inline void TYPED(store_bytes)(uint8_t *p, TYPED(mask) m) {
#if VEC_BYTES
  typedef uint8_t bytes __attribute__((vector_size(VEC_BYTES / sizeof(REAL))));
  const bytes b = __builtin_convertvector(m, bytes);
  memcpy(p, &b, sizeof b);
#else
  *p = (uint8_t)m;
#endif
}

static inline WHICH TYPED(lane)(TYPED(mask) m, int64_t lane) {
#if VEC_BYTES
  return m[lane];
#else
  (void)lane;
  return m;
#endif
}

/* Whether all numbers are 0; NaN is not. */
static inline bool TYPED(all_zero)(TYPED(vec) v) {
  REAL numbers[LANES];
  memcpy(numbers, &v, sizeof numbers);
  for (int64_t lane = 0; lane < LANES; lane++)
    if (numbers[lane] != 0) return false;
  return true;
}

/* a where the mask is set, else b. */
static inline TYPED(mask) TYPED(choose)(TYPED(mask) set, TYPED(mask) a, TYPED(mask) b) {
#if VEC_BYTES
  return (a & set) | (b & ~set);
#else
  return set ? a : b;
#endif
}

static inline TYPED(vec) TYPED(choose_real)(TYPED(mask) set, TYPED(vec) a, TYPED(vec) b) {
#if VEC_BYTES
  return (TYPED(vec))TYPED(choose)(set, (TYPED(mask))a, (TYPED(mask))b);
#else
  return set ? a : b;
#endif
}

/* a > b ? a : b for each lane, so b where one is NaN: through arrays, which compilers see through and make one instruction of. */
static inline TYPED(vec) TYPED(larger)(TYPED(vec) a, TYPED(vec) b) {
  REAL x[LANES], y[LANES], larger[LANES];
  memcpy(x, &a, sizeof x);
  memcpy(y, &b, sizeof y);
  for (int64_t lane = 0; lane < LANES; lane++) larger[lane] = x[lane] > y[lane] ? x[lane] : y[lane];
  memcpy(&a, larger, sizeof a);
  return a;
}

/* min(max(v, lo), hi) for each lane; NaN passes. */
static inline TYPED(vec) TYPED(clamp)(TYPED(vec) v, REAL lo, REAL hi) {
  const TYPED(vec) low = TYPED(fill)(lo), high = TYPED(fill)(hi);
  v = TYPED(choose_real)(v < low, low, v);
  return TYPED(choose_real)(v > high, high, v);
}

/* a[first], b[first], a[first + 1], b[first + 1] ...: LANES numbers. */
static inline TYPED(vec) TYPED(zip)(TYPED(vec) a, TYPED(vec) b, int64_t first) {
#if !VEC_BYTES
  return first ? b : a;
#elif defined(__clang__)
  TYPED(vec) mixed;
#pragma GCC unroll 64
  for (int64_t lane = 0; lane < LANES; lane++) mixed[lane] = lane % 2 ? b[first + lane / 2] : a[first + lane / 2];
  return mixed;
#else
  TYPED(mask) from;
#pragma GCC unroll 64
  for (int64_t lane = 0; lane < LANES; lane++) from[lane] = (WHICH)(first + lane / 2 + lane % 2 * LANES);
  return __builtin_shuffle(a, b, from);
#endif
}

/* v[from[lane]] in each lane. */
static inline TYPED(vec) TYPED(permute)(TYPED(vec) v, TYPED(mask) from) {
#if !VEC_BYTES
  (void)from;
  return v;
#elif defined(__clang__)
  TYPED(vec) permuted;
#pragma GCC unroll 64
  for (int64_t lane = 0; lane < LANES; lane++) permuted[lane] = v[from[lane]];
  return permuted;
#else
  return __builtin_shuffle(v, from);
#endif
}
