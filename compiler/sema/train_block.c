/* train_block.c: Reading and checking of the train block. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stddef.h>
#include <string.h>
#include "ops/settings/forms.h"
#include "sema/context.h"
#include "ops/registry.h"

typedef struct Reading {
  Sema *s;
  const Frame *frame;
  Training *training;
} Reading;

/* ---- forms: adam, adam(rate=0.01), or a constant string ---- */

static bool form_named(const Reading *r, const char *kind, const Form *const *table, const char *name,
                       Span span, const Form **form) {
  *form = form_find(table, name);
  if (*form) return true;
  Sema *s = r->s;
  const char *const *names = form_names(s->arena, table);
  Text all = {.arena = s->arena};
  for (int i = 0; names[i]; i++) text_put(&all, "%s%s", i ? " " : "", names[i]);
  Diag *diag = diag_report(s->diags, DIAG_unknown_choice, span, NULL, "there is no %s '%s'", kind, name);
  const bool augments = table == augment_table;
  const char *meant =
      augments ? name_meant_as(s->arena, ADVICE_AUGMENT, name, names) : name_meant(s->arena, name, names);
  const char *advice = augments ? name_advice(s->arena, ADVICE_AUGMENT, name, NULL) : NULL;
  if (meant) name_suggest(s->arena, diag, span, name, meant);
  if (advice) diag_help(diag, "%s", advice);
  if (!meant && !advice) diag_help(diag, "there are %s", words_join(s->arena, all.s, "and"));
  return false;
}

static bool form_read(const Reading *r, const char *kind, const Form *const *table, const Expr *e,
                      Setting *setting) {
  static const Arguments none = {0};
  const Arguments *args = e->kind == EXPR_CALL ? &e->args : &none;
  const Form *form = NULL;
  if (e->kind == EXPR_CALL) {
    if (!form_named(r, kind, table, e->callee.s, e->callee.span, &form)) return false;
  } else if (e->kind == EXPR_PATH && e->nparts == 1 &&
             (form_find(table, e->part[0].s) || !scope_find(r->frame->scope, e->part[0].s))) {
    if (!form_named(r, kind, table, e->part[0].s, e->span, &form)) return false;
  } else {
    const Const name = expr_eval(r->s, r->frame, e, NULL);
    if (name.kind == CONST_POISON) return false;
    if (name.kind != CONST_STRING) {
      diag_report(r->s->diags, DIAG_wrong_type, e->span, NULL, "%s takes a name, as in %s, but this is %s",
                  kind, table[0]->name, const_describe(r->s->arena, &name));
      return false;
    }
    if (!form_named(r, kind, table, name.s, e->span, &form)) return false;
  }
  const Bound bound = form_bind(r->s, r->frame, kind, form, args, e->span);
  *setting = (Setting){form, bound.arg, e->span};
  return bound.ok;
}

static const Const *form_arg(const Setting *setting, const char *name) {
  static const Const none = {.kind = CONST_NONE};
  for (int i = 0; setting->form->params[i].name; i++)
    if (strcmp(setting->form->params[i].name, name) == 0) return &setting->arg[i];
  return &none;
}

/* ---- optimizer and schedule ---- */

static void optimizer_read(const Reading *r, const Expr *e) {
  Setting *optimizer = &r->training->optimizer;
  if (!form_read(r, "optimizer", optimizer_table, e, optimizer)) return;
  const Const *nesterov = form_arg(optimizer, "nesterov"), *momentum = form_arg(optimizer, "momentum");
  if (nesterov->kind == CONST_BOOL && nesterov->i && momentum->f == 0)
    diag_help(diag_report(r->s->diags, DIAG_bad_value, e->span, NULL, "nesterov needs a momentum above 0"),
              "sgd(momentum=0.9, nesterov=true)");
}

