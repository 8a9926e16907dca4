/* pool.h: Printer of calls that run on a pool of threads, without OpenMP: the threads divide the work of a
 * function into shares. Private to emit/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_POOL_H
#define CNNC_POOL_H
#include "emit/module.h"

/* All threads of a call run one function, which has a parameter `team`. A loop SHARES(most) in this function
 * divides work into shares: in the loop, `threads` is the number of shares, and `thread` is the number of the
 * current share. The loop's body runs once for each share that this thread takes. A SHARES loop begins when
 * all shares of the earlier loops are done. pool.c.in has the pool. */
struct PoolNames {
  const char *team;                         /* "struct lenet5_pool_member *team" */
  const char *member, *split, *take, *call; /* names in the generated C */
  Table functions;                          /* results of pool_function, by wanted name */
  /* by function: the name of a second function, printed by pool_describe */
  Table described;
  int words; /* largest number of arguments in an array of words */
};

PoolNames *pool_names(Net *);                       /* must be called before functions are printed */
bool pool_used(const Net *);                        /* whether several threads run inference or training */
void pool_declare(Text *, const Net *, bool first); /* first: for the unit that contains the pool */
void pool_define(Text *, Net *);

/* The name of an additional function: `of` with the suffix _`what`, as in "lenet5_run_slots". */
const char *pool_function(Net *, const char *of, const char *what);
/* Number of shares of a call: 1 if only one thread runs it, otherwise 2 or more, in proportion to the cost of
 * the call. At run time, the pool changes a number above 1 so that there are one to four shares per
 * thread. */
int pool_most(const Version *);
/* Prints a second function, which reads the arguments of `function` from an array of words (uintptr_t) and
 * calls `function` with them. If `function` has the parameters `thread` and `threads`, `most` is the number
 * of shares. Otherwise `most` is 0, and `last` is the text of the arguments that are not in the array. */
void pool_describe(Text *, Net *, const char *function, const Parameters *, const char *last, int most);
/* Prints a call of a function for which pool_describe was already called. `arguments` has the same arguments
 * as the list in pool_describe. */
void pool_call(Text *, Net *, const char *function, const char *arguments);

bool pool_waits(const Frame *, const Step *); /* whether the step's function contains SHARES loops */
void pool_steps(Frame *);                     /* prints the calls of all steps of the frame's part */
void pool_step(Frame *, int step);            /* prints one call */
/* Prints a call for which a team is started. sizes: the number of leading arguments that are numbers. */
void pool_own_call(Frame *, const Step *, const char *arguments, int sizes);
#endif
