/* state.c: Printer of states as C: struct NAME_state, its macros, NAME_reset and NAME_state_ok. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "base/number.h"
#include "emit/module.h"
#include "passes/stream.h"

enum { STATE_VERSION = 1, MARK_BYTES = 16 };

bool net_steps(const Net *net) { return net->graph->stream || graph_states(net->graph) > 0; }

const char *infer_name(const Net *net) { return net_steps(net) ? net->own->step : net->own->infer; }

/* ---- the struct ---- */
/* Members with larger elements come first, so that there is no padding between them. */
static const Node **state_members(Net *net, int *n) {
  const int states = graph_states(net->graph);
  const Node **member = NEW_ARRAY(net->arena, const Node *, states + 1);
  *n = 0;
  for (int size = 4; size; size /= 2)
    for (int k = 0; k < states; k++) {
      const Node *state = graph_state(net->graph, k);
      if (elem_bytes(state->elem) == size) member[(*n)++] = state;
    }
  return member;
}

static int64_t unused_bytes(const Net *net) {
  const int64_t bytes = layout_state_bytes(net->layout);
  int64_t used = MARK_BYTES;
  for (int k = 0; k < graph_states(net->graph); k++) {
    const Node *state = graph_state(net->graph, k);
    used += net->layout->options.batch * shape_elements(state->shape) * elem_bytes(state->elem);
  }
  return bytes - used;
}

static const char *member_name(const Net *net, const Node *state) {
  return net->layout->state[state->port->index].name;
}

void put_state_struct(Text *out, Net *net) {
  int n;
  const Node **member = state_members(net, &n);
  text_put(
      out,
      "/* The values that %s keeps between calls: plain data, which may be copied with memcpy, stored and "
      "read back.\n   %s sets them to their initial values. */\ntypedef struct %s %s;\nstruct %s {\n",
      net->own->step, net->own->reset, net->own->state, net->own->state, net->own->state);
  text_put(out, "  uint32_t mark[4]; /* identifies this net and layout */\n");
  for (int i = 0; i < n; i++) {
    text_put(out, "  %s %s", elem_c_type(member[i]->elem), member_name(net, member[i]));
    if (net->layout->options.batch > 1) text_put(out, "[%s]", net->macro->BATCH);
    text_put(out, "[%" PRId64 "]; /* %s */\n", shape_elements(member[i]->shape),
             shape_text(net->arena, member[i]->shape));
  }
  if (unused_bytes(net)) text_put(out, "  uint8_t unused[%" PRId64 "];\n", unused_bytes(net));
  text_put(out, "};\n\n");
}

/* ---- numbers ---- */
void put_state_numbers(Text *out, Net *net) {
  const Graph *graph = net->graph;
  const Stream *stream = graph->stream;
  put_define(out, net, net->macro->STATE_BYTES, layout_state_bytes(net->layout), "");
  for (int i = 0; i < graph->inputs.n; i++)
    put_define(out, net, i ? net->input[i].step : net->macro->STEP,
               larger(stream_rows(graph->inputs.data[i].node->shape), 1),
               arena_printf(net->arena, "rows of `%s` per call", graph->inputs.data[i].name));
  for (int o = 0; o < graph->outputs.n; o++) {
    put_define(out, net, net->output[o].macro.OFFSET, stream ? stream->output[o].offset : 0,
               arena_printf(net->arena, "index of the first row of `%s` in call 0; ignore rows below 0",
                            graph->outputs.data[o].name));
    put_define(out, net, net->output[o].macro.LATE, stream ? stream->output[o].late : 0,
               "delay of the output rows, in rows of the input");
  }
  put_define(out, net, net->macro->READY, stream ? stream->ready : 0,
             "ignore the outputs of this many calls after a reset");
}

/* ---- initial values ---- */
static uint64_t hashed_text(uint64_t hash, const char *text) {
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
  return (hash ^ '\n') * UINT64_C(0x100000001b3);
}

/* A hash of the net's layers, its states and their layout. */
static uint64_t state_mark(const Net *net, uint64_t hash) {
  Arena *arena = net->arena;
  hash = hashed_text(
      hash, arena_printf(arena, "%s %d %" PRId64, net->name, STATE_VERSION, net->layout->options.batch));
  for (int i = 0; i < net->graph->nodes.n; i++) {
    const Node *node = net->graph->nodes.data[i];
    hash = hashed_text(hash, arena_printf(arena, "%s %s %s %d", node->op->name, node->name,
                                          shape_text(arena, node->shape), (int)node->elem));
    if (node_is_state(node) && node->quant)
      hash =
          hashed_text(hash, arena_printf(arena, "%a %d", (double)node->quant->scale, (int)node->quant->zero));
  }
  return hash;
}

static void put_state_mark(Text *out, Net *net) {
  const uint64_t a = state_mark(net, UINT64_C(0xcbf29ce484222325)), b = state_mark(net, a);
  text_put(out,
           "static const uint32_t %s[4] = {UINT32_C(0x%08" PRIx32 "), UINT32_C(0x%08" PRIx32
           "), UINT32_C(0x%08" PRIx32 "), UINT32_C(0x%08" PRIx32 ")};\n",
           net->own->state_mark, (uint32_t)a | 1, (uint32_t)(a >> 32), (uint32_t)b, (uint32_t)(b >> 32));
}

