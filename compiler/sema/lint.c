/* lint.c: Warnings about legal but suspicious numbers, for example PyTorch's argument order, epochs that are
 * never reached, or shifts out of the image. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "ops/settings/forms.h"
#include "sema/context.h"

static Diag *lint_warn(Sema *s, Span span, const Site *site, const char *text) {
  return diag_report(s->diags, DIAG_suspicious_value, span, site, "%s", text);
}

/* ---- PyTorch's order ---- */

/* Warns about an input such as 3x224x224: 3 rows with 224 channels are unlikely. */
void lint_input(Sema *s, const Stmt *stmt, Shape shape) {
  if (shape.rank != 3) return;
  const int64_t first = shape.dim[0], second = shape.dim[1], third = shape.dim[2];
  const bool square = second == third && second >= 8, picture = second >= 16 && third >= 16;
  if (!(first == 3 || first == 4 ? square || picture : first == 1 && square)) return;
  const char *last =
      arena_printf(s->arena, "%lldx%lldx%lld", (long long)second, (long long)third, (long long)first);
  Diag *diag =
      lint_warn(s, stmt->value->span, NULL,
                arena_printf(s->arena, "the input '%s' is %lld high and %lld wide with %lld channels",
                             stmt->name.s, (long long)first, (long long)second, (long long)third));
  diag_help(diag, "channels come last: %s", last);
  diag_help(diag, "if the caller's buffer has the channels first, add (layout=chw) after the shape");
  if (stmt->value->kind == EXPR_DIMS) diag_fix(diag, stmt->value->span, "%s", last);
}

/* Three positional numbers, which in PyTorch are input channels, filters and kernel. */
typedef struct Triple {
  long long filters, size, step; /* meaning of the numbers in the language: filters, kernel, stride */
  bool window;                   /* the third number is written as a pair, 5x5 */
} Triple;

static bool triple_of(const Node *node, const Arguments *args, Triple *triple) {
  const Param *p = node->op->params;
  const bool filters_and_windows = p && p[0].name && p[0].type == PARAM_INT && p[1].name &&
                                   p[1].type == PARAM_WINDOW && p[2].name && p[2].type == PARAM_WINDOW;
  if (!filters_and_windows || args->n < 3) return false;
  for (int i = 0; i < 3; i++) {
    const ExprKind kind = args->list[i].value->kind;
    if (args->list[i].name.s || kind == EXPR_LIST || (kind == EXPR_DIMS && i < 2)) return false;
  }
  const Const *kernel = &node->arg[1], *stride = &node->arg[2];
  if (node->arg[0].kind != CONST_INT || kernel->kind != CONST_DIMS || stride->kind != CONST_DIMS)
    return false;
  *triple = (Triple){(long long)node->arg[0].i, (long long)kernel->items[0].i, (long long)stride->items[0].i,
                     args->list[2].value->kind == EXPR_DIMS};
  return true;
}

/* Whether these numbers are suspicious. A stride above the kernel is never suspicious. If the numbers of
 * filters and of input channels are equal, an even kernel of at least 6 is suspicious. If they differ, three
 * conditions must hold: the kernel is even and at least 6, or it is above 11; the stride is at least 3 and
 * not equal to the kernel; there is a further sign. For images, a further sign is a stride written as 5x5, a
 * stride that does not divide the kernel, at most three filters, or a kernel above 16 that is not twice the
 * stride. For sequences, whose kernels may have any size, a further sign is an odd stride below 12 that does
 * not divide the kernel. */
static bool is_unlikely(const Triple *t, Shape in) {
  const bool even = t->size >= 6 && t->size % 2 == 0, as_torch = t->filters == in.dim[in.rank - 1];
  if (t->step > t->size || (as_torch && !even)) return false;
  if (as_torch) return true;
  if (t->step < 3 || t->step == t->size || !(even || t->size > 11)) return false;
  const bool divides = t->size % t->step == 0;
  if (in.rank < 3) return t->step % 2 && t->step < 12 && !divides;
  return t->window || !divides || t->filters <= 3 || (t->size > 16 && t->size != 2 * t->step);
}