static void milestones_check(const Reading *r, const Const *at) {
  double before = 0;
  for (int i = 0; i < at->n; i++) {
    const Const *item = &at->items[i];
    if (const_is_number(item) && item->f > before) {
      before = item->f;
      continue;
    }
    diag_report(r->s->diags, const_is_number(item) ? DIAG_bad_value : DIAG_wrong_type, at->span, NULL,
                "'at' of step takes epochs in increasing order, as in [30, 60], but this is %s",
                const_text(r->s->arena, at));
    return;
  }
  if (at->n == 0) diag_report(r->s->diags, DIAG_bad_value, at->span, NULL, "'at' of step is an empty list");
}

static void schedule_read(const Reading *r, const Expr *e) {
  Setting *schedule = &r->training->schedule;
  if (!form_read(r, "schedule", schedule_table, e, schedule)) return;
  const Const *every = form_arg(schedule, "every"), *at = form_arg(schedule, "at");
  if (at->kind == CONST_LIST) milestones_check(r, at);
  const bool stepped = schedule->form->code == SCHEDULE_STEP;
  if (stepped && every->kind == CONST_NONE && at->kind == CONST_NONE)
    diag_help(diag_report(r->s->diags, DIAG_missing_argument, e->span, NULL,
                          "step needs its argument 'every' or 'at'"),
              "step(every=30), or step(at=[30, 60])");
  if (stepped && every->kind != CONST_NONE && at->kind != CONST_NONE)
    diag_help(diag_report(r->s->diags, DIAG_duplicate_argument, e->span, NULL,
                          "step takes 'every' or 'at', not both"),
              "remove one of them");
}

/* ---- augmentations and metrics ---- */

/* Checks that the region of crop is inside the image. */
static void crop_check(const Reading *r, const Setting *setting, const Port *input) {
  const Extent e = shape_extent(input->node->shape);
  const Const *size = setting->arg;
  if (size->kind != CONST_DIMS) return;
  const int64_t height = size->items[0].i, width = size->items[size->n - 1].i;
  if (height <= e.h && width <= e.w) return;
  Diag *diag = diag_report(r->s->diags, DIAG_bad_value, setting->span, NULL,
                           "a %lldx%lld crop is larger than the input '%s', %s", (long long)height,
                           (long long)width, input->name, shape_text(r->s->arena, input->node->shape));
  diag_note(diag, input->span, "'%s' is declared here", input->name);
  diag_help(diag, "shift(pixels) has the same effect as random crops of padded images");
}

/* Reports an augmentation whose argument is in milliseconds, for an input without rate=. */
static void rate_check(const Reading *r, const Setting *setting, const Port *input) {
  if (input->node->port->rate > 0) return;
  Diag *diag =
      diag_report(r->s->diags, DIAG_missing_argument, setting->span, NULL,
                  "%s is in milliseconds, but the input '%s' has no rate", setting->form->name, input->name);
  diag_note(diag, input->span, "'%s' is declared here", input->name);
  diag_help(diag, "add the sampling rate to the declaration, as in (rate=16000)");
}

static bool is_of_sound(int code) { return code == AUGMENT_SOUND || code == AUGMENT_TIME; }

/* Whether an augmentation works on samples of this shape. */
static bool augment_fits(int code, Shape shape) {
  return code == AUGMENT_ANY || code == AUGMENT_MIX || (is_of_sound(code) && shape.rank == 2) ||
         (!is_of_sound(code) && shape.rank == 3 && (code != AUGMENT_COLOR || shape.dim[2] == 3));
}

/* Whether an augmentation changes values, but all inputs are indices. */
static bool augments_indices(const Reading *r, int code) {
  bool indices = code <= AUGMENT_SOUND;
  for (int i = 0; i < r->s->graph->inputs.n; i++)
    indices = indices && r->s->graph->inputs.data[i].node->port->elem == I32;
  return indices;
}

