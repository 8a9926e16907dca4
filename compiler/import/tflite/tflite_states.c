/* tflite_states.c: Conversion of the variables of a TensorFlow Lite model to states. CALL_ONCE runs a graph
 * that assigns the variables' initial values. A READ_VARIABLE before any ASSIGN_VARIABLE reads the state; a
 * later READ_VARIABLE reads the assigned value. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/table.h"
#include "import/tflite/tflite_make.h"

typedef struct TflVariable {
  const TflTensor *initial;
  int read, assigned; /* read: result of the first read; assigned: the last assigned tensor; -1: none */
  int read_op, assign_op;
} TflVariable;

typedef struct Resolving {
  Arena *arena;
  TflModel *m;
  Table by_name;
  VEC(TflVariable *) variables;
  const char **handle; /* by tensor: the variable whose handle the tensor is; NULL: none */
  int *same;           /* by tensor: the tensor that replaces this tensor */
} Resolving;

static TflVariable *variable_of(Resolving *r, int tensor) {
  const char *name = tensor < 0 ? NULL : r->handle[tensor];
  TflVariable *variable = name ? table_find(&r->by_name, name) : NULL;
  if (!name || variable) return variable;
  const TflTensor *initial = NULL;
  for (int i = 0; i < r->m->ninitial; i++)
    if (strcmp(r->m->initial[i].variable, name) == 0) initial = &r->m->initial[i].value;
  if (!initial) return NULL;
  variable = NEW(r->arena, TflVariable);
  *variable = (TflVariable){initial, -1, -1, -1, -1};
  table_set(r->arena, &r->by_name, name, variable);
  vec_push(r->arena, r->variables, variable);
  return variable;
}

/* Whether the model has variables, but neither IF nor WHILE. Each variable must be initialized, and must be
 * read and assigned with the type and size of its initial value. */
static bool all_known(Resolving *r) {
  const TflModel *m = r->m;
  bool any = false;
  for (int o = 0; o < m->noperators; o++) {
    const TflOperator *op = &m->op[o];
    const bool reads = op->code == TFL_READ_VARIABLE, assigns = op->code == TFL_ASSIGN_VARIABLE;
    if (op->code == TFL_IF || op->code == TFL_WHILE) return false;
    if (op->code == TFL_VAR_HANDLE && op->nout == 1 && op->out[0] >= 0) r->handle[op->out[0]] = op->variable;
    if (!reads && !assigns) continue;
    any = true;
    const TflVariable *variable = op->nin ? variable_of(r, op->in[0]) : NULL;
    const int value = reads && op->nout == 1 ? op->out[0] : assigns && op->nin == 2 ? op->in[1] : -1;
    if (!variable || value < 0) return false;
    const TflTensor *t = &m->tensor[value], *initial = variable->initial;
    if (!initial->data || t->size != initial->size || t->elem != initial->elem || !t->known) return false;
  }
  return any;
}

/* Replaces a read after an assignment by the assigned value, and a repeated read by the first read. */
static void resolve_operator(Resolving *r, int o) {
  TflOperator *op = &r->m->op[o];
  TflVariable *variable = NULL;
  for (int i = 0; i < op->nin; i++)
    if (op->in[i] >= 0) op->in[i] = r->same[op->in[i]];
  if (op->code == TFL_READ_VARIABLE) {
    variable = variable_of(r, op->in[0]);
    const int value = variable->assigned >= 0 ? variable->assigned : variable->read;
    if (value >= 0) r->same[op->out[0]] = value;
    else variable->read = op->out[0], variable->read_op = o;
  } else if (op->code == TFL_ASSIGN_VARIABLE) {
    variable = variable_of(r, op->in[0]);
    variable->assigned = op->in[1];
    variable->assign_op = o;
  }
}

static void become_state(Resolving *r, TflVariable *v) {
  TflModel *m = r->m;
  if (v->read < 0) return; /* the variable is never read, so its assignments are dropped */
  if (v->assigned < 0) {   /* the variable is constant */
    m->tensor[v->read].data = v->initial->data;
    return;
  }
  TflOperator *read = &m->op[v->read_op], *assign = &m->op[v->assign_op];
  read->code = TFL_STATE;
  read->initial = v->initial;
  read->nin = 0;
  assign->code = TFL_UPDATE;
  assign->in[0] = v->read;
  assign->nout = 0;
}

