/* refusals.c: Repeated imports with other options, and reports of unsupported nodes, of the largest part that
 * can be imported, and of all nodes (--list). */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "import/import.h"

enum { MOST_ASKED = 64, LONGEST_HELP = 4096, MOST_KINDS = 32, MOST_TRIALS = 16 };

/* ---- unsupported operators ---- */
const char *never_imported(const ModelImport *im, const OnnxNode *node) {
  if (node->refused) return node->refused;
  const OnnxOperator *row = onnx_operator(node->op);
  if (!im->varies[node->out[0]]) return NULL; /* a constant */
  if (!row) return "cnnc has no such operator";
  return row->import == import_none ? row->word : NULL;
}

/* ---- repeated imports ---- */
static Diags *silent_diags(const ModelImport *im) {
  Sources *sources = NEW(im->arena, Sources);
  sources->arena = im->arena;
  return diags_new(im->arena, sources);
}

#ifndef __wasi__
static bool has_images(const ModelImport *im) {
  for (int i = 0; i < im->ports.n; i++) {
    const OnnxPort *port = im->ports.data[i];
    const View *view = im->item[port->tensor].view;
    if (port->dim[0] > 1 && view->rank > 1 && factors_batch(&view->along[0])) return true;
  }
  return false;
}

/* In a model with a fixed number of images, a node may combine the images, for example as time steps. So this
 * function imports the model again, with the images as a dimension of the values. Returns `im` if the second
 * import has more problems, or if no input has several images. */
ModelImport *import_together(ModelImport *im) {
  if (!has_images(im)) return im;
  ImportOptions *options = NEW(im->arena, ImportOptions);
  *options = *im->options;
  options->together = true;
  ModelImport *whole = import_again(im, silent_diags(im), options);
  if (!whole || whole->problems.n > im->problems.n) return im;
  whole->diags = im->diags;
  return whole;
}

static int64_t number_of_tensor(const ModelImport *im, int tensor, int64_t otherwise) {
  const Tensor *t = tensor ? im->item[tensor].constant : NULL;
  return !tensor ? otherwise : t && t->n == 1 ? tensor_integer(t, 0) : -1;
}

/* The largest number of iterations of a Loop or a Scan; INT64_MAX: no limit; -1: unknown, or another node. */
static int64_t iterations_of(const ModelImport *im, const OnnxNode *node) {
  if (!strcmp(node->op, "Loop") && node->nin > 1) {
    const int64_t begins = number_of_tensor(im, node->in[1], 1);
    return begins < 1 ? begins : number_of_tensor(im, node->in[0], INT64_MAX);
  }
  const int64_t first = node->nin - onnx_int(node, "num_scan_inputs", 0);
  if (strcmp(node->op, "Scan") != 0 || first < 0 || first >= node->nin) return -1;
  const Item *item = &im->item[node->in[first]];
  const AttributeProto *axes = onnx_attribute(node, "scan_input_axes");
  const int rank = item->view ? item->view->rank : item->constant ? item->constant->rank : 0;
  int64_t axis = axes && axes->ints.n ? axes->ints.data[0] : 0;
  if (axis < 0) axis += rank;
  if (axis < 0 || axis >= rank) return -1;
  return item->view ? item->view->size[axis] : item->constant->dim[axis];
}

static OnnxLoop *loop_known(const OnnxLoops *loops, const char *output) {
  for (int k = 0; k < loops->n; k++)
    if (!strcmp(loops->data[k].output, output)) return &loops->data[k];
  return NULL;
}

/* Adds the loops whose number of iterations the import has found. Returns whether there are any. */
static bool find_counts(const ModelImport *im, OnnxLoops *loops) {
  bool any = false;
  for (int i = 0; i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    const int64_t n = im->live[i] && node->nout && node->out[0] ? iterations_of(im, node) : -1;
    const OnnxLoop loop = {im->onnx->tensor[node->nout ? node->out[0] : 0], n, 0};
    if (n < 0 || loop_known(loops, loop.output)) continue;
    vec_push(im->arena, *loops, loop);
    any = true;
  }
  return any;
}

