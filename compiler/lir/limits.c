/* limits.c: Errors about sizes: C arrays, objects of 32-bit targets, kernel counts, training memory.
 * driver/fit_board.c reports errors about flash and RAM. */
// SPDX-License-Identifier: Apache-2.0
#include "limits.h"
#include <inttypes.h>
#include "base/text.h"
#include "graph/op.h"

typedef struct Object {
  const char *name;
  int64_t bytes;
} Object;
typedef VEC(Object) Objects;

static Objects list_objects(Arena *arena, const Graph *graph, const LayoutOptions *options, bool training,
                            const NetSizes *sizes) {
  Objects all = {0};
  const int64_t images = options->batch;
  vec_push(arena, all, ((Object){"the struct of weights", 4 * graph->parameters}));
  vec_push(arena, all, ((Object){"the model with packed weights", sizes->model_bytes}));
  vec_push(arena, all, ((Object){"the workspace of inference", sizes->workspace_bytes}));
  if (training) vec_push(arena, all, ((Object){"the workspace of training", sizes->training_bytes}));
  vec_push(arena, all, ((Object){"the states", sizes->state_bytes}));
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    const int64_t bytes = images * shape_elements(port->node->shape) * elem_bytes(port->node->port->elem);
    vec_push(arena, all, ((Object){arena_printf(arena, "the input %s", port->name), bytes}));
  }
  for (int o = 0; o < graph->outputs.n; o++) {
    const Port *port = &graph->outputs.data[o];
    const int64_t bytes = images * 4 * shape_elements(port->node->shape);
    vec_push(arena, all, ((Object){arena_printf(arena, "the output %s", port->name), bytes}));
  }
  return all;
}

bool check_target_limits(Arena *arena, Diags *diags, const Graph *graph, const LayoutOptions *options,
                         bool training, const NetSizes *sizes) {
  const Objects all = list_objects(arena, graph, options, training, sizes);
  for (int t = 0; t < options->ntargets; t++) {
    const Target *target = options->target[t];
    Diag *diag = NULL;
    for (int i = 0; target->most_bytes && i < all.n; i++) {
      const Object *object = &all.data[i];
      if (object->bytes <= target->most_bytes) continue;
      if (!diag)
        diag =
            diag_report(diags, DIAG_too_large, graph->name_span, NULL,
                        "net %s is too large for %s, a 32-bit target, where an object has at most %s bytes",
                        graph->name, target->name, text_thousands(arena, target->most_bytes));
      diag_fact(diag, "%s: %s bytes", object->name, text_thousands(arena, object->bytes));
    }
    if (diag) return false;
  }
  return true;
}

/* ---- C arrays ---- */
/* Checks that the array of a value for `images` images has at most 2^31 - 1 elements, the limit of cnnc for C
 * arrays. option: the setting that the error suggests to reduce. */
static bool check_array(Arena *arena, Diags *diags, const Graph *graph, const Node *node, const char *option,
                        int64_t images) {
  if (shape_elements(node->shape) <= INT32_MAX / images) return true;
  Diag *diag = diag_report(diags, DIAG_too_large, node->span.file ? node->span : graph->name_span, NULL,
                           "%" PRId64 " images of %s have more than 2147483647 elements", images,
                           shape_text(arena, node->shape));
  diag_help(diag, "use a smaller %s", option);
  return false;
}

bool check_call_limits(Arena *arena, Diags *diags, const Graph *graph, int64_t batch) {
  bool good = true;
  for (int i = 0; i < graph->inputs.n; i++)
    good = check_array(arena, diags, graph, graph->inputs.data[i].node, "--batch=N", batch) && good;
  for (int i = 0; i < graph->outputs.n; i++)
    good = check_array(arena, diags, graph, graph->outputs.data[i].node, "--batch=N", batch) && good;
  return good;
}

/* Limits the number of kernels: each kernel needs about 100 KB of memory per target while nests are proved
 * and printed. */
static bool check_kernel_count(Arena *arena, Diags *diags, const Graph *graph, const Plan *plan) {
  enum { MOST_KERNELS = 10000 };
  if (plan->kernels.n <= MOST_KERNELS) return true;
  Diag *diag =
      diag_report(diags, DIAG_too_large, graph->name_span, NULL, "net %s has %s kernels%s; the limit is %s",
                  graph->name, text_thousands(arena, plan->kernels.n), plan->training ? " in training" : "",
                  text_thousands(arena, MOST_KERNELS));
  diag_fact(diag, "%s layers; elementwise layers are part of the previous kernel",
            text_thousands(arena, graph->nodes.n - graph->inputs.n));
  if (plan->training && graph->training->steps > 1)
    diag_help(diag, "use fewer steps: each of the %s steps has its own kernels",
              text_thousands(arena, graph->training->steps));
  return false;
}

/* Checks the sizes of the operands of batched kernels (losses, batchnorm, large dense layers): the values of
 * all images of a batch are one array. */
static bool check_batch_arrays(Arena *arena, Diags *diags, const Graph *graph, const Plan *training) {
  bool good = true;
  for (int k = 0; k < training->kernels.n; k++) {
    const Node *root = training->kernels.data[k]->root;
    for (int i = 0; training->kernels.data[k]->batch && good && i < root->nin; i++)
      good =
          check_array(arena, diags, graph, root->in[i], "batch in the train block", graph->training->batch);
  }
  return good;
}

bool check_plan_limits(Arena *arena, Diags *diags, const Graph *graph, const Plan *infer, const Plan *train) {
  return check_kernel_count(arena, diags, graph, infer) &&
         (!train || check_kernel_count(arena, diags, graph, train)) &&
         (!train || check_batch_arrays(arena, diags, graph, train));
}

/* ---- training memory ---- */
/* Suggests a smaller batch with `accumulate`, so that a step has the same number of images. Batch statistics
 * depend on the batch, so they allow only half of it. */
static const char *smaller_batch(Arena *arena, const Graph *graph) {
  const int64_t batch = graph->training->batch;
  bool statistics = false;
  for (int i = 0; i < graph->weights.n; i++)
    statistics |= graph->weights.data[i]->statistic && !graph->weights.data[i]->training_only;
  const int64_t parts = !statistics ? batch : batch % 2 == 0 ? 2 : 1;
  if (parts == 1) return "use a smaller batch";
  return arena_printf(arena,
                      "use a smaller batch: 'batch = %" PRId64 "' with 'accumulate = %" PRId64
                      "' has the same number of images per step%s",
                      batch / parts, graph->training->accumulate * parts,
                      statistics ? ", but computes batch statistics from half of the images" : "");
}

bool report_memory_limit(Arena *arena, Diags *diags, const Graph *graph, int64_t memory, int64_t shards,
                         int64_t least) {
  Diag *diag = diag_report(diags, DIAG_too_little_memory, graph->training->span, NULL,
                           "training does not fit in %s bytes; the smallest size found is %s",
                           text_thousands(arena, memory), text_thousands(arena, least));
  const int64_t batch = graph->training->batch;
  const char *sums = text_thousands(arena, 4 * graph->parameters * (shards - 1));
  if (shards > 1)
    diag_fact(diag, "a batch of %s; %s bytes of gradients of its %" PRId64 " shards",
              text_counted(arena, batch, "image"), sums, shards);
  else diag_fact(diag, "a batch of %s", text_counted(arena, batch, "image"));
  if (batch > 1) diag_help(diag, "%s", smaller_batch(arena, graph));
  if (shards > 1) diag_help(diag, "--threads=none needs no shards and saves %s bytes", sums);
  return false;
}
