/* op.c: Functions for shape rules: arguments, errors, parameters and their initial values. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>
#include "base/random.h"
#include "graph/shape.h"

/* ---- arguments ---- */
static const Const absent = {.kind = CONST_NONE};

const Const *arg_const(const Node *node, const char *name) {
  const Node *owner = node;
  while (owner && !owner->op->params) owner = owner->hidden ? owner->hidden->of : NULL;
  if (!owner || !node->arg) return &absent;
  for (int i = 0; owner->op->params[i].name; i++)
    if (!strcmp(owner->op->params[i].name, name)) return &node->arg[i];
  return &absent;
}

int64_t arg_int(const Node *node, const char *name) { return arg_const(node, name)->i; }

double arg_number(const Node *node, const char *name) {
  const Const *value = arg_const(node, name);
  return value->kind == CONST_INT ? (double)value->i : value->f;
}

bool arg_bool(const Node *node, const char *name) { return arg_const(node, name)->i != 0; }

bool const_is(const Const *value, const char *word) {
  return (value->kind == CONST_WORD || value->kind == CONST_STRING) && !strcmp(value->s, word);
}
bool arg_is(const Node *node, const char *name, const char *word) {
  return const_is(arg_const(node, name), word);
}

bool op_has_parameters(const Op *op) {
  for (const Param *p = op->params; p && p->name; p++)
    if (p->type == PARAM_INIT) return true;
  return op->parts != NULL;
}

/* ---- messages ---- */
Diag *op_error(ShapeContext *context, const Node *node, DiagId id, const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  const char *text = arena_vprintf(context->arena, format, ap);
  va_end(ap);
  return diag_from_sizes(diag_report(context->diags, id, node->span, node->site, "%s", text));
}

Diag *op_error_at(ShapeContext *context, const Node *node, const char *param, DiagId id, const char *format,
                  ...) {
  va_list ap;
  va_start(ap, format);
  const char *text = arena_vprintf(context->arena, format, ap);
  va_end(ap);
  const Span written = arg_const(node, param)->span;
  return diag_from_sizes(
      diag_report(context->diags, id, written.file ? written : node->span, node->site, "%s", text));
}

bool node_moves_elements(const Node *node) {
  const OpTraits *t = &node->op->traits;
  return t->int8 == INT8_MOVE || t->padding || t->repeats || t->channel_offset || t->channel_slice ||
         t->splits_channels || t->joins_channels || t->slice_offset || t->concat_offset ||
         node->op->family == FAMILY_ALIAS || (node->op->identity && node->op->identity(node));
}

const Node *node_computed_by(const Node *node) {
  while (node->nin && (node->op->family == FAMILY_ALIAS || (node->op->identity && node->op->identity(node))))
    node = node->in[0];
  return node;
}

void op_note_origin(ShapeContext *context, Diag *diag, const Node *value) {
  if (!value->shape.rank || !value->span.file) return;
  const char *shape = shape_text(context->arena, value->shape);
  if (node_is_input(value)) diag_note(diag, value->span, "%s is the input %s here", shape, value->name);
  else diag_note(diag, value->span, "%s is the output of %s here", shape, value->op->name);
}

Diag *op_error_vector(ShapeContext *context, const Node *node) {
  Diag *diag = op_error(context, node, DIAG_wrong_shape,
                        "%s needs an image or a sequence, but its input is the vector %s", node->op->name,
                        shape_text(context->arena, node->in[0]->shape));
  op_note_origin(context, diag, node->in[0]);
  return diag;
}

bool op_same_regions(ShapeContext *context, const Node *node, const Node *a, const Node *b) {
  const int64_t some = a->shape.regions, others = b->shape.regions;
  if (some == others) return true;
  Diag *diag = op_error(context, node, DIAG_shape_mismatch, "%s of %s and %s: %s", node->op->name,
                        shape_text(context->arena, a->shape), shape_text(context->arena, b->shape),
                        some && others ? "their numbers of regions differ"
                                       : "one operand has a value per region, the other is a single value");
  op_note_origin(context, diag, a);
  op_note_origin(context, diag, b);
  diag_help(diag, some && others ? "use the same boxes for the regions of both operands"
                                 : "apply roi_align or roi_pool to the other operand, too");
  return false;
}

