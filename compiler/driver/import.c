/* import.c: `cnnc import`: converts a model to a program and its weights. The front end then compiles the
 * program, and the program's shapes are compared with the model's. */
// SPDX-License-Identifier: Apache-2.0
#include "graph/op.h"
#include "import.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "import/import.h"
#include "import/tflite/tflite.h"
#include "syntax/format.h"
#include "graph/graph.h"
#include "options.h"
#include "flags.h"
#include "sema/sema.h"

typedef struct Importing {
  Arena *arena;
  ImportOptions options;
  const char *model, *output, *rename, *profile;
  int diagnostics, color;
  WordList warnings;
  bool list, help;
  Sources sources;
  Diags *diags;
  Outputs *outputs;
} Importing;

/* ---- the command line ---- */
static bool read_input_shape(const FlagUse *use, void *member, const char *text) {
  Importing *m = use->options;
  (void)member;
  const char *equal = strrchr(text, '='), *at = equal;
  ImportShape shape = {0};
  if (!equal || equal == text) return usage_error("--shape must be INPUT=1x3x320x320, not '%s'", text);
  shape.input = arena_copy(m->arena, text, (size_t)(equal - text));
  while (at) {
    char *end;
    const long size = strtol(at + 1, &end, 10);
    if (end == at + 1 || size < 1 || size > INT32_MAX || shape.rank == MOST_DIMS || (*end && *end != 'x'))
      return usage_error("--shape needs sizes such as 1x3x320x320, not '%s'", equal + 1);
    shape.dim[shape.rank++] = size;
    at = *end ? end : NULL;
  }
  if (!FLAG_NAMES_ONCE(use, m->options.shapes, shape.input)) return false;
  vec_push(m->arena, m->options.shapes, shape);
  return true;
}

static bool read_bytes(const FlagUse *use, void *member, const char *text) {
  Importing *m = use->options;
  (void)member;
  const char *equal = strrchr(text, '=');
  if (!equal || equal == text || strcmp(equal, "=u8") != 0)
    return usage_error("--input must be INPUT=u8, not '%s'", text);
  vec_push(m->arena, m->options.bytes, arena_copy(m->arena, text, (size_t)(equal - text)));
  return true;
}

static bool read_input_setting(const FlagUse *use, void *member, const char *text) {
  Importing *m = use->options;
  (void)member;
  const char *equal = strrchr(text, '='), *at = equal;
  ImportSetting set = {0};
  if (!equal || equal == text) return usage_error("--set must be INPUT=NUMBER, not '%s'", text);
  set.input = arena_copy(m->arena, text, (size_t)(equal - text));
  while (at) {
    const char *word = at + 1;
    const size_t n = strcspn(word, ",");
    const bool yes = n == 4 && strncmp(word, "true", 4) == 0, no = n == 5 && strncmp(word, "false", 5) == 0;
    char *end = (char *)(uintptr_t)(word + n);
    const double number = yes || no ? yes : strtod(word, &end);
    if (n == 0 || end != word + n || !isfinite(number))
      return usage_error("--set needs numbers, true or false, not '%s'", equal + 1);
    vec_push(m->arena, set.value, number);
    at = word[n] ? word + n : NULL;
  }
  if (!FLAG_NAMES_ONCE(use, m->options.settings, set.input)) return false;
  vec_push(m->arena, m->options.settings, set);
  return true;
}

/* INPUT=OUTPUT[,INPUT=OUTPUT...] */
static bool read_states(const FlagUse *use, void *member, const char *text) {
  Importing *m = use->options;
  (void)member;
  for (const char *word = text; word;) {
    const size_t n = strcspn(word, ",");
    const char *pair = arena_copy(m->arena, word, n), *equal = strchr(pair, '=');
    if (!equal || equal == pair || !equal[1])
      return usage_error("--state must be INPUT=OUTPUT[,...], not '%s'", text);
    const ImportState state = {arena_copy(m->arena, pair, (size_t)(equal - pair)), equal + 1, NULL};
    if (!FLAG_NAMES_ONCE(use, m->options.states, state.input)) return false;
    vec_push(m->arena, m->options.states, state);
    word = word[n] ? word + n + 1 : NULL;
  }
  return true;
}

