/* wcet.c: --report=wcet: estimated cycles of an int8 model by layer, as the cost model predicts them for the
 * chosen schedules. This is an estimate, not a bound; bench/wcet computes a bound for the linked program. */
// SPDX-License-Identifier: Apache-2.0
#include "report/wcet.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include "ops/registry.h"
#include "schedule/choose.h"
#include "schedule/schedule.h"

const char *wcet_refused(const WcetOf *of, const char **help) {
  const Target *target = of->layout->options.target[0];
  *help = NULL;
  if (!cpu_cycles(target))
    return arena_printf(of->layout->arena,
                        "the time of %s code depends on caches, branch prediction and reordering, which the "
                        "estimate does not model",
                        target->name);
  if (!of->cpu) {
    *help = "--cpu=NAME selects one";
    return arena_printf(of->layout->arena, "several CPUs run code for %s", target->name);
  }
  if (of->cpu->varies) return arena_printf(of->layout->arena, "on a %s %s", of->cpu->name, of->cpu->varies);
  if (!of->int8) {
    *help = "cnnc quantize generates int8 weights";
    return "cycles are estimated only for int8 models";
  }
  if (of->plain) *help = "remove -O0 or -Os";
  return of->plain ? "the reference loops of -O0 and -Os have no cycle counts" : NULL;
}

typedef struct Estimate {
  double cycles;
  bool rough; /* the layer has the reference schedule: operations are counted instead of instructions */
  bool least; /* it also calls a runtime function, of which only multiply-adds are counted */
} Estimate;

static const Candidate *chosen_of(const WcetOf *of, int step) {
  const Decision *d = of->layout->infer.steps.data[step].call->version[0].lower->decision;
  return &d->candidates.data[d->chosen];
}

static Estimate estimate_of(const WcetOf *of, int step) {
  /* of a multiply-add of a runtime function: two loads, a store, the loop */
  static const double ROUTINE_CYCLES = 8;
  const Candidate *c = chosen_of(of, step);
  const KernelCall *call = of->layout->infer.steps.data[step].call;
  const Nest *nest = call->version[0].lower->b;
  if (c->choice.schedule != &schedule_plain) return (Estimate){.cycles = ceil(c->cycles.total)};
  const bool routine = nest_calls_routine(nest);
  const double counted =
      nest_cycles(nest, &of->cpu->cycles) +
      (routine ? ROUTINE_CYCLES * of->cpu->cycles.real * (double)node_macs(call->kernel->root) : 0);
  return (Estimate){ceil(fmax(c->cycles.total, counted)), .rough = true, .least = routine};
}

static double all_cycles(const WcetOf *of) {
  double all = 0;
  for (int i = 0; i < of->layout->infer.steps.n; i++) all += estimate_of(of, i).cycles;
  return all;
}

static const char not_counted[] =
    "function calls, instruction fetches from flash, flash caches and prefetching, interrupts";

static double share_of(const Estimate *e, double all) { return all > 0 ? 100 * e->cycles / all : 0; }

void wcet_text(Text *out, const WcetOf *of) {
  const double all = all_cycles(of);
  bool rough = false, least = false;
  text_put(out, "%s on a %s: estimated cycles, not a bound\n", of->layout->graph->name, of->cpu->name);
  text_put(out, "Data in flash: %" PRId64 " wait cycles per 16 bytes. Not counted: %s.\n\n", of->flash_wait,
           not_counted);
  text_put(out, "%14s %7s  layer\n", "cycles", "share");
  for (int i = 0; i < of->layout->infer.steps.n; i++) {
    const Estimate e = estimate_of(of, i);
    rough = rough || e.rough;
    least = least || e.least;
    text_put(out, "%14s %5.1f %%  %s%s\n", text_thousands(out->arena, (int64_t)e.cycles), share_of(&e, all),
             of->layout->infer.steps.data[i].name,
             e.least   ? " **"
             : e.rough ? " *"
                       : "");
  }
  text_put(out, "%14s          in all%s\n", text_thousands(out->arena, (int64_t)all),
           least ? ", at least" : "");
  if (rough)
    text_put(out, "\n* the operations of the reference loops are counted; a function such as log counts as "
                  "several operations\n");
  if (least) text_put(out, "** at least: only the multiply-adds of a runtime function are counted\n");
}

void wcet_json(Text *out, const WcetOf *of) {
  bool least = false;
  text_put(out, "{\n  \"net\": ");
  text_json(out, of->layout->graph->name);
  text_put(out, ",\n  \"kind\": \"estimate\",\n  \"cpu\": \"%s\",\n  \"flash_wait\": %" PRId64, of->cpu->name,
           of->flash_wait);
  text_put(out, ",\n  \"not_counted\": \"%s\",\n  \"layers\": [", not_counted);
  for (int i = 0; i < of->layout->infer.steps.n; i++) {
    const Estimate e = estimate_of(of, i);
    text_put(out, "%s\n    {\"name\": ", i ? "," : "");
    text_json(out, of->layout->infer.steps.data[i].name);
    text_put(out, ", \"cycles\": %.0f, \"schedule\": ", e.cycles);
    text_json(out, chosen_of(of, i)->name);
    text_put(out, ", \"rough\": %s, \"at_least\": %s}", e.rough ? "true" : "false",
             e.least ? "true" : "false");
    least = least || e.least;
  }
  text_put(out, "\n  ],\n  \"at_least\": %s,\n  \"cycles\": %.0f\n}\n", least ? "true" : "false",
           all_cycles(of));
}
