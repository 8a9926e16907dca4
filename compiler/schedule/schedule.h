/* schedule.h: Schedules (ways to compute a kernel on a target), their registry, and the nest of the chosen
 * schedule.
 *
 * A schedule is one constant `schedule_NAME` and one line in registry.def. The chooser (choose.c) and the
 * reader of measured choices (tuning.c) find the schedules through the registry. --emit=schedule and the code
 * that fits a net to a board (driver/fit_board.c) use the chooser's candidates. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_H
#define CNNC_SCHEDULE_H
#include "schedule/cost.h"
#include "schedule/float/winograd.h"
#include "schedule/parallel.h"

/* Choices of one schedule: its possible sizes, or the variants that --tune measures. */
enum { MOST_CHOICES = 24 };
typedef struct Choices {
  int n;
  Choice choice[MOST_CHOICES];
} Choices;
void choices_add(Choices *, Choice); /* choices beyond MOST_CHOICES are ignored */
/* For a schedule's `variants`: adds only the given choice. */
void choices_itself(const Lower *, const Choice *, Choices *);
void choices_by_tiles(const Lower *, const Choice *,
                      Choices *); /* adds the given choice, and copies of it with blocks of 32 to 256 tiles */

/* A member may be omitted (0 or NULL) if its comment states the meaning of NULL. */
typedef struct Schedule Schedule;
struct Schedule {
  const char *name;        /* name in --emit=schedule, for example "direct" */
  const char *tuning_name; /* name in a file of measured choices, one word, for example "direct"; NULL: never
                              measured */
  unsigned families;       /* FAMILY_BIT of each family whose kernels the schedule computes */
  const char *transforms;  /* the label of Cycles.transforms in the schedule's listing; NULL: "transforms" */

  /* Whether the schedule supports the kernel, which is in one of `families`; NULL: yes, unless the
   * kernel is batched. */
  bool (*takes)(const Lower *);
  /* Whether the plan excludes this schedule: the schedule is batched and the plan does not batch the kernel,
   * or the reverse. The schedule is then listed for comparison, but never chosen. NULL: false for every
   * kernel */
  bool (*compared)(const Lower *);
  /* The schedule's possible sizes, as choices that the cost model ranks; NULL: the schedule has no sizes. */
  void (*sizes)(const Lower *, Choices *);
  const char *(*title)(const Lower *, const Choice *);   /* name with the sizes of the choice; NULL: `name` */
  const char *(*refused)(const Lower *, const Choice *); /* returns why a choice is not possible, or NULL. If
                                                            omitted, all choices are possible */
  Cycles (*cycles)(const Lower *, const Target *, const Choice *);
  WinogradError (*error)(const Lower *, const Choice *); /* rounding error; NULL: the same rounding as in the
                                                            reference loops */
  /* Builds the nest of l->node for l->target with l->choice, or returns false before it has built anything.
   * NULL: the operator's own nest. */
  bool (*build)(Lower *);
  bool (*build_interleaved)(Lower *); /* for batch-innermost layout; NULL: the nest of one image is widened */
  /* Lists the variants that --tune measures, beginning with the choice itself. NULL: --tune measures no
   * variant. */
  void (*variants)(const Lower *, const Choice *, Choices *);
  Small (*small)(const Choice *); /* size class of the schedule's constants on boards; NULL: not for boards */
};
#define FAMILY_BIT(family) (1u << (family))

/* ---- registry.c ---- */
#define SCHEDULE(name) extern const Schedule schedule_##name;
#include "schedule/registry.def"
#undef SCHEDULE
extern const Schedule schedule_plain; /* the operator's own nest, for -O0, and for kernels that no other
                                         schedule supports; not in the table */
/* In the order in which candidates are listed; NULL at the end. */
extern const Schedule *const schedule_registry[];
const Schedule *schedule_named(const char *tuning_name); /* the first schedule with that name, or NULL */

/* ---- schedule.c ---- */
/* The nest of the schedule chosen for the kernel, proved and simplified. If a nest cannot be
 * proved, this is a compiler bug, and the process exits with status 3. */
Lower *schedule_kernel(Arena *, const Kernel *, const Target *, const LowerOptions *);
/* For a value in batch-innermost layout: the nest that converts it to the caller's order. */
Nest *schedule_outputs(Arena *, const Node *value, int images);
#endif
