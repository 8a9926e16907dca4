/* trace.c: --report=trace: each function and table of the generated C in one row, with its lines, layers,
 * weights and schedules. Rows are created from the definitions in the text, so that no definition can be
 * missing. The layers that a function computes are found in the layout (t->of->layout). */
// SPDX-License-Identifier: Apache-2.0
#include "report/trace.h"
#include <ctype.h>
#include <string.h>
#include "graph/node_text.h"
#include "report/codeless.h"
#include "report/summary.h"
#include "schedule/choose.h"

typedef VEC(const char *) NameList;
typedef struct TraceLines {
  int first, last;
} TraceLines;

typedef struct TraceRow {
  const char *name, *kind;
  const Target *target; /* of a kernel; otherwise NULL */
  bool function;
  VEC(TraceLines) lines; /* more than one range if #if selects one of several definitions */
  const char *from, *to; /* start and end of the text of the last definition */
  NameList layers, weights, schedules, tables, calls;
} TraceRow;

struct Trace {
  Arena *arena;
  const TraceOf *of;
  VEC(TraceRow *) rows;
  Table row_of, written; /* row_of: rows by name; written: layers of the program by name */
};

static void name_once(Arena *arena, NameList *list, const char *name) {
  for (int i = 0; i < list->n; i++)
    if (!strcmp(list->data[i], name)) return;
  vec_push(arena, *list, name);
}

static bool name_in(const NameList *list, const char *name) {
  for (int i = 0; i < list->n; i++)
    if (!strcmp(list->data[i], name)) return true;
  return false;
}

/* ---- definitions in the C text ---- */
/* A definition begins with a word in the first column. A function of several lines ends at a brace in the
 * first column, an object at a line that ends with a semicolon. */
typedef struct Scan {
  Trace *trace;
  int number, first;   /* current line; first line of the current definition, 0: none */
  bool comment, macro; /* the line continues a comment or a macro */
  bool begun, braces;  /* begun: `head` is complete; braces: the definition ends at a brace */
  bool members;        /* the lines are members of a struct; the name of the object follows these members */
  Text head;           /* the definition up to its first brace, equals sign or semicolon */
  const char *from;
  TraceRow *row; /* NULL: the definition has no row (yet), for example a type or a function's declaration */
} Scan;

static bool in_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

static size_t name_length(const char *at) {
  size_t n = 0;
  while (in_name(at[n])) n++;
  return n;
}

static const char *after_parentheses(const char *at) {
  int depth = 0;
  do depth += (*at == '(') - (*at == ')');
  while (*at++ && depth);
  return at;
}

static bool is_one_of(const char *word, const char *const *list) {
  while (*list && strcmp(word, *list) != 0) list++;
  return *list != NULL;
}

static bool begins_with_one_of(const char *text, const char *const *list) {
  while (*list && strncmp(text, *list, strlen(*list)) != 0) list++;
  return *list != NULL;
}

/* The name that `head`, the beginning of a definition, declares. *function: whether this name is the name of
 * a function. */
static const char *declared_name(Arena *arena, const char *head, bool *function) {
  static const char *const attributes[] = {"__attribute__", "_Alignas", "__declspec", NULL};
  const char *name = "";
  *function = false;
  for (const char *at = head; *at && *at != '[' && !*function;) {
    const size_t n = name_length(at);
    const char *word = arena_copy(arena, at, n);
    at += n ? n + strspn(at + n, " ") : 1;
    if (is_one_of(word, attributes)) at = after_parentheses(at);
    else if (n) {
      name = word;
      *function = *at == '(';
    }
  }
  return name;
}

static TraceRow *row_named(Trace *t, const char *name) {
  TraceRow *row = table_find(&t->row_of, name);
  if (row) return row;
  row = NEW(t->arena, TraceRow);
  row->name = name;
  vec_push(t->arena, t->rows, row);
  table_set(t->arena, &t->row_of, name, row);
  return row;
}

static void add_definition(Scan *s, const char *name, bool function, bool local) {
  s->row = row_named(s->trace, name);
  s->row->function = function;
  s->row->kind = !function ? "table" : local ? "helper" : "interface";
  s->row->from = s->from;
}

/* Creates the definition's row, if it has one. stop: the character after `head`. If an object's definition
 * begins with the members of its struct, end_members creates the row. */
