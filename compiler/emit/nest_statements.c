/* nest_statements.c: Printer of a nest's statements as C; for a team, also of the barriers and of the
 * division of the work among the threads. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest_print.h"
#include <string.h>
#include "nest/team.h"

enum { WIDTH = 140 }; /* line width for parameters */

/* ---- statements ---- */
static void indent(Printer *p, int depth) { put("%*s", 2 * depth, ""); }

static Stmts live_statements(const Printer *p, const NestStmt *body) {
  Stmts list = {0};
  code_statements(p->arena, p->instance, body, !p->print->standard, &list);
  return list;
}

static bool is_chosen(const NestStmt *stmt) { return stmt->kind == LOOP && stmt->u.loop.kind == CHOSEN; }

/* Whether the statement is a TILED loop that becomes calls of tile functions. */
static bool is_tiled(const Printer *p, const NestStmt *stmt) {
  return stmt->kind == LOOP && stmt->u.loop.kind == TILED && p->print->names.amx;
}

static void print_block(Printer *p, const NestStmt *body, int depth, bool before_else) {
  const Stmts list = live_statements(p, body);
  const NestStmt *only = list.n == 1 ? list.data[0] : NULL;
  bool one = only && !p->team && !is_chosen(only) && !is_tiled(p, only) && only->kind != DECLARE &&
             only->kind != COMMENT && !(only->kind == STORE && only->u.store.declare) &&
             !(only->kind == IF && only->otherwise) &&
             !(before_else && (only->kind == IF || only->kind == LOOP));
  put(one ? "\n" : " {\n");
  print_body(p, body, depth + 1);
  if (!one) {
    indent(p, depth);
    put("}");
  }
  if (!one && !before_else) put("\n");
  if (before_else) one ? indent(p, depth) : put(" ");
}

void print_limit(Printer *p, int n, const Index *bound, bool low) {
  const Index *limit[BOUNDS];
  if (code_limit(&p->known, n, bound, low, limit) == 1) {
    print_index(p, limit[0]);
    return;
  }
  put("(");
  print_index(p, limit[1]);
  put(low ? " > " : " < ");
  print_index(p, limit[0]);
  put(" ? ");
  print_index(p, limit[1]);
  put(" : ");
  print_index(p, limit[0]);
  put(")");
}

/* Prints the bounds of this thread's share of the iterations. */
static void print_shared_bounds(Printer *p, const NestStmt *stmt, const char *v, const char *end) {
  const Index *lo = stmt->u.loop.lo, *hi = stmt->u.loop.hi;
  for (int i = 0; i < 2; i++) {
    put(i ? ", %s = SHARE(" : "%s = SHARE(", i ? end : v);
    print_index(p, lo);
    put(", ");
    print_index(p, hi);
    put(i ? ", thread + 1)" : ", thread)");
  }
  put("; %s < %s", v, end);
  p->print->needs->team = true;
}

static void print_loop(Printer *p, const NestStmt *stmt, int depth) {
  if (p->team && team_inner_loop(stmt)) {
    print_joined_loops(p, stmt, depth);
    return;
  }
  int taken = p->taken.n, slot = stmt->u.loop.slot;
  const bool shared = p->team && stmt->u.loop.kind == PARALLEL, team = p->team;
  const char *v = printer_name(p, stmt->u.loop.name), *end = NULL, *saved = p->slot_name[slot];
  if (stmt->u.loop.kind == ROLLED) {
    put("ROLL ");
    p->print->needs->roll = true;
  }
  if (stmt->u.loop.kind == UNROLLED) {
    put("UNROLL ");
    p->print->needs->unroll = true;
  }
  if (stmt->u.loop.nhi > 1 || shared) end = printer_name(p, arena_printf(p->arena, "%s_end", v));
  if (!shared) print_loop_annotation(p, stmt, depth, v, end);
  put("for (int ");
  if (shared) print_shared_bounds(p, stmt, v, end);
  else {
    put("%s = ", v);
    print_limit(p, stmt->u.loop.nlo, stmt->u.loop.lo, true);
    if (end) {
      put(", %s = ", end);
      print_limit(p, 2, stmt->u.loop.hi, false);
      put("; %s < %s", v, end);
    } else {
      put("; %s < ", v);
      print_limit(p, 1, stmt->u.loop.hi, false);
    }
  }
  put("; %s++)", v);
  p->slot_name[slot] = v;
  p->team = team && !shared;
  print_block(p, stmt->body, depth, false);
  p->slot_name[slot] = saved;
  p->team = team;
  p->taken.n = taken;
}