static const Node *rows_mismatch(ShapeContext *context, const Node *node, const Node *a, const Node *b) {
  const int64_t n = shape_rows(a->shape), m = shape_rows(b->shape);
  Diag *diag =
      op_error(context, node, DIAG_shape_mismatch, "%s of %s and %s: %lld does not divide %lld",
               node->op->name, shape_text(context->arena, a->shape), shape_text(context->arena, b->shape),
               (long long)(n < m ? n : m), (long long)(n < m ? m : n));
  op_note_origin(context, diag, a);
  op_note_origin(context, diag, b);
  return NULL;
}

static bool rows_divide(const Node *a, const Node *b) {
  const int64_t n = shape_rows(a->shape), m = shape_rows(b->shape);
  return n % m == 0 || m % n == 0;
}

static bool few_row_counts(ShapeContext *context, const Node *node) {
  int counts = 0;
  for (int k = 0; k < node->nin; k++) {
    bool known = !node->in[k]->shape.regions;
    for (int i = 0; i < k; i++) known |= node->in[i]->shape.regions == node->in[k]->shape.regions;
    counts += !known;
  }
  if (counts <= MOST_ROW_COUNTS) return true;
  op_error(context, node, DIAG_too_many_arguments,
           "%s of values with %d different numbers of rows; the limit is %d", node->op->name, counts,
           MOST_ROW_COUNTS);
  return false;
}

const Node *op_common_rows(ShapeContext *context, const Node *node) {
  const Node *most = node->in[0];
  bool parts = false;
  for (int k = 0; k < node->nin; k++) {
    parts |= node->in[k]->shape.parts;
    if (node->in[k]->shape.regions > most->shape.regions) most = node->in[k];
  }
  for (int k = 1; k < node->nin; k++) {
    if (!parts && !op_same_regions(context, node, node->in[0], node->in[k])) return NULL;
    for (int i = 0; i < k; i++)
      if (!rows_divide(node->in[i], node->in[k]))
        return rows_mismatch(context, node, node->in[i], node->in[k]);
  }
  return few_row_counts(context, node) ? most : NULL;
}

/* ---- initial values ---- */
static double const_number(const Const *value) {
  return value->kind == CONST_INT ? (double)value->i : value->f;
}
static bool is_numeric_const(const Const *value) {
  return value->kind == CONST_INT || value->kind == CONST_FLOAT;
}

static bool named_init(const char *name, double fan_in, double fan_out, Init *init) {
  if (!strcmp(name, "he")) *init = (Init){INIT_NORMAL, 0, sqrt(2 / fan_in), NULL};
  else if (!strcmp(name, "he_uniform")) *init = (Init){INIT_UNIFORM, sqrt(6 / fan_in), 0, NULL};
  else if (!strcmp(name, "glorot")) *init = (Init){INIT_UNIFORM, sqrt(6 / (fan_in + fan_out)), 0, NULL};
  else if (!strcmp(name, "glorot_normal")) *init = (Init){INIT_NORMAL, 0, sqrt(2 / (fan_in + fan_out)), NULL};
  else if (!strcmp(name, "lecun")) *init = (Init){INIT_NORMAL, 0, sqrt(1 / fan_in), NULL};
  else if (!strcmp(name, "zeros")) *init = (Init){INIT_CONSTANT, 0, 0, NULL};
  else if (!strcmp(name, "ones")) *init = (Init){INIT_CONSTANT, 1, 0, NULL};
  else if (!strcmp(name, "bilinear")) *init = (Init){INIT_BILINEAR, 0, 0, NULL};
  else return false;
  return true;
}

static bool called_init(const Const *value, Init *init) { /* normal(std, mean=0), uniform(limit) */
  if (!strcmp(value->s, "normal") && value->n >= 1)
    *init = (Init){INIT_NORMAL, value->n > 1 ? const_number(&value->items[1]) : 0,
                   const_number(&value->items[0]), NULL};
  else if (!strcmp(value->s, "uniform") && value->n >= 1)
    *init = (Init){INIT_UNIFORM, const_number(&value->items[0]), 0, NULL};
  else return false;
  return true;
}

/* The sizes of nested lists of numbers, outermost first; false if they are ragged or contain anything else.
 */
static bool literal_sizes(const Const *value, int depth, int *rank, int64_t dim[5]) {
  if (is_numeric_const(value)) {
    if (*rank < 0) *rank = depth;
    return *rank == depth;
  }
  if ((value->kind != CONST_LIST && value->kind != CONST_DIMS) || depth == 5 || value->n == 0) return false;
  if (*rank >= 0 && depth >= *rank) return false;
  if (dim[depth] == 0) dim[depth] = value->n;
  if (dim[depth] != value->n) return false;
  for (int i = 0; i < value->n; i++)
    if (!literal_sizes(&value->items[i], depth + 1, rank, dim)) return false;
  return true;
}

