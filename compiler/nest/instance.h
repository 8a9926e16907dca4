/* instance.h: C functions of a nest, with their constants and the names that they use. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_INSTANCE_H
#define CNNC_NEST_INSTANCE_H
#include "nest/nest.h"

/* Function parameters that are constant at a call, by slot. */
typedef struct Known {
  bool fixed[SLOTS];
  int64_t value[SLOTS];
} Known;
Index known_fold(const Known *, const Index *);
int known_decide_all(const Known *, const All *); /* 1: always true, 0: never true, -1: not known */
int known_branch(const Known *,
                 const NestStmt *); /* like known_decide_all, for an IF; also uses the proof's results */
int known_pick(const Known *, Val);

/* Names that a body uses. Dead branches do not count, nor do values of unused names, except in `read`. */
typedef struct Used {
  /* by buffer id. buf: the body uses the buffer; a use of a view is also a use of the view's buffer. read:
   * the body reads the buffer. */
  bool *buf, *read;
  bool slot[SLOTS];
} Used;
bool used_dead(const Used *, const NestStmt *); /* whether the statement is not printed, because it only
                                                   declares, sets or pins an unused name */

/* A C function. A kernel function that is called with several sets of constants becomes one body, and a
 * small wrapper for each set of constants. The body is inlined into all of its wrappers. */
typedef struct Instance {
  const NestFn *fn;
  Known known;
  const char *name; /* without the target's suffix */
  const struct Instance
      *body; /* for a wrapper: the function that it calls; NULL: the function has its own body */
  bool inlined;
  Used used;
  int id;   /* the instance's index in `instances` */
  int code; /* id of the instance's Code; a caller's key contains this id */
} Instance;

typedef struct Instances {
  Arena *arena;
  const Nest *nest;
  VEC(Instance *)
  instances; /* called functions come before their callers; the last one is the nest's main function */
  VEC(const NestFn *) shared;
  VEC(const NestStmt *) left; /* statements that use_body has not visited yet */
} Instances;

/* The C functions of a nest that no longer changes. The first call computes them and stores them in the
 * nest. */
Instances *instances_of(const Nest *);
void instances_name(Instances *, const char *name); /* name: the name of the main function */
/* Whether the printed body of a data-dependent index (CHOSEN) uses this index. */
bool used_chosen(Instances *, const NestStmt *, const Known *, const Used *);
/* Whether the printed main function has this parameter: unused parameters are dropped. The nest must no
 * longer change. */
bool nest_uses(const Nest *, int buf_id);
const Instance *instance_called(Instances *, const NestFn *, const Known *caller, const Index *args);
#endif
