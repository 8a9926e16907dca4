/* state.c: state and update, values that outlive a call. A state is read from the caller's memory; an update
 * is stored there at the end of the call, or by the kernel that computes its value (passes/states.c). */
// SPDX-License-Identifier: Apache-2.0
#include "graph/shape.h"
#include "kernel/walk.h"
#include "kernel/map.h"
#include "ops/registry.h"
#include "ops/shape/reshape.h"

/* ---- state ---- */
static const Param state_params[] = {
    {"shape", PARAM_SHAPE, NULL, "one to three sizes: 7x7x32, or [length, channels]", 0, 0, NULL},
    {"init", PARAM_NUMBERS, "0",
     "value of the state in the first call: a number, or a list with one number per element", 0, 0, NULL},
    {0}};

static void state_shape(ShapeContext *context, Node *node) {
  Shape to;
  if (!reshape_sizes(context, node, &to)) return;
  const Const *init = arg_const(node, "init");
  if (init->kind == CONST_LIST && init->n != shape_elements(to)) {
    Diag *diag = op_error_at(context, node, "init", DIAG_wrong_shape,
                             "'init' of state has %d number%s, and the state has %s elements", init->n,
                             init->n == 1 ? "" : "s", text_thousands(context->arena, shape_elements(to)));
    diag_fact(diag, "it is %s", shape_text(context->arena, to));
    return;
  }
  int index = 0;
  for (int i = 0; i < context->graph->nodes.n && context->graph->nodes.data[i] != node; i++)
    index += node_is_state(context->graph->nodes.data[i]);
  node->port = NEW(context->arena, PortInfo);
  *node->port = (PortInfo){.index = index, .elem = F32};
  node->shape = to;
}

static void state_run(const Eval *eval) { /* the value in the first call */
  const int64_t n = shape_row_elements(eval->node->shape);
  for (int64_t i = 0; i < n; i++) eval->out[i] = state_initial(eval->node, i);
}

/* ---- training: the first call of a sample reads the initial value ---- */
static void start_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                       const void *context) {
  Buf *const *table = context;
  const Extent e = shape_extent(l->node->shape);
  const Ix at = (*y * e.w + *x) * e.c + *c;
  lower_store(l, nest_load_part(l->b, nest_at(l->b, *table, at), part, lanes), y, x, c, part, lanes);
}

static void number_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  (void)context;
  lower_store(l, num(l->b, state_initial(l->node, 0)), y, x, c, part, lanes);
}

static void start_lower(Lower *l) {
  const bool list = !state_same_initial(l->node);
  const int64_t n = list ? shape_elements(l->node->shape) : 0;
  float *values = NEW_ARRAY(l->arena, float, n);
  for (int64_t i = 0; i < n; i++) values[i] = (float)state_initial(l->node, i);
  Buf *table = list ? lower_table(l, values, n) : NULL;
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), list ? start_body : number_body, &table);
}

static const Op op_start = {
    .name = "initial state", .params = state_params, .source = true, .eval = state_run, .lower = start_lower};

static Node *state_train(Graph *graph, Node *node) {
  (void)graph;
  node->op = &op_start;
  node->port = NULL;
  return node;
}

const Op op_state = {
    .name = "state",
    .group = "state",
    .summary = "a value that is kept between calls",
    .detail = "y = init in the first call; in later calls, y is the value that update(NAME) stored in the "
              "previous call.\nstate has no input. A net with states is compiled to NAME_step, which "
              "computes one step per call",
    .params = state_params,
    .example = "past = state(2x40)",
    .role = ROLE_STATE,
    .source = true,
    .shape = state_shape,
    .eval = state_run,
    .train = state_train,
    .traits.per_image = true,
};

Node *state_hidden(Graph *graph, const char *name, Shape shape, Elem elem, const Quant *quant,
                   double initial) {
  Node *state = graph_node(graph, &op_state, 0, NULL);
  Const *arg = NEW_ARRAY(graph->arena, Const, 2), *size = NEW_ARRAY(graph->arena, Const, shape.rank);
  for (int i = 0; i < shape.rank; i++)
    size[i] = (Const){.kind = CONST_INT, .i = shape.dim[i], .f = (double)shape.dim[i], .span = NO_SPAN};
  arg[0] = (Const){.kind = CONST_LIST, .n = shape.rank, .items = size, .span = NO_SPAN};
  arg[1] = (Const){.kind = CONST_FLOAT, .f = initial, .span = NO_SPAN};
  state->name = name;
  state->shape = shape;
  state->elem = elem;
  state->quant = quant;
  state->arg = arg;
  state->port = NEW(graph->arena, PortInfo);
  *state->port = (PortInfo){.index = graph_states(graph) - 1, .elem = F32};
  return state;
}