static bool read_outputs(const FlagUse *use, void *member, const char *text) {
  Importing *m = use->options;
  (void)member;
  for (const char *word = text; word;) {
    const size_t n = strcspn(word, ",");
    if (n == 0) return usage_error("--outputs must be a list of names, not '%s'", text);
    const char *name = arena_copy(m->arena, word, n);
    if (!FLAG_NAMES_ONCE(use, m->options.outputs, name)) return false;
    vec_push(m->arena, m->options.outputs, name);
    word = word[n] ? word + n + 1 : NULL;
  }
  return true;
}

/* chw and hwc are layouts of the caller's buffers; nchw and nhwc are layouts of the model's inputs. */
static bool read_orders(const FlagUse *use, void *member, const char *text) {
  Importing *m = use->options;
  (void)member;
  const char *equal = strrchr(text, '='), *order = equal ? equal + 1 : text;
  const bool last = strcmp(order, "nhwc") == 0, chw = strcmp(text, "chw") == 0;
  if ((last || strcmp(order, "nchw") == 0) && equal != text) {
    const char *input = equal ? arena_copy(m->arena, text, (size_t)(equal - text)) : NULL;
    if (!FLAG_NAMES_ONCE(use, m->options.layouts, input)) return false;
    vec_push(m->arena, m->options.layouts, ((ImportLayout){input, last}));
    return true;
  }
  m->options.chw = chw;
  return chw || strcmp(text, "hwc") == 0 ||
         usage_error("--layout must be hwc, chw, nchw, nhwc or INPUT=nhwc, not '%s'", text);
}

static bool read_net_name(const FlagUse *use, void *member, const char *text) {
  flag_text(use, member, text);
  return is_name(text, strlen(text)) || usage_error("'%s' is not a valid net name", text);
}

#define AT(member) offsetof(Importing, member)
static const Flag import_options[] = {
    {NULL, 'o', required_argument, flag_file, AT(output), "-o NAME",
     "write NAME.cnn and NAME.safetensors; default: the model's name, in this directory, or in the folder "
     "NAME/; -: only the program, to standard output",
     "@file"},
    {"outputs", 0, required_argument, read_outputs, AT(options.outputs), "--outputs=A[,B...]",
     "import only the part of the model that computes these tensors or nodes", NULL},
    {"shape", 0, required_argument, read_input_shape, AT(options.shapes), "--shape INPUT=1x3x320x320",
     "the sizes of an input with symbolic dimensions; a symbolic first dimension, the batch, is 1 by default",
     NULL},
    {"input", 0, required_argument, read_bytes, AT(options.bytes), "--input INPUT=u8",
     "the input type is u8 (raw bytes)", NULL},
    {"set", 0, required_argument, read_input_setting, AT(options.settings), "--set INPUT=NUMBER",
     "replace the input by a constant: a number, or numbers separated by commas. Sizes of tensors and "
     "conditions of If may depend on this constant",
     NULL},
    {"state", 0, required_argument, read_states, AT(options.states), "--state INPUT=OUTPUT[,...]",
     "make INPUT and OUTPUT a state of the net: OUTPUT of each call becomes INPUT of the next. The first "
     "call gets zeros",
     NULL},
    {"layout", 0, required_argument, read_orders, AT(options.layouts), "--layout=ORDER",
     "hwc (channels last) or chw (as in ONNX): layout of the caller's buffers. nchw or nhwc, or INPUT=nhwc "
     "for one input: layout of the model's inputs, by default inferred from its operators",
     "hwc chw nchw nhwc"},
    {"name", 0, required_argument, read_net_name, AT(options.net), "--name=NET", "the name of the net", NULL},
    {"rename", 0, required_argument, flag_text, AT(rename), "--rename=FILE",
     "layer names: lines OLD = NEW, with * for any characters; the last matching line wins", "@file"},
    {"rounding", 0, required_argument, flag_word, AT(options.rounding), "--rounding=KIND",
     "rounding of a quantized model: double, as in TFLM and CMSIS-NN (default for TensorFlow Lite); litert, "
     "as in LiteRT's reference kernels (TensorFlow Lite only); single, as in ruy; float, as in XNNPACK and "
     "onnxruntime (default for ONNX)",
     "double litert single float"},
    {"variables", 0, required_argument, flag_word, AT(options.variables), "--variables=KIND",
     "how variables of a TensorFlow Lite model are imported. raise (the default): a streaming model becomes "
     "a net that "
     "takes whole sequences, and recurrent layers start each call from zeros. keep: variables become states, "
     "and recurrent layers get keep=true",
     "raise keep"},
    {"profile", 0, required_argument, flag_word, AT(profile), "--profile=NAME",
     "refuse an ONNX model that violates this profile: sonnx, the draft of ONNX's safety-related profile",
     "sonnx"},
    {"list", 0, no_argument, flag_set, AT(list), "--list",
     "print the result of the import for each node, and write nothing", NULL},
    FLAG_WARNINGS(AT(warnings)),
    FLAG_DIAGNOSTICS(AT(diagnostics)),
    FLAG_COLOR(AT(color)),
    FLAG_HELP(AT(help)),
    FLAG_END,
};

