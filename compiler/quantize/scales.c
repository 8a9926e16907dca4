/* scales.c: Lookup of scales and arrays in the quantized weight file, and errors about missing arrays. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdarg.h>
#include "graph/bf16.h"
#include "base/text.h"
#include "quantize/quantizer.h"

void quant_problem(Quantizer *q, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  const char *text = arena_vprintf(q->arena, format, ap);
  va_end(ap);
  if (table_find(&q->reported, text)) return;
  table_set(q->arena, &q->reported, text, q);
  vec_push(q->arena, q->problems, text);
}

static const char *dims_text(Arena *arena, int rank, const int64_t *dim) {
  Text text = {.arena = arena};
  for (int d = 0; d < rank; d++) text_put(&text, "%s%lld", d ? ", " : "[", (long long)dim[d]);
  return rank ? arena_printf(arena, "%s]", text.s) : "[]";
}

const void *quant_array(Quantizer *q, const char *name, Elem elem, int rank, const int64_t *dim) {
  static const char *const types[ELEMS] = {[F32] = "F32", [I32] = "I32", [U8] = "U8",
                                           [I8] = "I8",   [I16] = "I16", [I64] = "I64"};
  const QuantArray *array = quant_file_find(q->file, name);
  const char *wanted = dims_text(q->arena, rank, dim);
  if (!array) return quant_problem(q, "%s: %s %s is missing", name, types[elem], wanted), NULL;
  bool same = array->rank == rank;
  for (int d = 0; d < rank && same; d++) same = array->dim[d] == dim[d];
  if (same && array->known && array->elem == elem) return array->data;
  quant_problem(q, "%s: is %s %s; must be %s %s", name, array->type, array->shape, types[elem], wanted);
  return NULL;
}

/* The data of an array of one number, whose shape must be [1]; NULL after an error. */
static const void *one(Quantizer *q, const char *name, Elem elem) {
  const int64_t size = 1;
  return quant_array(q, name, elem, 1, &size);
}

bool quant_given(Quantizer *q, const char *value, Quant *quant) {
  const char *scale_name = arena_printf(q->arena, "%s.scale", value),
             *zero_name = arena_printf(q->arena, "%s.zero", value);
  if (!table_find(&q->file->by_name, scale_name) && !table_find(&q->file->by_name, zero_name)) return false;
  const float *scale = one(q, scale_name, F32);
  const int8_t *zero = one(q, zero_name, I8);
  if (!scale || !zero) return false;
  *quant = (Quant){*scale, *zero, quant_file_wide(q->file, value)};
  if (quant->wide && *zero) {
    quant_problem(q, "%s: is %d, but the zero point of int16 values must be 0", zero_name, *zero);
    quant->zero = 0;
  }
  if (*scale > 0 && isfinite(*scale)) return true;
  quant_problem(q, "%s: is %g; must be a number above 0", scale_name, (double)*scale);
  quant->scale = 1;
  return true;
}

const Quant *quant_keep(Quantizer *q, Quant quant) {
  Quant *kept = NEW(q->arena, Quant);
  *kept = quant;
  return kept;
}

/* ---- nodes fused into the rounding of a layer's sums ---- */
static const Node *sole_int8_reader(const Quantizer *q, const Node *node) {
  for (int o = 0; o < q->from->outputs.n; o++)
    if (q->from->outputs.data[o].node == node) return NULL;
  return q->uses[node->id] == 1 ? q->reader[node->id] : NULL;
}

static bool folded_away(const Quantizer *q, const Node *node) {
  if (node->op->traits.fold != FOLD_SCALE) return false;
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k] && table_find(&q->file->by_name, node->weight[k]->name)) return false;
  return true;
}

static bool takes_activation(const Quantizer *q, const Node *of, const Node *node, Bound bound) {
  if (node->nin != 1 || node_given_as_float(node)) return false;
  if (node->op->identity && node->op->identity(node)) return true;
  if (node->op->traits.int8 == INT8_RELU || node->op->traits.int8 == INT8_RELU6) return bound == BOUND_NONE;
  return of->op->traits.int8 == INT8_PRODUCT && bound == BOUND_NONE && folded_away(q, node);
}

StoredForm quant_ending(Quantizer *q, const Node *node, bool wanted) {
  StoredForm ending = {.last = node};
  const int problems = q->problems.n;
  ending.found = quant_given(q, node->name, &ending.quant);
  for (const Node *next; (next = sole_int8_reader(q, ending.last)) != NULL; ending.last = next) {
    Quant own;
    if (!takes_activation(q, node, next, ending.bound)) break;
    const bool has_own = quant_given(q, next->name, &own);
    if (has_own && ending.found) break;
    if (has_own) ending.quant = own;
    ending.found |= has_own;
    if (next->op->traits.int8 == INT8_RELU) ending.bound = BOUND_RELU;
    if (next->op->traits.int8 == INT8_RELU6) ending.bound = BOUND_RELU6;
    q->fused[next->id] = true;
  }
  const Precision other = ending.quant.wide ? PRECISION_I8 : PRECISION_I16;
  if (ending.found && wanted && node->precision == other)
    quant_problem(q, "%s: has %s bits, but precision=%s in the program", node->name,
                  ending.quant.wide ? "16" : "8", ending.quant.wide ? "i8" : "i16");
  if (!ending.found && wanted && q->problems.n == problems)
    quant_problem(q, "%s.scale (F32 [1]) and %s.zero (I8 [1]) are missing", node->name, node->name);
  if (!ending.found) ending.quant = (Quant){.scale = 1};
  return ending;
}
