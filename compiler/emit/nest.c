/* nest.c: Printer of nests as C with vector extensions: functions and their parameters. The other files
 * nest_*.c print the statements; infer.c, train.c and similar files print the calls of kernels for images and
 * threads.
 *
 * instance.c determines the functions. A function's parameters are the buffers and the numbers that it uses.
 * Buffers that are not flat (Buf.flat) keep their dimensions, as in `in[y][x][c]`: prove.c has proved that
 * each index is within its own dimension. printer_name makes names unique in their C scope, so that schedules
 * need not do it. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest.h"
#include "emit/acsl.h"
#include "emit/literals.h"
#include "emit/nest_print.h"
#include "nest/build.h"
#include "nest/team.h"
#include <string.h>

/* ---- functions ---- */
static const char *
/* declared: the declarator, such as "restrict in"; "" returns the type without a name. */
pointer_text(Arena *arena, const Buf *buf, const char *declared) {
  const char *text =
      arena_printf(arena, "%s%s ", buf->place <= WEIGHTS ? "const " : "", elem_c_type(buf->type.elem));
  if (code_is_flat(buf)) return arena_printf(arena, "%s*%s", text, declared);
  text = arena_printf(arena, "%s(*%s)", text, declared);
  for (int d = 1; d < buf->rank; d++) text = arena_printf(arena, "%s[%lld]", text, (long long)buf->room[d]);
  return text;
}

static void name_parameter(Printer *p, const Buf *buf, Words *items) {
  p->buf_name[buf->id] = printer_name(p, buf->name);
  vec_push(
      p->arena, *items,
      pointer_text(p->arena, buf,
                   arena_printf(p->arena, "%s%s", buf->overlaps ? "" : "restrict ", p->buf_name[buf->id])));
}

/* Adds the parameters of a merged function: they replace the numbers in which the merged functions differ. */
static void name_sizes(Printer *p, Words *items) {
  const CodeNumbers *numbers = p->print->merged;
  int n = 0;
  for (int i = 0; numbers && i < numbers->n; i++)
    if (numbers->data[i].parameter > n) n = numbers->data[i].parameter;
  p->parameter = NEW_ARRAY(p->arena, const char *, n + 1);
  p->found = NEW_ARRAY(p->arena, bool, numbers ? numbers->n + 1 : 1);
  for (int i = 0; i < n; i++) {
    p->parameter[i] = printer_name(p, arena_printf(p->arena, "size%d", i + 1));
    vec_push(p->arena, *items, arena_printf(p->arena, "int %s", p->parameter[i]));
  }
}

/* Checks that every number that a parameter replaces was printed as that parameter. Otherwise the code would
 * only be correct for one of the merged functions. */
static void check_sizes(const Printer *p) {
  const CodeNumbers *numbers = p->print->merged;
  for (int i = 0; numbers && i < numbers->n; i++)
    if (numbers->data[i].parameter && !p->found[i])
      nest_misuse(p->nest, "a size is missing in the printed text");
}

static void print_parameters(Printer *p, const Instance *instance, bool entry, size_t column) {
  Words items = {0};
  name_sizes(p, &items);
  if (p->team) { /* the macros SHARE and SHARES use these names */
    printer_name(p, "thread");
    printer_name(p, "threads");
    printer_name(p, "team");
    printer_name(p, "most");
  }
  for (int i = 0; i < p->nest->nbufs; i++)
    if (instance->used.buf[i] && p->nest->buf[i]->place < STACK) name_parameter(p, p->nest->buf[i], &items);
  for (int i = 0; i < instance->fn->nparams; i++) {
    if (instance->known.fixed[i + 1] || !(entry || instance->used.slot[i + 1])) continue;
    p->slot_name[i + 1] = printer_name(p, instance->fn->param[i]);
    vec_push(p->arena, items,
             arena_printf(p->arena, "%s %s",
                          entry                   ? "int32_t"
                          : instance->fn->flag[i] ? "const int"
                                                  : "int",
                          p->slot_name[i + 1]));
  }
  if (p->team) {
    const bool pool = p->print->pool && p->waits;
    vec_push(p->arena, items, pool ? p->print->pool : "int thread");
    vec_push(p->arena, items, pool ? "int most" : "int threads");
  }
  if (!items.n) vec_push(p->arena, items, "void");
  print_list(p, 0, column, &items);
}

