// dense.c: Fully connected layer, and the gradients of its input and weight.
// SPDX-License-Identifier: Apache-2.0
//
//     out[u] = bias[u] + sum over i of weight[u][i] * in[i]
#include "ops/convolution/correlation.h"

static const Param params[] = {
    {"units", PARAM_INT, NULL, "size of the output", 0, 0, NULL},
    {"bias", PARAM_BOOL, "true", "adds a trained constant per unit", 0, 0, NULL},
    {"init", PARAM_INIT, "he", "initial weights", 0, 0, NULL},
    {"bias_init", PARAM_INIT, "zeros", "initial bias", 0, 0, NULL},
    {0},
};

static int64_t input_count(const Node *node) { return shape_row_elements(node->in[0]->shape); }

static void shape(ShapeContext *context, Node *node) {
  const Shape in = node->in[0]->shape;
  const Extent e = shape_extent(in);
  if (!in.rank) return;
  if (e.h != 1 || e.w != 1) {
    const char *kind = in.rank == 3 ? "image" : "sequence", *size = shape_text(context->arena, in);
    Diag *diag = op_error(context, node, DIAG_dense_needs_vector,
                          "dense needs a vector, but its input is the %s %s", kind, size);
    op_note_origin(context, diag, node->in[0]);
    diag_help(diag, "put flatten before it to get a vector of %lld", (long long)shape_row_elements(in));
    diag_fix(diag, (Span){node->span.file, node->span.start, node->span.start}, "flatten -> ");
    return;
  }
  const int64_t units = arg_int(node, "units"), inputs = e.c, dim[2] = {units, inputs};
  node->weight = NEW_ARRAY(context->arena, Weight *, 2);
  node->nweights = 2;
  node->weight[0] = op_weight(context, node, "weight", 2, dim, "init", 0, inputs, units, true);
  if (!node->weight[0]) return;
  if (arg_bool(node, "bias") &&
      !(node->weight[1] = op_weight(context, node, "bias", 1, &units, "bias_init", 0, inputs, units, false)))
    return;
  node->shape = shape_with_rows(shape_vector(units), in);
}

static Cost cost(const Node *node) {
  const Node *forward = node_forward(node);
  return (Cost){.macs = input_count(forward) * shape_row_elements(forward->shape)};
}

static void eval(const Eval *eval) {
  const int64_t inputs = input_count(eval->node), units = shape_row_elements(eval->node->shape);
  for (int64_t u = 0; u < units; u++) {
    double sum = eval->weight[1] ? eval->weight[1][u] : 0;
    for (int64_t i = 0; i < inputs; i++) sum += eval->weight[0][u * inputs + i] * eval->in[0][i];
    eval->out[u] = sum;
  }
}

/* The weights as [units][inputs], or as [units / sums][inputs][sums] if a loop computes the sums of several
 * units. */
static Buf *packed_weights(Lower *l, int64_t units, int64_t inputs, int64_t sums) {
  Pack *pack = lower_pack_weights(l, "weight", sums > 1 ? 3 : 2, (int64_t[]){units / sums, inputs, sums});
  Nest *b = pack->nest;
  if (sums > 1)
    NEST_FOR(b, block, units / sums)
      NEST_FOR(b, i, inputs)
        NEST_FOR(b, u, sums) {
          const Ix unit = block * sums + u;
          nest_store(b, nest_at(b, pack->out, block, i, u),
                     lower_packed_weight(l, pack, 2, NEST_IX(unit, i), &unit, &i));
        }
  else
    NEST_FOR(b, u, units)
      NEST_FOR(b, i, inputs)
        nest_store(b, nest_at(b, pack->out, u, i), lower_packed_weight(l, pack, 2, NEST_IX(u, i), &u, &i));
  return lower_pack_done(l, pack);
}

static Buf *packed_bias(Lower *l, int64_t units) {
  const Ix none = {0};
  Pack *pack = lower_pack(l, "bias", 1, &units);
  Nest *b = pack->nest;
  NEST_FOR(b, u, units) nest_store(b, nest_at(b, pack->out, u), lower_packed_bias(l, pack, &u, &none));
  return lower_pack_done(l, pack);
}