static void print_chosen(Printer *p, const NestStmt *stmt,
                         int depth) { /* prints `const int y = ...;` and the body */
  const int taken = p->taken.n, slot = stmt->u.loop.slot;
  const bool team = p->team;
  const char *saved = p->slot_name[slot];
  Val value = stmt->u.loop.chosen;
  Index last = stmt->u.loop.hi[0];
  last.c--;
  if (used_chosen(p->plan, stmt, &p->known, p->used)) {
    indent(p, depth);
    p->slot_name[slot] = printer_name(p, stmt->u.loop.name);
    put("const int %s = %s(", p->slot_name[slot], printer_function(p, FN_CHOSEN, value->type.elem, 1));
    print_value(p, value, CHOICE);
    put(", ");
    print_index(p, &stmt->u.loop.lo[0]);
    put(", ");
    print_index(p, &last);
    put(");\n");
  }
  p->team = false;
  print_body(p, stmt->body, depth);
  p->team = team;
  p->slot_name[slot] = saved;
  p->taken.n = taken;
}

static void print_store_words(Printer *p, const NestStmt *stmt) {
  const Val val = stmt->u.store.val;
  const int lanes = val->type.lanes;
  if (lanes == 1) prelude_need_primitive(p->print->needs, &primitive_put_word, 1);
  put("%s(&", lanes == 1 ? prelude_primitive(p->arena, &p->print->names, &primitive_put_word, 1)
                         : printer_function(p, FN_STORE_WORDS, I32, lanes));
  print_ref(p, &stmt->u.store.ref);
  put(", ");
  print_value(p, val, CHOICE);
  put(");\n");
}

static void print_store(Printer *p, const NestStmt *stmt) {
  const Ref *ref = &stmt->u.store.ref;
  const Buf *buf = ref->buf;
  Val val = stmt->u.store.val;
  int lanes = buf->place == REGS ? buf->type.lanes : val->type.lanes;
  if (stmt->u.store.declare) {
    const char *type = printer_type(p, buf->type.elem, lanes);
    Text *out = p->out, text = {.arena = p->arena};
    p->out = &text; /* prints the value first, because the new name is not in scope in the value */
    print_wide(p, val, lanes);
    p->out = out;
    p->buf_name[buf->id] = printer_name(p, buf->name);
    put("const %s %s = %s;\n", type, p->buf_name[buf->id], text.s);
    return;
  }
  if (val->op == CONVERT && printer_bytes_at_once(p, buf, val->a[0]->type.elem, lanes)) {
    put("%s(&", printer_function(p, FN_STORE_BYTES, buf->type.elem, lanes));
    print_ref(p, ref);
    put(", ");
    print_value(p, val->a[0], CHOICE);
    put(", %d);\n", stmt->u.store.part);
    return;
  }
  if (buf->place != REGS && stmt->u.store.part != lanes) {
    put("%s(&", printer_function(p, FN_STORE_PART, buf->type.elem, lanes));
    print_ref(p, ref);
    put(", ");
    print_value(p, val, CHOICE);
    put(", %d);\n", stmt->u.store.part);
    return;
  }
  if (buf->place == REGS || lanes == 1) print_ref(p, ref);
  else {
    put("AT(%s, ", printer_memory_type(p, buf->type.elem, lanes));
    print_ref(p, ref);
    put(")");
  }
  if (code_adds(stmt)) {
    put(" += ");
    print_value(p, val->a[0], PRODUCT);
    put(" * ");
    print_value(p, val->a[1], UNARY);
  } else {
    put(" = ");
    print_wide(p, val, lanes);
  }
  put(";\n");
}

/* The number of elements in a buffer's declaration. In a merged function, this number is the maximum over the
 * functions that were merged. */
static int64_t declared_elements(Printer *p, const Buf *buf) {
  const CodeNumbers *numbers = p->print->merged;
  for (int i = 0; numbers && i < numbers->n; i++)
    if (numbers->data[i].of == buf && numbers->data[i].which == NUMBER_ELEMENTS)
      return numbers->data[i].value;
  return buf_elements(buf);
}

