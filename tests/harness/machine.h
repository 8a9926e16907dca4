/* machine.h: a lowered program in the interpreter: what the printed C would do, without a C compiler. Values
 * lie where the program says, calls run in its order. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_MACHINE_H
#define TEST_MACHINE_H
#include "passes/plan.h"
#include "lir/lir.h"

typedef struct Machine {
  Arena *arena;
  Plan *plan;            /* lowered by machine_run */
  int64_t images, batch; /* how many are run; the most there may be */
  int layout_lanes;      /* 0: the target's own */
  int64_t weight_bytes;  /* of the net that schedules are chosen for; 0: of this one */
  bool threads;          /* as for code with OpenMP */
  int64_t processes;     /* so many share the shards of a batch; 0: one. The machine runs one all the same */
  bool little_ram;       /* results may lie over operands */
  bool exact;            /* no method that rounds differently */
  int sums;              /* of a plain loop, at most; 0: one */
  bool single;           /* every result is rounded to a float */
  struct Tuning *tuning; /* choices of schedules, or NULL: the cost model's */
  /* Of calls that no barrier parts: 0: in their order; 1 and 2: in orders in which a team's threads may run
   * them. */
  int turns;
  uint64_t seed, step;
  const double *weights;                /* as the weights struct */
  double *const *input, *const *target; /* by input, by output: of all images, in the caller's order */
  /* set by machine_run */
  double **output;   /* by output, of all images */
  double **loss;     /* training: by loss, the share of each image */
  double *gradients; /* training: as the weights struct */
  double **state;    /* by state, of all images: what the last call has left */
  const char *error; /* what went wrong, or NULL */
  /* its own */
  const Program *program;
  double *space[SPACES],
      *small[SPACES][2]; /* small: of elements of 1 and 2 bytes, which are never read as others */
  int64_t size[SPACES];  /* floats */
  int64_t lanes;         /* images that are run together: 1, or where they are interleaved the target's */
  double ***constant;    /* by call and buffer: packs and tables */
} Machine;

/* A net with states is called so many times with the same inputs, from its initial state. */
enum { STATE_CALLS = 3 };

/* Lowers the plan for one target, verifies it and runs it. False: see error. */
bool machine_run(Machine *, const Target *, bool plain);
Program *machine_lower(const Machine *, const Target *, bool plain);
bool machine_execute(Machine *, const Program *); /* of which the first target is run */

/* What schedules see of a target is much as in an earlier row of the table: its lanes, registers and fused
 * multiply-adds. */
bool machine_seen(const Target *);
#endif
