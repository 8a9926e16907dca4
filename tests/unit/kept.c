// kept.c: The cache of lowered kernels: a program lowered with the cache equals a program lowered without it
// (calls, addresses, nests), and most kernels hit the cache.
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdio.h>
#include <string.h>
#include "ops_net.h"
#include "passes/passes.h"
#include "passes/recompute.h"
#include "lir/lir.h"

typedef struct Lowered {
  const char *calls, *nests;
  const Program *program;
} Lowered;

static Lowered lowered(Net *net, ProgramKind kind, Plan *plan, KernelCache *kept) {
  static const char *const names[] = {"x86-64-v3", "generic"};
  const Target **target = NEW_ARRAY(net->arena, const Target *, 2);
  for (int t = 0; t < 2; t++) target[t] = target_find(names[t]);
  const ProgramOptions options = {.ntargets = 2,
                                  .target = target,
                                  .threads = kind == PROGRAM_TRAINING,
                                  .little_ram = kind == PROGRAM_INFERENCE,
                                  .batch = kind == PROGRAM_TRAINING ? IMAGES : 1,
                                  .written = net->graph,
                                  .cache = kept};
  Program *program = program_lower(net->arena, kind, plan, &options);
  Text calls = {.arena = net->arena}, nests = {.arena = net->arena};
  program_dump(&calls, program);
  program_nests(&nests, &(Programs){.infer = program});
  const char *error = program_verify(net->arena, program);
  if (error) printf("    %s\n", error);
  CU_ASSERT_PTR_NULL(error);
  return (Lowered){calls.s, nests.s, program};
}

/* The number of calls of `a` whose nest is also the nest of a call of `b`. */
static int shared_nests(const Program *a, const Program *b) {
  int n = 0;
  for (int i = 0; i < a->calls.n; i++) {
    bool found = false;
    for (int k = 0; k < b->calls.n; k++)
      found = found || a->calls.data[i].version[0].lower->b == b->calls.data[k].version[0].lower->b;
    n += found;
  }
  return n;
}

/* Checks that all bindings refer to nodes of the program's own plan. */
static void check_nodes(const Program *p) {
  for (int c = 0; c < p->calls.n; c++)
    for (int t = 0; t < p->ntargets; t++) {
      const Lower *l = p->calls.data[c].version[t].lower;
      for (int i = 0; i < l->bindings.n; i++) {
        const Node *node = l->bindings.data[i].node;
        CU_ASSERT(!node || p->graph->nodes.data[node->id] == node);
      }
      CU_ASSERT_PTR_EQUAL(l->node, p->calls.data[c].kernel->root);
    }
}

static void check_same(const char *what, const Lowered *kept, const Lowered *fresh) {
  const bool same = !strcmp(kept->calls, fresh->calls) && !strcmp(kept->nests, fresh->nests);
  if (!same) printf("    %s: differs from the program lowered without the cache\n", what);
  CU_ASSERT_TRUE(same);
  check_nodes(kept->program);
}

static const char *const layers[] = {
    "conv filters=6 kernel=3 pad=same -> batchnorm -> relu -> @0 -> conv filters=6 kernel=3 pad=same -> "
    "batchnorm -> add x=$0 -> relu -> maxpool kernel=2 -> conv filters=6 kernel=3 pad=same -> relu -> "
    "conv filters=4 kernel=3 -> relu -> flatten -> dense units=5",
    "conv filters=8 kernel=3 -> gelu -> @0 -> conv filters=4 kernel=1 -> @1 -> <0 -> conv filters=4 kernel=1 "
    "-> concat x=$1 -> dropout rate=0.5 -> depthwise kernel=3 -> hard_swish -> avgpool kernel=2 -> flatten "
    "-> dense units=7 -> tanh -> dense units=5",
    "conv filters=8 kernel=3 stride=2 -> relu -> conv filters=8 kernel=3 pad=same -> sigmoid -> @0 -> "
    "conv filters=8 kernel=1 -> multiply x=$0 -> layernorm -> conv filters=8 kernel=3 -> softplus -> "
    "upsample factor=2 -> conv filters=3 kernel=3 -> global_avgpool -> flatten -> dense units=5",
};
enum { NETS = sizeof layers / sizeof *layers };

