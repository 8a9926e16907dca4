/* nest.h: Printer of nests as C, the only printer of kernels' loops. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_EMIT_NEST_H
#define CNNC_EMIT_NEST_H
#include "emit/prelude.h"
#include "nest/code.h"

typedef VEC(const char *) Words;

typedef struct NestPrint {
  /* prefix: of types and prelude functions; suffix and attribute: of functions that depend on the target */
  PreludeNames names;
  int lanes_max; /* maximum number of lanes; 1: scalar C for any compiler */
  bool team;     /* a team shares PARALLEL loops: each thread of the team calls the main functions with such
                    loops, and passes `thread` and `threads` */
  const char *pool; /* with a thread pool: the declaration of the parameter `team`; with OpenMP: NULL */
  bool apart; /* main functions are never inlined: a caller calls many of them, and on CPUs with few registers
                 compilers produce slower code if several of them are inlined into one function */
  bool load2; /* one instruction loads two adjacent words */
  bool acsl;  /* annotations for Frama-C */
  bool acsl_eva; /* for Eva alone, without WP: a loop is unrolled if a condition in it depends on its
                    variable */
  bool standard; /* no assembly or other features that a compiler may lack */
  const CodeNumbers *merged; /* for a merged function: the numbers that are parameters; NULL: not merged */
  PreludeNeeds *needs;       /* receives the prelude functions that the printed text uses */
} NestPrint;

/* Prints a comment, the helper functions, and then `static void NAME_SUFFIX(buffers, sizes)`. An unused
 * buffer is not a parameter. */
void emit_nest(Text *, const Nest *, const NestPrint *);
/* Parts of the text that emit_nest prints: comment lines about the buffers, and one function. */
Words emit_nest_heading(Arena *, const Instances *); /* lines */
typedef struct NestText {
  const char *lead, *linkage, *head, *body; /* "", "static", "void lenet5_conv1(const float *in)", " {...}" */
  bool waits; /* the function has barriers of a team. With a pool, the function's last parameters are then the
                 team and `int most`, and SHARES loops in the function divide the work */
} NestText;
NestText emit_nest_function(Arena *, Instances *, const Instance *, const NestPrint *);
void put_nest_text(Text *, const NestText *);

/* Whether a team runs the nest. If so, the last parameters are `int thread, int threads`; NestText.waits
 * describes the exception. */
bool emit_nest_shares(const Nest *, const NestPrint *);
/* The type of a buffer's pointer, for a cast: "const float (*)[56][256]", "float *". */
const char *emit_nest_pointer(Arena *, const Nest *, int buf_id);

/* The text of a call, `NAME_SUFFIX(…);`. argument[buf id] is the C text of a pointer to any object type,
 * which the call casts; size[i] is the text of a size parameter. If a team calls the function,
 * `thread` and `threads` must be in scope. */
const char *emit_nest_call(Arena *, const Nest *, const NestPrint *, const char *const *argument,
                           const char *const *size);
void emit_comment(Text *, int indent, const char *text); /* `// text`, one comment per line of the text */
#endif