static void begin_definition(Scan *s, char stop) {
  static const char *const types[] = {"typedef ",       "struct ", "enum ", "union ",
                                      "_Static_assert", "__asm__", NULL},
                           *const locals[] = {"static ", "INLINE ", "KERNEL ", NULL};
  const bool local = begins_with_one_of(s->head.s, locals);
  bool function = false;
  s->begun = true;
  s->braces = stop == '{';
  s->members = false;
  s->row = NULL;
  if (begins_with_one_of(s->head.s, types)) return;
  const char *name = declared_name(s->trace->arena, s->head.s, &function);
  s->members = s->braces && !function;
  if (s->members || (function && !s->braces)) return;
  add_definition(s, name, function, local);
}

/* Creates the row of an object whose name is in `line`, after the members of its struct. */
static void end_members(Scan *s, const char *line, size_t n) {
  bool function;
  s->members = s->braces = false;
  add_definition(s, declared_name(s->trace->arena, arena_copy(s->trace->arena, line, n), &function), false,
                 true);
}

static void end_row(Scan *s, const char *end) {
  const TraceLines lines = {s->first, s->number};
  if (s->row) {
    vec_push(s->trace->arena, s->row->lines, lines);
    s->row->to = end;
  }
  s->first = 0;
}

static void scan_definition(Scan *s, const char *line, size_t n) {
  size_t used = 0, all = n;
  while (all && line[all - 1] == ' ') all--;
  const char last = all ? line[all - 1] : 0;
  bool ends = s->begun && (s->braces ? *line == '}' : last == ';');
  if (!s->begun) {
    while (used < n && !strchr("{;=", line[used])) used++;
    text_bytes(&s->head, line, used);
    text_put(&s->head, " ");
    if (used == n) return;
    begin_definition(s, line[used]);
    ends = last == ';' || last == '}';
  }
  if (s->members && ends) {
    end_members(s, line, strcspn(line, "={;"));
    ends = last == ';';
  }
  if (ends) end_row(s, line + n);
}

static bool ends_comment(const char *line, size_t n) {
  for (size_t i = 0; i + 1 < n; i++)
    if (line[i] == '*' && line[i + 1] == '/') return true;
  return false;
}

static void scan_line(Scan *s, const char *line, size_t n) {
  static const char *const linkage[] = {"extern \"C\"", NULL};
  const bool continues = n && line[n - 1] == '\\';
  if (s->first) scan_definition(s, line, n);
  else if (s->comment) s->comment = !ends_comment(line, n);
  else if (s->macro || *line == '#') s->macro = continues;
  else if (n > 1 && line[0] == '/' && line[1] == '*') s->comment = !ends_comment(line + 2, n - 2);
  else if (in_name(*line) && !begins_with_one_of(line, linkage)) {
    s->first = s->number;
    s->from = line;
    s->begun = false;
    s->head.n = 0;
    scan_definition(s, line, n);
  }
}

/* Adds a row for each member of the compiled-in model: "lenet5_trained.conv1_weight". */
static void add_member_rows(Trace *t) {
  const char *trained = t->of->layout->own.trained;
  const TraceRow *model = table_find(&t->row_of, trained);
  if (!model || model->lines.n != 1) return;
  int number = model->lines.data[0].first;
  TraceRow *row = NULL;
  for (const char *line = model->from; line < model->to; line += strcspn(line, "\n") + 1, number++) {
    if (strncmp(line, "  .", 3) != 0) continue;
    const char *name = arena_copy(t->arena, line + 3, name_length(line + 3));
    const TraceLines lines = {number, number};
    row = row_named(t, arena_printf(t->arena, "%s.%s", trained, name));
    row->kind = "weights";
    vec_push(t->arena, row->lines, lines);
  }
  for (int i = 0; i < t->rows.n; i++)
    if (strcmp(t->rows.data[i]->kind, "weights") == 0)
      t->rows.data[i]->lines.data[0].last =
          (i + 1 < t->rows.n ? t->rows.data[i + 1]->lines.data[0].first : model->lines.data[0].last) - 1;
}

static void add_calls(Trace *t, TraceRow *row) {
  for (const char *at = row->from; row->function && at < row->to;) {
    const size_t n = name_length(at);
    const char *word = arena_copy(t->arena, at, n);
    const TraceRow *called = n ? table_find(&t->row_of, word) : NULL;
    if (called && called != row)
      name_once(t->arena, called->function ? &row->calls : &row->tables, called->name);
    at += n ? n : 1;
  }
}

