/* dsp.h: int8 schedules for boards (target->dsp). An instruction of these CPUs multiplies two pairs of int16;
 * for other CPUs, the generated file has the same operation in plain C. Some schedules limit the sums of a
 * kernel. The range of the sums is computed from the weights. If it exceeds the limit, the schedule does not
 * support the kernel; the reference loops support every kernel. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_SCHEDULE_DSP_H
#define CNNC_SCHEDULE_DSP_H
#include "ops/int8/int8.h"
#include "schedule/schedule.h"

/* ---- dsp.c ---- */
bool dsp_takes(const Lower *); /* whether the schedules of boards may compute the kernel: int8 without int16
                                  activations, one thread, neither -O0 nor -Os, a target with `dsp` */
/* whether the schedules of boards may compute the kernel as a layer with int8 inputs and int16 results, such
 * as recurrent gates */
bool dsp_takes_gates(const Lower *);
const char *dsp_limits(const Lower *); /* the reason why the kernel's sizes are too large, or NULL */
/* Whether the buffer has no gaps along the axes from `from` on. */
bool dsp_has_no_gaps(const Buf *, int from);
/* The members `sizes`, `title`, `refused` and `small` of schedules that have two forms: one with large and
 * one with small constants. */
void dsp_forms(const Lower *, Choices *);
const char *dsp_form_title(const Lower *, const Choice *);
const char *dsp_form_refused(const Lower *, bool small, const char *(*refused)(const Lower *, bool small));
Small dsp_form_small(const Choice *);

/* Numbers of instructions of each kind, without loop overhead. */
typedef struct DspWork {
  double loads, stores, pairs, others, vectors;
  double flash; /* bytes of weights that are read; every read counts */
} DspWork;
Cycles dsp_cycles(const Lower *, DspWork products, DspWork others);
DspWork dsp_finish_work(const Lower *, double outputs); /* work to requantize `outputs` sums to int8 */
DspWork dsp_small_work(double filters); /* extra work for small constants, for `filters` filters */
/* Total bytes of n arrays of the model, with their alignment; words[i]: number of words of array i. */
int64_t dsp_bytes(int n, const int64_t *words);

/* ---- dsp_finish.c ---- */
/* Bounds of a filter's sum over all possible inputs, computed from its weights. Padding adds 0 to the sum. */
typedef struct DspFilter {
  int64_t lo, hi; /* range of the filter's sum with the bias; both 0 if `constant` */
  bool constant;  /* the filter's stored value is `value` for every input; false if the layer cannot use quick
                     requantization */
  int32_t value;
} DspFilter;
const DspFilter *dsp_filters(const Lower *);

/* Requantization of a layer's sums to int8, or to int16 (dsp_takes_gates). */
typedef struct DspFinish {
  Rounding rounding;
  Stored stored;
  bool doubled; /* quick, with `double` rounding: the sums are already doubled */
  bool quick;   /* requantization in int32: the upper half of a product, and a shift */
  bool same;    /* quick: all filters have the same steps */
  Buf *steps;   /* quick: [filters][3]; for pairs of filters [pairs][6]; same: [1][3] */
  bool small;   /* quick: factors are stored as words, shifts as bytes; `plus` is computed from the shift */
  /* If small, or not quick: constants by filter. If small, of.exponent has the shifts. */
  Int8Factors of;
} DspFinish;
/* Requantization steps of a filter. plus: the rounding constant and zero point, added before the shift. */
typedef struct DspSteps {
  Val factor, plus, shift;
} DspSteps;
/* Whether requantization can store 5 bytes of constants per filter rather than 12. */
bool dsp_finish_shrinks(const Lower *, int64_t filters, const DspFilter *);
/* Creates the constants of requantization: small constants, if the layer's choice requests them and they are
 * possible. */
DspFinish dsp_finish(Lower *, int64_t filters, const DspFilter *, bool pairs);
/* These functions load the requantization steps of filters 2p and 2p + 1. `finish` must be quick and created
 * with `pairs`. First call dsp_pair_shifts for the shifts of both filters (`from` 0, `to` 2) or of one
 * filter. Then call dsp_pair_steps for each filter. This order allows loads of two adjacent words. */
void dsp_pair_shifts(Lower *, const DspFinish *, const Ix *p, int from, int to, Val shift[2]);
DspSteps dsp_pair_steps(Lower *, const DspFinish *, const Ix *p, int which, const Val shift[2]);
Val dsp_cut(Lower *, Val q, Stored); /* clamps to the stored range */
/* `double` rounding: round(round(2x * m / 2^32) / 2^shift) + zero point. Ties of the outer round go away from
 * zero. twice: 2x. plus: (0.5 + zero point) * 2^shift. sign: a number with the sign of x. */
Val dsp_shifted_away(Nest *, Val sign, Val twice, Val m, Val plus, Val shift);
/* Requantization steps of filter f, if `finish` was created without `pairs`. Small constants are loaded into
 * variables. */
DspSteps dsp_steps(Lower *, const DspFinish *, const Ix *f);
Val dsp_stepped(Lower *, const DspFinish *, const DspSteps *, Val sum);
/* The value to store for filter f, if `finish` was created without `pairs`. */
Val dsp_finished(Lower *, const DspFinish *, Val sum, const Ix *f);

#endif
