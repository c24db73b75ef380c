/* The compiler's baseline: 16-byte vectors where it has vectors at all, which every 64-bit processor runs well. */
#define ISA_NAME generic
#if defined(__GNUC__)
#define VEC_BYTES 16
#else
#define VEC_BYTES 0
#endif
#define MR 4
#define NV 2
#define REGISTERS 16
#include "../isa_unit.inc"
