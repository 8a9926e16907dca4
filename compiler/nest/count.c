// count.c: Estimate of the cycles of a nest on a microcontroller.
// SPDX-License-Identifier: Apache-2.0
//
// Counts the operations of each statement, times the iterations of the loops around it. An iteration count
// that depends on outer variables counts with its maximum; of two branches, the longer one counts. Runtime
// functions are not counted.
#include <math.h>
#include "nest/nest.h"

static const double LOOP_OPERATIONS = 3; /* increment, comparison, branch */

typedef struct Count {
  const CpuCycles *cycles;
  int64_t lo[SLOTS], hi[SLOTS]; /* of the variable in each slot */
} Count;

/* Operations of one float function or division; 0: one operation. */
static const double function_operations[] = {
    [DIV] = 14, [EXP] = 20,   [DECAY] = 22, [LOG] = 26, [SQRT] = 20, [TANH] = 32,   [SIGMOID] = 36,
    [CDF] = 60, [POWER] = 60, [SIN] = 30,   [COS] = 30, [FLOOR] = 6, [RANDOM] = 20, [CONVERT] = 2};
enum { FUNCTIONS = sizeof function_operations / sizeof *function_operations };

static int64_t extreme_of(const Count *count, const Index *index, bool most) {
  int64_t value = index->c;
  for (int s = 1; s < SLOTS; s++)
    value += index->k[s] * ((index->k[s] > 0) == most ? count->hi[s] : count->lo[s]);
  return value;
}

static double value_cycles(const Count *count, Val v) {
  double inner = 0;
  for (int i = 0; i < 3; i++)
    if (v->a[i]) {
      const double one = value_cycles(count, v->a[i]);
      inner = v->op == PICK ? fmax(inner, one) : inner + one;
    }
  if (v->op == NUM || v->op == SPLAT || v->op == POSITION || v->op == LANE) return inner;
  if (v->op == LOAD)
    return inner + (v->ref->buf->place == REGS ? 0 : count->cycles->load + count->cycles->other);
  const bool real = v->type.elem == F32 || v->op == CONVERT;
  const double each = real ? count->cycles->real : count->cycles->other,
               own = (int)v->op < (int)FUNCTIONS ? function_operations[v->op] : 0, many = own > 0 ? own : 1;
  return inner + each * many;
}

static double statement_cycles(Count *count, const NestStmt *stmt);

static double loop_cycles(Count *count, const NestStmt *stmt) {
  const int slot = stmt->u.loop.slot;
  int64_t lo = extreme_of(count, &stmt->u.loop.lo[0], false),
          hi = extreme_of(count, &stmt->u.loop.hi[0], true);
  for (int i = 1; i < stmt->u.loop.nlo; i++) {
    const int64_t other = extreme_of(count, &stmt->u.loop.lo[i], false);
    if (other > lo) lo = other;
  }
  for (int i = 1; i < stmt->u.loop.nhi; i++) {
    const int64_t other = extreme_of(count, &stmt->u.loop.hi[i], true);
    if (other < hi) hi = other;
  }
  if (hi <= lo) return 0;
  count->lo[slot] = lo;
  count->hi[slot] = hi - 1;
  const double body = statement_cycles(count, stmt->body),
               own = stmt->u.loop.kind == UNROLLED ? 0 : LOOP_OPERATIONS * count->cycles->other;
  return (body + own) * (stmt->u.loop.kind == CHOSEN ? 1 : (double)(hi - lo));
}

static double call_cycles(const Count *count, const NestStmt *stmt) {
  const NestFn *fn = stmt->u.call.fn;
  Count inner = {.cycles = count->cycles};
  for (int i = 0; i < fn->nparams; i++) {
    inner.lo[i + 1] = extreme_of(count, &stmt->u.call.arg[i], false);
    inner.hi[i + 1] = extreme_of(count, &stmt->u.call.arg[i], true);
  }
  return statement_cycles(&inner, fn->body);
}

static double statement_cycles(Count *count, const NestStmt *stmt) {
  double all = 0;
  for (; stmt; stmt = stmt->next) switch (stmt->kind) {
    case LOOP: all += loop_cycles(count, stmt); break;
    case IF:
      all += count->cycles->other +
             fmax(statement_cycles(count, stmt->body), statement_cycles(count, stmt->otherwise));
      break;
    case STORE:
      all += value_cycles(count, stmt->u.store.val) +
             (stmt->u.store.ref.buf->place == REGS ? 0 : count->cycles->store + count->cycles->other);
      break;
    case CALL: all += call_cycles(count, stmt); break;
    default: break;
    }
  return all;
}

double nest_cycles(const Nest *nest, const CpuCycles *cycles) {
  Count count = {.cycles = cycles};
  for (int i = 0; i < nest->main->nparams; i++) {
    count.lo[i + 1] = nest->main->lo[i];
    count.hi[i + 1] = nest->main->hi[i];
  }
  return statement_cycles(&count, nest->main->body);
}

static bool calls_routine(const NestStmt *stmt) {
  for (; stmt; stmt = stmt->next)
    if (stmt->kind == ROUTINE || (stmt->kind == LOOP && calls_routine(stmt->body)) ||
        (stmt->kind == IF && (calls_routine(stmt->body) || calls_routine(stmt->otherwise))))
      return true;
  return false;
}

bool nest_calls_routine(const Nest *nest) {
  for (const NestFn *fn = nest->fns; fn; fn = fn->next)
    if (calls_routine(fn->body)) return true;
  return false;
}