static int fills_of(const Program *p, int state, const Fill **first) {
  int n = 0;
  for (int i = p->initial.n - 1; i >= 0; i--)
    if (p->initial.data[i].state == state) {
      *first = &p->initial.data[i];
      n++;
    }
  return n;
}

static void put_element(Text *out, const Node *state, double value) {
  if (state->elem == F32) put_hex_float(out, (float)value);
  else text_put(out, "%d", (int)value);
}

static bool has_table(const Program *p, int state) {
  const Fill *first;
  return fills_of(p, state, &first) > 1;
}

/* Prints a constant array of initial numbers for each state whose initial numbers are not all equal. */
static void put_state_tables(Text *out, Net *net) {
  const Program *p = net->layout->infer.program;
  for (int k = 0; k < graph_states(net->graph); k++) {
    const Node *state = graph_state(net->graph, k);
    const int64_t n = shape_elements(state->shape);
    if (!has_table(p, k)) continue;
    text_put(out, "static const %s %s%d[%" PRId64 "] = {", elem_c_type(state->elem), net->own->state_initial,
             k, n);
    for (int i = 0, at = 0; i < p->initial.n; i++) {
      const Fill *fill = &p->initial.data[i];
      for (int64_t b = fill->from; fill->state == k && b < fill->to; b += elem_bytes(state->elem)) {
        text_put(out, "%s%s", at ? "," : "", at % 8 ? " " : "\n  ");
        at++;
        put_element(out, state, fill->value);
      }
    }
    text_put(out, "\n};\n");
  }
}

/* Prints the initialization of the states of one image. */
static void put_begin(Text *out, Net *net, const char *image) {
  const Program *p = net->layout->infer.program;
  for (int k = 0; k < graph_states(net->graph); k++) {
    const Node *state = graph_state(net->graph, k);
    const Fill *first = NULL;
    const char *member = member_name(net, state);
    if (fills_of(p, k, &first) > 1)
      text_put(out, "  memcpy(state->%s%s, %s%d, sizeof %s%d);\n", member, image, net->own->state_initial, k,
               net->own->state_initial, k);
    else if (first->value == 0)
      text_put(out, "  memset(state->%s%s, 0, sizeof state->%s%s);\n", member, image, member, image);
    else {
      text_put(out,
               "  for (int32_t i = 0; i < %" PRId64 "; i++) state->%s%s[i] = ", shape_elements(state->shape),
               member, image);
      put_element(out, state, first->value);
      text_put(out, ";\n");
    }
  }
}

void put_state_functions(Text *out, Net *net) {
  const char *linkage = net_linkage(net);
  const bool several = net->layout->options.batch > 1;
  text_put(out, "/* ---- states ---- */\n\n");
  put_state_mark(out, net);
  put_state_tables(out, net);
  if (several) {
    text_put(out, "%svoid %s(%s *state, int32_t image) {\n", linkage, net->own->reset_one, net->own->state);
    text_put(out, "  if (image < 0 || image >= %s) return;\n", net->macro->BATCH);
    put_begin(out, net, "[image]");
    if (graph_states(net->graph) == 0) text_put(out, "  (void)state;\n");
    text_put(out, "}\n\n");
  }
  text_put(out, "%svoid %s(%s *state) {\n", linkage, net->own->reset, net->own->state);
  if (several)
    text_put(out, "  for (int32_t image = 0; image < %s; image++) %s(state, image);\n", net->macro->BATCH,
             net->own->reset_one);
  else put_begin(out, net, "");
  if (unused_bytes(net)) text_put(out, "  memset(state->unused, 0, sizeof state->unused);\n");
  text_put(out, "  memcpy(state->mark, %s, sizeof state->mark);\n}\n\n", net->own->state_mark);
  text_put(out, "%sint %s(const %s *state) {\n  int same = 1;\n", linkage, net->own->state_ok,
           net->own->state);
  text_put(out, "  for (int i = 0; i < 4; i++)\n    if (state->mark[i] != %s[i]) same = 0;\n",
           net->own->state_mark);
  text_put(out, "  return same;\n}\n\n");
}

void put_state_declarations(Text *out, Net *net) {
  const char *linkage = net_linkage(net);
  text_put(out,
           "/* Sets all values to their initial values, and writes every byte. */\n%svoid %s(%s *state);\n",
           linkage, net->own->reset, net->own->state);
  if (net->layout->options.batch > 1)
    text_put(out,
             "/* Resets only the values of one image, 0 .. %s - 1; another number has no effect. */\n"
             "%svoid %s(%s *state, int32_t image);\n",
             net->macro->BATCH, linkage, net->own->reset_one, net->own->state);
  text_put(out,
           "/* Returns 1 if the state belongs to this net and layout (for states that were stored or "
           "survived\n   sleep). Only the mark in its first 16 bytes is checked. */\n"
           "%sint %s(const %s *state);\n",
           linkage, net->own->state_ok, net->own->state);
}