static void augment_check(const Reading *r, const Setting *setting) {
  const Port *input = r->s->graph->inputs.n ? &r->s->graph->inputs.data[0] : NULL;
  if (!input || !input->node->shape.rank) return;
  const Shape shape = input->node->shape;
  const int code = setting->form->code;
  const bool indices = augments_indices(r, code);
  if (!indices && augment_fits(code, shape)) {
    if (code == AUGMENT_PIECE) crop_check(r, setting, input);
    if (code == AUGMENT_TIME) rate_check(r, setting, input);
    return;
  }
  const char *wanted = indices                 ? "f32, u8, i8 and i16 inputs"
                       : code == AUGMENT_COLOR ? "images with three channels"
                       : is_of_sound(code)     ? "sound"
                                               : "images";
  Diag *diag = diag_report(r->s->diags, indices ? DIAG_wrong_type : DIAG_wrong_shape, setting->span, NULL,
                           "%s works on %s, but the input '%s' is %s", setting->form->name, wanted,
                           input->name, indices ? "i32" : shape_text(r->s->arena, shape));
  diag_note(diag, input->span, "'%s' is declared here", input->name);
}

static void read_forms(const Reading *r, const char *kind, const Form *const *table, const Expr *e,
                       void (*add)(const Reading *, const Setting *)) {
  const int n = e->kind == EXPR_LIST ? e->n : 1;
  for (int i = 0; i < n; i++) {
    Setting setting;
    if (form_read(r, kind, table, e->kind == EXPR_LIST ? e->items[i] : e, &setting)) add(r, &setting);
  }
}

static void augment_add(const Reading *r, const Setting *setting) {
  augment_check(r, setting);
  vec_push(r->s->arena, r->training->augment, *setting);
}

static void metric_add(const Reading *r, const Setting *setting) {
  vec_push(r->s->arena, r->training->metrics, *setting);
}

/* ---- quantization-aware training ---- */

static void quantize_read(const Reading *r, const Expr *e) {
  Setting setting;
  if (e->kind == EXPR_PATH && e->nparts == 1 && strcmp(e->part[0].s, "off") == 0) return;
  if (!form_read(r, "quantization", quantize_table, e, &setting)) return;
  QatSettings *aware = r->training->aware = NEW(r->s->arena, QatSettings);
  *aware = (QatSettings){.span = e->span,
                         .start = form_arg(&setting, "start")->i,
                         .momentum = form_arg(&setting, "momentum")->f,
                         .percentile = form_arg(&setting, "percentile")->f};
  if (aware->momentum >= 1)
    diag_report(r->s->diags, DIAG_bad_value, e->span, NULL,
                "'momentum' of int8 is 1, but must be below 1: ranges would not change after the first step");
}

static void quantize_check(const Reading *r) {
  const Training *t = r->training;
  if (!t->aware) return;
  if (t->aware->start >= t->epochs) {
    Diag *diag = diag_report(r->s->diags, DIAG_bad_value, t->aware->span, NULL,
                             "quantize starts after %s, but training has %lld: nothing would be rounded",
                             text_counted(r->s->arena, t->aware->start, "epoch"), (long long)t->epochs);
    diag_help(diag, "quantize = int8(start=%lld), or more epochs", (long long)(t->epochs / 2));
  }
  for (int i = 0; i < t->losses.n; i++) {
    if (!t->losses.data[i].op->traits.object_target) continue;
    Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, t->aware->span, NULL,
                             "quantize trains int8 models, but the inputs of %s stay in float",
                             t->losses.data[i].op->name);
    diag_help(diag,
              "remove quantize; for the layers before the loss, cnnc quantize chooses scales from data");
    return;
  }
}

static void augment_read(const Reading *r, const Expr *e) {
  read_forms(r, "augmentation", augment_table, e, augment_add);
}
static void metrics_read(const Reading *r, const Expr *e) {
  read_forms(r, "metric", metric_table, e, metric_add);
}
static void read_loss_key(const Reading *r, const Expr *e) { losses_read(r->s, r->frame, e, r->training); }

static bool has_pixels(const Graph *graph, const LossUse *use) {
  const Shape shape = graph_port(graph, use->port)->node->shape;
  return shape.rank == 3 && shape.dim[0] * shape.dim[1] > 1;
}

/* The kind of metrics that fits the prediction of a loss: metrics of classes, of a class per pixel, or of
 * numbers. */