static const Const *literal_item(const Const *value, int rank, const int64_t *at) {
  for (int d = 0; d < rank; d++) value = &value->items[at[d]];
  return value;
}

/* Matches the nested lists of a literal with the dimensions of a weight. The literal has one kernel per
 * filter, or the sizes of the weight's last dimensions, such as one kernel for all filters and channels. The
 * literal is repeated along the other dimensions. level[d] is the weight's dimension for nesting level
 * d of the literal; -1: level d counts the filters of a transposed convolution, whose weight has two indices
 * for them. */
static bool literal_levels(const Node *node, const Weight *weight, int rank, const int64_t *dim,
                           int level[5]) {
  const int from = weight->rank - rank;
  bool fits = rank <= weight->rank;
  for (int d = 0; d < rank && fits; d++) {
    level[d] = from + d;
    fits = dim[d] == weight->dim[from + d];
  }
  if (fits) return true;
  if (!node->window || weight->rank < 3 || rank != weight->rank - 1) return false;
  const bool transposed = node->op->traits.transposed;
  const int64_t groups = node->window ? node->window->groups : 1,
                filters = transposed ? weight->dim[1] * groups : weight->dim[0];
  if (dim[0] != filters) return false;
  level[0] = transposed ? -1 : 0;
  for (int d = 1; d < rank; d++) {
    level[d] = d + 1;
    if (dim[d] != weight->dim[d + 1]) return false;
  }
  return true;
}

static const char *sizes_text(Arena *arena, int rank, const int64_t *dim) {
  const char *text = "";
  for (int d = 0; d < rank; d++)
    text = arena_printf(arena, "%s%s%lld", text, d ? "x" : "", (long long)dim[d]);
  return text;
}

static bool literal_init(ShapeContext *context, const Node *node, const char *param, const Const *value,
                         const Weight *weight, Init *init) {
  int rank = -1, level[5] = {0};
  int64_t dim[5] = {0};
  if (!literal_sizes(value, 0, &rank, dim)) {
    Diag *diag =
        op_error_at(context, node, param, DIAG_bad_value,
                    "the list %s of %s is ragged, or has items that are not numbers", param, node->op->name);
    diag_help(diag, "a kernel is written row by row: [[1, 0, -1], [2, 0, -2], [1, 0, -1]]");
    return false;
  }
  if (!literal_levels(node, weight, rank, dim, level)) {
    Diag *diag =
        op_error_at(context, node, param, DIAG_bad_value, "%s of %s has %s values, but its %s has %s", param,
                    node->op->name, sizes_text(context->arena, rank, dim), weight->member,
                    sizes_text(context->arena, weight->rank, weight->dim));
    if (weight->rank == 1) diag_help(diag, "use one number, or a list of %lld", (long long)weight->dim[0]);
    else if (node->window)
      diag_help(diag,
                "write one kernel of %s for all filters and channels, or a list with one kernel per filter",
                sizes_text(context->arena, weight->rank - 2, weight->dim + 2));
    return false;
  }
  float *values = NEW_ARRAY(context->arena, float, weight->size);
  const int64_t groups = node->window ? node->window->groups : 1;
  for (int64_t i = 0; i < weight->size; i++) {
    int64_t at[5] = {0}, pick[5], rest = i;
    for (int d = weight->rank - 1; d >= 0; d--) {
      at[d] = rest % weight->dim[d];
      rest /= weight->dim[d];
    }
    for (int d = 0; d < rank; d++)
      pick[d] = level[d] >= 0 ? at[level[d]] : at[0] / (weight->dim[0] / groups) * weight->dim[1] + at[1];
    values[i] = (float)const_number(literal_item(value, rank, pick));
  }
  *init = (Init){INIT_LITERAL, 0, 0, values};
  return true;
}