/* Prints a call of the function that several instances share (instance->body), with this instance's constants
 * as arguments. */
static void print_shared_call(Printer *p, const Instance *instance) {
  Words items = {0};
  for (int i = 0; i < p->nest->nbufs; i++)
    if (instance->used.buf[i] && p->nest->buf[i]->place < STACK)
      vec_push(p->arena, items, printer_buf(p, p->nest->buf[i]));
  for (int i = 0; i < instance->fn->nparams; i++) {
    if (!instance->used.slot[i + 1]) continue;
    if (instance->known.fixed[i + 1])
      vec_push(p->arena, items,
               arena_printf(p->arena, "/*%s*/%lld", instance->fn->param[i],
                            (long long)instance->known.value[i + 1]));
    else vec_push(p->arena, items, p->slot_name[i + 1]);
  }
  enum { MARGIN = 2 };
  put("  %s%s", instance->body->name, p->print->names.suffix);
  print_list(p, MARGIN, MARGIN + strlen(instance->body->name) + strlen(p->print->names.suffix), &items);
  put(";\n");
}

/* Without the attribute noclone, gcc would clone the function for each set of sizes. */
static const char not_again[] =
    "#if defined(__GNUC__) && !defined(__clang__)\n__attribute__((noclone))\n#endif\n";

static void print_nest_head(Printer *p, const Instance *instance, bool entry, const char *linkage) {
  const PreludeNames *names = &p->print->names;
  put("%s%svoid %s%s", names->attribute, *names->attribute ? " " : "", instance->name, names->suffix);
  print_parameters(p, instance, entry, strlen(linkage) + 1 + p->out->n);
}

static void print_nest_body(Printer *p, const Instance *instance, bool entry) {
  put(" {\n");
  for (int i = 0; entry && i < instance->fn->nparams; i++)
    if (!instance->used.slot[i + 1]) put("  (void)%s;\n", p->slot_name[i + 1]);
  const bool tiles = entry && p->print->names.amx && p->nest->tiles.rows;
  if (tiles) print_tile_shape(p, true);
  if (instance->body) print_shared_call(p, instance);
  else print_body(p, instance->fn->body, 1);
  if (tiles) print_tile_shape(p, false);
  for (int i = 0; i < p->nest->nbufs;
       i++) /* a tile that covers only padding reads no input; then the input's parameter is unused */
    if (instance->used.buf[i] && p->nest->buf[i]->place < STACK && !p->mentioned[i])
      put("  (void)%s;\n", p->buf_name[i]);
  put("}\n\n");
  check_sizes(p);
}

static const char *text_kept(Arena *arena, const Text *text) { return arena_copy(arena, text->s, text->n); }

NestText emit_nest_function(Arena *arena, Instances *plan, const Instance *instance, const NestPrint *print) {
  Arena *scratch = arena_new();
  Text head = {.arena = scratch}, body = {.arena = scratch};
  const bool entry = instance->fn == plan->nest->main, kernel = entry ? print->apart : !instance->inlined;
  const char *linkage = kernel ? "KERNEL" : entry ? "static" : "INLINE";
  Printer *p = NEW(scratch, Printer);
  *p = (Printer){.out = &head,
                 .arena = scratch,
                 .nest = plan->nest,
                 .print = print,
                 .plan = plan,
                 .instance = instance,
                 .known = instance->known,
                 .used = &instance->used,
                 .buf_name = NEW_ARRAY(scratch, const char *, plan->nest->nbufs + 1),
                 .mentioned = NEW_ARRAY(scratch, bool, plan->nest->nbufs + 1),
                 .team = entry && emit_nest_shares(plan->nest, print)};
  p->waits = p->team && print_waits(p, instance->fn->body);
  if (kernel) print->needs->kernel = true;
  else if (!entry) print->needs->inlined = true;
  print_nest_head(p, instance, entry, linkage);
  const char *lead = print->merged ? not_again : arena_printf(arena, "%s", acsl_contract(p, instance));
  p->out = &body;
  print_nest_body(p, instance, entry);
  const NestText text = {lead, linkage, text_kept(arena, &head), text_kept(arena, &body), p->waits};
  arena_free(scratch);
  return text;
}