/* Compares the conditions that were assumed when loops were unrolled with their values. Corrects the loops
 * that end earlier; a loop whose end is unknown cannot be unrolled. Returns whether any loop has changed. */
static bool check_conditions(const ModelImport *im, OnnxLoops *loops) {
  const char *changed = NULL; /* the loop that was changed last */
  for (int i = 0; i < im->onnx->conditions.n; i++) {
    const OnnxCondition *c = &im->onnx->conditions.data[i];
    const char *output = c->outputs.data[0];
    if (changed && !strcmp(output, changed)) continue;
    const Item *item = &im->item[c->tensor];
    const int64_t again = number_of_tensor(im, c->tensor, -1);
    if (!item->constant && !item->view) continue; /* not needed, or an earlier problem is the cause */
    if (again >= 0 && c->last == !again) continue;
    OnnxLoop *loop = loop_known(loops, output);
    const OnnxLoop found = {.output = changed = output,
                            .most = again  ? -1
                                    : loop ? loop->most
                                           : INT64_MAX,
                            .until = c->iteration + 1};
    if (loop) *loop = found;
    else vec_push(im->arena, *loops, found);
  }
  return changed != NULL;
}

/* Imports the model again, and unrolls all loops whose number of iterations follows from shapes and from
 * inputs with constant values. Returns `im` if no further loop can be unrolled. */
ModelImport *import_unrolled(ModelImport *im) {
  ImportOptions *options = NEW(im->arena, ImportOptions);
  *options = *im->options;
  options->loops = (OnnxLoops){0};
  for (int i = 0; i < im->options->loops.n; i++)
    vec_push(im->arena, options->loops, im->options->loops.data[i]);
  const bool ends = check_conditions(im, &options->loops), counts = find_counts(im, &options->loops);
  if (im->onnx->tflite || (!ends && !counts)) return im;
  ModelImport *unrolled = import_again(im, silent_diags(im), options);
  if (!unrolled) return im;
  unrolled->diags = im->diags;
  return unrolled;
}
#endif

/* ---- the largest part ---- */
/* The name that selects `tensor` in --outputs: the name of its node or, if that name selects another tensor,
 * the name of `tensor`. */
static const char *refused_output_name(const ModelImport *im, int tensor) {
  if (im->onnx->shown) return im->onnx->tensor[tensor];
  const OnnxNode *node = im->maker[tensor] >= 0 ? &im->onnx->node[im->maker[tensor]] : NULL;
  const bool named = node && *node->name && node->out[0] == tensor && !strchr(node->name, ',');
  int first = 0; /* if several nodes have the same name, --outputs selects the first of them */
  while (named && strcmp(im->onnx->node[first].name, node->name) != 0) first++;
  const bool meant = named && first == node->index && !onnx_tensor(im->onnx, node->name);
  return meant ? node->name : im->onnx->tensor[tensor];
}

/* Whether a tensor is a computed value that can be an output. */
static bool is_computed(const ModelImport *im, int tensor) {
  const View *view = tensor ? im->item[tensor].view : NULL;
  return view && view->value->made && always_computed(im, tensor);
}

/* Selects a tensor as an output. A tensor that the importer created is not in the TensorFlow Lite model: the
 * tensors that it is computed from are selected instead. */
static void ask_for(const ModelImport *im, int tensor, bool *asked) {
  const int *shown = im->onnx->shown;
  if (!shown || shown[tensor]) {
    asked[shown ? shown[tensor] : tensor] = true;
    return;
  }
  const OnnxNode *maker = &im->onnx->node[im->maker[tensor]];
  for (int k = 0; k < maker->nin; k++)
    if (is_computed(im, maker->in[k])) ask_for(im, maker->in[k], asked);
}

static void ask_for_inputs(const ModelImport *im, const OnnxNode *node, bool *asked) {
  for (int k = 0; k < node->nin; k++)
    if (is_computed(im, node->in[k])) ask_for(im, node->in[k], asked);
}

