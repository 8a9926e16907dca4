/* rounded.c: Weights that are rounded when they are packed for kernels. In QAT the weights of a filter, or of
 * a gate, are rounded to multiples of 1/127 of their largest absolute value; with precision=bf16 or f16w,
 * weights are rounded to bf16 or f16. */
// SPDX-License-Identifier: Apache-2.0
#include "base/number.h"
#include "kernel/lower.h"
#include "graph/bf16.h"

bool lower_rounds(const Lower *l) {
  return rounding_scale_rows(node_forward(l->node)) && rounding_switch(l->node) >= 0;
}

/* The dimensions of a weight: [filters][...], for conv_transpose [channels][filters of a group][...]. */
typedef struct Filters {
  Weight *weight;
  bool spread;
  int64_t groups, filters, terms; /* filters, terms: filters and input channels per group */
  int64_t rows;                   /* number of filters that share a scale */
  int64_t kernel[2];
} Filters;

static Filters rounded_filters(const Lower *l) {
  Weight *weight = l->node->weight[0];
  const bool spread = node_forward(l->node)->op->family == FAMILY_CONV_SCATTER;
  const int64_t groups = spread ? l->node->window->groups : 1;
  return (Filters){.weight = weight,
                   .spread = spread,
                   .groups = groups,
                   .filters = weight->dim[spread],
                   .terms = weight->dim[!spread] / groups,
                   .rows = larger(rounding_scale_rows(node_forward(l->node)), 1),
                   .kernel = {weight->rank > 2 ? weight->dim[2] : 1, weight->rank > 3 ? weight->dim[3] : 1}};
}

static Ref rounded_weight_at(Nest *b, const Filters *f, Buf *buf, const Ix *g, const Ix *filter, const Ix *t,
                             const Ix *i, const Ix *j) {
  const Ix term = *g * f->terms + *t;
  const Ix index[4] = {f->spread ? term : *filter, f->spread ? *filter : *t, *i, *j};
  return nest_ref(b, buf, f->weight->rank, index);
}

void lower_scales(Lower *l, Pack *pack) {
  const Filters f = rounded_filters(l);
  Nest *b = pack->nest;
  Buf *source = lower_pack_source(l, pack, f.weight, ""), *most = NEST_REGISTERS(b, "most", 1, 1);
  pack->scale = NEST_BUF(b, STACK, "scale", f.groups * f.filters);
  NEST_FOR(b, g, f.groups)
    NEST_FOR(b, scaled, f.filters / f.rows) {
      nest_store(b, nest_at(b, most, 0), num(b, 0));
      NEST_FOR(b, row, f.rows)
        NEST_FOR(b, t, f.terms)
          NEST_FOR(b, i, f.kernel[0])
            NEST_FOR(b, j, f.kernel[1]) {
              const Ix filter = scaled * f.rows + row;
              Val size = vabs(nest_load(b, rounded_weight_at(b, &f, source, &g, &filter, &t, &i, &j), 1));
              nest_store(b, nest_at(b, most, 0), vmax(size, nest_get(b, nest_at(b, most, 0))));
            }
      Val scale = nest_let(b, "step", div_(nest_get(b, nest_at(b, most, 0)), num(b, INT8_MAX)));
      NEST_FOR(b, row, f.rows)
        nest_store(b, nest_at(b, pack->scale, g * f.filters + scaled * f.rows + row),
                   choose(less(num(b, 0), scale), scale, num(b, 1)));
    }
}

static Val rounded_weight(Lower *l, Pack *pack, Val w, const Ix *filter) {
  Nest *b = pack->nest;
  Weight *on = l->node->weight[rounding_switch(l->node)];
  Val scale = nest_load(b, nest_at(b, pack->scale, *filter), 1),
      steps = convert(nest_primitive(b, &primitive_quantize_float, w, scale, NULL), F32);
  Val rounds = less(num(b, 0), nest_load(b, nest_at(b, lower_pack_source(l, pack, on, ""), 0), 1));
  return choose(rounds, mul(steps, scale), w);
}

Val lower_rounded(Lower *l, Pack *pack, Val w, const Ix *index, const Ix *channel) {
  const Filters f = rounded_filters(l);
  return rounded_weight(l, pack, w, !f.spread ? index : f.groups == 1 ? index + 1 : channel);
}

Buf *lower_rounded_weight(Lower *l) {
  if (l->rounded) return l->rounded;
  const Filters f = rounded_filters(l);
  Pack *pack = lower_pack_weights(l, "weight", f.weight->rank, f.weight->dim);
  Nest *b = pack->nest;
  Buf *source = lower_pack_source(l, pack, f.weight, "");
  NEST_FOR(b, g, f.groups)
    NEST_FOR(b, filter, f.filters)
      NEST_FOR(b, t, f.terms)
        NEST_FOR(b, i, f.kernel[0])
          NEST_FOR(b, j, f.kernel[1]) {
            const Ix own = g * f.filters + filter;
            Val w = nest_load(b, rounded_weight_at(b, &f, source, &g, &filter, &t, &i, &j), 1);
            nest_store(b, rounded_weight_at(b, &f, pack->out, &g, &filter, &t, &i, &j),
                       lower_rounds(l) ? rounded_weight(l, pack, w, &own) : w);
          }
  return l->rounded = lower_pack_done(l, pack);
}
