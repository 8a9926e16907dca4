/* layer.c: Application of operators: builds a node from arguments, name, shared parameters and shape rule. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "ops/registry.h"
#include <string.h>
#include "sema/context.h"

enum { MOST_LAYERS = 100000 };

/* Shape rule of the placeholder for calls with errors: unknown operators, missing values. */
static void poison_shape(ShapeContext *context, Node *node) {
  (void)context;
  node->shape = POISON;
}
static const Op op_poison = {.name = "no operator", .shape = poison_shape};

Const value_poison(Sema *s, Span span) {
  Node *node = graph_node(s->graph, &op_poison, 0, NULL);
  node->span = span;
  return const_value(span, node, NULL);
}

bool flag_eval(Sema *s, const Frame *frame, const char *what, const Argument *frozen) {
  static const Param param = {.name = "frozen", .type = PARAM_BOOL};
  if (!frozen) return false;
  const Const value = expr_eval(s, frame, frozen->value, NULL),
              flag = param_convert(s, frame, what, &param, &value);
  return flag.kind == CONST_BOOL && flag.i;
}

#ifdef __wasi__ /* the browser build has no bf16 */
#define PRECISIONS "f32 i8 i16"
#else
#define PRECISIONS "f32 bf16 i8 i16"
#endif

/* The precision of a call: its argument precision=, otherwise the precision of the enclosing block. */
Precision precision_eval(Sema *s, const Frame *frame, const char *what, const Argument *precision) {
  static const Param param = {.name = "precision", .type = PARAM_CHOICE, .choices = PRECISIONS};
  if (!precision) return frame->naming->precision;
  const Const word = argument_bind(s, frame, what, &param, precision->value);
  if (word.kind != CONST_WORD) return PRECISION_GIVEN;
  return strcmp(word.s, "f32") == 0    ? PRECISION_F32
         : strcmp(word.s, "bf16") == 0 ? PRECISION_BF16
         : strcmp(word.s, "i8") == 0   ? PRECISION_I8
                                       : PRECISION_I16;
}

/* ---- limits ---- */

static bool layers_limit(Sema *s, const Frame *frame, Span span) {
  if (s->stopped) return false;
  if (s->graph->nodes.n < MOST_LAYERS) return true;
  diag_report(s->diags, DIAG_too_large, span, frame->site, "the net has more than %d layers", MOST_LAYERS);
  s->stopped = true;
  return false;
}

static bool elements_fit(Shape shape) {
  int64_t n = shape.regions ? shape.regions : 1;
  for (int d = 0; d < shape.rank; d++)
    if (!size_multiply(n, shape.dim[d], &n) || n > SHAPE_MOST_ELEMENTS) return false;
  return true;
}

static void sizes_check(Sema *s, Node *node) {
  if (!node->shape.rank) return;
  if (!elements_fit(node->shape)) {
    Diag *diag = diag_report(s->diags, DIAG_too_large, node->span, node->site,
                             "the output of %s, %s, has more than 2147483647 elements", node->op->name,
                             shape_text(s->arena, node->shape));
    for (int i = 0; i < node->nin && i < 1; i++)
      diag_note(diag, node->in[i]->span, "its input is %s", shape_text(s->arena, node->in[i]->shape));
    node->shape = POISON;
    return;
  }
  const double before = s->bytes;
  s->bytes += 4.0 * (double)shape_elements(node->shape);
  for (int k = 0; k < node->nweights; k++)
    if (node->weight[k] && node->weight[k]->owner == node) s->bytes += 4.0 * (double)node->weight[k]->size;
  if (before <= (double)NET_MOST_BYTES && s->bytes > (double)NET_MOST_BYTES)
    diag_report(s->diags, DIAG_too_large, node->span, node->site,
                "with this layer the values and weights of the net exceed 2^40 bytes");
  const double macs_before = s->macs;
  s->macs += (double)node_macs(node);
  if (macs_before <= (double)NET_MOST_MACS && s->macs > (double)NET_MOST_MACS)
    diag_report(s->diags, DIAG_too_large, node->span, node->site,
                "with this layer the net exceeds 2^60 multiply-adds");
}

/* ---- shared parameters ---- */

/* Finds the layer that owns the parameters: the layer named by weights=, or the counterpart of this layer in
 * a shared block. *share is unchanged if this layer has its own parameters. False: the owner is missing, or
 * its call has an error. */
static bool share_layer(Sema *s, const Frame *frame, const Op *op, const Call *call, const Extras *extras,
                        const Naming *naming, const char *counterpart, const Node **share) {
  const LayerName *found = NULL;
  if (extras->weights) {
    found = share_find(s, frame, op->name, extras->weights, false);
  } else if (counterpart && op_has_parameters(op)) {
    found = naming_find(s, counterpart);
    if (!found || found->block) {
      Diag *diag = diag_report(s->diags, DIAG_bad_weights_sharing, call->span, frame->site,
                               "this %s would share the parameters of layer '%s', which does not exist",
                               op->name, counterpart);
      diag_note(diag, naming->share_span, "the block shares its parameters here");
      diag_help(diag, "every layer with parameters needs a counterpart in the other block");
      return false;
    }
  } else {
    return true;
  }
  if (!found || !found->node->shape.rank) return false;
  *share = found->node;
  return true;
}