static MetricCode loss_measure(const Graph *graph, const LossUse *use) {
  if (use->op->traits.class_target) return has_pixels(graph, use) ? METRIC_PIXELS : METRIC_CLASSES;
  return METRIC_VALUES;
}

static bool is_binary(const LossUse *use) {
  for (const Loss *loss = losses; loss->op; loss++)
    if (loss->op == use->op)
      return !use->op->traits.class_target && loss->absorbs[0]; /* the loss includes a sigmoid */
  return false;
}

static bool metric_fits(const Graph *graph, const Form *metric, const LossUse *use) {
  if (use->op->traits.object_target) return false; /* metrics measure detections, not the trained value */
  const MetricCode measure = loss_measure(graph, use);
  const int code = metric->code;
  if (code == METRIC_CLASSES)
    return measure != METRIC_VALUES || (is_binary(use) && metric->params[0].name == NULL);
  if (code == METRIC_PIXELS && is_binary(use)) return has_pixels(graph, use);
  return code == (int)measure;
}

/* Whether the metric measures boxes and the net outputs boxes, or the metric measures segments and the net
 * outputs segments. */
static bool has_detections(const Graph *graph, const Form *metric) {
  if (metric->code != METRIC_BOXES && metric->code != METRIC_SEGMENTS) return false;
  const Detects wanted = metric->code == METRIC_BOXES ? DETECTS_BOXES : DETECTS_SEGMENTS;
  for (int o = 0; o < graph->outputs.n; o++)
    if (graph->outputs.data[o].node->op->traits.detects == wanted) return true;
  return false;
}

static void metric_check_detections(const Reading *r, const Setting *metric) {
  if (has_detections(r->s->graph, metric->form)) return;
  const bool boxes = metric->form->code == METRIC_BOXES;
  Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, metric->span, NULL,
                           "%s measures %s, but no output of the net has any", metric->form->name,
                           boxes ? "boxes" : "segments");
  diag_help(diag, boxes ? "boxes come from nms: name its value in `output`"
                        : "segments come from panoptic: name its value in `output`");
}

static void metrics_finish(const Reading *r) {
  Training *t = r->training;
  const Graph *graph = r->s->graph;
  if (t->losses.n == 0) return;
  for (int i = 0; i < t->metrics.n; i++) {
    const int code = t->metrics.data[i].form->code;
    if (code == METRIC_BOXES || code == METRIC_SEGMENTS) {
      metric_check_detections(r, &t->metrics.data[i]);
      continue;
    }
    bool fits = false;
    for (int k = 0; k < t->losses.n; k++)
      fits |= metric_fits(graph, t->metrics.data[i].form, &t->losses.data[k]);
    if (fits) continue;
    Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, t->metrics.data[i].span, NULL,
                             "the metric %s does not fit the loss %s", t->metrics.data[i].form->name,
                             t->losses.data[0].op->name);
    diag_help(diag, "accuracy and top(k) are for classes, mae for numbers, iou and dice for classes of "
                    "pixels, map and pq for detections");
  }
  if (t->metrics.n) return;
  for (int i = 0; metric_table[i]; i++)
    if (has_detections(graph, metric_table[i]))
      vec_push(r->s->arena, t->metrics, ((Setting){metric_table[i], NULL, NO_SPAN}));
  const LossUse *first = &t->losses.data[0];
  for (int i = 0; metric_table[i] && !t->metrics.n && !first->op->traits.object_target; i++) {
    const Form *form = metric_table[i];
    const bool usual =
        is_binary(first) ? form->code == METRIC_CLASSES : form->code == (int)loss_measure(graph, first);
    if (usual) vec_push(r->s->arena, t->metrics, ((Setting){form, NULL, NO_SPAN}));
  }
}

/* ---- numbers and choices ---- */

typedef enum Store {
  STORE_INT,
  STORE_NUMBER,
  STORE_BELOW_1,
  STORE_SECOND
} Store; /* BELOW_1: a number below 1; SECOND: true if the second of two choices is selected */
typedef struct Key {
  Param param;
  void (*read)(const Reading *, const Expr *); /* NULL: a number or choice, stored at `offset` */
  Store store;
  size_t offset;
  bool off; /* may be `off`, which means 0 */
} Key;

