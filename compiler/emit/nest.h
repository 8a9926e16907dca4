/* nest.h: printing nests as C. The only printer of loops. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_NEST_H
#define CNNC_EMIT_NEST_H
#include "emit/prelude.h"
#include "nest/code.h"

typedef VEC(const char *) Words;

typedef struct NestPrint {
  PreludeNames
      names; /* prefix: of types and of functions of the prelude; suffix and attribute: of all functions */
  int lanes_max; /* 1: scalar C for any compiler */
  bool team;     /* PARALLEL loops are shared: all threads of a team call main functions with such
                    loops, as `thread` of `threads` */
  bool apart; /* main functions are never inlined: they are called once, and their callers many of them; where
                 registers are few, compilers make worse code of several in one function */
  bool load2; /* two adjacent words are loaded with one instruction */
  bool standard;             /* no assembly, nor anything else that a compiler may not have */
  const CodeNumbers *merged; /* of a function that is several: which numbers parameters take the place of;
                                NULL: it is none */
  PreludeNeeds *needs;       /* what the printed text uses is added here */
} NestPrint;

/* `static void NAME_SUFFIX(buffers, sizes)` with its helper functions before it and its comment above. A
 * buffer that is never touched is no parameter. */
void emit_nest(Text *, const Nest *, const NestPrint *);
/* The same in parts: the comment above it, and each function. */
Words emit_nest_heading(Arena *, const Instances *); /* lines */
typedef struct NestText {
  const char *lead, *linkage, *head, *body; /* "", "static", "void lenet5_conv1(const float *in)", " {...}" */
} NestText;
NestText emit_nest_function(Arena *, Instances *, const Instance *, const NestPrint *);
void put_nest_text(Text *, const NestText *);

bool emit_nest_shares(
    const Nest *,
    const NestPrint *); /* does a team run it? Then `int thread, int threads` are its last parameters */
const char *emit_nest_pointer(Arena *, const Nest *,
                              int buf_id); /* its type, for a cast: "const float (*)[56][256]", "float *" */

/* The whole call, `NAME_SUFFIX(…);`: argument[buf id] is C text of a pointer of any object type, cast where C
 * wants it; size[i] of a size parameter. `thread` and `threads` are in scope where a team calls it. */
const char *emit_nest_call(Arena *, const Nest *, const NestPrint *, const char *const *argument,
                           const char *const *size);
void emit_comment(Text *, int indent, const char *text); /* `// text`, a line each, whatever the text holds */
#endif