static bool read_import_line(Importing *m, int argc, char **argv) {
  if (!flags_read(m->arena, import_options, m, NULL, argc, argv)) return false;
  if (m->help) return true;
  if (optind == argc) return usage_error("missing model: cnnc import MODEL [-o NAME]");
  if (argc - optind > 1) return usage_error("more than one model: cnnc import converts one at a time");
  m->model = argv[optind];
  return *m->model != 0 || usage_error("the model's file name is empty");
}

/* ---- names ---- */
static const char *without_suffix(Importing *m, const char *path, const char *suffix) {
  const size_t n = strlen(path), s = strlen(suffix);
  const bool has = n > s && path[n - s - 1] != '/' && strcmp(path + n - s, suffix) == 0;
  return arena_copy(m->arena, path, has ? n - s : n);
}

const char *import_net_name(Arena *arena, const char *path) {
  const char *base = base_name(path);
  char *name = arena_printf(arena, "%s%s", *base >= '0' && *base <= '9' ? "net_" : "", base);
  for (char *c = name; *c; c++)
    if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9'))) *c = '_';
  static const char *const words[] = {
#define KEYWORD(word, token) #word,
#include "keywords.def"
#undef KEYWORD
      NULL};
  for (int i = 0; words[i]; i++)
    if (strcmp(words[i], name) == 0) return arena_printf(arena, "net_%s", name);
  return *name ? name : "net_";
}

static bool read_renames(Importing *m) {
  size_t n;
  const char *why = NULL, *text = m->rename ? file_read(m->arena, m->rename, &n, &why) : "";
  if (!text) {
    diag_report(m->diags, DIAG_file_unreadable, NO_SPAN, NULL, "cannot read '%s': %s", m->rename, why);
    return false;
  }
  for (int line = 1; *text; line++) {
    const size_t length = strcspn(text, "\n");
    char theirs[256], ours[256], rest;
    const char *copy = arena_copy(m->arena, text, length);
    const int words = sscanf(copy, " %255[^= \t\r] = %255[^ \t\r] %c", theirs, ours, &rest);
    text += length + (text[length] == '\n');
    if (words == EOF || (words > 0 && theirs[0] == '#')) continue;
    if (words != 2) {
      diag_report(m->diags, DIAG_import_file, NO_SPAN, NULL, "%s: line %d must be OLD = NEW", m->rename,
                  line);
      return false;
    }
    vec_push(m->arena, m->options.theirs, arena_copy(m->arena, theirs, strlen(theirs)));
    vec_push(m->arena, m->options.ours, arena_copy(m->arena, ours, strlen(ours)));
  }
  return true;
}

