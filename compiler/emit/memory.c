/* memory.c: what a net takes of flash and RAM, apart from its code. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "base/number.h"
#include "emit/module.h"

typedef struct MemoryRow {
  const char *what;
  int64_t flash, ram;
} MemoryRow;
typedef VEC(MemoryRow) MemoryRows;

static void add_row(Net *net, MemoryRows *rows, const char *what, int64_t flash, int64_t ram) {
  const MemoryRow row = {what, flash, ram};
  if (flash || ram) vec_push(net->arena, *rows, row);
}

static int64_t table_bytes(const Net *net) {
  int64_t bytes = 0;
  for (int i = 0; i < net->tables.n; i++) bytes += net->tables.data[i]->bytes;
  return bytes;
}

static int64_t label_bytes(const Net *net) {
  int64_t bytes = 0;
  for (int i = 0; i < net->graph->nlabels; i++) bytes += (int64_t)strlen(net->graph->label[i]) + 1;
  return bytes;
}

static bool compiled_in(const Net *net) { return net->options->weights || !net->weights; }

/* ---- layers ---- */
static bool is_board(const Net *net) { /* all targets are, and know what their instructions take */
  for (int t = 0; t < net->options->ntargets; t++)
    if (!cpu_cycles(net->options->target[t])) return false;
  return true;
}

/* Its constants that no step before it reads, as their members are found in `seen`. */
static int64_t flash_of(Net *net, const Step *step, int target, Table *seen) {
  const Nest *nest = step->call->version[target].lower->b;
  int64_t bytes = 0;
  for (int i = 0; step->member && step->member[target] && i < nest->nbufs; i++) {
    const Member *member = step->member[target][i];
    if (!member || table_find(seen, member->name)) continue;
    table_set(net->arena, seen, member->name, (void *)(uintptr_t)1);
    bytes += member->bytes;
  }
  return bytes;
}

/* Of NAME_infer. Compilers put small functions that are called once into it, which then share its frame, and
 * leave large ones apart: beside the largest there may be as much again of the others as gcc allows. */
static int64_t stack_of(const Footprint *f) {
  enum { FRAME = 256, INLINED = 768 };
  int64_t first = 0, second = 0;
  for (int i = 0; i < f->n; i++) {
    const int64_t bytes = f->layer[i].stack;
    if (bytes < 0) return -1;
    if (bytes > second) second = bytes;
    if (bytes > first) {
      second = first;
      first = bytes;
    }
  }
  return FRAME + first + (second < INLINED ? second : INLINED);
}

static void add_layers(Net *net, Footprint *f, int target) {
  const Program *p = net->infer.program;
  Table seen = {0};
  int64_t *live = NEW_ARRAY(net->arena, int64_t, p->calls.n + 1);
  program_live(net->arena, p, target, live);
  for (int s = 0; s < net->infer.steps.n; s++) {
    const Step *step = &net->infer.steps.data[s];
    LayerFootprint *layer = &f->layer[s];
    const int64_t flash = flash_of(net, step, target, &seen), ram = live[step->call - p->calls.data],
                  stack = net->options->alike ? step->function[target]->stack
                                              : nest_stack(step->call->version[target].lower->b);
    layer->name = step->name;
    if (flash > layer->flash) layer->flash = flash;
    if (ram > layer->ram) layer->ram = ram;
    if (stack < 0 || stack > layer->stack) layer->stack = stack;
  }
}

Footprint emit_footprint(Net *net) {
  const NetSizes sizes = emit_sizes(net);
  const bool flash = compiled_in(net);
  Footprint f = {.flash = (flash ? sizes.model_bytes : 0) + table_bytes(net) + label_bytes(net),
                 .model = flash ? 0 : sizes.model_bytes,
                 .workspace = sizes.workspace_bytes,
                 .n = net->infer.steps.n,
                 .layer = NEW_ARRAY(net->arena, LayerFootprint, net->infer.steps.n + 1)};
  for (int t = 0; t < net->options->ntargets; t++) add_layers(net, &f, t);
  f.stack = is_board(net) ? stack_of(&f) : -1;
  return f;
}

static int64_t ram_of(const Footprint *f) { return f->model + f->workspace + (f->stack > 0 ? f->stack : 0); }

void emit_footprint_json(Text *out, Net *net) {
  const Footprint f = emit_footprint(net);
  text_put(out, "\"board\": {\"flash_bytes\": %" PRId64 ", \"ram_bytes\": %" PRId64, f.flash, ram_of(&f));
  text_put(out, f.stack < 0 ? ", \"stack_bytes\": null" : ", \"stack_bytes\": %" PRId64, f.stack);
  text_put(out, ", \"layers\": [");
  for (int i = 0; i < f.n; i++) {
    const LayerFootprint *layer = &f.layer[i];
    text_put(out, "%s\n    {\"name\": ", i ? "," : "");
    text_json(out, layer->name);
    text_put(out, ", \"flash_bytes\": %" PRId64 ", \"ram_bytes\": %" PRId64, layer->flash, layer->ram);
    text_put(out, layer->stack < 0 ? ", \"stack_bytes\": null}" : ", \"stack_bytes\": %" PRId64 "}",
             layer->stack);
  }
  text_put(out, "]}");
}

