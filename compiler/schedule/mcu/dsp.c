// dsp.c: Common code of int8 schedules for boards: cycles, supported forms, and the reference schedule's
// cost.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/mcu/dsp.h"

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

/* Cycles of the reference loops, which compute one product at a time: two loads of bytes, a subtraction of a
 * zero point, the product, and loop overhead. */
static Cycles plain_cycles(const Lower *l, const Target *target, const Choice *choice) {
  (void)target;
  (void)choice;
  const double outputs = (double)shape_row_elements(l->node->shape);
  /* On targets with vectors, the reference loops are the only schedule for elementwise sums and products. A
   * vector takes about 40 instructions, because both operands and the result are rescaled. */
  if (l->node->op == &op_int8_combine && l->target->lanes > 1)
    return dsp_cycles(l, (DspWork){.vectors = 40 * outputs / l->target->lanes}, (DspWork){0});
  if (l->node->op == &op_int8_combine)
    return dsp_cycles(l, (DspWork){.loads = 2 * outputs, .stores = outputs, .others = 60 * outputs},
                      (DspWork){0});
  const Correlation k = int8_geometry(l->node);
  const int64_t filters = shape_extent(l->node->shape).c;
  const double macs = (double)correlation_macs(&k);
  DspWork finish = dsp_finish_work(l, outputs);
  finish.others += 20 * outputs;
  Cycles c = dsp_cycles(l, (DspWork){.loads = 2 * macs, .others = 7 * macs, .flash = macs}, finish);
  c.weight_bytes =
      k.groups * k.s * k.l * k.kernel[0] * k.kernel[1] + dsp_bytes(3, (int64_t[]){filters, filters, filters});
  return c;
}

/* ---- supported kernels ---- */
bool dsp_takes(const Lower *l) {
  return l->node->op->family == FAMILY_INT8 && l->target->dsp && l->layout->dsp && !l->threads && !l->plain &&
         !int8_is_wide(l->node);
}

bool dsp_takes_gates(const Lower *l) {
  if (l->node->op != &op_int8_product || !l->target->dsp || !l->layout->dsp || l->threads || l->plain)
    return false;
  const Int8Product *p = l->node->detail;
  return l->node->elem == I16 && l->node->in[0]->elem == I8 && p->bias && !p->real;
}

const char *dsp_limits(const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  return correlation_near_limits(&k) ? "sizes near the limit of an index" : NULL;
}

bool dsp_has_no_gaps(const Buf *buf, int from) {
  for (int i = buf->leads + from; i < buf->rank; i++)
    if (buf->room[i] != buf->dim[i]) return false;
  return true;
}

/* ---- two forms: with large constants, and with small ones ---- */
void dsp_forms(const Lower *l, Choices *choices) {
  (void)l;
  for (int small = 0; small < 2; small++) choices_add(choices, (Choice){.small = small});
}

const char *dsp_form_title(const Lower *l, const Choice *choice) {
  const char *name = choice->schedule->name;
  return choice->small ? arena_printf(l->arena, "%s, small constants", name) : name;
}

const char *dsp_form_refused(const Lower *l, bool small, const char *(*refused)(const Lower *, bool small)) {
  const char *limits = dsp_limits(l), *why = limits ? limits : refused(l, small);
  if (!why && !small && l->small >= SMALL_MOST && !refused(l, true))
    return "not enough flash for its constants";
  return why;
}

Small dsp_form_small(const Choice *choice) { return choice->small ? SMALL_MOST : SMALL_BYTES; }

const Schedule schedule_dsp_plain = {.name = "reference loops",
                                     .families = FAMILY_BIT(FAMILY_INT8),
                                     .takes = dsp_takes,
                                     .cycles = plain_cycles,
                                     .small = dsp_form_small};