/* ---- the program ---- */
/* Describes a difference between the program and the model; NULL: there is none. */
static const char *difference(Arena *arena, const ModelImport *im, const Graph *graph) {
  VEC(const Node *) written = {0}; /* inputs and states come before all statements */
  int inputs = 0;
  for (int i = 0; i < graph->nodes.n; i++) {
    const Node *node = graph->nodes.data[i];
    if (node->kept) continue;
    inputs += node_is_input(node) || node_is_state(node);
    vec_push(arena, written, node);
  }
  if (written.n - inputs != im->statements.n) return "the number of statements differs";
  for (int i = 0; i < im->statements.n; i++) {
    const Node *node = written.data[inputs + i];
    const Statement *s = im->statements.data[i];
    Shape wanted = s->out->shape;
    if (s->out->regions) wanted.regions = s->out->regions;
    if (!shape_equal(node->shape, wanted))
      return arena_printf(arena, "%s has the shape %s, but %s in the model", s->call,
                          shape_text(arena, node->shape), shape_text(arena, wanted));
  }
  for (int w = 0; w < graph->weights.n; w++) {
    const Weight *weight = graph->weights.data[w];
    bool found = false;
    /* the search starts at w, because both lists usually have the same order */
    for (int k = 0; k < im->weights.n && !found; k++) {
      const ImportWeight *ours = &im->weights.data[(w + k) % im->weights.n];
      found = strcmp(ours->name, weight->name) == 0 && ours->tensor->n == weight->size;
    }
    if (!found) return arena_printf(arena, "no array has the name and size of %s", weight->name);
  }
  return graph->weights.n == im->weights.n ? NULL : "some arrays are unused";
}

/* Reports the errors that the front end found in the program: for example, a number that ONNX allows and the
 * language does not allow. The line number of an error identifies the statement: each statement has one line,
 * after the lines of the comment, the net and its inputs. */
static void report_unsupported(const ModelImport *im, const Diags *diags, const Sources *sources) {
  const int before = 3 + im->left_out.n + im->options->settings.n + im->inputs.n, n = diags_errors(diags);
  Span where;
  Diag *diag = diag_report(im->diags, DIAG_import_operator, im->at, NULL,
                           "%d of %d statement%s ha%s no form in the language", n, im->statements.n,
                           im->statements.n == 1 ? "" : "s", n == 1 ? "s" : "ve");
  const char *message;
  for (int i = 0; (message = diags_error(diags, i, &where)) != NULL; i++) {
    const int line = sources_place(sources, where.file, where.start).line - before;
    const bool within = line >= 0 && line < im->statements.n;
    const OnnxNode *node = within ? im->statements.data[line]->origin : NULL;
    if (node) diag_fact(diag, "%s: %s", onnx_title(im->onnx, node), message);
    else diag_fact(diag, "%s", message);
  }
}

/* Formats the text of a program into `program`, and compiles the formatted text to a graph. False: the text
 * cannot be formatted, usually because of syntax errors. */
static bool compile_text(Diags *diags, Sources *sources, const char *path, const char *text, Text *program,
                         const Graph **graph) {
  Arena *arena = sources->arena;
  const uint32_t source = sources_add(sources, path, text, strlen(text));
  if (format_source(program, arena, diags, sources, source) != FORMATTED) return false;
  const SemaOptions options = {0};
  const Ast *ast = program_of(arena, diags, sources, path, program->s, program->n, 0, NULL, NULL);
  *graph = sema_build(arena, diags, sources, ast, NULL, 0, &options);
  return true;
}