/* For a tensor that the program cannot return: selects the inputs of its node as outputs instead. */
static void step_back(const ModelImport *im, const Problem *output, bool *asked) {
  const int maker = im->maker[output->tensor];
  asked[output->tensor] = false;
  if (maker >= 0) ask_for_inputs(im, &im->onnx->node[maker], asked);
}

/* Finds the tensors that could be the outputs of an import: operands of unsupported nodes, and the model's
 * outputs. */
static void last_values(const ModelImport *im, bool *asked) {
  const Onnx *o = im->onnx;
  for (int i = 0; i < o->nnodes; i++) {
    const OnnxNode *node = &o->node[i];
    bool unknown = im->live[i] && node->nout > 0;
    for (int k = 0; k < node->nout; k++)
      unknown =
          unknown && (!node->out[k] || (!im->item[node->out[k]].view && !im->item[node->out[k]].constant));
    if (unknown) ask_for_inputs(im, node, asked);
  }
  for (int i = 0; i < im->outputs.n; i++)
    if (is_computed(im, im->outputs.data[i].port->tensor)) asked[im->outputs.data[i].port->tensor] = true;
  for (int i = 0; i < im->problems.n; i++)
    if (!im->problems.data[i].node) step_back(im, &im->problems.data[i], asked);
}

/* The import, if it is complete and its program compiles; otherwise NULL. */
static ModelImport *if_complete(ModelImport *part) {
  if (!part || part->problems.n || !import_finish(part)) return NULL;
  return !part->options->admits || part->options->admits(part) ? part : NULL;
}

/* Imports the part of the model up to these outputs, without messages; NULL after a failure. If the only
 * problem is that the program cannot return some outputs, the inputs of their nodes replace these outputs in
 * `asked`, and *again is true. */
static ModelImport *try_outputs(const ModelImport *im, bool *asked, bool *again) {
  ImportOptions *options = NEW(im->arena, ImportOptions);
  *options = *im->options;
  options->outputs.data = NULL;
  options->outputs.n = options->outputs.room = 0;
  for (int t = 1; t < im->onnx->ntensors; t++)
    if (asked[t]) vec_push(im->arena, options->outputs, refused_output_name(im, t));
  *again = false;
  if (options->outputs.n == 0 || options->outputs.n > MOST_ASKED) return NULL;
  ModelImport *part = import_again(im, silent_diags(im), options);
  if (!part) return NULL;
  for (int i = 0; i < part->problems.n; i++) {
    const Problem *p = &part->problems.data[i];
    *again = !p->node;
    if (p->node) return NULL;
    step_back(im, p, asked);
  }
  return if_complete(part);
}

static const char *unit(const ModelImport *im) { return im->onnx->tflite ? "operator" : "node"; }

void refusals_help(Arena *arena, Diag *diag, int n, const char *const *outputs, int operators,
                   const char *unit) {
  Text text = {.arena = arena};
  for (int i = 0; i < n; i++) text_put(&text, "%s%s", i ? "," : "", outputs[i]);
  if (text.n < LONGEST_HELP)
    diag_help(diag, "--outputs=%s is the largest part that can be imported (%d %s%s)",
              text_shell(arena, text.s), operators, unit, operators == 1 ? "" : "s");
}

static int part_size(const ModelImport *part) {
  return part ? onnx_count_operators(part->onnx, part->live) : 0;
}

/* Imports the model without one of its outputs, if a refused node has several results: one of these may be
 * the cause. Returns the largest of these parts, or NULL. */
static const ModelImport *without_one_output(const ModelImport *im) {
  const Onnx *o = im->onnx;
  const ModelImport *best = NULL;
  bool several = false;
  for (int i = 0; i < im->problems.n; i++)
    several = several || (im->problems.data[i].node && im->problems.data[i].node->nout > 1);
  for (int out = 0; several && o->noutputs > 1 && o->noutputs <= MOST_TRIALS && out < o->noutputs; out++) {
    bool *asked = NEW_ARRAY(im->arena, bool, o->ntensors), again;
    for (int k = 0; k < o->noutputs; k++) asked[o->output[k].tensor] = k != out;
    const ModelImport *part = try_outputs(im, asked, &again);
    if (part_size(part) > part_size(best)) best = part;
  }
  return best;
}