static void find_definitions(Trace *t) {
  Scan s = {.trace = t, .head = {.arena = t->arena}};
  for (const char *line = t->of->c; *line;) {
    const size_t n = strcspn(line, "\n");
    s.number++;
    scan_line(&s, line, n);
    line += n + (line[n] == '\n');
  }
  for (int i = 0; i < t->rows.n; i++) add_calls(t, t->rows.data[i]);
  add_member_rows(t);
}

/* ---- layers of functions ---- */
static void add_layer_name(Trace *t, TraceRow *row, const Node *node) {
  const char *name = node_forward(node)->name;
  if (row && *name) name_once(t->arena, &row->layers, name);
}

static void add_kernel_layers(Trace *t, TraceRow *row, const Kernel *kernel) {
  int n;
  Node *const *layer = kernel_layers(t->arena, kernel, &n);
  for (int i = 0; i < n; i++) add_layer_name(t, row, layer[i]);
}

/* The row for a member of the weights struct: its own row, or the row of its table, or the row of the whole
 * model (an array of bytes); NULL: none. */
static TraceRow *row_of_member(const Trace *t, const Member *member) {
  const Layout *l = t->of->layout;
  const char *const names[] = {arena_printf(t->arena, "%s.%s", l->own.trained, member->name),
                               arena_printf(t->arena, "%s_%s", l->options.prefix, member->name),
                               l->own.trained};
  TraceRow *row = NULL;
  for (int i = 0; i < 3 && !row; i++) row = table_find(&t->row_of, names[i]);
  return row;
}

static void add_members(Trace *t, TraceRow *row, const Step *step, int target) {
  const Lower *lower = step->call->version[target].lower;
  for (int i = 0; step->member[target] && i < lower->b->nbufs; i++) {
    TraceRow *member = step->member[target][i] ? row_of_member(t, step->member[target][i]) : NULL;
    if (!member) continue;
    add_kernel_layers(t, member, step->call->kernel);
    name_once(t->arena, &row->tables, member->name);
  }
}

/* Adds the layers, the schedule and the packed weights of a call to the rows of the called function and of
 * the functions that it calls. */
static void add_step(Trace *t, const Step *step, int target) {
  const Functions *functions = &t->of->layout->targets[target];
  const NestFunction *function = step->function[target]->into;
  const Decision *d = step->call->version[target].lower->decision;
  const Instances *list = function->instances;
  for (int i = 0; i < list->instances.n; i++) {
    const char *name = functions->codes.data[list->instances.data[i]->code]->name;
    TraceRow *row = table_find(&t->row_of, arena_printf(t->arena, "%s%s", name, functions->suffix));
    if (!row) continue;
    row->kind = "kernel";
    row->target = functions->target;
    add_kernel_layers(t, row, step->call->kernel);
    if (d) name_once(t->arena, &row->schedules, d->candidates.data[d->chosen].name);
    add_members(t, row, step, target);
  }
}

static void add_part(Trace *t, const Part *part) {
  const Layout *l = t->of->layout;
  for (int target = 0; part->program && target < l->options.ntargets; target++) {
    for (int i = 0; i < part->steps.n; i++) add_step(t, &part->steps.data[i], target);
    for (int o = 0; part->outputs && o < l->graph->outputs.n; o++) {
      TraceRow *row = table_find(&t->row_of, part->outputs[o][target]->name);
      if (!row) continue;
      row->kind = "kernel";
      row->target = l->options.target[target];
      add_layer_name(t, row, l->graph->outputs.data[o].node);
    }
  }
  for (int i = 0; i < part->members.n; i++) {
    const Member *member = part->members.data[i];
    TraceRow *row = member->function ? table_find(&t->row_of, member->function->name) : NULL;
    if (!row) continue;
    row->kind = "packing";
    for (int k = 0; k < member->pack->source.n; k++)
      add_layer_name(t, row, member->pack->source.data[k]->owner);
  }
}

/* ---- layers of the program ---- */
/* The layer of the lowered graph that computes the value of a layer of the program; NULL: none. */
static const char *lowered_name(const Trace *t, const Node *layer) {
  const Node *made = t->of->made ? t->of->made[layer->id] : layer;
  return made ? made->name : NULL;
}

