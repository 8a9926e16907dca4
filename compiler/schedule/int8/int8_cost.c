// int8_cost.c: Common checks and cost model of the int8 vector schedules.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/int8/int8_cost.h"
#include "base/number.h"
#include "schedule/float/direct.h"

bool int8_takes(const Lower *l, const Op *op) {
  return l->node->op == op && !l->target->dsp && l->target->dot != DOT_NONE && !int8_is_wide(l->node) &&
         !l->b->nleads && !l->rows && !l->kernel->batch && l->images <= 1 && l->in[0]->rank == 3 &&
         l->out->rank == 3;
}

bool int8_by_channel(const Correlation *k) { return k->groups > 1 && k->l == 1 && k->s == 1; }

const char *int8_refused(const Lower *l, Dot dot, const Int8Product *p, const Correlation *k) {
  if (correlation_near_limits(k)) return "sizes near the limit of an index";
  return finish_may(l, dot, p, k) ? NULL : "sums that may exceed int32";
}

const char *int8_product_refused(const Lower *l) {
  const Correlation k = int8_geometry(l->node);
  return int8_refused(l, words_kind(l), l->node->detail, &k);
}

Cycles int8_cycles(const Lower *l, const Correlation *k, double products, double others) {
  const int64_t bytes = k->groups * k->s * k->l * k->kernel[0] * k->kernel[1];
  const Cycles c = {.products = products / 2, .transforms = others / 4};
  return cost_with_weights(c, l->target, bytes, larger(bytes, l->weight_bytes));
}

double int8_direct_products(const Lower *l, const Correlation *k) {
  const Dot kind = words_kind(l);
  /* Speed of a product of this kind, relative to a product of two int16. */
  const double rate = kind == DOT_BYTES || kind == DOT_SIGNED ? 2 : kind == DOT_PAIRS ? 1.2 : 1;
  const int64_t lanes = smaller(l->target->lanes, direct_unit(l, k->s)),
                words = 2 * ceil_divide(k->l, WORD_BYTES);
  return (double)(k->small.h * k->small.w * k->kernel[0] * k->kernel[1]) * (double)words *
         (double)(k->groups * ceil_divide(k->s, lanes)) / rate;
}