/* ---- layers ---- */

static bool any_poison(const Node *node) {
  for (int i = 0; i < node->nin; i++)
    if (!node->in[i]->shape.rank) return true;
  return false;
}

/* Whether the operator must read T regions of n elements as the T rows of a sequence: it works along the
 * length of a sequence, or it combines the regions with a value that has no regions. */
static bool takes_rows(const Op *op, const Const *arg, int nin, Node *const *in) {
  int regions = 0;
  bool parts = false;
  for (int k = 0; k < nin; k++) {
    regions += in[k]->shape.regions > 0;
    parts = parts || in[k]->shape.parts;
  }
  for (int i = 0; op->params && op->params[i].name; i++)
    if (!strcmp(op->params[i].name, "axis") && const_is(&arg[i], "length")) return true;
  return op->traits.needs_axes || (op->traits.equal_rows && regions && regions < nin && !parts);
}

/* Converts T regions of n elements to a sequence T x n. */
static Node *region_rows(Sema *s, Node *in) {
  int64_t rows, columns;
  if (!in->shape.regions || !shape_table(in->shape, &rows, &columns)) return in;
  for (int i = in->id + 1; i < s->graph->nodes.n; i++) {
    Node *made = s->graph->nodes.data[i];
    if (made->op == &op_region_rows && made->in[0] == in) return made;
  }
  Node *node = graph_node(s->graph, &op_region_rows, 1, &in);
  node->name = arena_printf(s->arena, "%s_rows", in->name);
  node->span = in->span;
  node->site = in->site;
  node->shape = shape_sequence(rows, columns);
  return node;
}

Made layer_make(Sema *s, const Frame *frame, const Op *op, const Call *call, const Const *value,
                CallName call_name) {
  if (!layers_limit(s, frame, call->span)) return (Made){.value = const_poison(call->span)};
  Extras extras;
  s->applying = call;
  s->applied_to = value->kind == CONST_VALUE ? value->node : NULL;
  Bound bound = params_bind(s, frame, op->name, "operator", op->params, &call->args, call->span,
                            op_has_parameters(op) ? EXTRAS : 2, &extras);
  s->applying = NULL;
  const char *counterpart, *name = naming_name(s, frame, call_name, op->name, op, extras.name, &counterpart);
  const int most = op->traits.channel_offset ? MOST_JOINED : MOST_INPUTS;
  if (bound.values.n >= most) {
    Diag *diag = diag_report(s->diags, DIAG_too_many_arguments, call->args.span, frame->site,
                             "%s takes at most %d values in addition to the current one", op->name, most - 1);
    diag_help(diag, "combine the values in two steps");
    bound.ok = false;
  }
  Node **in = NEW_ARRAY(s->arena, Node *, 1 + bound.values.n);
  int nin = 0;
  if (!op->source) in[nin++] = value->kind == CONST_VALUE ? value->node : value_poison(s, call->span).node;
  for (int i = 0; bound.ok && i < bound.values.n; i++) in[nin++] = bound.values.data[i];
  const bool rows = bound.ok && takes_rows(op, bound.arg, nin, in);
  for (int k = 0; k < nin && rows; k++) in[k] = region_rows(s, in[k]);

  Node *node = graph_node(s->graph, op, nin, in);
  *node = (Node){.op = op,
                 .id = node->id,
                 .name = name,
                 .nin = nin,
                 .in = node->in,
                 .arg = bound.arg,
                 .span = call->span,
                 .site = frame->site};
  node->frozen = flag_eval(s, frame, op->name, extras.frozen) || frame->naming->frozen;
  node->precision = precision_eval(s, frame, op->name, extras.precision);
  const Made made = {.value = const_value(call->span, node, NULL), .name = name};

  ShapeContext context = {
      .arena = s->arena, .graph = s->graph, .diags = s->diags, .streams = s->options && s->options->streams};
  const bool shares = share_layer(s, frame, op, call, &extras, frame->naming, counterpart, &context.share);
  /* called after share_layer, because a layer must not share its parameters with itself */
  naming_add(s, frame->naming, (LayerName){name, node, NULL, call->span, frame->site});
  if (!bound.ok || !shares || any_poison(node)) return made;
  context.linted = lint_order(s, node, call);
  if (extras.weights) lint_shared(s, node, call, context.share);
  op->shape(&context, node);
  sizes_check(s, node);
  warn_softmax(s, node);
  return made;
}
