/* program_text.c: Printer of imported statements as a program. A value whose only use is as the first operand
 * of the next statement has no name, so both statements form a chain. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "import/import.h"

/* Makes a text safe for use in a comment. */
static const char *comment(ModelImport *im, const char *text) {
  char *copy = arena_copy(im->arena, text, strlen(text));
  for (char *c = copy; *c; c++)
    if (*c < ' ' || *c > '~') *c = '?';
  return copy;
}

static const char *sizes(ModelImport *im, int rank, const int64_t *size) {
  Text text = {.arena = im->arena};
  for (int d = 0; d < rank; d++) text_put(&text, "%s%lld", d ? "x" : "", (long long)size[d]);
  return text.s ? text.s : "1";
}

/* The value that the first statement takes as its operand if it names no operand: the last state or, without
 * states, the first input. */
static const Value *first_current(const ModelImport *im) {
  return im->kept.n ? im->inputs.data[im->inputs.n - 1] : im->inputs.data[0];
}

/* Prints the states, which are the last inputs. */
static void put_program_states(ModelImport *im, Text *out) {
  for (int i = 0; i < im->kept.n; i++) {
    const KeptValue *kept = &im->kept.data[i];
    text_put(out, "%s = state(%s%s%s) # %s %s, then %s\n", kept->value->name,
             shape_text(im->arena, kept->value->shape), kept->init ? ", init=" : "",
             kept->init ? kept->init : "", comment(im, kept->input->name),
             sizes(im, kept->input->rank, kept->input->dim), comment(im, kept->output->name));
  }
}

static void put_program_inputs(ModelImport *im, Text *out) {
  for (int i = 0; i < im->inputs.n - im->kept.n; i++) {
    const OnnxPort *port = im->ports.data[i];
    const Value *value = im->inputs.data[i];
    const char *elem = port->type == TENSOR_UINT8 ? " as u8" : port->type == TENSOR_INT8 ? " as i8" : "";
    const bool chw = im->options->chw && input_has_planes(port);
    const bool as_onnx = !im->onnx->tflite && port->rank > 2 &&
                         (port->channels == NO_CHANNELS || port->channels == port->rank - 1);
    text_put(out, "input %s: %s%s%s # %s %s%s\n", value->name, shape_text(im->arena, value->shape), elem,
             chw ? " (layout=chw)" : "", comment(im, port->name), sizes(im, port->rank, port->dim),
             as_onnx ? ", in this order" : "");
  }
}

/* Whether a word begins with these letters, ignoring case. */
static bool begins_like(const char *word, const char *with) {
  while (*with && tolower((unsigned char)*word) == tolower((unsigned char)*with)) word++, with++;
  return !*with;
}

static const char *last_part(const char *name) {
  const char *slash = strrchr(name, '/');
  return slash && slash[1] ? slash + 1 : name;
}

/* Shortens a name: a/features/Add becomes features/Add; a/maxpool/MaxPool becomes maxpool, which already
 * names the operator. */
static const char *short_name(ModelImport *im, const char *name, const char *op) {
  const char *last = strrchr(name, '/'), *module = last;
  if (!last || last == name) return name;
  while (module > name && module[-1] != '/') module--;
  const char *own = last;
  while (own > module && own[-1] != '.') own--;
  const bool says = *op && begins_like(own, op) && begins_like(last + 1, op);
  return says ? arena_copy(im->arena, module, (size_t)(last - module)) : module;
}

/* The name of the output that has this value, if the node has several outputs; otherwise NULL. */
static const char *part_name(const ModelImport *im, const OnnxNode *node, const Value *value) {
  for (int k = 0; node->nout > 1 && k < node->nout; k++) {
    const View *view = im->item[node->out[k]].view;
    if (view && view->value == value) return im->onnx->tensor[node->out[k]];
  }
  return NULL;
}

static bool has_letter(const char *name) {
  while (*name && !isalpha((unsigned char)*name)) name++;
  return *name;
}

/* The name of a node is the path of its module. The node's own name follows if the path does not name the
 * operator, or is not unique. Without a module, it is the node's own name, shortened. A node without a module
 * and without a name is named after its tensor; if the tensor's name has no letters, the operator's name
 * precedes it. */
