/* Which set of microkernels is in use: chosen once, when the package is imported. */
#include "dispatch.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "cpu.h"
#include "fastcnn.h"

static bool always(void) { return true; }

static const struct {
  const fcnn_isa *kernels;
  bool (*available)(void);
} sets[] = {
#define ISA(name, available) {&fcnn_isa_##name, available},
#include "isa.inc"
#undef ISA
};

enum { SETS = sizeof sets / sizeof sets[0] };

static _Atomic(const fcnn_isa *) in_use = &fcnn_isa_generic;

const fcnn_isa *fcnn_isa_in_use(void) { return atomic_load_explicit(&in_use, memory_order_relaxed); }

const char *fcnn_selected_isa(void) { return fcnn_isa_in_use()->name; }

const char *fcnn_isa_name(int index) { return index >= 0 && index < SETS ? sets[index].kernels->name : NULL; }

bool fcnn_isa_available(int index) { return index >= 0 && index < SETS && sets[index].available(); }

int fcnn_select_isa(const char *name) {
  for (int i = 0; i < SETS; i++) {
    if (name ? strcmp(name, sets[i].kernels->name) != 0 : !sets[i].available()) continue;
    if (!sets[i].available()) return FCNN_NO_ISA;
    atomic_store(&in_use, sets[i].kernels);
    return FCNN_OK;
  }
  return FCNN_UNKNOWN_ISA;
}