#define READ(name, usual, help, reader) {{name, PARAM_LIST, usual, help, 0, 0, NULL}, reader, 0, 0, false}
#define NUMBER(name, type, usual, most, help, store, member)                                                 \
  {{name, type, usual, help, 0, most, NULL}, NULL, store, offsetof(Training, member), usual[0] == 'o'}
#define CHOICE(name, usual, words, help, member)                                                             \
  {{name, PARAM_CHOICE, usual, help, 0, 0, words}, NULL, STORE_SECOND, offsetof(Training, member), false}
static const Key keys[] = {
    READ("loss", NULL, "the loss; with several outputs a list: [cross_entropy(class), mse(size, weight=2)]",
         read_loss_key),
    READ("optimizer", "sgd", "the optimizer and its rate: adam(rate=0.001)", optimizer_read),
    READ("schedule", "constant", "how the rate changes: cosine(warmup=2)", schedule_read),
    NUMBER("batch", PARAM_INT, "32", 0, "samples per batch", STORE_INT, batch),
    NUMBER("epochs", PARAM_INT, "10", 0, "passes over the data", STORE_INT, epochs),
    NUMBER("seed", PARAM_INT, "1", 9.3e18,
           "random seed of weights, sample order, validation split, augmentation, dropout", STORE_INT, seed),
    NUMBER("accumulate", PARAM_INT, "1", 0,
           "batches per step; the step's gradient is the mean over all their samples", STORE_INT, accumulate),
    NUMBER(
        "average", PARAM_NUMBER, "off", 1,
        "moving average of the weights: the fraction of the average that is kept at each step, such as 0.999",
        STORE_BELOW_1, average),
    CHOICE("decay", "all", "all weights",
           "weights: weight decay applies only to weights, not to biases and norms", decay_weights_only),
    CHOICE("target", "labels", "labels input", "input: the input is also the target, as in an autoencoder",
           target_is_input),
    READ("augment", "none", "a list of augmentations: [hflip, shift(2)]", augment_read),
    NUMBER("clip_norm", PARAM_NUMBER, "off", 1e30, "largest norm of the gradient", STORE_NUMBER, clip_norm),
    NUMBER("early_stop", PARAM_INT, "off", 0,
           "number of epochs without an improvement after which training stops", STORE_INT, early_stop),
    NUMBER("label_smoothing", PARAM_NUMBER, "off", 1, "fraction of a label that is spread over all classes",
           STORE_BELOW_1, label_smoothing),
    NUMBER("steps", PARAM_INT, "1", 0, "for nets with states: number of consecutive calls in a sample",
           STORE_INT, steps),
    NUMBER("truncate", PARAM_INT, "off", 0, "number of calls after which gradients are truncated", STORE_INT,
           truncate),
    {{"loss_from", PARAM_INT, "0", "the first call that is part of the loss", 0, 1e6, NULL},
     NULL,
     STORE_INT,
     offsetof(Training, loss_from),
     false},
    READ("metrics", "set by the loss", "a list of metrics: [accuracy, top(5)]", metrics_read),
    READ("quantize", "off", "quantization-aware training that starts at an epoch: int8(start=5)",
         quantize_read),
};
enum { KEYS = sizeof keys / sizeof *keys };

const Param *train_key(int i) { return i < KEYS ? &keys[i].param : NULL; }

static const char *key_choices(Arena *arena, const Key *key) {
  if (key->param.choices)
    return key->off ? arena_printf(arena, "%s off", key->param.choices) : key->param.choices;
  return key->off ? "off" : NULL;
}