static const char *node_name(ModelImport *im, const OnnxNode *node, const Value *value) {
  const char *part = part_name(im, node, value), *path = node_module(im, node);
  if (!path && !*node->name) {
    const char *tensor = part ? part : node->nout ? im->onnx->tensor[node->out[0]] : "";
    return has_letter(tensor) ? tensor : arena_printf(im->arena, "%s_%s", node->op, tensor);
  }
  if (!path) return short_name(im, part && has_letter(part) ? part : node->name, node->op);
  const char *own = last_part(part && has_letter(part) ? part : node->name);
  if (begins_like(own, "node_")) own += strlen("node_"); /* prefix added by torch.export */
  const char *point = strrchr(path, '.'), *layer = point ? point + 1 : path;
  const bool is_layer = strstr(value->made->call, "name=\"") != NULL, taken = table_find(&im->layers, path);
  if (*path && !part && (is_layer || (begins_like(layer, node->op) && !taken))) return path;
  return *path ? arena_printf(im->arena, "%s.%s", path, own) : own;
}

static void name_value(ModelImport *im, Value *value) {
  if (value->name) return;
  const OnnxNode *node = value->made->origin;
  value->name = identifier(im, node ? node_name(im, node, value) : "t");
}

static void name_values(ModelImport *im) {
  const Value *current = first_current(im);
  for (int i = 0; i < im->outputs.n; i++) {
    Value *value = im->outputs.data[i].value;
    if (!value->name) value->name = port_name(im, im->outputs.data[i].port, "y");
  }
  for (int i = 0; i < im->statements.n; i++) {
    const Statement *s = im->statements.data[i];
    if (s->nin == 0) name_value(im, s->out);
    else if (s->in[0] != current) name_value(im, s->in[0]);
    for (int k = 1; k < s->nin; k++) name_value(im, s->in[k]);
    current = s->out;
  }
}

static void put_statement_call(Text *out, const Statement *s) {
  for (const char *c = s->call; *c; c++)
    if (*c == '%' && c[1] == '*') { /* %*: all operands */
      for (int k = 1; k < s->nin; k++) text_put(out, "%s%s", k > 1 ? ", " : "", s->in[k]->name);
      c++;
    } else if (*c == '%' && isdigit((unsigned char)c[1])) text_put(out, "%s", s->in[*++c - '0']->name);
    else text_bytes(out, c, 1);
}

static void put_program_outputs(ModelImport *im, Text *out) {
  text_put(out, "output ");
  for (int i = 0; i < im->outputs.n; i++) {
    bool before = false;
    for (int k = 0; k < i; k++) before = before || im->outputs.data[k].value == im->outputs.data[i].value;
    const TensorType bytes = im->outputs.data[i].bytes;
    if (!before)
      text_put(out, "%s%s%s", i ? ", " : "", im->outputs.data[i].value->name,
               bytes == TENSOR_UINT8  ? " as u8"
               : bytes == TENSOR_INT8 ? " as i8"
                                      : "");
  }
  text_put(out, " #");
  for (int i = 0; i < im->outputs.n; i++) {
    const ImportOutput *o = &im->outputs.data[i];
    text_put(out, "%s %s %s%s", i ? ";" : "", comment(im, o->port->name),
             sizes(im, o->view->rank, o->view->size), o->order);
  }
  text_put(out, "\n");
}

const char *program_text(ModelImport *im) {
  Text text = {.arena = im->arena};
  name_values(im);
  if (im->onnx->tflite) text_put(&text, "# imported from TensorFlow Lite\n");
  else {
    const char *producer = comment(im, im->onnx->producer), *version = comment(im, im->onnx->version);
    text_put(&text, "# imported from ONNX%s%s%s%s, opset %d\n", producer[0] ? ": " : "", producer,
             version[0] ? " " : "", version, im->onnx->opset);
  }
  for (int i = 0; i < im->left_out.n; i++)
    text_put(&text, "# dropped: ArgMax %s; take the argmax of the scores in the caller\n",
             comment(im, onnx_name(im->onnx, im->left_out.data[i])));
  for (int i = 0; i < im->onnx->comments.n; i++)
    text_put(&text, "# %s\n", comment(im, im->onnx->comments.data[i]));
  for (int i = 0; i < im->options->settings.n; i++) {
    const ImportSetting *set = &im->options->settings.data[i];
    text_put(&text, "# input %s is ", comment(im, set->input));
    for (int k = 0; k < set->value.n; k++)
      text_put(&text, "%s%s", k ? "," : "", number_text(im->arena, set->value.data[k]));
    text_put(&text, "\n");
  }
  text_put(&text, "net %s {\n", im->options->net);
  put_program_inputs(im, &text);
  put_program_states(im, &text);
  const Value *current = first_current(im);
  for (int i = 0; i < im->statements.n; i++) {
    const Statement *s = im->statements.data[i];
    if (s->out->name) text_put(&text, "%s = ", s->out->name);
    if (s->nin && s->in[0] != current) text_put(&text, "%s -> ", s->in[0]->name);
    put_statement_call(&text, s);
    text_put(&text, "\n");
    current = s->out;
  }
  put_program_outputs(im, &text);
  text_put(&text, "}\n");
  return text.s;
}