static Net net_of(int i) {
  Net net = net_new();
  snprintf(net.what, sizeof net.what, "net %d", i);
  net_input(&net, shape_image(16, 16, 3), F32, false);
  net_chain(&net, layers[i]);
  net_end(&net, "cross_entropy", "");
  CU_ASSERT_TRUE(net.good);
  return net;
}

static void test_memory(void) {
  int taken = 0, calls = 0;
  for (int i = 0; i < NETS; i++) {
    Net net = net_of(i);
    const PlanOptions options = {.fusing = FUSE_ALL};
    KernelCache *kept = kernel_cache_new(net.arena);
    Plan *plan = plan_new(net.arena, net.graph, PLAN_TRAINING, options);
    const int64_t all = plan_training_needs(net.arena, plan, 1, INT64_MAX).bytes;
    Lowered before = lowered(&net, PROGRAM_TRAINING, plan, kept);
    for (int part = 4; part >= 0; part--) {
      const int64_t room = all * part / 5;
      const Lowered now = lowered(&net, PROGRAM_TRAINING,
                                  plan_training_within(net.arena, net.graph, options, room, 1), kept),
                    fresh = lowered(&net, PROGRAM_TRAINING,
                                    plan_training_within(net.arena, net.graph, options, room, 1), NULL);
      check_same(net.what, &now, &fresh);
      taken += shared_nests(now.program, before.program);
      calls += now.program->calls.n;
      before = now;
    }
    arena_free(net.arena);
  }
  if (2 * taken <= calls) printf("    %d of %d kernels are kept\n", taken, calls);
  CU_ASSERT(2 * taken > calls);
}

static void test_bands(void) {
  for (int i = 0; i < NETS; i++) {
    Net net = net_of(i);
    PlanOptions options = {.fusing = FUSE_ALL};
    KernelCache *kept = kernel_cache_new(net.arena);
    lowered(&net, PROGRAM_INFERENCE, plan_new(net.arena, net.graph, PLAN_INFERENCE, options), kept);
    const Graph *graph = plan_after(net.arena, net.graph, PLAN_INFERENCE, options, "drop")->graph;
    int tried = 0;
    for (int end = 0; end < graph->nodes.n; end++) {
      if (!bands_can_end_at(net.arena, graph, end)) continue;
      options.bands = (Bands){end, 2 + tried++ % 3};
      const Lowered now = lowered(&net, PROGRAM_INFERENCE,
                                  plan_new(net.arena, net.graph, PLAN_INFERENCE, options), kept),
                    fresh = lowered(&net, PROGRAM_INFERENCE,
                                    plan_new(net.arena, net.graph, PLAN_INFERENCE, options), NULL);
      check_same(net.what, &now, &fresh);
    }
    CU_ASSERT(tried > 0);
    arena_free(net.arena);
  }
}

/* Copies of a graph get the same plan, whether they share a table of node costs or each computes the
 * costs. */
static void test_shared_times(void) {
  for (int i = 0; i < NETS; i++) {
    Net net = net_of(i);
    PassState base = passes_begin(net.arena, net.graph, PLAN_TRAINING, (PlanOptions){.fusing = FUSE_ALL});
    passes_run(&base, 0, PASS_RECOMPUTE - 1);
    const Times *times = recompute_times(net.arena, base.plan);
    const int nodes = base.plan->graph->nodes.n;
    for (int trial = 0; trial < 8; trial++) {
      unsigned char *again = NEW_ARRAY(net.arena, unsigned char, nodes + 1);
      for (int k = 0; k < nodes; k++) again[k] = (unsigned char)((k * 7 + trial * 5) % 11 % 3);
      const char *text[2];
      for (int shared = 0; shared < 2; shared++) {
        PassState state = passes_fork(net.arena, &base);
        state.again = again;
        state.times = shared ? times : NULL;
        passes_run(&state, PASS_RECOMPUTE, PASSES - 1);
        Text dump = {.arena = net.arena};
        plan_dump(&dump, state.plan);
        text[shared] = dump.s;
      }
      CU_ASSERT_STRING_EQUAL(text[0], text[1]);
    }
    arena_free(net.arena);
  }
}

CU_TestInfo suite_kept[] = {{"shared costs of nodes", test_shared_times},
                            {"training with less memory", test_memory},
                            {"inference in row bands", test_bands},
                            CU_TEST_INFO_NULL};