static void help_with_part(ModelImport *im, Diag *diag) {
  bool *asked = NEW_ARRAY(im->arena, bool, im->onnx->ntensors), again = true;
  const ModelImport *part = NULL, *other = without_one_output(im);
  last_values(im, asked);
  for (int trial = 0; trial < MOST_TRIALS && again && !part; trial++) part = try_outputs(im, asked, &again);
  if (part_size(other) > part_size(part)) part = other;
  if (part)
    refusals_help(im->arena, diag, part->options->outputs.n, part->options->outputs.data, part_size(part),
                  unit(im));
}

/* If the whole model can be imported with its masks set to 1: suggests this. Returns whether it can. */
static bool help_with_masks(const ModelImport *im, Diag *diag) {
  ImportOptions *options = NEW(im->arena, ImportOptions);
  Text sets = {.arena = im->arena};
  *options = *im->options;
  options->settings.data = NULL;
  options->settings.n = options->settings.room = 0;
  for (int i = 0; i < im->options->settings.n; i++)
    vec_push(im->arena, options->settings, im->options->settings.data[i]);
  for (int i = 0; i < im->ports.n; i++) {
    if (!strstr(im->ports.data[i]->name, "mask")) continue;
    ImportSetting one = {.input = im->ports.data[i]->name};
    vec_push(im->arena, one.value, 1);
    vec_push(im->arena, options->settings, one);
    text_put(&sets, "%s--set %s=1", sets.n ? " " : "", text_shell(im->arena, one.input));
  }
  if (!sets.n || !if_complete(import_again(im, silent_diags(im), options))) return false;
  diag_help(diag, "with %s, a constant mask, the whole model can be imported", sets.s);
  return true;
}

/* ---- the report ---- */
static bool same_refusal(const Refusal *a, const Refusal *b) {
  return a->kind && b->kind && strcmp(a->kind, b->kind) == 0 && strcmp(a->why, b->why) == 0;
}

/* Whether only a large change of the model can remove the reason. Such reasons are reported first. */
static bool is_blocking(const char *why) {
  static const char *const causes[] = {"recurren",
                                       "a loop",
                                       "attention",
                                       "a Fourier transform",
                                       "decision trees",
                                       "a support vector machine",
                                       "state between calls",
                                       "outside TensorFlow Lite",
                                       "depends on values",
                                       "a table of labels",
                                       NULL};
  int k = 0;
  while (causes[k] && !strstr(why, causes[k])) k++;
  return causes[k] != NULL;
}

int refusals_tell(Arena *arena, Diag *diag, int n, const Refusal *list) {
  int kinds = 0;
  for (int k = 0; k < 2 * n; k++) {
    const int i = k % n;
    int before = 0, more = 0;
    if (is_blocking(list[i].why) != (k < n)) continue;
    while (before < i && !same_refusal(&list[before], &list[i])) before++;
    if (before < i || ++kinds > MOST_KINDS) continue;
    for (int later = i + 1; later < n; later++) more += same_refusal(&list[later], &list[i]);
    diag_fact(diag, "%s%s: %s", list[i].title, more ? arena_printf(arena, " and %d more", more) : "",
              list[i].why);
  }
  return kinds > MOST_KINDS ? kinds - MOST_KINDS : 0;
}

static int tell_problems(const ModelImport *im, Diag *diag) {
  Refusal *list = NEW_ARRAY(im->arena, Refusal, im->problems.n + 1);
  for (int i = 0; i < im->problems.n; i++) {
    const Problem *p = &im->problems.data[i];
    list[i] = (Refusal){.kind = p->node ? onnx_kind(p->node) : NULL,
                        .title = p->node ? onnx_title(im->onnx, p->node)
                                         : arena_printf(im->arena, "output '%s'", p->what),
                        .why = p->why};
  }
  return refusals_tell(im->arena, diag, im->problems.n, list);
}

