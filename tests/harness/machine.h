/* machine.h: Interpreter of lowered programs: computes the results of the generated C without a C compiler.
 * Values have the program's addresses, and calls run in the program's order. */
// SPDX-License-Identifier: Apache-2.0
#ifndef TEST_MACHINE_H
#define TEST_MACHINE_H
#include "passes/plan.h"
#include "lir/lir.h"

typedef struct Machine {
  Arena *arena;
  Plan *plan;            /* lowered by machine_run */
  int64_t images, batch; /* images: number of images to run; batch: maximum per call, 0 means 1 */
  int layout_lanes;      /* lanes for which weights are packed; 0: the target's own */
  /* size of the weights for which schedules are chosen; 0: the size of this net's weights */
  int64_t weight_bytes;
  bool threads; /* lowers the plan as for code with OpenMP */
  /* number of processes that share the batch; 0 means 1. The machine runs a single process */
  int64_t processes;
  bool little_ram;       /* results may overlap operands */
  bool exact;            /* lowers the plan as with --exact */
  int sums;              /* maximum number of sums in a reference loop; 0 means 1 */
  bool single;           /* rounds every result to float */
  struct Tuning *tuning; /* choices of schedules, or NULL: the cost model's */
  /* Order of calls that no barrier separates. 0: as written; 1 and 2: orders in which a team's threads may
   * run them. */
  int turns;
  uint64_t seed, step;
  const double *weights; /* in the order of the weights struct */
  /* for each input and each target: the numbers of all images, in the caller's order */
  double *const *input, *const *target;
  /* Results of machine_run: */
  double **output;   /* by output, for all images */
  double **loss;     /* training: by loss, the contribution of each image */
  double *gradients; /* training: in the order of the weights struct */
  double **state;    /* by state, for all images: the values after the last call */
  const char *error; /* an error message, or NULL */
  /* members that only the machine uses */
  const Program *program;
  double *space[SPACES], *small[SPACES][2]; /* small: the elements of 1 and 2 bytes in each space. Programs
                                               read memory with the element size with which it was written */
  int64_t size[SPACES];                     /* bytes */
  int64_t lanes;      /* images that run in one call: 1; with interleaving, the target's lanes */
  double ***constant; /* by call and buffer: packs and tables */
} Machine;

/* Number of calls of a net with states, all with the same inputs; the first call begins with the initial
 * state. */
enum { STATE_CALLS = 3 };

/* Lowers the plan for one target, verifies it and runs it. False: see error. */
bool machine_run(Machine *, const Target *, bool plain);
Program *machine_lower(const Machine *, const Target *, bool plain);
bool machine_execute(Machine *, const Program *); /* runs the version of the first target */

/* Whether the target has the same lanes, registers and fused multiply-adds as an earlier row of the table,
 * and no special instructions for layers of the graph. */
bool machine_seen(const Target *, const Graph *);
#endif
