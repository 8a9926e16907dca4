/* capacity.c: nets that are too large for a CPU of 32 bits are refused with their numbers, not by the C
 * compiler. */
// SPDX-License-Identifier: Apache-2.0
#include "capacity.h"

typedef struct Object {
  const char *name;
  int64_t bytes;
} Object;
typedef VEC(Object) Objects;

static int64_t bytes_of(ElemType elem) { return elem == ELEM_U8 || elem == ELEM_I8 ? 1 : 4; }

static Objects objects_of(Arena *arena, const Graph *graph, const EmitOptions *options,
                          const NetSizes *sizes) {
  Objects all = {0};
  const int64_t images = options->batch;
  vec_push(arena, all, ((Object){"the struct of weights", 4 * graph->parameters}));
  vec_push(arena, all, ((Object){"the model, its weights packed", sizes->model_bytes}));
  vec_push(arena, all, ((Object){"the workspace of inference", sizes->workspace_bytes}));
  if (options->training) vec_push(arena, all, ((Object){"the workspace of training", sizes->training_bytes}));
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    const int64_t bytes = images * shape_elements(port->node->shape) * bytes_of(port->node->elem);
    vec_push(arena, all, ((Object){arena_printf(arena, "the input %s", port->name), bytes}));
  }
  for (int o = 0; o < graph->outputs.n; o++) {
    const Port *port = &graph->outputs.data[o];
    const int64_t bytes = images * 4 * shape_elements(port->node->shape);
    vec_push(arena, all, ((Object){arena_printf(arena, "the output %s", port->name), bytes}));
  }
  return all;
}

bool capacity_check(Arena *arena, Diags *diags, const Graph *graph, const EmitOptions *options,
                    const NetSizes *sizes) {
  const Objects all = objects_of(arena, graph, options, sizes);
  for (int t = 0; t < options->ntargets; t++) {
    const Target *target = options->target[t];
    Diag *diag = NULL;
    for (int i = 0; target->most_bytes && i < all.n; i++) {
      const Object *object = &all.data[i];
      if (object->bytes <= target->most_bytes) continue;
      if (!diag)
        diag = diag_report(
            diags, DIAG_too_large, graph->name_span, NULL,
            "net %s is too large for %s, a target of 32 bits: an object has at most %s bytes there",
            graph->name, target->name, text_thousands(arena, target->most_bytes));
      diag_fact(diag, "%s: %s bytes", object->name, text_thousands(arena, object->bytes));
    }
    if (diag) return false;
  }
  return true;
}