/* Warns about arguments that seem to be in PyTorch's order, as in conv(3, 16, 5) and conv(1, 6, 5x5). */
bool lint_order(Sema *s, const Node *node, const Call *call) {
  Triple t;
  if (node->nin == 0 || !node->in[0]->shape.rank || !triple_of(node, &call->args, &t)) return false;
  const Shape in = node->in[0]->shape;
  if (!is_unlikely(&t, in)) return false;
  const char *what = in.rank == 3 ? arena_printf(s->arena, "%lldx%lld", t.size, t.size)
                                  : arena_printf(s->arena, "%lld", t.size);
  Diag *diag = lint_warn(s, call->span, node->site,
                         arena_printf(s->arena, "this %s has %lld filter%s of %s and a stride of %lld",
                                      node->op->name, t.filters, t.filters == 1 ? "" : "s", what, t.step));
  diag_help(diag, "the input size is inferred, so it is not written: %s(%lld, %s)", node->op->name, t.size,
            t.window ? const_text(s->arena, &node->arg[2]) : arena_printf(s->arena, "%lld", t.step));
  if (t.filters != in.dim[in.rank - 1])
    diag_fact(diag, "%lld differs from the number of input channels, %d", t.filters,
              (int)in.dim[in.rank - 1]);
  argument_drop(diag_from_sizes(diag), &call->args, 0);
  return true;
}

/* ---- shared parameters ---- */

/* Warns about initial weights of a layer that shares the parameters of another layer. */
void lint_shared(Sema *s, const Node *node, const Call *call, const Node *owner) {
  for (int i = 0; node->op->params[i].name; i++) {
    const char *name = node->op->params[i].name;
    if (node->op->params[i].type != PARAM_INIT || !node->arg[i].span.file) continue;
    Diag *diag = lint_warn(s, node->arg[i].span, node->site,
                           arena_printf(s->arena, "'%s' has no effect: this %s has the parameters of %s",
                                        name, node->op->name, owner->name));
    diag_note(diag, owner->span, "%s is defined here; its initial values are used", owner->name);
    for (int k = 0; k < call->args.n; k++)
      if (call->args.list[k].name.s && !strcmp(call->args.list[k].name.s, name))
        argument_drop(diag, &call->args, k);
  }
}

/* ---- the train block ---- */

static const Const *argument_of(const Setting *setting, const char *name) {
  for (int i = 0; setting->arg && setting->form->params[i].name; i++)
    if (strcmp(setting->form->params[i].name, name) == 0 && const_is_number(&setting->arg[i]))
      return &setting->arg[i];
  return NULL;
}

static void lint_optimizer(Sema *s, const Setting *optimizer) {
  const Const *rate = argument_of(optimizer, "rate"), *second = argument_of(optimizer, "beta1"),
              *epsilon = argument_of(optimizer, "epsilon");
  const bool scales = epsilon && strcmp(optimizer->form->name, "lamb") != 0; /* each step to about the rate */
  if (!rate || !scales || !rate->span.file || rate->f < 0.5) return;
  Diag *diag = lint_warn(
      s, rate->span, NULL,
      arena_printf(s->arena, "with a rate of %s, %s changes each weight by about the rate at every step",
                   const_text(s->arena, rate), optimizer->form->name));
  if (second && second->f < 0.5)
    diag_help(diag, "the rate is the first argument, followed by beta1 and beta2: %s(rate=%s)",
              optimizer->form->name, const_text(s->arena, second));
  else diag_help(diag, "0.001 is the usual rate");
}

static void lint_time(Sema *s, const Const *time, const char *what, double epochs, const char *happens) {
  if (!time || !time->span.file || time->f < epochs) return;
  const char *of = text_double(s->arena, epochs);
  Diag *diag = lint_warn(s, time->span, NULL,
                         arena_printf(s->arena, "%s=%s with %s epoch%s: %s", what, const_text(s->arena, time),
                                      of, epochs > 1 ? "s" : "", happens));
  diag_help(diag, "the number is in epochs");
}