/* Prints the alignment of an array whose rows are whole vectors. Compilers align a local array only to 16
 * bytes, and a vector that crosses a cache line needs two accesses. */
static void print_alignment(Printer *p, const Buf *buf) {
  const int64_t bytes = (int64_t)elem_bytes(buf->type.elem) * p->print->lanes_max,
                row = buf->rank ? buf->dim[buf->rank - 1] : 0;
  if (buf->place == STACK && p->print->lanes_max > 4 && row && row % p->print->lanes_max == 0)
    put("_Alignas(%lld) ", (long long)bytes);
}

static void print_declaration(Printer *p, const Buf *buf) {
  const char *name = printer_name(p, buf->name);
  if (buf->place == VIEW) {
    put("ptrdiff_t %s = ", name);
    if (!print_flat(p, buf, buf->base)) put("0");
  } else {
    print_alignment(p, buf);
    put("%s %s", printer_type(p, buf->type.elem, buf->type.lanes), name);
    if (buf->flat) put("[%lld]", (long long)declared_elements(p, buf));
    for (int d = 0; d < buf->rank && !buf->flat && !code_is_variable(buf); d++)
      put("[%lld]", (long long)buf->dim[d]);
  }
  put(";\n");
  p->buf_name[buf->id] = name;
}

void print_list(Printer *p, size_t margin, size_t column, const Words *items) {
  put("(");
  for (int i = 0; i < items->n; i++) {
    size_t n = strlen(items->data[i]) + 2;
    if (column + n > WIDTH && i) {
      put(",\n%*s", (int)margin + 4, "");
      column = margin + 4;
    } else if (i) put(", ");
    put("%s", items->data[i]);
    column += n;
  }
  put(")");
}

static void print_call(Printer *p, const NestStmt *stmt, int depth) {
  const Instance *callee = instance_called(p->plan, stmt->u.call.fn, &p->known, stmt->u.call.arg);
  Words items = {0};
  for (int i = 0; i < p->nest->nbufs; i++)
    if (callee->used.buf[i] && p->nest->buf[i]->place < STACK)
      vec_push(p->arena, items, printer_buf(p, p->nest->buf[i]));
  for (int i = 0; i < callee->fn->nparams; i++) {
    if (callee->known.fixed[i + 1] || !callee->used.slot[i + 1]) continue;
    Text text = {.arena = p->arena};
    Index ix = printer_fold(p, &stmt->u.call.arg[i]);
    index_put(&text, &ix, p->slot_name);
    vec_push(p->arena, items, text.s);
  }
  const size_t margin = 2 * (size_t)depth;
  put("%s%s", callee->name, p->print->names.suffix);
  print_list(p, margin, margin + strlen(callee->name) + strlen(p->print->names.suffix), &items);
  put(";\n");
}

static void print_routine(Printer *p, const NestStmt *stmt) {
  const Routine *routine = stmt->u.routine.of;
  prelude_need_routine(p->print->needs, routine);
  put("%s%s_routine(", p->print->names.prefix, routine->name);
  for (int i = 0; i < routine->nbufs; i++) put("%s%s", i ? ", " : "", printer_buf(p, stmt->u.routine.buf[i]));
  for (int i = 0; i < routine->nnumbers; i++) {
    put(", ");
    print_number(p, routine->whole[i] ? I32 : F32, stmt->u.routine.number[i]);
  }
  put(");\n");
}

static void print_if(Printer *p, const NestStmt *stmt, int depth) {
  const Stmts otherwise = live_statements(p, stmt->otherwise);
  put("if (");
  print_cond(p, &stmt->u.branch.cond);
  put(")");
  print_block(p, stmt->body, depth, otherwise.n > 0);
  if (otherwise.n) {
    put("else");
    print_block(p, stmt->otherwise, depth, false);
  }
}

