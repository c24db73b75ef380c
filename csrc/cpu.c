#include "cpu.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <stdint.h>

/* Bits of CPUID leaves 1 and 7 and of XCR0: Intel's Software Developer's Manual, volumes 1 (13 and 14) and 2A (CPUID). */
enum {
  LEAF1_ECX_FMA = 1 << 12,
  LEAF1_ECX_OSXSAVE = 1 << 27,
  LEAF1_ECX_AVX = 1 << 28,
  LEAF7_EBX_AVX2 = 1 << 5,
  LEAF7_EBX_AVX512F = 1 << 16,
  LEAF7_EBX_AVX512DQ = 1 << 17,
  LEAF7_EBX_AVX512CD = 1 << 28,
  LEAF7_EBX_AVX512BW = 1 << 30,
  XCR0_SSE_AVX = 0x06,    /* the system saves xmm and ymm registers */
  XCR0_OPMASK_ZMM = 0xe0, /* and k, the upper halves of zmm0-15, and zmm16-31 */
};
static const uint32_t LEAF7_EBX_AVX512VL = 1u << 31;

static bool all_set(uint64_t value, uint64_t bits) { return (value & bits) == bits; }

/* Whether leaf 7 has `features`, and the system saves the registers `state`, on top of AVX and FMA. */
static bool has(uint32_t features, uint64_t state) {
  uint32_t eax, ebx, ecx, edx;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return false;
  if (!all_set(ecx, LEAF1_ECX_FMA | LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX)) return false;
  uint32_t xcr0_low, xcr0_high;
  __asm__ volatile("xgetbv" : "=a"(xcr0_low), "=d"(xcr0_high) : "c"(0));
  if (!all_set(xcr0_low, state)) return false;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return false;
  return all_set(ebx, features);
}

bool fcnn_cpu_has_avx2(void) { return has(LEAF7_EBX_AVX2, XCR0_SSE_AVX); }

bool fcnn_cpu_has_avx512(void) {
  return has(LEAF7_EBX_AVX2 | LEAF7_EBX_AVX512F | LEAF7_EBX_AVX512DQ | LEAF7_EBX_AVX512CD | LEAF7_EBX_AVX512BW | LEAF7_EBX_AVX512VL,
             XCR0_SSE_AVX | XCR0_OPMASK_ZMM);
}

#else

bool fcnn_cpu_has_avx2(void) { return false; }
bool fcnn_cpu_has_avx512(void) { return false; }

#endif