static void lint_schedule(Sema *s, const Training *t) {
  const Setting *schedule = &t->schedule;
  const double epochs = (double)t->epochs;
  const Const *factor = argument_of(schedule, "factor"), *floor = argument_of(schedule, "floor"),
              *rate = argument_of(&t->optimizer, "rate");
  lint_time(s, argument_of(schedule, "warmup"), "warmup", epochs, "the warm-up lasts for the whole training");
  lint_time(s, argument_of(schedule, "every"), "every", epochs, "the rate never changes");
  lint_time(s, argument_of(schedule, "patience"), "patience", epochs, "the rate never changes");
  for (int i = 0; schedule->arg && schedule->form->params[i].name; i++) {
    const Const *at = &schedule->arg[i];
    if (strcmp(schedule->form->params[i].name, "at") == 0 && at->kind == CONST_LIST && at->n)
      lint_time(s, &at->items[at->n - 1], "at", epochs, "training ends earlier");
  }
  if (factor && factor->span.file && factor->f > 1)
    diag_help(lint_warn(s, factor->span, NULL,
                        arena_printf(s->arena, "factor=%s increases the rate", const_text(s->arena, factor))),
              "the rate is multiplied by the factor: 0.1 divides it by 10");
  if (floor && rate && floor->span.file && floor->f > rate->f)
    diag_help(lint_warn(s, floor->span, NULL,
                        arena_printf(s->arena, "floor=%s is above the rate, %s, and increases it",
                                     const_text(s->arena, floor), const_text(s->arena, rate))),
              "floor is a rate, not a fraction of the rate");
}

/* Warns about shift and cutout if they may remove the whole image. */
static void lint_augment(Sema *s, const Setting *setting) {
  const Port *input = s->graph->inputs.n ? &s->graph->inputs.data[0] : NULL;
  const Const *arg = setting->arg;
  const bool moves = setting->form->params[0].name && setting->form->params[0].type == PARAM_INT;
  const bool covers = setting->form->params[0].name && setting->form->params[0].type == PARAM_WINDOW &&
                      setting->form->code == AUGMENT_PICTURE;
  if (!input || input->node->shape.rank != 3 || !arg || (!moves && !covers) ||
      (moves ? arg->kind != CONST_INT : arg->kind != CONST_DIMS))
    return;
  const Shape shape = input->node->shape;
  const int64_t h = moves ? arg->i : arg->items[0].i, w = moves ? arg->i : arg->items[arg->n - 1].i;
  if (moves ? h < shape.dim[0] && w < shape.dim[1] : h < shape.dim[0] || w < shape.dim[1]) return;
  Diag *diag = lint_warn(s, setting->span, NULL,
                         arena_printf(s->arena, "%s may remove all of a %s image", setting->form->name,
                                      shape_text(s->arena, shape)));
  diag_help(diag, "its unit is pixels; %s(%lld) is usual here", setting->form->name,
            (long long)(shape.dim[0] >= 16 ? shape.dim[0] / (moves ? 10 : 4) : 1));
}

/* Warns about a metric that is always 1, such as top(10) of 10 classes. */
static void lint_metric(Sema *s, const Setting *metric, const Training *t) {
  const Const *k = metric->arg && metric->form->params[0].name ? &metric->arg[0] : NULL;
  if (!k || k->kind != CONST_INT) return;
  int64_t classes = 0;
  for (int i = 0; i < t->losses.n; i++) {
    const Shape shape = graph_port(s->graph, t->losses.data[i].port)->node->shape;
    if (t->losses.data[i].op->traits.class_target && shape.rank && shape.dim[shape.rank - 1] > classes)
      classes = shape.dim[shape.rank - 1];
  }
  if (classes == 0 || k->i < classes) return;
  Diag *diag = lint_warn(s, metric->span, NULL,
                         arena_printf(s->arena, "%s(%lld) of %lld classes is always 1", metric->form->name,
                                      (long long)k->i, (long long)classes));
  if (classes > 2)
    diag_help(diag, "%s(%lld) covers about half of the classes", metric->form->name,
              (long long)(classes / 2));
}

void lint_training(Sema *s, const Training *t) {
  lint_optimizer(s, &t->optimizer);
  lint_schedule(s, t);
  for (int i = 0; i < t->augment.n; i++) lint_augment(s, &t->augment.data[i]);
  for (int i = 0; i < t->metrics.n; i++) lint_metric(s, &t->metrics.data[i], t);
}
