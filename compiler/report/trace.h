/* trace.h: --report=trace: mapping from each function and table of the generated C to the layers of the
 * program. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_TRACE_H
#define CNNC_TRACE_H
#include "base/text.h"
#include "lir/layout.h"

typedef struct TraceOf {
  const Layout *layout;
  const Sources *sources;
  const Graph *program; /* the layers of the source: the whole net, in float */
  Node *const *made;    /* int8 model: by node id of a layer of `program`, the node that computes the layer's
                           value; otherwise NULL */
  const char *c, *file; /* the C text, and the name of its file */
} TraceOf;

typedef struct Trace Trace;
Trace *trace_new(Arena *, const TraceOf *);
void trace_text(Text *, const Trace *);
void trace_json(Text *, const Trace *);
void trace_csv(Text *, const Trace *); /* docs/assurance.md lists the columns */
#endif