static bool row_computes(const Trace *t, const TraceRow *row, const Node *layer) {
  const char *lowered = lowered_name(t, layer);
  return name_in(&row->layers, layer->name) || (lowered && name_in(&row->layers, lowered));
}

static const char *no_row_reason(const Trace *t, const Node *layer) {
  const Layout *l = t->of->layout;
  const char *lowered = lowered_name(t, layer);
  for (int i = 0; lowered && i < l->graph->nodes.n; i++)
    if (!strcmp(l->graph->nodes.data[i]->name, lowered)) return codeless_reason(l, l->graph->nodes.data[i]);
  return "no result of inference depends on it";
}

static void add_program_layer(Trace *t, Node *layer) {
  table_set(t->arena, &t->written, layer->name, layer);
  for (int i = 0; i < t->rows.n; i++) {
    TraceRow *row = t->rows.data[i];
    if (!row_computes(t, row, layer)) continue;
    name_once(t->arena, &row->layers, layer->name);
    for (int k = 0; k < layer->nweights; k++)
      if (layer->weight[k]) name_once(t->arena, &row->weights, layer->weight[k]->name);
  }
}

static Node *program_layer(const Trace *t, int i) {
  Node *node = t->of->program->nodes.data[i];
  return is_layer(node) && *node->name ? node : NULL;
}

Trace *trace_new(Arena *arena, const TraceOf *of) {
  Trace *t = NEW(arena, Trace);
  *t = (Trace){.arena = arena, .of = of};
  find_definitions(t);
  add_part(t, &of->layout->infer);
  add_part(t, &of->layout->train);
  add_part(t, &of->layout->look);
  for (int i = 0; i < of->program->nodes.n; i++)
    if (program_layer(t, i)) add_program_layer(t, program_layer(t, i));
  return t;
}

/* ---- text ---- */
static void put_trace_names(Text *out, const char *what, const NameList *list) {
  if (!list->n) return;
  text_put(out, "  %s: ", what);
  for (int i = 0; i < list->n; i++) text_put(out, "%s%s", i ? ", " : "", list->data[i]);
  text_put(out, "\n");
}

/* Lists the layers of a row that are written in the program or, with `written` false, the layers that the
 * compiler has added, such as the conversions of an int8 model. */
static NameList row_layers(const Trace *t, const TraceRow *row, bool written) {
  NameList list = {0};
  for (int i = 0; i < row->layers.n; i++)
    if ((table_find(&t->written, row->layers.data[i]) != NULL) == written)
      vec_push(t->arena, list, row->layers.data[i]);
  return list;
}

static void put_trace_lines(Text *out, const TraceRow *row) {
  for (int i = 0; i < row->lines.n; i++)
    text_put(out, "%s %d to %d", i ? " and" : ", lines", row->lines.data[i].first, row->lines.data[i].last);
}

static void put_trace_row(Text *out, const Trace *t, const TraceRow *row) {
  const NameList layers = row_layers(t, row, true), values = row_layers(t, row, false);
  text_put(out, "%s", row->name);
  put_trace_lines(out, row);
  text_put(out, ": %s%s%s\n", row->kind, row->target ? " for " : "", row->target ? row->target->name : "");
  for (int i = 0; i < layers.n; i++)
    text_put(out, "  layer: %s\n",
             layer_text(t->arena, t->of->sources, table_find(&t->written, layers.data[i])));
  put_trace_names(out, "value", &values);
  put_trace_names(out, "schedule", &row->schedules);
  put_trace_names(out, "weights", &row->weights);
  put_trace_names(out, "reads", &row->tables);
  put_trace_names(out, "calls", &row->calls);
}

/* Names of the functions of a layer or, with `function` false, of its tables. */
static NameList rows_with(const Trace *t, const Node *layer, bool function) {
  NameList names = {0};
  for (int i = 0; i < t->rows.n; i++)
    if (t->rows.data[i]->function == function && name_in(&t->rows.data[i]->layers, layer->name))
      vec_push(t->arena, names, t->rows.data[i]->name);
  return names;
}

