// stack.c: Estimate of the stack usage of a nest's functions.
// SPDX-License-Identifier: Apache-2.0
//
// Adds up all arrays, wherever they are declared. A named value counts as stack memory until the end of its
// block, although it may be in a register. Each function also needs stack for the registers, arguments and
// temporaries that a compiler saves, and so does each runtime function.
#include "nest/nest.h"

enum { SAVED = 256 };

typedef struct Locals {
  int64_t arrays;
  int depth; /* functions of the longest chain of calls of runtime functions */
} Locals;

/* Returns the maximum size of the named values that are live at one time; adds array sizes to *locals. */
static int64_t names_of(const NestStmt *stmt, Locals *locals) {
  int64_t own = 0, within = 0;
  for (; stmt; stmt = stmt->next) {
    const Buf *buf = stmt->kind == DECLARE                          ? stmt->u.declare.buf
                     : stmt->kind == STORE && stmt->u.store.declare ? stmt->u.store.ref.buf
                                                                    : NULL;
    if (buf && buf->place == STACK) locals->arrays += buf_bytes(buf);
    else if (buf) own += buf->place == REGS ? buf_bytes(buf) * buf->type.lanes : (int64_t)sizeof(int32_t);
    if (stmt->kind == ROUTINE && stmt->u.routine.of->depth > locals->depth)
      locals->depth = stmt->u.routine.of->depth;
    if (stmt->kind != LOOP && stmt->kind != IF) continue;
    const int64_t body = names_of(stmt->body, locals), otherwise = names_of(stmt->otherwise, locals);
    if (body > within) within = body;
    if (otherwise > within) within = otherwise;
  }
  return own + within;
}

int64_t nest_stack(const Nest *nest) {
  int64_t bytes = 0;
  for (const NestFn *fn = nest->fns; fn; fn = fn->next) {
    Locals locals = {0};
    bytes += names_of(fn->body, &locals) + SAVED;
    bytes += locals.arrays + locals.depth * SAVED;
  }
  return bytes;
}
