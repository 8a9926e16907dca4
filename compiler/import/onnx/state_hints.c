/* state_hints.c: Note about inputs of a model that seem to be states (outputs of the previous call). */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <string.h>
#include "import/import.h"

/* ---- names ---- */

/* Words that distinguish the name of a state's input from the name of its output: h_in and h_out, past.0 and
 * present.0. */
static bool is_time_word(const char *word, size_t n) {
  static const char *const words[] = {"in",   "out",   "input", "output",   "n",    "o",
                                      "next", "new",   "prev",  "previous", "past", "present",
                                      "old",  "final", "init",  "initial",  NULL};
  for (int i = 0; words[i]; i++)
    if (strlen(words[i]) == n && memcmp(words[i], word, n) == 0) return true;
  return false;
}

/* The lower-case name without the words of is_time_word. */
static const char *stem(Arena *arena, const char *name) {
  char *text = arena_copy(arena, name, strlen(name));
  for (char *s = text; *s; s++) *s = (char)tolower((unsigned char)*s);
  Text kept = {.arena = arena};
  for (const char *s = text; *s;) {
    const size_t n = strcspn(s, "_./-: ");
    if (n > 0 && !is_time_word(s, n)) text_put(&kept, "%s%.*s", kept.n ? "_" : "", (int)n, s);
    s += n + (s[n] != 0);
  }
  return kept.n ? kept.s : "";
}

static bool same_stem(Arena *arena, const char *input, const char *output) {
  const char *a = stem(arena, input), *b = stem(arena, output);
  const size_t n = strlen(a);
  if (!n || strncmp(a, b, n) != 0) return false;
  return !b[n] || (b[n] == 'n' && !b[n + 1]); /* b equals a, or is a with an n appended: h, hn */
}

/* ---- shapes ---- */

static bool same_sizes(const OnnxPort *a, const OnnxPort *b) {
  if (a->rank < 0 || b->rank < 0) return true;
  int64_t elements[2] = {1, 1};
  for (int k = 0; k < 2; k++)
    for (int i = 0; i < (k ? b : a)->rank; i++) {
      const int64_t size = (k ? b : a)->dim[i];
      elements[k] = size && elements[k] <= INT64_MAX / size ? elements[k] * size : 0;
    }
  return !elements[0] || !elements[1] || elements[0] == elements[1]; /* 0: the size is not known */
}

static bool ports_match(const OnnxPort *a, const OnnxPort *b) {
  if (a->rank != b->rank || a->rank < 2) return false;
  int64_t elements = 1;
  for (int i = 0; i < a->rank; i++) {
    if (a->dim[i] != b->dim[i]) return false;
    if (elements <= 1) elements *= a->dim[i];
  }
  return elements > 1; /* 0: a size is not known */
}

/* Whether this input and this output have the same shape, and no other input or output has this shape. The
 * first input and the first output are regarded as data. */
static bool only_pair(const Onnx *o, const OnnxPort *input, const OnnxPort *output) {
  if (input == o->input || output == o->output || !ports_match(input, output)) return false;
  for (int i = 0; i < o->ninputs; i++)
    if (&o->input[i] != input && ports_match(&o->input[i], input)) return false;
  for (int i = 0; i < o->noutputs; i++)
    if (&o->output[i] != output && ports_match(&o->output[i], output)) return false;
  return true;
}

/* ---- recurrent layers ---- */

static bool passes_on(const char *op) {
  static const char *const ops[] = {"Slice",     "Gather", "Squeeze",  "Unsqueeze", "Reshape",
                                    "Transpose", "Split",  "Identity", "Concat",    NULL};
  for (int i = 0; ops[i]; i++)
    if (strcmp(ops[i], op) == 0) return true;
  return false;
}

