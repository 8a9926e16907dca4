/* memory_table.c: RAM and flash of a net (flash without the code), as tables and JSON. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "base/number.h"
#include "report/memory_table.h"

typedef struct MemoryRow {
  const char *what;
  int64_t flash, ram;
} MemoryRow;
typedef VEC(MemoryRow) MemoryRows;

static void add_memory_row(const Layout *layout, MemoryRows *rows, const char *what, int64_t flash,
                           int64_t ram) {
  const MemoryRow row = {what, flash, ram};
  if (flash || ram) vec_push(layout->arena, *rows, row);
}

void footprint_json(Text *out, const Layout *layout) {
  const Footprint f = layout_footprint(layout);
  text_put(out, "\"board\": {\"flash_bytes\": %" PRId64 ", \"ram_bytes\": %" PRId64, f.flash, f.ram);
  text_put(out, f.stack < 0 ? ", \"stack_bytes\": null" : ", \"stack_bytes\": %" PRId64, f.stack);
  text_put(out, ", \"layers\": [");
  for (int i = 0; i < f.n; i++) {
    const LayerFootprint *layer = &f.layer[i];
    text_put(out, "%s\n    {\"name\": ", i ? "," : "");
    text_json(out, layer->name);
    text_put(out, ", \"flash_bytes\": %" PRId64 ", \"ram_bytes\": %" PRId64 ", \"stack_bytes\": %" PRId64 "}",
             layer->flash, layer->ram, layer->stack);
  }
  text_put(out, "]}");
}

/* ---- tables ---- */
static MemoryRows memory_rows(const Layout *layout, bool training) {
  const Graph *graph = layout->graph;
  const NetSizes sizes = layout_sizes(layout);
  const Footprint f = layout_footprint(layout);
  const bool flash = !f.model;
  MemoryRows rows = {0};
  add_memory_row(layout, &rows, flash ? "weights" : "weights, unless they are read from flash",
                 flash ? sizes.model_bytes : 0, flash ? 0 : sizes.model_bytes);
  add_memory_row(layout, &rows, "tables", f.tables, 0);
  add_memory_row(layout, &rows, "labels", f.labels, 0);
  add_memory_row(layout, &rows, "workspace", 0, sizes.workspace_bytes);
  add_memory_row(layout, &rows, "state", 0, sizes.state_bytes);
  add_memory_row(layout, &rows, "training", 0, training && layout->train.program ? sizes.training_bytes : 0);
  add_memory_row(layout, &rows, "stack, at the most", 0, larger(f.stack, 0));
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    add_memory_row(layout, &rows, arena_printf(layout->arena, "input %s", port->name), 0,
                   layout->options.batch * shape_elements(port->node->shape) *
                       elem_bytes(port->node->port->elem));
  }
  for (int i = 0; i < graph->outputs.n; i++) {
    const Port *port = &graph->outputs.data[i];
    add_memory_row(layout, &rows, arena_printf(layout->arena, "output %s", port->name), 0,
                   layout->options.batch * shape_elements(port->node->shape) * elem_bytes(port->node->elem));
  }
  MemoryRow all = {.what = "in all, without code"};
  for (int i = 0; i < rows.n; i++) {
    all.flash += rows.data[i].flash;
    all.ram += rows.data[i].ram;
  }
  vec_push(layout->arena, rows, all);
  return rows;
}

/* ---- printing ---- */
enum { MOST_COLUMNS = 4 };
typedef struct TableRow {
  const char *cell[MOST_COLUMNS];
} TableRow;
typedef VEC(TableRow) TableRows;

static const char *memory_cell(Arena *arena, int64_t bytes) {
  return bytes > 0 ? text_thousands(arena, bytes) : "";
}

/* Prints a table. The first row is the header; all columns except the first are right-aligned. */
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

/* Merges the calls of a layer (several with row bands) into one row: the sum of their flash, and the maxima
 * of their RAM and stack. */
static LayerFootprint merged_calls(const Layout *layout, const Footprint *f, int first, bool *done) {
  LayerFootprint of = f->layer[first];
  const char *layer = layout->infer.steps.data[first].call->kernel->root->name;
  int calls = 1;
  for (int i = first + 1; i < f->n; i++) {
    const LayerFootprint *other = &f->layer[i];
    if (done[i] || strcmp(layout->infer.steps.data[i].call->kernel->root->name, layer) != 0) continue;
    done[i] = true;
    calls++;
    of.flash += other->flash;
    of.ram = larger(of.ram, other->ram);
    of.stack = larger(of.stack, other->stack);
  }
  if (calls > 1) of.name = arena_printf(layout->arena, "%s, %d calls", layer, calls);
  return of;
}

static void put_memory_layers(Text *out, const Layout *layout) {
  const Footprint f = layout_footprint(layout);
  TableRows rows = {0};
  bool *done = NEW_ARRAY(layout->arena, bool, f.n + 1);
  vec_push(layout->arena, rows, ((TableRow){{"layer", "flash", "RAM", "stack"}}));
  for (int i = 0; i < f.n; i++) {
    if (done[i]) continue;
    const LayerFootprint layer = merged_calls(layout, &f, i, done);
    vec_push(layout->arena, rows,
             ((TableRow){{layer.name, memory_cell(layout->arena, layer.flash),
                          memory_cell(layout->arena, layer.ram), memory_cell(layout->arena, layer.stack)}}));
  }
  text_put(out, "\n");
  put_table(out, &rows, MOST_COLUMNS);
}

void memory_table(Text *out, const Layout *layout, bool training) {
  const MemoryRows found = memory_rows(layout, training);
  TableRows rows = {0};
  vec_push(layout->arena, rows, ((TableRow){{"bytes", "flash", "RAM"}}));
  for (int i = 0; i < found.n; i++)
    vec_push(layout->arena, rows,
             ((TableRow){{found.data[i].what, memory_cell(layout->arena, found.data[i].flash),
                          memory_cell(layout->arena, found.data[i].ram)}}));
  put_table(out, &rows, 3);
  if (layout_is_board(layout)) put_memory_layers(out, layout);
}
