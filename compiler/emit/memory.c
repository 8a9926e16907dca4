/* memory.c: what a net takes of flash and RAM, apart from its code. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
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

static MemoryRows rows_of(Net *net, bool training) {
  const Graph *graph = net->graph;
  const NetSizes sizes = emit_sizes(net);
  const bool flash = net->options->weights != NULL;
  MemoryRows rows = {0};
  add_row(net, &rows, flash ? "weights" : "weights, unless they are opened in flash",
          flash ? sizes.model_bytes : 0, flash ? 0 : sizes.model_bytes);
  add_row(net, &rows, "tables", table_bytes(net), 0);
  add_row(net, &rows, "labels", label_bytes(net), 0);
  add_row(net, &rows, "workspace", 0, sizes.workspace_bytes);
  add_row(net, &rows, "training", 0, training && net->train.program ? sizes.training_bytes : 0);
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

static const char *bytes_text(Arena *arena, int64_t bytes) {
  return bytes ? text_thousands(arena, bytes) : "";
}

void emit_memory(Text *out, Net *net, bool training) {
  static const char *const head[] = {"bytes", "flash", "RAM"};
  const MemoryRows rows = rows_of(net, training);
  int width[] = {(int)strlen(head[0]), (int)strlen(head[1]), (int)strlen(head[2])};
  for (int i = 0; i < rows.n; i++) {
    const int found[] = {(int)strlen(rows.data[i].what),
                         (int)strlen(bytes_text(net->arena, rows.data[i].flash)),
                         (int)strlen(bytes_text(net->arena, rows.data[i].ram))};
    for (int c = 0; c < 3; c++)
      if (found[c] > width[c]) width[c] = found[c];
  }
  text_put(out, "| %-*s | %*s | %*s |\n", width[0], head[0], width[1], head[1], width[2], head[2]);
  text_put(out, "|");
  for (int c = 0; c < 3; c++) {
    for (int i = 0; i < width[c] + 1; i++) text_put(out, "-");
    text_put(out, c ? ":|" : "-|");
  }
  text_put(out, "\n");
  for (int i = 0; i < rows.n; i++)
    text_put(out, "| %-*s | %*s | %*s |\n", width[0], rows.data[i].what, width[1],
             bytes_text(net->arena, rows.data[i].flash), width[2], bytes_text(net->arena, rows.data[i].ram));
}
