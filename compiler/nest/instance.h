/* instance.h: which C functions a nest becomes, with which constants, and what each of them uses. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_INSTANCE_H
#define CNNC_NEST_INSTANCE_H
#include "nest/nest.h"

/* Parameters of a function that are known where it is called. */
typedef struct Known {
  bool fixed[SLOTS];
  int64_t value[SLOTS];
} Known;
Index known_fold(const Known *, const Index *);
int known_decide(const Known *, const Cond *); /* 1 always, 0 never, -1 open */
int known_decide_all(const Known *, const All *);
int known_branch(const Known *, const NestStmt *); /* of an IF, with what the proof found */
int known_pick(const Known *, Val);

/* What a body needs, dead branches and names that nobody reads left out. */
typedef struct Used {
  bool *buf, *read; /* by buffer id (views: and what they are of); read: not only stored to */
  bool slot[SLOTS];
} Used;
bool used_dead(const Used *, const NestStmt *); /* a statement that needs no printing: a name, a local or a
                                                   declaration that nobody reads */

/* A C function. A kernel that is called with several sets of constants is one inlined body and a small
 * function for each set. */
typedef struct Instance {
  const NestFn *fn;
  Known known;
  const char *name;            /* without the target's suffix */
  const struct Instance *body; /* of a small function: what it calls; NULL: the body is its own */
  bool inlined;
  Used used;
  int id;   /* its index in `instances` */
  int code; /* of who compares functions: what is called by equal functions has equal ones */
} Instance;

typedef struct Instances {
  Arena *arena;
  const Nest *nest;
  VEC(Instance *) instances; /* callees first; the last one is the nest's main function */
  VEC(const NestFn *) shared;
  VEC(const NestStmt *) left; /* statements that used_by has yet to visit */
} Instances;

/* The C functions of a finished nest: computed once and stored in it. */
Instances *instances_of(const Nest *);
void instances_name(Instances *, const char *name); /* name: of the main function */
void used_by(Instances *, const NestStmt *body, const Known *, Used *);
bool used_chosen(Instances *, const NestStmt *, const Known *, const Used *); /* is a chosen index named? */
/* Is this parameter one of the printed main function? One that is never touched is not. Asked of a nest that
 * does not change any more. */
bool nest_uses(const Nest *, int buf_id);
const Instance *instance_called(Instances *, const NestFn *, const Known *caller, const Index *args);
#endif