ImportCheck import_check(const ModelImport *im, const char *path, Text *program, const char **why) {
  Sources sources = {.arena = im->arena};
  Diags *diags = diags_new(im->arena, &sources);
  const Graph *graph;
  *why = "it has syntax errors";
  if (!compile_text(diags, &sources, path, im->text, program, &graph)) return IMPORT_WRONG;
  *why = NULL;
  if (diags_errors(diags)) return report_unsupported(im, diags, &sources), IMPORT_REFUSED;
  *why = graph ? difference(im->arena, im, graph) : "it has no net";
  return *why ? IMPORT_WRONG : IMPORT_RIGHT;
}

static bool admits(const ModelImport *im) {
  Text program = {.arena = im->arena};
  const char *why;
  return import_check(im, "part.cnn", &program, &why) == IMPORT_RIGHT;
}

static const char *model_title(Importing *m, const char *path) {
  return without_suffix(m, without_suffix(m, path, ".onnx"), ".tflite");
}

/* With -o FOLDER/, the files in the folder get the model's name. */
static void put_in_folder(Importing *m) {
  const size_t n = m->output ? strlen(m->output) : 0;
  if (n && m->output[n - 1] == '/')
    m->output = arena_printf(m->arena, "%s%s", m->output, model_title(m, base_name(m->model)));
}

/* The output without its suffix; by default the model's name in the current directory. */
static const char *output_base(Importing *m, const char *model_suffix) {
  const char *base = m->output ? m->output : base_name(m->model);
  return without_suffix(m, without_suffix(m, base, m->output ? ".cnn" : model_suffix), ".safetensors");
}

/* Writes the program, and the weights from `arrays`; if `arrays` is NULL, from `im`. If `base` is "-", prints
 * only the program. */
static void write_files(Importing *m, const char *base, const Text *program, const ModelImport *im,
                        const Arrays *arrays) {
  const bool printed = strcmp(base, "-") == 0;
  const char *path = printed ? "-" : arena_printf(m->arena, "%s.cnn", base), *why = NULL;
  const char *weights = arena_printf(m->arena, "%s.safetensors", base), *temporary = NULL;
  if (!outputs_add(m->outputs, path, program->s, program->n, &why)) diag_cannot_write(m->diags, path, why);
  else if (!printed && !outputs_adopt(m->outputs, weights, &temporary, &why))
    diag_cannot_write(m->diags, weights, why);
  else if (!printed && !(arrays ? arrays_save(arrays, temporary) : import_save_weights(im, temporary)))
    diag_cannot_write(m->diags, weights, strerror(errno));
  if (diags_errors(m->diags)) outputs_abandon(m->outputs);
  else if (!outputs_commit(m->outputs, &path, &why)) diag_cannot_write(m->diags, path, why);
}

static int write_program(Importing *m, const ModelImport *im) {
  Text program = {.arena = m->arena};
  const char *base = output_base(m, im->onnx->tflite ? ".tflite" : ".onnx"), *why;
  const ImportCheck check = import_check(im, arena_printf(m->arena, "%s.cnn", base), &program, &why);
  if (check == IMPORT_RIGHT) write_files(m, base, &program, im, NULL);
  if (check != IMPORT_WRONG) return 0;
  fprintf(stderr, "cnnc: internal error: the imported program is wrong: %s\n", why);
  return 3;
}

/* Prints the text of --list (NULL after an error), and returns the exit status. *whole: whether all nodes are
 * supported. */
static int finish_list(const char *list, const bool *whole) {
  if (list) fputs(list, stdout);
  return !*whole;
}