static Diag *report_kinds(ModelImport *im) {
  const int live = onnx_count_operators(im->onnx, im->live);
  int nodes = 0;
  for (int i = 0; i < im->problems.n; i++) nodes += im->problems.data[i].node != NULL;
  const int n = nodes ? nodes : im->problems.n, of = nodes ? live : im->onnx->noutputs;
  Diag *diag =
      diag_report(im->diags, DIAG_import_operator, im->at, NULL, "%d of %d %s%s ha%s no form in the language",
                  n, of, nodes ? unit(im) : "output", of == 1 ? "" : "s", n == 1 ? "s" : "ve");
  const int more = tell_problems(im, diag);
  if (more) diag_fact(diag, "and %d more: cnnc import --list prints them", more);
  return diag;
}

void report_problems(ModelImport *im) {
  Diag *diag = report_kinds(im);
  if (!help_with_masks(im, diag)) help_with_part(im, diag);
}

void report_never_imported(ModelImport *im) {
  const Onnx *o = im->onnx;
  const OnnxPort **port = NEW_ARRAY(im->arena, const OnnxPort *, o->ninputs + 1);
  int n = 0;
  for (int i = 0; i < o->ninputs; i++) /* skips scalars: --set can make them constants */
    if (o->input[i].rank != 0 && !im->onnx->constant[o->input[i].tensor]) port[n++] = &o->input[i];
  find_varying(im, port, n);
  for (int i = 0; i < o->nnodes; i++) {
    im->why = im->live[i] && o->node[i].nout ? never_imported(im, &o->node[i]) : NULL;
    if (im->why) add_problem(im, &o->node[i]);
  }
  if (im->problems.n) report_kinds(im);
}

/* ---- --list ---- */
static void put_onnx_shape(Text *out, const ModelImport *im, const OnnxNode *node) {
  const Item *item = node->nout ? &im->item[node->out[0]] : NULL;
  const int rank = !item ? 0 : item->view ? item->view->rank : item->constant ? item->constant->rank : 0;
  const int64_t *size = item && item->view       ? item->view->size
                        : item && item->constant ? item->constant->dim
                                                 : NULL;
  Text shape = {.arena = im->arena};
  for (int d = 0; d < rank; d++) text_put(&shape, "%s%lld", d ? "x" : "", (long long)size[d]);
  text_put(out, "%-16s", shape.s ? shape.s : size ? "1" : "?");
}

const char *import_list(Arena *arena, Diags *diags, const char *path, Span at, const ImportOptions *options,
                        bool *whole) {
  return import_list_graph(arena, diags, at, options, onnx_open(arena, diags, path, at), whole);
}

const char *import_list_graph(Arena *arena, Diags *diags, Span at, const ImportOptions *options, Onnx *onnx,
                              bool *whole) {
  ModelImport *im = import_try(arena, diags, at, options, onnx);
  if (!im) return NULL;
  *whole = !im->problems.n;
  make_frames(im);
  Text text = {.arena = arena};
  for (int i = 0; i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    const char *why = im->refused[i];
    text_put(&text, "%-20s ", node->op);
    put_onnx_shape(&text, im, node);
    if (why) text_put(&text, " no form: %s", why);
    else
      text_put(&text, " %s",
               im->became[i] ? im->became[i]
               : im->live[i] ? "after an unsupported node"
                             : "not needed");
    text_put(&text, "    # %s\n", node->title ? node->title : onnx_name(im->onnx, node));
  }
  for (int p = 0; p < im->problems.n; p++)
    if (!im->problems.data[p].node)
      text_put(&text, "%-20s %-16s no form: %s    # %s\n", "output", "?", im->problems.data[p].why,
               im->problems.data[p].what);
  return text.n ? text.s : "";
}