static void lower(Lower *l) {
  const int64_t inputs = input_count(l->node), units = shape_row_elements(l->node->shape),
                sums = lower_sums(l, units);
  const Ix none = {0};
  Buf *weight = packed_weights(l, units, inputs, sums), *bias = packed_bias(l, units);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, u, units / sums) {
    Buf *sum = NEST_REGISTERS(b, "sum", 1, sums);
    for (int i = 0; i < sums; i++)
      nest_store(b, nest_at(b, sum, i), nest_load(b, nest_at(b, bias, u * sums + i), 1));
    NEST_FOR(b, i, inputs) {
      Val element = nest_load(b, nest_at(b, l->in[0], 0, 0, i), 1);
      if (sums > 1) element = nest_let(b, "element", element);
      for (int k = 0; k < sums; k++)
        nest_accumulate(b, nest_at(b, sum, k), element,
                        nest_load(b, sums > 1 ? nest_at(b, weight, u, i, k) : nest_at(b, weight, u, i), 1));
    }
    lower_store_sums(l, sum, sums, &none, &none, &u);
  }
}

/* ---- dx[i] = sum over u of dy[u] * weight[u][i] ---- */
static void input_eval(const Eval *eval) {
  const int64_t units = shape_row_elements(eval->node->in[0]->shape),
                inputs = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < inputs; i++) {
    double sum = 0;
    for (int64_t u = 0; u < units; u++) sum += eval->in[0][u] * eval->weight[0][u * inputs + i];
    eval->out[i] = sum;
  }
}

static void input_lower(Lower *l) {
  const int64_t units = shape_row_elements(l->node->in[0]->shape),
                inputs = shape_row_elements(l->node->shape);
  const Ix none = {0};
  Nest *b = l->b;
  Buf *w = lower_weight(l, 0);
  nest_fn(b, b->name, false);
  NEST_FOR(b, i, inputs) {
    Buf *sum = NEST_REGISTERS(b, "sum", 1, 1);
    nest_store(b, nest_at(b, sum, 0), num(b, 0));
    NEST_FOR(b, u, units)
      nest_accumulate(b, nest_at(b, sum, 0), nest_load(b, nest_at(b, l->in[0], 0, 0, u), 1),
                      nest_load(b, nest_at(b, w, u, i), 1));
    lower_store(l, nest_get(b, nest_at(b, sum, 0)), &none, &none, &i, 1, 1);
  }
}

/* ---- dweight[u][i] += dy[u] * in[i] ---- */
static void weight_eval(const Eval *eval) {
  const int64_t inputs = shape_row_elements(eval->node->in[0]->shape),
                units = shape_row_elements(eval->node->in[1]->shape);
  for (int64_t u = 0; u < units; u++)
    for (int64_t i = 0; i < inputs; i++) eval->out[u * inputs + i] += eval->in[1][u] * eval->in[0][i];
}

static void weight_lower(Lower *l) {
  const int64_t inputs = shape_row_elements(l->node->in[0]->shape),
                units = shape_row_elements(l->node->in[1]->shape);
  Nest *b = l->b;
  nest_fn(b, b->name, false);
  NEST_FOR(b, u, units)
    NEST_FOR(b, i, inputs)
      nest_accumulate(b, nest_at(b, l->out, u, i), nest_load(b, nest_at(b, l->in[1], 0, 0, u), 1),
                      nest_load(b, nest_at(b, l->in[0], 0, 0, i), 1));
}

static const Op op_dense_input_gradient = {.name = "dense input gradient",
                                           .family = FAMILY_DENSE_INPUT,
                                           .traits.product = true,
                                           .cost = cost,
                                           .eval = input_eval,
                                           .lower = input_lower};
static const Op op_dense_weight_gradient = {.name = "dense weight gradient",
                                            .family = FAMILY_DENSE_WEIGHTS,
                                            .traits.product = true,
                                            .cost = cost,
                                            .eval = weight_eval,
                                            .lower = weight_lower};

static void gradient(Gradient *gradient, Node *node, Node *dy) {
  Node *x = node->in[0], *both_sides[2] = {x, dy};
  gradient_input(gradient, &op_dense_input_gradient, node, 1, &dy);
  if (gradient_trained(gradient, node, 0))
    gradient_sum(gradient, &op_dense_weight_gradient, node, 0, 2, both_sides);
  if (gradient_trained(gradient, node, 1)) gradient_sum(gradient, &op_channel_sum, node, 1, 1, &dy);
}

const Op op_dense = {
    .name = "dense",
    .group = "dense",
    .summary = "fully connected layer on a vector",
    .detail = "out[u] = bias[u] + sum over i of weight[u][i] * in[i]",
    .params = params,
    .example = "dense(10)",
    .family = FAMILY_DENSE,
    .traits.product = true,
    .shape = shape,
    .cost = cost,
    .eval = eval,
    .gradient = gradient,
    .lower = lower,
    .traits.int8 = INT8_PRODUCT,
};
