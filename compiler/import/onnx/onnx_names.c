/* onnx_names.c: Names of layers, taken from the framework's modules; names of values and of weights. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <math.h>
#include <string.h>
#include "base/arrays.h"
#include "import/import.h"
#include "graph/op.h"
#include "ops/registry.h"

enum { LONGEST = 4096 }; /* maximum length of metadata with names of modules */

/* ---- names of inputs ---- */
static bool is_input(const ModelImport *im, const char *name, const char *option) {
  const Onnx *o = im->onnx;
  Text names = {.arena = im->arena};
  for (int i = 0; i < o->ninputs; i++) {
    if (strcmp(o->input[i].name, name) == 0) return true;
    text_put(&names, "%s%s", i ? ", " : "", o->input[i].name);
  }
  Diag *diag = diag_report(im->diags, DIAG_import_file, im->at, NULL,
                           "%s names the input '%s', which the model does not have", option, name);
  if (names.n) diag_help(diag, "the inputs of the model: %s", names.s);
  return false;
}

bool names_of_inputs_known(const ModelImport *im) {
  const ImportOptions *asked = im->options;
  bool known = true;
  for (int i = 0; i < asked->shapes.n; i++) known &= is_input(im, asked->shapes.data[i].input, "--shape");
  for (int i = 0; i < asked->bytes.n; i++) known &= is_input(im, asked->bytes.data[i], "--input");
  for (int i = 0; i < asked->settings.n; i++) known &= is_input(im, asked->settings.data[i].input, "--set");
  for (int i = 0; i < asked->states.n; i++) known &= is_input(im, asked->states.data[i].input, "--state");
  for (int i = 0; i < asked->layouts.n; i++) {
    const char *input = asked->layouts.data[i].input;
    known &= !input || is_input(im, input, "--layout");
  }
  return known;
}

/* ---- names of layers and values ---- */
static bool is_name_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
static bool is_name_digit(char c) { return c >= '0' && c <= '9'; }

/* The module's path in the name of a node: /features/features.1/conv/conv.0/Conv has the path
 * features.1.conv.0. A component that begins with the previous component replaces the previous one. */
static const char *module_path(ModelImport *im, const char *name) {
  VEC(const char *) parts = {0};
  for (const char *part = name; part && *part;) {
    const char *slash = strchr(part, '/');
    if (!slash) break; /* the last component is the name of the operator */
    const char *word = arena_copy(im->arena, part, (size_t)(slash - part));
    const char *before = parts.n ? parts.data[parts.n - 1] : NULL;
    const size_t n = before ? strlen(before) : 0;
    if (before && strncmp(word, before, n) == 0 && word[n] == '.') parts.data[parts.n - 1] = word;
    else if (*word) vec_push(im->arena, parts, word);
    part = slash + 1;
  }
  Text path = {.arena = im->arena};
  for (int i = 0; i < parts.n; i++) text_put(&path, "%s%s", i ? "." : "", parts.data[i]);
  return path.n ? path.s : NULL;
}

/* The module of a parameter: layer1.0.conv1 for layer1.0.conv1.weight. */
static const char *parameter_path(ModelImport *im, const Tensor *weight) {
  static const char *const members[] = {"weight", "kernel", "gamma", "bias", "weight_ih_l0", NULL};
  if (!weight || !weight->name || strstr(weight->name, "onnx::")) return NULL;
  const char *name = strstr(weight->name, "::") ? strstr(weight->name, "::") + 2 : weight->name;
  const char *point = strrchr(name, '.');
  for (int i = 0; point && point > name && members[i]; i++)
    if (strcmp(point + 1, members[i]) == 0) return arena_copy(im->arena, name, (size_t)(point - name));
  return NULL;
}

/* The last two words of a list in Python's syntax: ['', 'layer1', 'conv2d']. */
typedef struct Words {
  const char *last, *before; /* the beginning of the last word and of the word before it; before: NULL if
                                there is only one word */
  size_t last_n, before_n;
} Words;

/* False: the text is not a list of words in Python's syntax, or is too long. */
static bool read_words(const char *list, Words *words) {
  *words = (Words){0};
  if (strnlen(list, LONGEST) == LONGEST || *list++ != '[') return false;
  for (;;) {
    const char quote = *list++;
    if (quote != '\'' && quote != '"') return false;
    *words = (Words){.before = words->last, .before_n = words->last_n, .last = list};
    while (*list && *list != quote) list += *list == '\\' && list[1] ? 2 : 1;
    if (!*list) return false;
    words->last_n = (size_t)(list++ - words->last);
    if (strcmp(list, "]") == 0) return true;
    if (strncmp(list, ", ", 2) != 0) return false;
    list += 2;
  }
}

/* The module of a node from torch.export: the second-to-last of the node's scopes, because the last scope is
 * the node itself. "": the whole model; NULL: the node has no scopes. */
static const char *module_scope(ModelImport *im, const OnnxNode *node) {
  Words scopes;
  if (!read_words(onnx_metadata(node, "pkg.torch.onnx.name_scopes"), &scopes)) return NULL;
  return scopes.before ? arena_copy(im->arena, scopes.before, scopes.before_n) : "";
}

