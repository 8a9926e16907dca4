/* instance.h: C functions of a nest, with their constants and the names they use. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_INSTANCE_H
#define CNNC_NEST_INSTANCE_H
#include "nest/nest.h"

/* Function parameters that are constant at a call. */
typedef struct Known {
  bool fixed[SLOTS];
  int64_t value[SLOTS];
} Known;
Index known_fold(const Known *, const Index *);
int known_decide_all(const Known *, const All *);  /* 1 always, 0 never, -1 open */
int known_branch(const Known *, const NestStmt *); /* result of an IF, including that of the proof */
int known_pick(const Known *, Val);

/* Names that a body uses, without dead branches and unused names. */
typedef struct Used {
  bool *buf, *read; /* by buffer id, including the targets of views; read: not only stored to */
  bool slot[SLOTS];
} Used;
bool used_dead(const Used *, const NestStmt *); /* a statement that is not printed: an unused name, local
                                                   or declaration */

/* A C function. A kernel that is called with several sets of constants is one inlined body and a small
 * wrapper for each set. */
typedef struct Instance {
  const NestFn *fn;
  Known known;
  const char *name;            /* without the target's suffix */
  const struct Instance *body; /* of a wrapper: the function it calls; NULL: it has its own body */
  bool inlined;
  Used used;
  int id;   /* its index in `instances` */
  int code; /* for comparing functions: callees of equal functions have equal codes */
} Instance;

typedef struct Instances {
  Arena *arena;
  const Nest *nest;
  VEC(Instance *) instances; /* callees first; the last one is the nest's main function */
  VEC(const NestFn *) shared;
  VEC(const NestStmt *) left; /* statements not yet visited by used_by */
} Instances;

/* The C functions of a finished nest: computed once and stored in it. */
Instances *instances_of(const Nest *);
void instances_name(Instances *, const char *name); /* name: of the main function */
/* Whether a data-dependent index is used by name. */
bool used_chosen(Instances *, const NestStmt *, const Known *, const Used *);
/* Whether the printed main function has this parameter: unused ones are dropped. The nest must be final. */
bool nest_uses(const Nest *, int buf_id);
const Instance *instance_called(Instances *, const NestFn *, const Known *caller, const Index *args);
#endif
