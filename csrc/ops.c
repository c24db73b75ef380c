/* The kernels for float and for double, from one text. */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "algorithm.h"
#include "axes.h"
#include "dispatch.h"
#include "fastcnn.h"
#include "memory.h"
#include "regions.h"
#include "threads.h"
#include "windows.h"

#define REAL float
#define TYPE f32
#define TYPED(name) name##_f32
#define FCNN(name) fcnn_##name##_f32
#include "ops.inc"
#undef FCNN
#undef TYPED
#undef TYPE
#undef REAL

#define REAL double
#define TYPE f64
#define TYPED(name) name##_f64
#define FCNN(name) fcnn_##name##_f64
#include "ops.inc"
#undef FCNN
#undef TYPED
#undef TYPE
#undef REAL

#include "session_steps.inc"
#include "session.inc"
