/* Vectors of REAL: the only place that knows how the compiler spells them. Included once for each REAL, inside an ISA unit
   that has set VEC_BYTES, the width of its registers, or 0 where the compiler has no vectors: a vector is then one number. */
#undef LANES
#if VEC_BYTES
#define LANES ((int64_t)(VEC_BYTES / sizeof(REAL)))
typedef REAL TYPED(vec) __attribute__((vector_size(VEC_BYTES)));
#else
#define LANES ((int64_t)1)
typedef REAL TYPED(vec);
#endif

static inline TYPED(vec) TYPED(load)(const REAL *p) {
  TYPED(vec) v;
  memcpy(&v, p, sizeof v);
  return v;
}

static inline void TYPED(store)(REAL *p, TYPED(vec) v) { memcpy(p, &v, sizeof v); }

static inline TYPED(vec) TYPED(fill)(REAL value) { return value - (TYPED(vec)){0}; }

/* min(max(v, lo), hi) for each lane; NaN passes. */
static inline TYPED(vec) TYPED(clamp)(TYPED(vec) v, REAL lo, REAL hi) {
#if VEC_BYTES
  typedef WHICH mask __attribute__((vector_size(VEC_BYTES)));
  const TYPED(vec) low = TYPED(fill)(lo), high = TYPED(fill)(hi);
  const mask below = v < low;
  v = (TYPED(vec))(((mask)low & below) | ((mask)v & ~below));
  const mask above = v > high;
  return (TYPED(vec))(((mask)high & above) | ((mask)v & ~above));
#else
  return v < lo ? lo : v > hi ? hi : v;
#endif
}