static void print_stmt(Printer *p, const NestStmt *stmt, int depth) {
  if (stmt->kind == COMMENT) {
    emit_comment(p->out, 2 * depth, stmt->u.comment);
    return;
  }
  indent(p, depth);
  switch (stmt->kind) {
  case LOOP:
    if (is_chosen(stmt)) {
      put("{\n");
      print_chosen(p, stmt, depth + 1);
      indent(p, depth);
      put("}\n");
    } else if (is_tiled(p, stmt)) print_tiled(p, stmt, depth);
    else print_loop(p, stmt, depth);
    break;
  case IF: print_if(p, stmt, depth); break;
  case STORE: (store_is_words(stmt) ? print_store_words : print_store)(p, stmt); break;
  case DECLARE: print_declaration(p, stmt->u.declare.buf); break;
  case CALL: print_call(p, stmt, depth); break;
  case ROUTINE: print_routine(p, stmt); break;
  case PIN:
    put("PIN(%s);\n", printer_buf(p, stmt->u.pin.view));
    p->print->needs->pin = true;
    break; /* with print->standard, live_statements has dropped all PIN statements */
  case PREFETCH: {
    const Buf *buf = stmt->u.prefetch.buf;
    p->print->needs->prefetch = true;
    put("PREFETCH(");
    if (buf->rank > 1 && !buf->flat) put("(const %s *)", printer_type(p, buf->type.elem, 1));
    put("%s + ", printer_buf(p, buf));
    print_index(p, &stmt->u.prefetch.flat);
    put(");\n");
    break;
  }
  case COMMENT: break;
  }
}

static void print_wait(Printer *p, int depth) {
  indent(p, depth);
  put("BARRIER();\n");
  p->print->needs->team = true;
}

static void print_piece(Printer *p, const Piece *piece, const NestStmt *const *stmt, int depth) {
  if (piece->wait) print_wait(p, depth);
  const bool one = piece->kind == PIECE_ONE;
  if (one) {
    indent(p, depth);
    put("if (thread == %s) {\n", piece->last ? "threads - 1" : "0");
    p->team = false;
  }
  for (int i = 0; i < piece->n; i++) print_stmt(p, stmt[piece->first + i], depth + one);
  if (one) {
    indent(p, depth);
    put("}\n");
    p->team = true;
  }
}

bool print_waits(Printer *p, const NestStmt *stmt) {
  const Stmts list = live_statements(p, stmt);
  const Pieces pieces = team_pieces(p->arena, p->nest, list.data, list.n);
  bool waits = false;
  for (int i = 0; i < pieces.n; i++)
    waits = waits || pieces.data[i].wait || pieces.data[i].kind == PIECE_TOGETHER;
  return waits;
}

/* Prints a loop over shares, for a pool of threads. Each share runs the n pieces (team_pieces) that are
 * between two barriers. */
static void print_shares(Printer *p, const Stmts *list, const Piece *piece, int n, int depth) {
  bool several = false;
  for (int i = 0; i < n; i++) several = several || piece[i].kind != PIECE_ONE;
  indent(p, depth);
  put("SHARES(%s) {\n", several ? "most" : "1");
  for (int i = 0; i < n; i++) {
    Piece here = piece[i];
    here.wait = false;
    print_piece(p, &here, list->data, depth + 1);
  }
  indent(p, depth);
  put("}\n");
}

/* With shares, a statement that every thread must run would run once per share. So a body with such a
 * statement has only one share. */
static void print_one_share(Printer *p, const NestStmt *stmt, int depth) {
  indent(p, depth);
  put("SHARES(1) {\n");
  p->team = false;
  print_body(p, stmt, depth + 1);
  p->team = true;
  indent(p, depth);
  put("}\n");
}

static void print_shared_pieces(Printer *p, const NestStmt *stmt, const Stmts *list, int depth) {
  const Pieces pieces = team_pieces(p->arena, p->nest, list->data, list->n);
  for (int i = 0; i < pieces.n; i++)
    if (pieces.data[i].kind == PIECE_EACH) {
      print_one_share(p, stmt, depth);
      return;
    }
  for (int i = 0, end; i < pieces.n; i = end) {
    const Piece *piece = &pieces.data[i];
    for (end = i + 1; end < pieces.n && !pieces.data[end].wait && piece->kind != PIECE_TOGETHER &&
                      pieces.data[end].kind != PIECE_TOGETHER;)
      end++;
    if (piece->kind == PIECE_TOGETHER) print_stmt(p, list->data[piece->first], depth);
    else print_shares(p, list, piece, end - i, depth);
  }
}

