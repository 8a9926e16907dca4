/* example.h: Example of a caller's code: its buffers, their initialization, the call, the output of results.
 * Private to emit/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EXAMPLE_H
#define CNNC_EXAMPLE_H
#include "emit/module.h"

typedef struct Example {
  const char *buffers;     /* declarations */
  const char *reset;       /* the call of NAME_reset on a separate line; empty for a net without state */
  const char *const *name; /* names of the buffers: inputs first, then outputs */
  const char *fill;        /* the loops that fill the inputs, as a part of a function's body */
  const char *call;        /* the call of NAME_infer or NAME_step */
  /* statements that print the first elements of each output; print: with stdio; serial: on Arduino */
  const char *print, *serial;
} Example;

Example example_of(Net *, bool trained); /* trained: the example uses the compiled-in weights */
#endif
