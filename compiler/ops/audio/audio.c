/* audio.c: Shapes of audio operators, and linear maps over the channels. */
// SPDX-License-Identifier: Apache-2.0
#include "ops/audio/audio.h"

bool audio_sequence(ShapeContext *context, const Node *node, bool samples) {
  const Shape in = node->in[0]->shape;
  if (!in.rank) return false;
  if (in.rank == 2 && (!samples || in.dim[1] == 1)) return true;
  Arena *arena = context->arena;
  const int64_t n = shape_row_elements(in);
  Diag *diag = op_error(context, node, DIAG_wrong_shape, "%s needs a sequence%s, but its input is %s",
                        node->op->name, samples ? " of samples, L x 1" : "", shape_text(arena, in));
  op_note_origin(context, diag, node->in[0]);
  if (in.rank == 2) diag_help(diag, "put slice(0..1) before it to select the first channel");
  else if (in.rank == 3 && !samples)
    diag_help(diag,
              "put reshape([%lld, %lld]) before it to turn the rows of the image into rows of a sequence",
              (long long)in.dim[0], (long long)(in.dim[1] * in.dim[2]));
  else diag_help(diag, "put reshape([%lld, 1]) before it to get a sequence", (long long)n);
  return false;
}

Shape audio_channels(const Node *node, int64_t channels) {
  Shape shape = node->in[0]->shape;
  shape.dim[shape.rank - 1] = channels;
  return shape;
}

/* ---- linear maps ---- */
void bank_eval(const Eval *eval, Bank bank) {
  const int64_t rows = shape_row_elements(eval->node->shape) / bank.outputs;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t o = 0; o < bank.outputs; o++) {
      double sum = 0;
      for (int64_t i = 0; i < bank.inputs; i++)
        if (bank.weight[o * bank.inputs + i] != 0)
          sum += bank.weight[o * bank.inputs + i] * eval->in[0][r * bank.inputs + i];
      eval->out[r * bank.outputs + o] = sum;
    }
}

void bank_eval_transposed(const Eval *eval, Bank bank) {
  const int64_t rows = shape_row_elements(eval->node->shape) / bank.inputs;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < bank.inputs; i++) {
      double sum = 0;
      for (int64_t o = 0; o < bank.outputs; o++)
        sum += bank.weight[o * bank.inputs + i] * eval->in[0][r * bank.outputs + o];
      eval->out[r * bank.inputs + i] = sum;
    }
}

typedef struct Product {
  Buf *table; /* [from][to] */
  int64_t from, to;
} Product;

static void product_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                         const void *context) {
  const Product *of = context;
  Nest *b = l->b;
  Buf *sum = NEST_REGISTERS(b, "sum", lanes, 1);
  nest_store(b, nest_at(b, sum, 0), num(b, 0));
  NEST_FOR(b, i, of->from)
    nest_store(b, nest_at(b, sum, 0),
               fma_(nest_load_part(b, nest_at(b, of->table, i * of->to + *c), part, lanes),
                    nest_load(b, nest_at(b, l->in[0], *y, *x, i), 1), nest_get(b, nest_at(b, sum, 0))));
  lower_store(l, nest_get(b, nest_at(b, sum, 0)), y, x, c, part, lanes);
}

void bank_lower(Lower *l, Bank bank, bool transposed) {
  const int64_t from = transposed ? bank.outputs : bank.inputs, to = transposed ? bank.inputs : bank.outputs;
  float *values = NEW_ARRAY(l->arena, float, from *to);
  for (int64_t o = 0; o < bank.outputs; o++)
    for (int64_t i = 0; i < bank.inputs; i++)
      values[transposed ? o * to + i : i * to + o] = (float)bank.weight[o * bank.inputs + i];
  Product product = {lower_table(l, values, from * to), from, to};
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), product_body, &product);
}