#ifdef __wasi__ /* the browser build has no bf16 */
static bool print_store_pair(const Printer *p, const NestStmt *const *list, int count, int depth) {
  return (void)p, (void)list, (void)count, (void)depth, false;
}
#else
/* Whether the statement stores a whole vector of floats as bf16 numbers. */
static bool stores_bf16(const NestStmt *stmt) {
  if (stmt->kind != STORE || stmt->u.store.declare) return false;
  const Val val = stmt->u.store.val;
  return stmt->u.store.ref.buf->place != REGS && val->op == CONVERT && val->type.elem == BF16 &&
         val->a[0]->type.elem == F32 && val->a[0]->type.lanes == val->type.lanes &&
         stmt->u.store.part == val->type.lanes;
}

static bool value_reads(Val e, const Buf *buf) {
  if (e->op == LOAD && e->ref->buf == buf) return true;
  for (int i = 0; i < 3 && e->a[i]; i++)
    if (value_reads(e->a[i], buf)) return true;
  return false;
}

/* Whether one instruction can convert and store the vectors of both statements: the elements that b stores
 * follow directly after those of a, and b does not read the buffer. */
static bool adjacent_stores(const NestStmt *a, const NestStmt *b) {
  const Ref *first = &a->u.store.ref, *second = &b->u.store.ref;
  if (first->buf != second->buf || a->u.store.part != b->u.store.part || !first->buf->rank) return false;
  Index next = first->at[first->buf->rank - 1];
  next.c += a->u.store.part;
  for (int d = 0; d < first->buf->rank; d++)
    if (memcmp(d < first->buf->rank - 1 ? &first->at[d] : &next, &second->at[d], sizeof(Index)) != 0)
      return false;
  return !value_reads(b->u.store.val, first->buf);
}

/* Prints the first two statements as one AVX-512 BF16 instruction, if they store adjacent vectors. False:
 * nothing was printed. */
static bool print_store_pair(Printer *p, const NestStmt *const *list, int count, int depth) {
  if (p->print->names.bf16 != 16 || p->print->merged || count < 2) return false;
  if (!stores_bf16(list[0]) || !stores_bf16(list[1]) || !adjacent_stores(list[0], list[1])) return false;
  const int lanes = list[0]->u.store.part;
  if (lanes < 8) return false;
  indent(p, depth);
  put("%s(&", printer_function(p, FN_STORE_PAIR, BF16, lanes));
  print_ref(p, &list[0]->u.store.ref);
  for (int i = 0; i < 2; i++) {
    put(", ");
    print_value(p, list[i]->u.store.val->a[0], CHOICE);
  }
  put(");\n");
  return true;
}
#endif

/* Prints the statements one after the other. If the target has such instructions, loads of adjacent words
 * become one instruction, and so do stores of adjacent bf16 numbers. */
static void print_sequence(Printer *p, const NestStmt *const *list, int count, int depth) {
  const NestStmt *before = NULL; /* the first load of the previous group */
  const char *next = NULL;
  for (int i = 0, n; i < count; i += n) {
    n = p->print->load2 ? code_words_at_once(list + i, count - i) : 1;
    if (n > 1) {
      if (n == WORDS_AT_ONCE) {
        if (!code_continues(before, list[i])) next = NULL;
        before = list[i];
      }
      print_words(p, list + i, n, &next, depth);
      continue;
    }
    if (print_store_pair(p, list + i, count - i, depth)) {
      n = 2;
      continue;
    }
    const bool last = i == count - 1 && is_chosen(list[i]); /* a CHOSEN loop at the end needs no separate
                                                               block */
    (last ? print_chosen : print_stmt)(p, list[i], depth);
  }
}

void print_body(Printer *p, const NestStmt *stmt, int depth) {
  int taken = p->taken.n;
  const Stmts list = live_statements(p, stmt);
  if (p->team && p->waits && p->print->pool) print_shared_pieces(p, stmt, &list, depth);
  else if (p->team) {
    const Pieces pieces = team_pieces(p->arena, p->nest, list.data, list.n);
    for (int i = 0; i < pieces.n; i++) print_piece(p, &pieces.data[i], list.data, depth);
    if (depth > 1) print_wait(p, depth); /* the threads wait before the next iteration */
  } else print_sequence(p, list.data, list.n, depth);
  p->taken.n = taken;
}