void trace_text(Text *out, const Trace *t) {
  int functions = 0;
  for (int i = 0; i < t->rows.n; i++) functions += t->rows.data[i]->function;
  text_put(out, "%s: %d functions, %d tables\n\n", t->of->file, functions, t->rows.n - functions);
  for (int i = 0; i < t->rows.n; i++) put_trace_row(out, t, t->rows.data[i]);
  text_put(out, "\n");
  for (int i = 0; i < t->of->program->nodes.n; i++) {
    const Node *layer = program_layer(t, i);
    if (!layer) continue;
    const NameList in = rows_with(t, layer, true);
    text_put(out, "%s\n", layer_text(t->arena, t->of->sources, layer));
    if (in.n) put_trace_names(out, "in", &in);
    else text_put(out, "  no code: %s\n", no_row_reason(t, layer));
  }
}

/* ---- JSON ---- */
static void put_json_names(Text *out, const char *key, const NameList *list) {
  text_put(out, ", \"%s\": [", key);
  for (int i = 0; i < list->n; i++) {
    if (i) text_put(out, ", ");
    text_json(out, list->data[i]);
  }
  text_put(out, "]");
}

static void put_json_row(Text *out, const Trace *t, const TraceRow *row) {
  const NameList layers = row_layers(t, row, true), values = row_layers(t, row, false);
  text_put(out, "{\"name\": ");
  text_json(out, row->name);
  text_put(out, ", \"kind\": \"%s\", \"lines\": [", row->kind);
  for (int i = 0; i < row->lines.n; i++)
    text_put(out, "%s[%d, %d]", i ? ", " : "", row->lines.data[i].first, row->lines.data[i].last);
  text_put(out, "]");
  if (row->target) text_put(out, ", \"target\": \"%s\"", row->target->name);
  put_json_names(out, "layers", &layers);
  put_json_names(out, "values", &values);
  put_json_names(out, "schedules", &row->schedules);
  put_json_names(out, "weights", &row->weights);
  if (row->function) {
    put_json_names(out, "reads", &row->tables);
    put_json_names(out, "calls", &row->calls);
  }
  text_put(out, "}");
}

static void put_json_rows(Text *out, const Trace *t, bool functions) {
  bool any = false;
  text_put(out, "  \"%s\": [", functions ? "functions" : "tables");
  for (int i = 0; i < t->rows.n; i++) {
    if (t->rows.data[i]->function != functions) continue;
    text_put(out, any ? ",\n    " : "\n    ");
    put_json_row(out, t, t->rows.data[i]);
    any = true;
  }
  text_put(out, any ? "\n  ],\n" : "],\n");
}

static void put_json_layer(Text *out, const Trace *t, const Node *layer) {
  const SourcePlace place = sources_place(t->of->sources, layer->span.file, layer->span.start);
  const NameList functions = rows_with(t, layer, true), tables = rows_with(t, layer, false);
  text_put(out, "{\"name\": ");
  text_json(out, layer->name);
  text_put(out, ", \"operator\": \"%s\", \"file\": ", layer->op->name);
  text_json(out, place.path);
  text_put(out, ", \"line\": %d", place.line);
  put_json_names(out, "functions", &functions);
  put_json_names(out, "tables", &tables);
  if (!functions.n) {
    text_put(out, ", \"no_code\": ");
    text_json(out, no_row_reason(t, layer));
  }
  text_put(out, "}");
}

void trace_json(Text *out, const Trace *t) {
  bool any = false;
  text_put(out, "{\n  \"net\": ");
  text_json(out, t->of->layout->graph->name);
  text_put(out, ",\n  \"file\": ");
  text_json(out, t->of->file);
  text_put(out, ",\n");
  put_json_rows(out, t, true);
  put_json_rows(out, t, false);
  text_put(out, "  \"layers\": [");
  for (int i = 0; i < t->of->program->nodes.n; i++) {
    if (!program_layer(t, i)) continue;
    text_put(out, any ? ",\n    " : "\n    ");
    put_json_layer(out, t, program_layer(t, i));
    any = true;
  }
  text_put(out, any ? "\n  ]\n}\n" : "]\n}\n");
}

