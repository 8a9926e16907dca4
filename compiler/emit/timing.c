/* timing.c: Generator of the timing program of --tune: runs one kernel with several schedules and prints
 * their times. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "emit/emit.h"
#include "emit/nest.h"
#include "kernel/lower.h"

enum { LINE = 64 };

typedef struct Timing {
  Arena *arena;
  const Target *target;
  int64_t values, inputs, weights; /* bytes of buffers, the maximum over the trials. values: all buffers
                                      except weights; inputs: the inputs, which come first in `values` */
  PreludeNeeds needs;
  NestPrint print;
  Text functions, calls;
} Timing;

/* A part of a larger array, such as the channels of one input of a concat, gets as much memory as the whole
 * array. */
static int64_t bytes_of(const Buf *buf) {
  return (buf_room(buf, 0) * elem_bytes(buf->type.elem) + LINE - 1) / LINE * LINE;
}

static int64_t place(int64_t *end, const Buf *buf) {
  const int64_t at = *end;
  *end += bytes_of(buf);
  return at;
}

static void grow(int64_t *most, int64_t bytes) { *most = bytes > *most ? bytes : *most; }

/* A kernel's buffers are consecutive in memory, inputs first; its weights are separate. */
static void put_call(Timing *t, const Lower *l, int trial) {
  const Nest *nest = l->b;
  const char **argument = NEW_ARRAY(t->arena, const char *, nest->nbufs + 1);
  int64_t values = 0, weights = 0, inputs = 0;
  for (int pass = 0; pass < 2; pass++) {
    for (int i = 0; i < nest->nbufs; i++) {
      const Buf *buf = nest->buf[i];
      if (buf->place >= STACK || (buf->place == INPUT) != (pass == 0)) continue;
      const bool weight = buf->place == WEIGHTS;
      argument[i] = arena_printf(t->arena, "(void *)(%s + %" PRId64 ")", weight ? "weights" : "values",
                                 place(weight ? &weights : &values, buf));
    }
    if (pass == 0) inputs = values;
  }
  text_put(&t->calls, "    case %d: %s break;\n", trial,
           emit_nest_call(t->arena, nest, &t->print, argument, NULL));
  grow(&t->values, values);
  grow(&t->inputs, inputs);
  grow(&t->weights, weights);
}

static void put_trial(Timing *t, const Lower *l, int trial) {
  Nest *nest = l->b;
  const char *name = nest->name, *about = nest->about, *main = nest->main->name;
  nest->name = nest->main->name = arena_printf(t->arena, "trial%d", trial);
  emit_nest(&t->functions, nest, &t->print);
  put_call(t, l, trial);
  nest->name = name;
  nest->about = about;
  nest->main->name = main;
}

/* Before each iteration, the program prepares the caches as a kernel finds them in a call of the net. If the
 * weights of the net exceed half of the last-level cache, a kernel does not find its weights in that cache,
 * so each iteration reads weights at another address. If the weights of the net exceed half of the L2 cache,
 * the program fills that cache with other data, as the other kernels of the net would do. The inputs are
 * written just before an iteration, as the previous kernel would do. */
static const char program[] =
    "static double now(void) {\n  struct timespec t;\n  clock_gettime(CLOCK_MONOTONIC, &t);\n  return "
    "(double)t.tv_sec + 1e-9 * (double)t.tv_nsec;\n}\n\n"
    "static char *memory(size_t bytes) {\n  char *p = aligned_alloc(64, bytes + 64);\n  const float one = "
    "0x1p-10f;\n  if (!p) exit(2);\n"
    "  for (size_t i = 0; i < bytes; i += sizeof one) memcpy(p + i, &one, sizeof one);\n  return p;\n}\n\n"
    "static void touch(volatile char *p, size_t bytes) {\n  for (size_t i = 0; i < bytes; i += 64) p[i] = "
    "p[i];\n}\n\n"
    "int main(void) {\n  PERMIT;\n  char *values = memory(VALUES), *weights = memory(POOL), *others = "
    "memory(OTHERS);\n "
    " double best[TRIALS];\n  size_t at = 0;\n"
    "  const double start = now();\n"
    "  for (int round = 0; round < 6 || (round < 2000 && now() - start < SECONDS); round++) {\n"
    "    double least = round ? best[0] : 1e9;\n    for (int i = 0; round && i < TRIALS; i++) least = "
    "best[i] < least ? best[i] : least;\n"
    "    for (int i = 0; i < TRIALS; i++) {\n      if (round >= 6 && best[i] > 1.25 * least) continue;\n"
    "      touch(others, OTHERS);\n      touch(values, INPUTS);\n      const double from = now();\n      "
    "run(i, values, weights + at);\n      const double time = now() - from;\n"
    "      best[i] = round == 0 || time < best[i] ? time : best[i];\n      at = at + 2 * WEIGHTS > POOL ? 0 "
    ": at + WEIGHTS;\n    }\n  }\n"
    "  for (int i = 0; i < TRIALS; i++) printf(\"%.4f\\n\", 1e6 * best[i]);\n  return 0;\n}\n";

/* On Linux, a process must request the permission to use tile registers (dispatch.c). */
static const char permitted[] = "#include <sys/syscall.h>\nlong syscall(long, ...);\n"
                                "#define PERMIT syscall(SYS_arch_prctl, 0x1023, 18)\n\n";

void emit_timing(Text *out, const Target *target, int n, const Lower *const *lower, int64_t weight_bytes) {
  Timing t = {
      .arena = out->arena, .target = target, .functions.arena = out->arena, .calls.arena = out->arena};
  t.print = (NestPrint){{"", "", target->attribute ? "ON_TARGET" : "", .vnni = target->avx >= AVX_VNNI,
                         .bf16 = target->dots > 0 ? target->lanes : 0, .f16 = target_f16_lanes(target),
                         .amx = target->avx == AVX_AMX},
                        target->lanes,
                        .standard = !target->condition,
                        .needs = &t.needs};
  for (int i = 0; i < n; i++) put_trial(&t, lower[i], i);
  const bool far = weight_bytes > target->l3 / 2, near = weight_bytes <= target->l2 / 2;
  const int64_t least = far ? 2 * target->l3 : 0, pool = 2 * t.weights > least && far ? 2 * t.weights
                                                         : far                        ? least
                                                                                      : t.weights;
  text_put(out, "#define _POSIX_C_SOURCE 199309L\n#include <stddef.h>\n#include <stdint.h>\n#include "
                "<stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <time.h>\n\n");
  text_put(out, target->avx == AVX_AMX ? permitted : "#define PERMIT (void)0\n\n");
  text_put(out,
           "enum { TRIALS = %d };\n#define VALUES (size_t)%" PRId64 "\n#define INPUTS (size_t)%" PRId64
           "\n#define WEIGHTS (size_t)%" PRId64 "\n#define POOL (size_t)%" PRId64
           "\n#define OTHERS (size_t)%" PRId64 "\n#define SECONDS %g\n\n",
           n, t.values, t.inputs, t.weights, pool, near ? 0 : 2 * target->l2, 0.04 * n);
  emit_contraction(out, true);
  text_put(out, "\n");
  emit_prelude_file(out, &t.needs, "");
  if (target->attribute) {
    emit_attribute(out, "ON_TARGET", target->attribute, target->lanes);
    text_put(out, "\n");
  }
  emit_prelude(out, &t.needs, &t.print.names);
  text_put(out,
           "%s\nstatic void run(int trial, char *values, char *weights) {\n  (void)weights;\n  switch "
           "(trial) {\n%s  }\n}\n\n%s",
           t.functions.s, t.calls.s, program);
}