static bool resolve_init(ShapeContext *context, const Node *node, const char *param, const Weight *weight,
                         double fan_in, double fan_out, Init *init) {
  const Const *value = arg_const(node, param);
  if (is_numeric_const(value)) *init = (Init){INIT_CONSTANT, const_number(value), 0, NULL};
  else if (value->kind == CONST_LIST) return literal_init(context, node, param, value, weight, init);
  else if (value->kind == CONST_CALL && called_init(value, init)) return true;
  else if ((value->kind == CONST_WORD || value->kind == CONST_STRING) &&
           named_init(value->s, fan_in, fan_out, init)) {
    if (init->kind == INIT_BILINEAR && (!node->op->traits.transposed || weight->rank < 3)) {
      Diag *diag = op_error_at(
          context, node, param, DIAG_bad_value,
          "bilinear initializes only the kernel of conv_transpose (for upsampling), not the %s of %s",
          weight->member, node->op->name);
      diag_help(diag, "the usual choices are he for kernels and zeros for biases");
      return false;
    }
  } else if (value->kind == CONST_POISON) return false;
  else {
    op_error_at(context, node, param, DIAG_wrong_type, "%s of %s is not an initialization", param,
                node->op->name);
    return false;
  }
  return true;
}

/* ---- parameters ---- */
static Weight *shared_weight(ShapeContext *context, const Node *node, const char *member, int rank,
                             const int64_t *dim) {
  for (int k = 0; k < context->share->nweights; k++) {
    Weight *weight = context->share->weight[k];
    if (!weight || strcmp(weight->member, member)) continue;
    bool equal = weight->rank == rank;
    for (int d = 0; d < rank && equal; d++) equal = weight->dim[d] == dim[d];
    if (equal) return weight;
    Diag *diag = op_error(context, node, DIAG_bad_weights_sharing,
                          "%s would share %s of %s, but needs the shape %s, not %s", node->op->name, member,
                          context->share->name, sizes_text(context->arena, rank, dim),
                          sizes_text(context->arena, weight->rank, weight->dim));
    diag_note(diag, context->share->span, "%s is defined here", weight->name);
    return NULL;
  }
  Diag *diag = op_error(context, node, DIAG_bad_weights_sharing, "%s would share %s of %s, which has none",
                        node->op->name, member, context->share->name);
  diag_note(diag, context->share->span, "%s is defined here", context->share->name);
  return NULL;
}

static Weight *new_weight(ShapeContext *context, Node *node, const char *member, int rank,
                          const int64_t *dim) {
  Weight *weight = NEW(context->arena, Weight);
  weight->name = arena_printf(context->arena, "%s.%s", node->name, member);
  weight->member = member;
  weight->rank = rank;
  weight->size = 1;
  weight->owner = node;
  weight->frozen = node->frozen;
  for (int d = 0; d < rank; d++) {
    weight->dim[d] = dim[d];
    if (!size_multiply(weight->size, dim[d], &weight->size) || weight->size > SHAPE_MOST_ELEMENTS) {
      Diag *diag =
          op_error(context, node, DIAG_too_large, "%s of this %s has %s elements; the limit is 2147483647",
                   member, node->op->name, sizes_text(context->arena, rank, dim));
      op_note_origin(context, diag, node->in[0]);
      return NULL;
    }
  }
  return weight;
}

static Weight *add_weight(ShapeContext *context, Weight *weight) {
  weight->id = context->graph->weights.n;
  vec_push(context->graph->arena, context->graph->weights, weight);
  return weight;
}

Weight *op_weight(ShapeContext *context, Node *node, const char *member, int rank, const int64_t *dim,
                  const char *init_param, double constant, int64_t fan_in, int64_t fan_out, bool decay) {
  if (context->share) return shared_weight(context, node, member, rank, dim);
  Weight *weight = new_weight(context, node, member, rank, dim);
  if (!weight) return NULL;
  weight->decay = decay;
  weight->init = (Init){INIT_CONSTANT, constant, 0, NULL};
  if (init_param && !resolve_init(context, node, init_param, weight, (double)(fan_in > 0 ? fan_in : 1),
                                  (double)(fan_out > 0 ? fan_out : 1), &weight->init))
    return NULL;
  return add_weight(context, weight);
}

Weight *op_statistic(ShapeContext *context, Node *node, const char *member, int64_t n, double constant) {
  if (context->share) return shared_weight(context, node, member, 1, &n);
  Weight *weight = new_weight(context, node, member, 1, &n);
  if (!weight) return NULL;
  weight->statistic = true;
  weight->init = (Init){INIT_CONSTANT, constant, 0, NULL};
  return add_weight(context, weight);
}

/* ---- random numbers ---- */
void eval_keys(const Eval *eval, uint32_t key[2]) {
  random_keys(eval->seed, eval->step, (uint64_t)eval->sample, key);
  key[1] ^= (uint32_t)eval->node->salt;
}