/* Whether a tensor is `source`, or a result of moves and concatenations of `source`. */
static bool comes_from(const ModelImport *im, int tensor, int source, int depth) {
  if (tensor == source) return true;
  const OnnxNode *node = im->maker[tensor] >= 0 ? &im->onnx->node[im->maker[tensor]] : NULL;
  if (!node || depth == 0 || !passes_on(node->op)) return false;
  const int inputs = strcmp(node->op, "Concat") == 0 ? node->nin : 1;
  for (int k = 0; k < inputs && k < node->nin; k++)
    if (node->in[k] && comes_from(im, node->in[k], source, depth - 1)) return true;
  return false;
}

/* Whether the input is the initial state of a recurrent layer, and the output its final state. */
static bool joins_layer(const ModelImport *im, const OnnxPort *input, const OnnxPort *output) {
  enum { INITIAL = 5, FINAL = 1, PARTS = 2, DEPTH = 8 };
  for (int i = 0; i < im->onnx->nnodes; i++) {
    const OnnxNode *node = &im->onnx->node[i];
    if (strcmp(node->op, "LSTM") && strcmp(node->op, "GRU") && strcmp(node->op, "RNN")) continue;
    for (int p = 0; p < PARTS && INITIAL + p < node->nin && FINAL + p < node->nout; p++)
      if (node->in[INITIAL + p] && node->out[FINAL + p] &&
          comes_from(im, node->in[INITIAL + p], input->tensor, DEPTH) &&
          comes_from(im, output->tensor, node->out[FINAL + p], DEPTH))
        return true;
  }
  return false;
}

/* ---- pairs ---- */

static bool is_state_input(const ModelImport *im, const char *name) {
  for (int i = 0; i < im->options->states.n; i++)
    if (!strcmp(im->options->states.data[i].input, name)) return true;
  return false;
}

static bool is_state_output(const ModelImport *im, const char *name) {
  for (int i = 0; i < im->options->states.n; i++)
    if (!strcmp(im->options->states.data[i].output, name)) return true;
  return false;
}

/* An output that has no input yet, and that seems to become this input in the next call; NULL: none. */
static const OnnxPort *next_value_of(ModelImport *im, const OnnxPort *input, const bool *used) {
  const Onnx *o = im->onnx;
  for (int i = 0; i < o->noutputs; i++) {
    const OnnxPort *output = &o->output[i];
    if (used[i] || is_state_output(im, output->name) || !same_sizes(input, output)) continue;
    if (same_stem(im->arena, input->name, output->name) || joins_layer(im, input, output) ||
        only_pair(o, input, output))
      return output;
  }
  return NULL;
}

void report_state_hints(ModelImport *im) {
  const Onnx *o = im->onnx;
  bool *used = NEW_ARRAY(im->arena, bool, o->noutputs + 1);
  memset(used, 0, sizeof *used * (size_t)(o->noutputs + 1));
  Text names = {.arena = im->arena}, pairs = {.arena = im->arena};
  int states = 0, others = 0;
  for (int i = 0; i < o->ninputs; i++) {
    const OnnxPort *input = &o->input[i];
    const bool reads = !o->constant[input->tensor] && im->readers[input->tensor] > 0,
               floats = !input->type || input->type == TENSOR_FLOAT;
    if (!reads || is_state_input(im, input->name)) continue;
    const OnnxPort *output = floats && input->rank != 0 ? next_value_of(im, input, used) : NULL;
    others += !output;
    if (!output) continue;
    used[output - o->output] = true;
    text_put(&names, "%s'%s'", states ? ", " : "", input->name);
    text_put(&pairs, "%s%s=%s", states++ ? "," : "", input->name, output->name);
  }
  if (!states || !others) return;
  Diag *diag = diag_report(im->diags, DIAG_import_state, im->at, NULL,
                           "input%s %s look%s like %s between calls", states == 1 ? "" : "s", names.s,
                           states == 1 ? "s" : "", states == 1 ? "a state" : "states");
  diag_help(diag, "--state %s keeps %s in the net", pairs.s, states == 1 ? "it" : "them");
}