/* ---- TensorFlow Lite models ---- */
#ifdef __wasi__ /* the browser build only imports ONNX models */
static bool import_tflite(Importing *m, Span at, int *status) {
  (void)m, (void)at, (void)status;
  return false;
}
#else
/* Describes a difference between the program and the model; NULL: there is none. */
static const char *tflite_check(Arena *arena, const TflProgram *made, const char *path, Text *program) {
  Sources sources = {.arena = arena};
  Diags *diags = diags_new(arena, &sources);
  const Graph *graph;
  Span where;
  if (!compile_text(diags, &sources, path, made->text, program, &graph))
    return "its program has syntax errors";
  if (diags_errors(diags)) return diags_error(diags, 0, &where);
  if (!graph || graph->outputs.n != made->noutputs) return "an output is listed twice";
  for (int o = 0; o < made->noutputs; o++)
    if (!shape_equal(graph->outputs.data[o].node->shape, made->output[o]))
      return "an output's declared shape differs from the computed shape";
  return NULL;
}

static bool admits_tflite(Arena *arena, const TflProgram *made) {
  Text program = {.arena = arena};
  return !tflite_check(arena, made, "part.cnn", &program);
}

static void write_tflite(Importing *m, Span at, const TflProgram *made) {
  Text program = {.arena = m->arena};
  const char *base = output_base(m, ".tflite"),
             *wrong = tflite_check(m->arena, made, arena_printf(m->arena, "%s.cnn", base), &program);
  /* A difference is an error of the model. For example, its declared shapes differ from the shapes that its
   * operators compute. */
  if (wrong) diag_report(m->diags, DIAG_import_file, at, NULL, "the model is invalid: %s", wrong);
  else write_files(m, base, &program, NULL, &made->arrays);
}

/* An error about an option that does not apply to the model; NULL: there is none. */
static const char *unsupported_tflite_option(const Importing *m, bool quantized) {
  const ImportOptions *o = &m->options;
  if (m->profile) return "--profile is for ONNX models";
  if (o->chw || o->layouts.n)
    return "--layout is for ONNX models: TensorFlow Lite models always have channels last";
  if (!quantized) return NULL;
  if (m->rename) return "--rename is for float models; this one is quantized";
  if (o->shapes.n) return "--shape is for float models; this one is quantized, with fixed sizes";
  if (o->states.n)
    return "--state is for float models; variables of this quantized model become states anyway";
  if (o->settings.n) return "--set is for float models; this one is quantized";
  return o->bytes.n ? "--input is for float models; a quantized model defines the types of its inputs" : NULL;
}

static int import_floats(Importing *m, Span at, Onnx *graph) {
  if (!graph || !read_renames(m)) return 0;
  bool whole = true;
  if (m->list)
    return finish_list(import_list_graph(m->arena, m->diags, at, &m->options, graph, &whole), &whole);
  const ModelImport *im = import_graph(m->arena, m->diags, at, &m->options, graph);
  return im ? write_program(m, im) : 0;
}

/* The program of a streaming model, converted to a net for whole sequences. NULL: this conversion is
 * impossible; the caller then keeps the model's variables. */
static const TflProgram *raised_program(Importing *m, Span at, TflModel *model, const uint8_t *bytes,
                                        size_t n) {
  ImportOptions options = m->options;
  Sources sources = {.arena = m->arena};
  Diags *silent = diags_new(m->arena, &sources);
  options.trial = true;
  const TflProgram *made = tflite_import(m->arena, silent, at, m->model, &options, model, bytes, n);
  return made && admits_tflite(m->arena, made) ? made : NULL;
}

static int import_quantized(Importing *m, Span at, TflModel *model, const uint8_t *bytes, size_t n) {
  m->options.admits_tflite = admits_tflite;
  const TflProgram *made = model->step ? raised_program(m, at, model, bytes, n) : NULL;
  if (model->step && !made) m->options.variables = "keep";
  if ((model->step && !made) || m->list)
    model = tflite_open(m->arena, m->diags, at, m->model, &m->options, bytes, n);
  bool whole = true;
  if (model && m->list)
    return finish_list(tflite_list(m->arena, m->diags, at, m->model, &m->options, model, n, &whole), &whole);
  if (!made && model) made = tflite_import(m->arena, m->diags, at, m->model, &m->options, model, bytes, n);
  if (made) write_tflite(m, at, made);
  return 0;
}