/* ---- update ---- */
static const Param update_params[] = {{"state", PARAM_VALUE, NULL,
                                       "the name of a state of the same net, block application or iteration",
                                       0, 0, NULL},
                                      {0}};

static const Node *earlier_update(const Graph *graph, const Node *node) {
  for (int i = 0; i < graph->nodes.n && graph->nodes.data[i] != node; i++)
    if (node_is_update(graph->nodes.data[i]) && graph->nodes.data[i]->nin == 2 &&
        graph->nodes.data[i]->in[1] == node->in[1])
      return graph->nodes.data[i];
  return NULL;
}

static void update_shape(ShapeContext *context, Node *node) {
  const Node *state = node->in[1];
  Arena *arena = context->arena;
  if (!node_is_state(state)) {
    Diag *diag =
        op_error_at(context, node, "state", DIAG_wrong_type,
                    "update needs the name of a state, but this is the value of %s", state->op->name);
    op_note_origin(context, diag, state);
    diag_help(diag, "past = state(%s), then update(past)", shape_text(arena, node->in[0]->shape));
    return;
  }
  const Node *first = earlier_update(context->graph, node);
  if (first) {
    Diag *diag = op_error(context, node, DIAG_state_update, "a second update of the state '%s'", state->name);
    diag_note(diag, first->span, "the first update is here");
    diag_help(diag, "a state has only one update: combine both values before it");
    return;
  }
  if (!shape_equal(state->shape, node->in[0]->shape)) {
    Diag *diag = op_error(context, node, DIAG_shape_mismatch,
                          "update of %s with a value of a different shape", state->name);
    diag_fact(diag, "%s is %s, the value is %s", state->name, shape_text(arena, state->shape),
              shape_text(arena, node->in[0]->shape));
    diag_note(diag, state->span, "the state is here");
    return;
  }
  node->shape = state->shape;
}

static void pass_back(Gradient *gradient, Node *node, Node *dy) {
  if (gradient_wanted(gradient, node->in[0])) gradient_add(gradient, node->in[0], dy);
}

static const Op op_handed = {
    .name = "updated value", .family = FAMILY_ALIAS, .eval = reshape_eval, .gradient = pass_back};

static Node *update_train(Graph *graph, Node *node) { /* the next call of a sample reads this node */
  (void)graph;
  node->op = &op_handed;
  node->nin = 1;
  return node;
}

static void handed_body(Lower *l, const Ix *y, const Ix *x, const Ix *c, int part, int lanes,
                        const void *context) {
  (void)context;
  lower_store(l, walk_load(l, l->in[0], y, x, c, part, lanes), y, x, c, part, lanes);
}

static void update_lower(Lower *l) {
  nest_fn(l->b, l->b->name, false);
  walk_pixels(l, shape_extent(l->node->shape), handed_body, NULL);
}

const Op op_update = {
    .name = "update",
    .group = "state",
    .summary = "stores the current value for the next call, and returns it unchanged",
    .detail = "y = x. In the next call, the value of the state NAME is x. In this call, NAME is still the "
              "old value, even after update",
    .params = update_params,
    .example = "rows -> crop([3, 0]) -> update(past)",
    .role = ROLE_UPDATE,
    .traits.equal_rows = true,
    .traits.keeps_spatial = true,
    .shape = update_shape,
    .eval = reshape_eval,
    .gradient = pass_back,
    .train = update_train,
    .lower = update_lower,
};

void update_hidden(Graph *graph, Node *value, Node *state) {
  Node *in[2] = {value, state};
  Node *update = graph_hidden(graph, &op_update, NULL, state->shape, RESULT_SAMPLE, 2, in);
  update->name = state->name;
  update->span = state->span;
  update->site = state->site;
  update->elem = state->elem;
  update->quant = state->quant;
}

Node *state_advanced(Graph *graph, const char *name, int n, const Op *op, const void *detail) {
  Node *state = state_hidden(graph, name, shape_vector(n), F32, NULL, 0);
  Node *next = graph_hidden(graph, op, NULL, state->shape, RESULT_SAMPLE, 1, &state);
  next->detail = detail;
  next->name = state->name;
  update_hidden(graph, next, state);
  return state;
}