const char *node_module(ModelImport *im, const OnnxNode *node) {
  const char *scope = module_scope(im, node);
  return scope ? scope : *node->name == '/' ? module_path(im, node->name) : NULL;
}

/* Whether torch.export folded a norm into this layer. Such a layer has the scope of the norm. */
static bool has_folded_norm(ModelImport *im, const OnnxNode *node) {
  Words classes;
  if (strcmp(node->op, "BatchNormalization") == 0) return false;
  if (!read_words(onnx_metadata(node, "pkg.torch.onnx.class_hierarchy"), &classes)) return false;
  return strstr(arena_copy(im->arena, classes.last, classes.last_n), "batch_norm") != NULL;
}

/* True if `part` is `of` or a part of it: layer1.0.conv1 is a part of layer1.0, and everything is a part of
 * "". */
static bool is_path_part(const char *part, const char *of) {
  const size_t n = strlen(of);
  return n == 0 || (strncmp(part, of, n) == 0 && (part[n] == '.' || part[n] == 0));
}

/* The framework's name for the module of a layer, or NULL. If the node has no scopes: the path in the node's
 * name; or the module of the layer's parameter, if there is no path or if this module is inside the path,
 * such as the out_proj of an attention. If the node has scopes: the parameter's module if it contains the
 * scope or is inside the scope, or if a norm was folded into the layer; otherwise the scope. The parameter
 * may have the name of another module: the framework writes equal parameters of several modules once, under
 * the name of the first module. */
static const char *module_of(ModelImport *im, const OnnxNode *node, const Tensor *weight) {
  const char *scope = module_scope(im, node), *parameter = parameter_path(im, weight);
  const char *path = scope ? NULL : module_path(im, node->name);
  if (!scope) return path && !(parameter && is_path_part(parameter, path)) ? path : parameter;
  if (!parameter) return *scope ? scope : NULL;
  if (is_path_part(parameter, scope) || is_path_part(scope, parameter)) return parameter;
  return has_folded_norm(im, node) ? parameter : scope;
}

static const char *clean(ModelImport *im, const char *name) {
  Text text = {.arena = im->arena};
  for (; *name; name++) {
    const bool good = is_name_letter(*name) || is_name_digit(*name) ||
                      (*name == '.' && text.n && name[1] && name[1] != '.');
    text_bytes(&text, good ? name : "_", 1);
  }
  return text.n ? text.s : "layer";
}

/* The new name of a layer according to the last matching line of the --rename file; without a matching line,
 * `name`. A * matches any text, and this text replaces the * of the new name. */
static const char *renamed_layer(ModelImport *im, const char *name) {
  for (int i = im->options->theirs.n - 1; i >= 0; i--) {
    const char *theirs = im->options->theirs.data[i], *ours = im->options->ours.data[i];
    const char *star = strchr(theirs, '*'), *place = strchr(ours, '*');
    if (!star && strcmp(theirs, name) == 0) return ours;
    if (!star) continue;
    const size_t before = (size_t)(star - theirs), after = strlen(star + 1), n = strlen(name);
    if (n < before + after || strncmp(name, theirs, before) != 0 || strcmp(name + n - after, star + 1) != 0)
      continue;
    if (!place) return ours;
    return arena_printf(im->arena, "%.*s%.*s%s", (int)(place - ours), ours, (int)(n - before - after),
                        name + before, place + 1);
  }
  return name;
}

static const char *lower_case(ModelImport *im, const char *word) {
  char *copy = arena_copy(im->arena, word, strlen(word));
  for (char *c = copy; *c; c++)
    if (*c >= 'A' && *c <= 'Z') *c = (char)(*c - 'A' + 'a');
  return copy;
}

/* Returns `name`; if it is already used, `name` with a number, such as conv_2. The table has the last number
 * of each used name. */
static const char *unused_name(ModelImport *im, Table *table, const char *name) {
  const char *numbered = name;
  int *last = table_find(table, name);
  while (last && table_find(table, numbered)) numbered = arena_printf(im->arena, "%s_%d", name, ++*last);
  int *first = NEW(im->arena, int);
  *first = 1;
  table_set(im->arena, table, numbered, first);
  return numbered;
}

void reserve_layer_name(ModelImport *im, const char *name) { unused_name(im, &im->layers, name); }

const char *layer_called(ModelImport *im, const char *name) {
  return unused_name(im, &im->layers, clean(im, renamed_layer(im, name)));
}

const char *layer_of(ModelImport *im, const OnnxNode *node, int input) {
  const char *name = module_of(im, node, input < 0 ? NULL : constant_of(im, node, input));
  const char *domain = strstr(node->op, "::");
  if (!name) name = lower_case(im, domain ? domain + 2 : node->op);
  return layer_called(im, name);
}