/* False: the file is not a TensorFlow Lite model, or cannot be read. */
static bool import_tflite(Importing *m, Span at, int *status) {
  size_t n;
  uint8_t begin[8];
  if (!tflite_is(begin, file_begin(m->model, begin, sizeof begin))) return false;
  const char *why = NULL, *bytes = file_read(m->arena, m->model, &n, &why);
  if (!bytes) return false;
  TflModel *model = tflite_open(m->arena, m->diags, at, m->model, &m->options, (const uint8_t *)bytes, n);
  if (!model) return true;
  const bool quantized = tflite_is_quantized(model);
  if ((why = unsupported_tflite_option(m, quantized))) {
    diag_report(m->diags, DIAG_import_file, at, NULL, "%s", why);
    return true;
  }
  if (quantized) *status = import_quantized(m, at, model, (const uint8_t *)bytes, n);
  else
    *status = import_floats(m, at,
                            tflite_nodes(m->arena, m->diags, at, m->model, model, (const uint8_t *)bytes, n));
  return true;
}
#endif

/* False: the model violates --profile. */
static bool in_profile(const Importing *m, Span at) {
  size_t n;
  const char *why = NULL, *bytes = m->profile ? file_read(m->arena, m->model, &n, &why) : NULL;
  return !bytes || onnx_in_profile(m->arena, m->diags, m->model, at, (const uint8_t *)bytes, n);
}

static int import_onnx(Importing *m, Span at) {
  int status = 0;
  if (import_tflite(m, at, &status)) return status;
  if (!read_renames(m) || !in_profile(m, at)) return 0;
  if (m->options.rounding && strcmp(m->options.rounding, "litert") == 0) {
    diag_report(m->diags, DIAG_import_file, at, NULL,
                "--rounding=litert is for TensorFlow Lite models; this is an ONNX model");
    return 0;
  }
  bool whole = true;
  if (m->list) return finish_list(import_list(m->arena, m->diags, m->model, at, &m->options, &whole), &whole);
  m->options.admits = admits;
  const ModelImport *im = import_model(m->arena, m->diags, m->model, at, &m->options);
  return im ? write_program(m, im) : 0;
}

static int import(Arena *arena, const char *cnnc, int argc, char **argv) {
  (void)cnnc;
  Importing m = {.arena = arena, .sources = {.arena = arena}, .outputs = outputs_new(arena)};
  if (!read_import_line(&m, argc, argv)) return 2;
  if (m.help) return command_help(arena, &import_command);
  m.diags = diags_new(arena, &m.sources);
  diags_options(m.diags, &m.warnings);
  const Span at = {sources_add_binary(&m.sources, m.model), 0, 0};
  put_in_folder(&m);
  const char *named = m.output && strcmp(m.output, "-") != 0 ? without_suffix(&m, m.output, ".cnn") : m.model;
  if (!m.options.net) m.options.net = import_net_name(arena, model_title(&m, named));
  const int status = import_onnx(&m, at);
  diags_print(m.diags, stderr, (DiagFormat)m.diagnostics, flag_wants_color(m.color));
  return status ? status : diags_errors(m.diags) ? 1 : 0;
}

const Command import_command = {
    "import",
    "MODEL [-o NAME]",
    "converts ONNX and TensorFlow Lite models",
    "Converts an ONNX or TensorFlow Lite (.tflite) model to a program, NAME.cnn, and its weights, "
    "NAME.safetensors. A quantized model stays quantized.",
    "Exit status: 0; 1 if a node is not supported or a file is invalid (nothing is written); 2 for a usage "
    "error; 3 for a bug in cnnc.",
    import_options,
    ".onnx .tflite",
    import,
};