static void key_store(const Reading *r, const Key *key, const Expr *e) {
  const Choices choices = {key_choices(r->s->arena, key), key->param.name, NULL, false};
  const Const given = expr_eval(r->s, r->frame, e, choices.words ? &choices : NULL);
  const bool off =
      key->off && (given.kind == CONST_WORD || given.kind == CONST_STRING) && strcmp(given.s, "off") == 0;
  const Const value =
      off ? const_int(given.span, 0) : param_convert(r->s, r->frame, "the train block", &key->param, &given);
  char *at = (char *)r->training + key->offset;
  if (value.kind == CONST_POISON) return;
  if (key->store == STORE_INT) memcpy(at, &value.i, sizeof value.i);
  else if (key->store != STORE_SECOND) memcpy(at, &value.f, sizeof value.f);
  else *(bool *)at = strcmp(value.s, strchr(key->param.choices, ' ') + 1) == 0;
  if (key->store == STORE_BELOW_1 && value.f >= 1)
    diag_report(r->s->diags, DIAG_bad_value, e->span, NULL,
                "'%s' of the train block is 1, but must be below 1", key->param.name);
}

/* ---- the block ---- */

static const char *key_list(Arena *arena) {
  Text list = {.arena = arena};
  for (int i = 0; i < KEYS; i++)
    text_put(&list, "%s%s", i == 0 ? "" : i < KEYS - 1 ? ", " : " and ", keys[i].param.name);
  return list.s;
}

static const Key *key_find(const Reading *r, const Argument *setting, const Key **taken_for) {
  const char *names[KEYS + 1] = {0};
  for (int i = 0; i < KEYS; i++) {
    names[i] = keys[i].param.name;
    if (strcmp(names[i], setting->name.s) == 0) return &keys[i];
  }
  Diag *diag = diag_report(r->s->diags, DIAG_unknown_setting, setting->name.span, NULL,
                           "a train block has no setting '%s'", setting->name.s);
  const char *meant = name_meant(r->s->arena, setting->name.s, names);
  for (int i = 0; meant && i < KEYS; i++)
    if (names[i] == meant) *taken_for = &keys[i];
  const char *advice = name_advice(r->s->arena, ADVICE_SETTING, setting->name.s, NULL);
  if (advice) diag_help(diag, "%s", advice);
  else if (meant) diag_meant(diag, setting->name.span, setting->name.s, meant);
  else if (form_find(optimizer_table, setting->name.s)) diag_help(diag, "optimizer = %s", setting->name.s);
  else diag_help(diag, "there are %s", key_list(r->s->arena));
  return NULL;
}

/* Checks target = input: the loss must compare numbers, and the output must have the input's shape. */
static void target_check(const Reading *r) {
  const Graph *graph = r->s->graph;
  if (!r->training->target_is_input || graph->inputs.n == 0) return;
  const Port *input = &graph->inputs.data[0];
  for (int i = 0; i < r->training->losses.n; i++) {
    const LossUse *use = &r->training->losses.data[i];
    const Port *output = graph_port(graph, use->port);
    if (use->op->traits.class_target) {
      Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                               "%s compares classes, but the target is the input", use->op->name);
      diag_help(diag, "mse, mae, huber and binary_cross_entropy compare numbers");
    } else if (input->node->shape.rank && !shape_equal(output->node->shape, input->node->shape)) {
      Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                               "the target is the input, %s, but output '%s' is %s",
                               shape_text(r->s->arena, input->node->shape), output->name,
                               shape_text(r->s->arena, output->node->shape));
      diag_note(diag, output->node->span, "the output is produced here");
    }
  }
}

/* Reports mixup and cutmix with losses on objects: annotations of two images cannot be mixed. */
static void mix_check(const Reading *r) {
  const Training *t = r->training;
  const LossUse *objects = NULL;
  for (int i = 0; i < t->losses.n && !objects; i++)
    if (t->losses.data[i].op->traits.object_target) objects = &t->losses.data[i];
  for (int i = 0; i < t->augment.n && objects; i++) {
    const Setting *setting = &t->augment.data[i];
    if (setting->form->code != AUGMENT_MIX && setting->form->code != AUGMENT_MIX_PICTURE) continue;
    Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, setting->span, NULL,
                             "%s mixes two images, but the objects of two images cannot be mixed",
                             setting->form->name);
    diag_note(diag, objects->span, "the loss %s is for objects", objects->op->name);
    diag_help(diag, "remove %s; hflip, shift, zoom and others transform boxes together with the image",
              setting->form->name);
  }
}

