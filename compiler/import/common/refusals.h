/* refusals.h: reports of nodes and operators that cannot be imported. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_REFUSALS_H
#define CNNC_REFUSALS_H
#include "base/diag.h"

/* A node or operator without a form; kind: its operator, or NULL. */
typedef struct Refusal {
  const char *kind, *title, *why;
} Refusal;
/* Those of one kind and reason in one line; how many lines were left out. */
int refusals_tell(Arena *, Diag *, int n, const Refusal *);
/* Suggests outputs that were tried, which need that number of nodes or operators. */
void refusals_help(Arena *, Diag *, int n, const char *const *outputs, int operators, const char *unit);
#endif
