/* wcet.h: --report=wcet: estimated cycles of an int8 model by layer, on a CPU without caches. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_WCET_H
#define CNNC_WCET_H
#include "base/text.h"
#include "lir/layout.h"

typedef struct WcetOf {
  const Layout *layout; /* layout of the net, for one target */
  const Cpu *cpu;       /* NULL: without --cpu */
  int64_t flash_wait;   /* wait cycles per 16 bytes of data in flash; 0: none */
  bool plain, int8;     /* plain: compiled with -O0 or -Os; int8: the net is an int8 model */
} WcetOf;

/* The reason why there is no estimate, or NULL; *help: advice on how to get an estimate, or NULL. */
const char *wcet_refused(const WcetOf *, const char **help);
void wcet_text(Text *, const WcetOf *);
void wcet_json(Text *, const WcetOf *);
#endif