/* ---- CSV ---- */
enum {
  CSV_LAYER,
  CSV_FILE,
  CSV_LINE,
  CSV_OPERATOR,
  CSV_FUNCTION,
  CSV_TABLE,
  CSV_KIND,
  CSV_TARGET,
  CSV_C_LINES,
  CSV_SCHEDULES,
  CSV_WEIGHTS,
  CSV_VALUES,
  CSV_READS,
  CSV_CALLS,
  CSV_REASON,
  CSV_COLUMNS
};
static const char *const csv_head[CSV_COLUMNS] = {"layer",   "file",   "line",   "operator", "function",
                                                  "table",   "kind",   "target", "c_lines",  "schedules",
                                                  "weights", "values", "reads",  "calls",    "reason"};

/* A row in the form of RFC 4180, except that the line ends with "\n" alone. NULL: an empty field. */
static void put_csv_row(Text *out, const char *const *field) {
  for (int i = 0; i < CSV_COLUMNS; i++) {
    const char *at = field[i] ? field[i] : "", *quote = at[strcspn(at, ",\"\r\n")] ? "\"" : "";
    text_put(out, "%s%s", i ? "," : "", quote);
    for (; *at; at++) text_put(out, "%s%c", *at == '"' ? "\"" : "", *at);
    text_put(out, "%s", quote);
  }
  text_put(out, "\n");
}

static const char *joined_names(Arena *arena, const NameList *list, const char *between) {
  Text out = {.arena = arena};
  for (int i = 0; i < list->n; i++) text_put(&out, "%s%s", i ? between : "", list->data[i]);
  return out.s;
}

/* Sets the fields that describe layers of the program. Each field has one word per layer. But if all layers
 * are in the same file, the file is named only once. */
static void set_csv_layers(const Trace *t, const NameList *layers, const char **field) {
  NameList lines = {0}, operators = {0}, files = {0}, different = {0};
  for (int i = 0; i < layers->n; i++) {
    const Node *layer = table_find(&t->written, layers->data[i]);
    const SourcePlace place = sources_place(t->of->sources, layer->span.file, layer->span.start);
    vec_push(t->arena, lines, arena_printf(t->arena, "%d", place.line));
    vec_push(t->arena, operators, layer->op->name);
    vec_push(t->arena, files, place.path);
    name_once(t->arena, &different, place.path);
  }
  field[CSV_LAYER] = joined_names(t->arena, layers, " ");
  field[CSV_FILE] = joined_names(t->arena, different.n > 1 ? &files : &different, " ");
  field[CSV_LINE] = joined_names(t->arena, &lines, " ");
  field[CSV_OPERATOR] = joined_names(t->arena, &operators, " ");
}

static void put_csv_code(Text *out, const Trace *t, const TraceRow *row) {
  const NameList layers = row_layers(t, row, true), values = row_layers(t, row, false);
  NameList lines = {0};
  for (int i = 0; i < row->lines.n; i++)
    vec_push(t->arena, lines,
             arena_printf(t->arena, "%d-%d", row->lines.data[i].first, row->lines.data[i].last));
  const char *field[CSV_COLUMNS] = {[CSV_KIND] = row->kind,
                                    [CSV_TARGET] = row->target ? row->target->name : NULL,
                                    [CSV_C_LINES] = joined_names(t->arena, &lines, " "),
                                    [CSV_SCHEDULES] = joined_names(t->arena, &row->schedules, "; "),
                                    [CSV_WEIGHTS] = joined_names(t->arena, &row->weights, " "),
                                    [CSV_VALUES] = joined_names(t->arena, &values, " ")};
  set_csv_layers(t, &layers, field);
  field[row->function ? CSV_FUNCTION : CSV_TABLE] = row->name;
  if (row->function) {
    field[CSV_READS] = joined_names(t->arena, &row->tables, " ");
    field[CSV_CALLS] = joined_names(t->arena, &row->calls, " ");
  }
  put_csv_row(out, field);
}

/* One row for each function and table, then one for each layer that no function computes. */
void trace_csv(Text *out, const Trace *t) {
  put_csv_row(out, csv_head);
  for (int i = 0; i < t->rows.n; i++) put_csv_code(out, t, t->rows.data[i]);
  for (int i = 0; i < t->of->program->nodes.n; i++) {
    const Node *layer = program_layer(t, i);
    if (!layer || rows_with(t, layer, true).n) continue;
    NameList layers = {0};
    vec_push(t->arena, layers, layer->name);
    const char *field[CSV_COLUMNS] = {[CSV_REASON] = no_row_reason(t, layer)};
    set_csv_layers(t, &layers, field);
    put_csv_row(out, field);
  }
}