static bool is_of_variables(const TflOperator *op) {
  return op->code == TFL_CALL_ONCE || op->code == TFL_VAR_HANDLE || op->code == TFL_READ_VARIABLE ||
         op->code == TFL_ASSIGN_VARIABLE;
}

void tflite_keep_variables(Arena *arena, TflModel *m) {
  Resolving r = {.arena = arena,
                 .m = m,
                 .handle = NEW_ARRAY(arena, const char *, m->ntensors + 1),
                 .same = NEW_ARRAY(arena, int, m->ntensors + 1)};
  int n = 0;
  for (int t = 0; t < m->ntensors; t++) r.same[t] = t;
  if (!all_known(&r)) return;
  for (int o = 0; o < m->noperators; o++) resolve_operator(&r, o);
  for (int i = 0; i < m->noutputs; i++) m->output[i] = r.same[m->output[i]];
  for (int i = 0; i < r.variables.n; i++) become_state(&r, r.variables.data[i]);
  for (int o = 0; o < m->noperators; o++)
    if (!is_of_variables(&m->op[o])) m->op[n++] = m->op[o];
  m->noperators = n;
}

/* ---- statements ---- */
static double initial_number(const TflTensor *t, const TflTensor *initial, int64_t i) {
  TflTensor of = *t;
  of.data = initial->data;
  if (t->elem == F32) return tfl_number(&of, i);
  int16_t wide = 0;
  int8_t byte = 0;
  tfl_element(&of, i, t->elem == I16 ? (void *)&wide : &byte);
  return ((t->elem == I16 ? wide : byte) - (double)t->zero) * (double)t->scale[0];
}

const char *tflite_initial_text(Arena *arena, const TflTensor *t, const TflTensor *initial) {
  Text list = {.arena = arena};
  const double first = t->size > 0 ? initial_number(t, initial, 0) : 0;
  bool equal = true;
  for (int64_t i = 0; i < t->size; i++) {
    const double number = initial_number(t, initial, i);
    equal = equal && number == first;
    text_put(&list, "%s%s", i ? ", " : "", text_double(arena, number));
  }
  if (equal) return first == 0 ? "" : text_double(arena, first);
  return arena_printf(arena, "[%s]", list.s);
}

bool tfl_state(Making *k, const TflOperator *op) {
  const int out = op->out[0];
  const TflTensor *t = &k->m->tensor[out];
  Shape shape;
  if (!tfl_is_quantized(t) || t->scales != 1 || t->is_u8)
    return tfl_no(k, op, "'%s' is %s; variables must be INT8 or INT16 with one scale", t->name, t->type);
  if (!tfl_shape(t, &shape))
    return tfl_no(k, op, "the shape of '%s' has more than one image, or unsupported axes", t->name);
  const char *layer = tfl_layer(k, "state");
  text_put(&k->text, "%s = ", k->value[out]);
  const char *initial = tflite_initial_text(k->arena, t, op->initial);
  tfl_call(k, op, layer, "state(%s%s%s", shape_text(k->arena, shape), *initial ? ", init=" : "", initial);
  text_put(&k->text, "\n");
  tfl_scale(k, layer, t);
  k->layer[out] = layer;
  k->current = out;
  return k->there[out] = true;
}

bool tfl_update(Making *k, const TflOperator *op) {
  const TflTensor *state = tfl_in(k, op, 0), *value = tfl_in(k, op, 1);
  const int from = k->same[op->in[1]];
  if (value->data) return tfl_no(k, op, "the assigned value is constant");
  if (!k->there[op->in[1]]) return tfl_no(k, op, "the assigned value is computed by a later operator");
  if (value->elem != state->elem || value->scales != 1)
    return tfl_no(k, op, "the assigned value must have the variable's type and one scale");
  if (value->scale[0] != state->scale[0] || value->zero != state->zero)
    return tfl_no(k, op, "the assigned value must have the variable's scale and zero point");
  if (from != k->current) text_put(&k->text, "%s -> ", k->value[from]);
  text_put(&k->text, "update(%s)\n", k->value[k->same[op->in[0]]]);
  k->current = -1; /* the next statement must begin with its operand */
  return true;
}
