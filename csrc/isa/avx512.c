/* AVX-512: 32 registers of 64 bytes. */
#if defined(__x86_64__) && defined(__GNUC__)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v4"))), apply_to = function)
#else
#pragma GCC target("arch=x86-64-v4,prefer-vector-width=512")
#endif

#define ISA_NAME avx512
#define VEC_BYTES 64
#define MR 6
#define NV 4
#define REGISTERS 32
#include "../isa_unit.inc"

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else
typedef int fcnn_no_avx512; /* a unit must not be empty */
#endif
