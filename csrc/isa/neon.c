/* AArch64's Advanced SIMD, part of the baseline: 32 registers of 16 bytes. */
#if defined(__aarch64__) && defined(__GNUC__)

#define ISA_NAME neon
#define VEC_BYTES 16
#define MR 8
#define NV 3
#define REGISTERS 32
#include "../isa_unit.inc"

#else
typedef int fcnn_no_neon; /* a unit must not be empty */
#endif
