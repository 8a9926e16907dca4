// dsp.c: which schedule a kernel of 8 bits takes on a board.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/mcu/helium.h"

/* ---- cycles ---- */
static double cycles_of(const CpuCycles *of, const DspWork *work) {
  return of->load * work->loads + of->store * work->stores + of->pair * work->pairs +
         of->other * work->others + of->vector * work->vectors;
}

Cycles dsp_cycles(const Lower *l, DspWork products, DspWork rest) {
  enum { LINE = 16 };
  Cycles c = {.products = cycles_of(l->cycles, &products),
              .transforms = cycles_of(l->cycles, &rest),
              .memory = l->cycles->line * (products.flash + rest.flash) / (double)LINE,
              .from = "flash"};
  c.total = c.products + c.transforms + c.memory;
  return c;
}

DspWork dsp_finish_work(const Lower *l, double outputs) {
  const Int8Product *p = l->node->detail;
  const double steps = p->rounding == ROUNDING_SINGLE ? 5 : p->rounding == ROUNDING_DOUBLE ? 8 : 9;
  return (DspWork){.loads = 3 * outputs, .stores = outputs, .others = steps * outputs};
}

DspWork dsp_small_work(double filters) { return (DspWork){.loads = filters, .others = 3 * filters}; }

int64_t dsp_bytes(int n, const int64_t *words) {
  enum { ALIGNED = 64 };
  int64_t bytes = 0;
  for (int i = 0; i < n; i++) bytes += (4 * words[i] + ALIGNED - 1) / ALIGNED * ALIGNED;
  return bytes;
}

/* Products one by one: two bytes, less a zero, their product, and what the loop takes. */
static Cycles plain_cycles(const Lower *l) {
  const double outputs = (double)shape_row_elements(l->node->shape);
  /* By vectors about 40 instructions, as three values change their scale; nothing else is offered there. */
  if (l->node->op == &op_int8_combine && l->target->lanes > 1)
    return dsp_cycles(l, (DspWork){.vectors = 40 * outputs / l->target->lanes}, (DspWork){0});
  if (l->node->op == &op_int8_combine)
    return dsp_cycles(l, (DspWork){.loads = 2 * outputs, .stores = outputs, .others = 60 * outputs},
                      (DspWork){0});
  const Correlation k =
      l->node->op == &op_int8_transposed ? int8_transposed_geometry(l->node) : int8_geometry(l->node);
  const int64_t filters = l->node->op == &op_int8_transposed ? k.large.c : k.small.c;
  const double macs = (double)correlation_macs(&k);
  DspWork finish = dsp_finish_work(l, outputs);
  finish.others += 20 * outputs;
  Cycles c = dsp_cycles(l, (DspWork){.loads = 2 * macs, .others = 7 * macs, .flash = macs}, finish);
  c.weight_bytes =
      k.groups * k.s * k.l * k.kernel[0] * k.kernel[1] + dsp_bytes(3, (int64_t[]){filters, filters, filters});
  return c;
}

/* ---- what there is ---- */
bool dsp_takes(const Lower *l) {
  return l->node->op->family == FAMILY_INT8 && l->target->dsp && l->layout->dsp && !l->threads && !l->plain &&
         !int8_is_wide(l->node);
}

/* Vectors do all layers that they can do: no other schedule comes near. */
static bool has_vectors(const Lower *l) {
  if (l->target->dot != DOT_ACROSS || l->node->op == &op_int8_transposed) return false;
  return !(int8_geometry(l->node).groups > 1 ? helium_depthwise_refused : helium_product_refused)(l);
}

static void offer(const Lower *l, Decision *d, const char *name, Choice choice, const char *refused,
                  Cycles (*cycles)(const Lower *)) {
  Candidate c = {.choice = choice, .name = name, .refused = refused};
  if (!refused) c.cycles = cycles(l);
  vec_push(l->arena, d->candidates, c);
}

/* The form with small constants comes behind that with larger ones. */
static void offer_direct(const Lower *l, Decision *d, const char *name, const char *limits,
                         const char *(*refused)(const Lower *, bool), Cycles (*cycles)(const Lower *, bool)) {
  for (int small = 0; small < 2; small++) {
    Candidate c = {.choice = {.method = METHOD_DIRECT, .small = small},
                   .name = small ? arena_printf(l->arena, "%s, small constants", name) : name,
                   .refused = limits ? limits : refused(l, small)};
    if (!c.refused && !small && l->small >= SMALL_MOST && !refused(l, true))
      c.refused = "no flash is left for its constants";
    if (!c.refused) c.cycles = cycles(l, small);
    vec_push(l->arena, d->candidates, c);
  }
}

static void offer_winograd(const Lower *l, Decision *d, int m, const char *limits) {
  Candidate c = {.choice = {.method = METHOD_WINOGRAD, .m = m},
                 .name = m == 4 ? "Winograd F(4x4,3x3)" : "Winograd F(2x2,3x3)",
                 .refused = limits ? limits : dsp_winograd_refused(l, m)};
  if (!c.refused) c.cycles = dsp_winograd_cycles(l, m);
  vec_push(l->arena, d->candidates, c);
}

void dsp_offer(const Lower *l, Decision *d) {
  static const Choice own = {.method = METHOD_OWN}, direct = {.method = METHOD_DIRECT};
  offer(l, d, "plain loops", own, NULL, plain_cycles);
  if (l->node->op == &op_int8_combine) {
    offer(l, d, "in 32 bits", direct, l->target->lanes > 1 ? "plain loops have vectors" : dsp_sum_refused(l),
          dsp_sum_cycles);
    return;
  }
  if (l->node->op == &op_int8_transposed) {
    const Correlation k = int8_transposed_geometry(l->node);
    offer_direct(l, d, "two pixels, 4 filters",
                 correlation_near_limits(&k) ? "sizes near the limits of an index" : NULL, dsp_direct_refused,
                 dsp_direct_cycles);
    return;
  }
  const Correlation k = int8_geometry(l->node);
  const char *limits = correlation_near_limits(&k) ? "sizes near the limits of an index" : NULL;
  if (has_vectors(l)) {
    offer(l, d, "vectors", direct, limits, k.groups > 1 ? helium_depthwise_cycles : helium_product_cycles);
    return;
  }
  if (k.groups > 1) offer_direct(l, d, "four channels", limits, dsp_depthwise_refused, dsp_depthwise_cycles);
  else offer_direct(l, d, "two pixels, 4 filters", limits, dsp_direct_refused, dsp_direct_cycles);
  for (int m = 4; k.groups == 1 && k.kernel[0] == 3 && k.kernel[1] == 3 && m >= 2; m -= 2)
    offer_winograd(l, d, m, limits);
}

bool schedule_dsp(Lower *l) {
  if (!dsp_takes(l) || l->choice.method == METHOD_OWN) return false;
  if (l->node->op == &op_int8_combine) return schedule_dsp_sum(l);
  if (has_vectors(l)) {
    (int8_geometry(l->node).groups > 1 ? schedule_helium_depthwise : schedule_helium_product)(l);
    return true;
  }
  if (l->choice.method == METHOD_WINOGRAD) return schedule_dsp_winograd(l);
  if (l->node->op == &op_int8_transposed) return schedule_dsp_direct(l);
  return int8_geometry(l->node).groups > 1 ? schedule_dsp_depthwise(l) : schedule_dsp_direct(l);
}
