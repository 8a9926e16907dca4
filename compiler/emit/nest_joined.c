/* nest_joined.c: Printer of nested parallel loops, whose iterations a team shares as one range. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest_print.h"
#include <string.h>
#include "nest/team.h"

static void print_rounds(Printer *p, const NestStmt *loop) {
  const Index *lo = &loop->u.loop.lo[0];
  if (lo->c) put("(");
  print_index(p, &loop->u.loop.hi[0]);
  if (!lo->c) return;
  put(" - ");
  print_index(p, lo);
  put(")");
}

static void print_all_rounds(Printer *p,
                             const NestStmt *loop) { /* prints the product of the iteration counts of this
                                                        loop and the joined loops inside it */
  for (; loop; loop = team_inner_loop(loop)) {
    print_rounds(p, loop);
    if (team_inner_loop(loop)) put("*");
  }
}

static void print_joined_bounds(Printer *p, const NestStmt *loop, const char *v, const char *end) {
  for (int i = 0; i < 2; i++) {
    put(i ? ", %s = SHARE(0, " : "%s = SHARE(0, ", i ? end : v);
    print_all_rounds(p, loop);
    put(i ? ", thread + 1)" : ", thread)");
  }
  put("; %s < %s; %s++) {\n", v, end, v);
  p->print->needs->team = true;
}

/* Prints the definition of a joined loop's variable, if the text uses the variable. For a loop of 3
 * iterations around joined loops of 5 iterations in total, the definition is `const int u = round/5%3`. The
 * outermost loop needs no %, the innermost loop no /. */
static void print_joined_index(Printer *p, const NestStmt *loop, bool outermost, const char *round,
                               int depth) {
  const NestStmt *inner = team_inner_loop(loop);
  const Index *lo = &loop->u.loop.lo[0];
  if (!used_chosen(p->plan, loop, &p->known, p->used)) return;
  const char *name = printer_name(p, loop->u.loop.name);
  put("%*s", 2 * depth, "");
  put("const int %s = ", name);
  if (lo->c) print_index(p, lo);
  put(lo->c ? " + %s" : "%s", round);
  if (inner) {
    put(team_inner_loop(inner) ? "/(" : "/");
    print_all_rounds(p, inner);
    if (team_inner_loop(inner)) put(")");
  }
  if (!outermost) {
    put("%%");
    print_rounds(p, loop);
  }
  put(";\n");
  p->slot_name[loop->u.loop.slot] = name;
}

void print_joined_loops(Printer *p, const NestStmt *stmt, int depth) {
  const int taken = p->taken.n;
  const char *round = printer_name(p, "round"), *end = printer_name(p, "round_end"), *saved[SLOTS];
  memcpy(saved, p->slot_name, sizeof saved);
  put("for (int ");
  print_joined_bounds(p, stmt, round, end);
  const NestStmt *last = stmt;
  for (const NestStmt *loop = stmt; loop; last = loop, loop = team_inner_loop(loop))
    print_joined_index(p, loop, loop == stmt, round, depth + 1);
  p->team = false;
  print_body(p, last->body, depth + 1);
  p->team = true;
  put("%*s", 2 * depth, "");
  put("}\n");
  memcpy(p->slot_name, saved, sizeof saved);
  p->taken.n = taken;
}
