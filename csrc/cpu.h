/* What the processor has and the operating system lets a program use. */
#ifndef FASTCNN_CPU_H
#define FASTCNN_CPU_H

#include <stdbool.h>

bool fcnn_cpu_has_avx2(void);   /* AVX2 and FMA */
bool fcnn_cpu_has_avx512(void); /* AVX-512 F, CD, BW, DQ and VL, on top of AVX2 and FMA: every server core that has AVX-512 */

#endif
