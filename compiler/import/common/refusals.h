/* refusals.h: Reports of nodes and operators that cannot be imported. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_REFUSALS_H
#define CNNC_REFUSALS_H
#include "base/diag.h"

/* An unsupported node, operator or output; kind: the operator's name; NULL: an output. */
typedef struct Refusal {
  const char *kind, *title, *why;
} Refusal;
/* Reports nodes with the same operator and reason on one line; returns the number of omitted lines. */
int refusals_tell(Arena *, Diag *, int n, const Refusal *);
/* Suggests outputs with which a trial import succeeded. operators: the number of nodes or operators (`unit`)
 * on which these outputs depend. */
void refusals_help(Arena *, Diag *, int n, const char *const *outputs, int operators, const char *unit);
#endif