/* ---- tables ---- */
static MemoryRows rows_of(Net *net, bool training) {
  const Graph *graph = net->graph;
  const NetSizes sizes = emit_sizes(net);
  const Footprint f = emit_footprint(net);
  const bool flash = compiled_in(net);
  MemoryRows rows = {0};
  add_row(net, &rows, flash ? "weights" : "weights, unless they are opened in flash",
          flash ? sizes.model_bytes : 0, flash ? 0 : sizes.model_bytes);
  add_row(net, &rows, "tables", table_bytes(net), 0);
  add_row(net, &rows, "labels", label_bytes(net), 0);
  add_row(net, &rows, "workspace", 0, sizes.workspace_bytes);
  add_row(net, &rows, "training", 0, training && net->train.program ? sizes.training_bytes : 0);
  add_row(net, &rows, "stack, at the most", 0, larger(f.stack, 0));
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    add_row(net, &rows, arena_printf(net->arena, "input %s", port->name), 0,
            net->options->batch * shape_elements(port->node->shape) * elem_bytes(port->node->port->elem));
  }
  for (int i = 0; i < graph->outputs.n; i++) {
    const Port *port = &graph->outputs.data[i];
    add_row(net, &rows, arena_printf(net->arena, "output %s", port->name), 0,
            net->options->batch * shape_elements(port->node->shape) * elem_bytes(port->node->elem));
  }
  MemoryRow all = {.what = "in all, without code"};
  for (int i = 0; i < rows.n; i++) {
    all.flash += rows.data[i].flash;
    all.ram += rows.data[i].ram;
  }
  vec_push(net->arena, rows, all);
  return rows;
}

/* ---- printing ---- */
enum { MOST_COLUMNS = 4 };
typedef struct TableRow {
  const char *cell[MOST_COLUMNS];
} TableRow;
typedef VEC(TableRow) TableRows;

static const char *bytes_text(Arena *arena, int64_t bytes) {
  return bytes > 0 ? text_thousands(arena, bytes) : "";
}

/* The first row is the head; the first column is of words. */
static void put_table(Text *out, const TableRows *rows, int columns) {
  int width[MOST_COLUMNS] = {0};
  for (int r = 0; r < rows->n; r++)
    for (int c = 0; c < columns; c++) {
      const int found = (int)strlen(rows->data[r].cell[c]);
      if (found > width[c]) width[c] = found;
    }
  for (int r = 0; r < rows->n; r++) {
    text_put(out, "|");
    for (int c = 0; c < columns; c++)
      text_put(out, c ? " %*s |" : " %-*s |", width[c], rows->data[r].cell[c]);
    text_put(out, "\n");
    if (r) continue;
    text_put(out, "|");
    for (int c = 0; c < columns; c++) {
      for (int i = 0; i < width[c] + 1; i++) text_put(out, "-");
      text_put(out, c ? ":|" : "-|");
    }
    text_put(out, "\n");
  }
}

/* A layer that is computed band by band has many calls, and one row: the bytes of flash of all, the most of
 * RAM and stack. */
static LayerFootprint merged_calls(Net *net, const Footprint *f, int first, bool *done) {
  LayerFootprint of = f->layer[first];
  const char *layer = net->infer.steps.data[first].call->kernel->root->name;
  int calls = 1;
  for (int i = first + 1; i < f->n; i++) {
    const LayerFootprint *other = &f->layer[i];
    if (done[i] || strcmp(net->infer.steps.data[i].call->kernel->root->name, layer) != 0) continue;
    done[i] = true;
    calls++;
    of.flash += other->flash;
    of.ram = larger(of.ram, other->ram);
    of.stack = of.stack < 0 || other->stack < 0 ? -1 : larger(of.stack, other->stack);
  }
  if (calls > 1) of.name = arena_printf(net->arena, "%s, %d calls", layer, calls);
  return of;
}

static void put_layers(Text *out, Net *net) {
  const Footprint f = emit_footprint(net);
  TableRows rows = {0};
  bool *done = NEW_ARRAY(net->arena, bool, f.n + 1);
  vec_push(net->arena, rows, ((TableRow){{"layer", "flash", "RAM", "stack"}}));
  for (int i = 0; i < f.n; i++) {
    if (done[i]) continue;
    const LayerFootprint layer = merged_calls(net, &f, i, done);
    vec_push(net->arena, rows,
             ((TableRow){{layer.name, bytes_text(net->arena, layer.flash), bytes_text(net->arena, layer.ram),
                          bytes_text(net->arena, layer.stack)}}));
  }
  text_put(out, "\n");
  put_table(out, &rows, MOST_COLUMNS);
}

void emit_memory(Text *out, Net *net, bool training) {
  const MemoryRows found = rows_of(net, training);
  TableRows rows = {0};
  vec_push(net->arena, rows, ((TableRow){{"bytes", "flash", "RAM"}}));
  for (int i = 0; i < found.n; i++)
    vec_push(net->arena, rows,
             ((TableRow){{found.data[i].what, bytes_text(net->arena, found.data[i].flash),
                          bytes_text(net->arena, found.data[i].ram)}}));
  put_table(out, &rows, 3);
  if (is_board(net)) put_layers(out, net);
}