void put_nest_text(Text *out, const NestText *text) {
  text_put(out, "%s%s %s%s", text->lead, text->linkage, text->head, text->body);
}

void emit_comment(Text *out, int columns, const char *text) {
  for (const char *line = text; *line;) {
    size_t n = strcspn(line, "\r\n");
    text_put(out, "%*s// ", columns, "");
    for (size_t i = 0; i < n; i++) text_put(out, "%c", (unsigned char)line[i] < ' ' ? ' ' : line[i]);
    while (n && line[n - 1] == ' ') n--;
    if (n && (line[n - 1] == '\\' || (n >= 3 && !memcmp(line + n - 3, "?\?/", 3))))
      text_put(out, "."); /* a backslash at the end would make the next line a comment, too */
    text_put(out, "\n");
    line += strcspn(line, "\r\n");
    line += strspn(line, "\r\n");
  }
}

Words emit_nest_heading(Arena *arena, const Instances *plan) {
  static const char *const place[] = {[INPUT] = "input",    [WEIGHTS] = "weights",       [OUTPUT] = "output",
                                      [UPDATE] = "updated", [OVER] = "input and output", [WORK] = "scratch"};
  const Nest *nest = plan->nest;
  const Used *used = &plan->instances.data[plan->instances.n - 1]->used;
  Words lines = {0};
  size_t width = 0;
  for (int i = 0; i < nest->nbufs; i++)
    if (nest->buf[i]->place < STACK && used->buf[i] && strlen(nest->buf[i]->name) > width)
      width = strlen(nest->buf[i]->name);
  for (int i = 0; i < nest->nbufs; i++) {
    const Buf *buf = nest->buf[i];
    if (buf->place >= STACK || !used->buf[i]) continue;
    Text line = {.arena = arena};
    text_put(&line, "  %-*s ", (int)width, buf->name);
    buf_put_dims(&line, buf);
    text_put(&line, "  %s%s", place[buf->place],
             !buf->overlaps         ? ""
             : buf->place == OUTPUT ? ", which may overwrite input that has been read"
                                    : ", which the output may overwrite");
    vec_push(arena, lines, line.s);
  }
  return lines;
}

/* ---- functions for the other files of emit/ ---- */
void emit_nest(Text *out, const Nest *nest, const NestPrint *print) {
  Arena *scratch = arena_new();
  Instances *plan = instances_of(nest);
  instances_name(plan, nest->name);
  emit_comment(out, 0, nest->about);
  const Words heading = emit_nest_heading(scratch, plan);
  for (int i = 0; i < heading.n; i++) emit_comment(out, 0, heading.data[i]);
  for (int i = 0; i < plan->instances.n; i++) {
    const NestText text = emit_nest_function(scratch, plan, plan->instances.data[i], print);
    put_nest_text(out, &text);
  }
  arena_free(scratch);
}

bool emit_nest_shares(const Nest *nest, const NestPrint *print) {
  return print->team && team_shares(nest->main->body);
}

const char *emit_nest_pointer(Arena *arena, const Nest *nest, int buf_id) {
  return pointer_text(arena, nest->buf[buf_id], "");
}

const char *emit_nest_call(Arena *arena, const Nest *nest, const NestPrint *print,
                           const char *const *argument, const char *const *size) {
  const char *text = arena_printf(arena, "%s%s(", nest->name, print->names.suffix), *gap = "";
  for (int i = 0; i < nest->nbufs; i++) {
    if (nest->buf[i]->place >= STACK || !nest_uses(nest, i)) continue;
    text = arena_printf(arena, "%s%s(%s)%s", text, gap, pointer_text(arena, nest->buf[i], ""), argument[i]);
    gap = ", ";
  }
  for (int i = 0; i < nest->main->nparams; i++) {
    text = arena_printf(arena, "%s%s%s", text, gap, size[i]);
    gap = ", ";
  }
  if (emit_nest_shares(nest, print)) text = arena_printf(arena, "%s%sthread, threads", text, gap);
  return arena_printf(arena, "%s);", text);
}
