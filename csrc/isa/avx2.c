/* AVX2 and FMA: 16 registers of 32 bytes. */
#if defined(__x86_64__) && defined(__GNUC__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#else
#pragma GCC target("arch=x86-64-v3")
#endif

#define ISA_NAME avx2
#define VEC_BYTES 32
#define MR 6
#define NV 2
#define REGISTERS 16
#include "../isa_unit.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else
typedef int fcnn_no_avx2; /* a unit must not be empty */
#endif