const char *layer_of_constant(ModelImport *im, const OnnxNode *node, int input) {
  const Tensor *t = constant_of(im, node, input);
  const char *name = t && t->name ? t->name : "", *within = strstr(name, "::"), *end = strrchr(name, '.');
  if (!is_name_letter(name[0]) || within) return layer_of(im, node, input);
  if (end && strcmp(end, ".weight") == 0) name = arena_copy(im->arena, name, (size_t)(end - name));
  return layer_called(im, name);
}

/* Whether the word is a default name of a layer in the language, such as conv1. */
static bool is_ordinal(ModelImport *im, const char *word) {
  size_t n = strlen(word);
  while (n && is_name_digit(word[n - 1])) n--;
  return word[n] && op_find(arena_copy(im->arena, word, n));
}

static bool is_reserved(const char *word) {
  static const char *const words[] = {
#define KEYWORD(word, token) #word,
#include "keywords.def"
#undef KEYWORD
      NULL};
  for (int i = 0; words[i]; i++)
    if (strcmp(words[i], word) == 0) return true;
  return op_find(word) != NULL;
}

const char *identifier(ModelImport *im, const char *name) {
  Text text = {.arena = im->arena};
  for (; *name; name++) {
    const bool good = is_name_letter(*name) || is_name_digit(*name);
    if (good && *name != '_') text_bytes(&text, name, 1);
    else if (text.n && text.s[text.n - 1] != '_') text_bytes(&text, "_", 1);
  }
  while (text.n && text.s[text.n - 1] == '_') text.s[--text.n] = 0;
  const char *word = text.n ? text.s : "x";
  if (is_name_digit(word[0])) word = arena_printf(im->arena, "t%s", word);
  if (is_reserved(word) || is_ordinal(im, word)) word = arena_printf(im->arena, "%s_", word);
  while (table_find(&im->layers, word)) word = arena_printf(im->arena, "%s_", word);
  return unused_name(im, &im->names, word);
}

const char *port_name(ModelImport *im, const OnnxPort *port, const char *otherwise) {
  const char *name = port->called ? port->called : port->name;
  for (const char *c = name; *c; c++)
    if (is_name_letter(*c) && *c != '_') return identifier(im, name);
  return identifier(im, otherwise);
}

/* ---- weights ---- */
void put_weight(ModelImport *im, const char *layer, const char *member, const Tensor *tensor, int rank,
                const int64_t *dim) {
  if (!tensor) return;
  ImportWeight weight = {
      .name = arena_printf(im->arena, "%s.%s", layer, member), .tensor = tensor, .rank = rank};
  memcpy(weight.dim, dim, sizeof *dim * (size_t)rank);
  vec_push(im->arena, im->weights, weight);
}

void put_mask(ModelImport *im, const char *layer, const char *member, const Tensor *tensor, int rank,
              const int64_t *dim) {
  put_weight(im, layer, member, tensor, rank, dim);
  im->weights.data[im->weights.n - 1].excludes = true;
}

bool weights_are_finite(ModelImport *im, int first) {
  for (int w = first; w < im->weights.n; w++) {
    const ImportWeight *weight = &im->weights.data[w];
    for (int64_t i = 0; i < weight->tensor->n; i++) {
      const float number = (float)tensor_number(weight->tensor, i);
      if (isfinite(number) || (weight->excludes && number < 0)) continue;
      no(im, "element %lld of the weight '%s' is %g; weights must be finite", (long long)i, weight->name,
         (double)number);
      return false;
    }
  }
  return true;
}

void put_vector(ModelImport *im, const char *layer, const char *member, const Tensor *tensor) {
  if (tensor) put_weight(im, layer, member, tensor, 1, &tensor->n);
}

ImportWeight *weight_named(ModelImport *im, const char *layer, const char *member) {
  const char *name = arena_printf(im->arena, "%s.%s", layer, member);
  for (int i = im->weights.n - 1; i >= 0; i--)
    if (strcmp(im->weights.data[i].name, name) == 0) return &im->weights.data[i];
  return NULL;
}

/* The numbers as floats in this machine's format; not copied if the model's data have this format. */
static const void *tensor_floats(const ModelImport *im, const Tensor *t) {
  if (t->type == TENSOR_FLOAT && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) return t->data;
  float *number = NEW_ARRAY(im->arena, float, t->n);
  for (int64_t i = 0; i < t->n; i++) number[i] = (float)tensor_number(t, i);
  return number;
}

bool import_save_weights(const ModelImport *im, const char *path) {
  Arrays arrays = {.arena = im->arena, .note = im->scales.note};
  for (int i = 0; i < im->weights.n; i++) {
    const ImportWeight *w = &im->weights.data[i];
    if (w->integers) arrays_add(&arrays, w->name, w->elem, w->rank, w->dim, w->integers);
    else arrays_add(&arrays, w->name, F32, w->rank, w->dim, tensor_floats(im, w->tensor));
  }
  for (int i = 0; i < im->scales.list.n; i++) {
    const NamedArray *a = &im->scales.list.data[i];
    arrays_add(&arrays, a->name, a->elem, a->rank, a->dim, a->data);
  }
  return arrays_save(&arrays, path);
}