static void smoothing_check(const Reading *r) {
  if (r->training->label_smoothing == 0 || r->training->losses.n == 0) return;
  for (int i = 0; i < r->training->losses.n; i++)
    if (r->training->losses.data[i].op->traits.class_target) return;
  Diag *diag = diag_report(r->s->diags, DIAG_loss_mismatch, r->training->losses.data[0].span, NULL,
                           "label_smoothing is for classes, but %s compares numbers",
                           r->training->losses.data[0].op->name);
  diag_help(diag, "remove label_smoothing");
}

/* ---- steps: several calls per sample ---- */
/* Number of nodes of a call in training, including the states that keep=true will add. *states: becomes true
 * if the net has states. */
static int64_t nodes_of_call(const Graph *graph, bool *states) {
  int64_t nodes = 0;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    const bool keeps = node->op->keep && arg_bool(node, "keep");
    *states = *states || keeps || node_is_state(node);
    nodes += node_is_input(node) ? 0 : keeps ? 3 : 1;
  }
  return nodes;
}

/* Reports augmentations of images, because they would have to change the images of all calls in the same way.
 * Augmentations that do not fit the shape of the input were reported before. */
static void steps_check_augment(const Reading *r) {
  const Training *t = r->training;
  for (int i = 0; i < t->augment.n && r->s->graph->inputs.n; i++) {
    const Setting *setting = &t->augment.data[i];
    const int code = setting->form->code;
    if (code == AUGMENT_ANY || code == AUGMENT_MIX || is_of_sound(code) ||
        !augment_fits(code, r->s->graph->inputs.data[0].node->shape))
      continue;
    diag_help(diag_report(r->s->diags, DIAG_bad_value, setting->span, NULL,
                          "%s works on single images, but a sample consists of %lld calls",
                          setting->form->name, (long long)t->steps),
              "noise, mixup and the augmentations of sound work on all calls of a sample");
  }
}

/* Reports losses of objects, and losses that need sums over all pixels of an image, such as dice. */
static void steps_check_losses(const Reading *r) {
  const Training *t = r->training;
  for (int i = 0; i < t->losses.n; i++) {
    const LossUse *use = &t->losses.data[i];
    if (use->op->traits.object_target || loss_parts(use->op)->slopes)
      diag_report(r->s->diags, DIAG_loss_mismatch, use->span, NULL,
                  "%s compares single images, but a sample consists of %lld calls", use->op->name,
                  (long long)t->steps);
  }
}

static void steps_check(const Reading *r, Span steps, Span truncate, Span loss_from) {
  const Training *t = r->training;
  Diags *diags = r->s->diags;
  bool states = false;
  const int64_t nodes = nodes_of_call(r->s->graph, &states);
  if (t->steps > 1 && !states)
    diag_help(diag_report(diags, DIAG_bad_value, steps, NULL,
                          "'steps' is for nets with states, but %s has no state", r->s->graph->name),
              "a state is either state(SHAPE) with update, or a recurrent layer with keep=true");
  if (t->truncate && t->steps == 1)
    diag_help(diag_report(diags, DIAG_bad_value, truncate, NULL,
                          "'truncate' cuts gradients between calls, but a sample consists of one call"),
              "steps = N makes samples of N calls");
  if (t->loss_from >= t->steps)
    diag_help(diag_report(diags, DIAG_bad_value, loss_from, NULL,
                          "'loss_from' is %lld, but a sample has %lld call%s, numbered from 0: the loss "
                          "would include no call",
                          (long long)t->loss_from, (long long)t->steps, t->steps == 1 ? "" : "s"),
              t->steps == 1 ? "steps = N makes samples of N calls"
                            : "loss_from = %lld counts only the last call",
              (long long)(t->steps - 1));
  if (t->steps == 1 || !states) return;
  if (nodes * t->steps > MOST_CALL_NODES) {
    Diag *diag = diag_report(diags, DIAG_too_large, steps, NULL,
                             "%s steps of %lld nodes are %s nodes in training, above the limit of %s",
                             text_thousands(r->s->arena, t->steps), (long long)nodes,
                             text_thousands(r->s->arena, nodes * t->steps),
                             text_thousands(r->s->arena, MOST_CALL_NODES));
    if (nodes * 2 <= MOST_CALL_NODES)
      diag_help(diag, "at most steps = %lld; rows of a recurrent layer do not count",
                (long long)(MOST_CALL_NODES / nodes));
  }
  steps_check_augment(r);
  steps_check_losses(r);
}

static Setting default_form(const Reading *r, const Form *form) {
  static const Arguments none = {0};
  return (Setting){form, form_bind(r->s, r->frame, "setting", form, &none, NO_SPAN).arg, NO_SPAN};
}

static void block_read(const Reading *r, const Stmt *stmt, const Argument *seen[KEYS]) {
  bool meant_loss = false; /* a key is a misspelling of `loss` */
  for (int i = 0; i < stmt->settings.n; i++) {
    const Argument *setting = &stmt->settings.list[i];
    const Key *taken_for = NULL, *key = key_find(r, setting, &taken_for);
    meant_loss |= taken_for == &keys[0];
    if (!key) continue;
    const Argument **before = &seen[key - keys];
    if (*before) {
      Diag *diag = diag_report(r->s->diags, DIAG_duplicate_argument, setting->span, NULL, "'%s' is set twice",
                               key->param.name);
      diag_note(diag, (*before)->span, "the first value is here");
      continue;
    }
    *before = setting;
    if (setting->value->kind == EXPR_POISON) continue;
    if (key->read) key->read(r, setting->value);
    else key_store(r, key, setting->value);
  }
  if (!seen[0] && !meant_loss && !damage_within(r->s, stmt->span.file, stmt->span.start, stmt->span.end)) {
    Diag *diag =
        diag_report(r->s->diags, DIAG_missing_argument, stmt->span, NULL, "the train block has no loss");
    diag_help(diag, "loss = cross_entropy for classes, loss = mse for numbers");
  }
}

/* The span of the setting's value; NO_SPAN if the setting was not given. */
static Span setting_span(const Argument *const seen[KEYS], const char *name) {
  for (int i = 0; i < KEYS; i++)
    if (strcmp(keys[i].param.name, name) == 0 && seen[i]) return seen[i]->value->span;
  return NO_SPAN;
}

void train_read(Sema *s, const Frame *frame, const Stmt *stmt) {
  if (!s->graph->training && s->train != stmt) { /* only stores the block: it is read at the end of the net,
                                                    when all outputs are known */
    if (s->train) {
      Diag *diag = diag_report(s->diags, DIAG_duplicate_statement, stmt->span, NULL, "a second train block");
      diag_note(diag, s->train->span, "the first train block is here");
      return;
    }
    s->train = stmt;
    s->train_order = frame->scope->entries.n;
    return;
  }
  Training *training = s->graph->training = NEW(s->arena, Training);
  *training =
      (Training){.span = stmt->span, .batch = 32, .epochs = 10, .seed = 1, .accumulate = 1, .steps = 1};
  const Reading r = {s, frame, training};
  const int mistakes = diags_mistakes(s->diags);
  training->optimizer = default_form(&r, optimizer_table[0]);
  training->schedule = default_form(&r, schedule_table[0]);
  const Argument *seen[KEYS] = {0};
  block_read(&r, stmt, seen);
  steps_check(&r, setting_span(seen, "steps"), setting_span(seen, "truncate"),
              setting_span(seen, "loss_from"));
  target_check(&r);
  mix_check(&r);
  smoothing_check(&r);
  quantize_check(&r);
  metrics_finish(&r);
  if (diags_mistakes(s->diags) == mistakes) lint_training(s, training);
}
