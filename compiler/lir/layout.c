/* layout.c: Layout of a net's C: functions, struct members, constant tables. */
// SPDX-License-Identifier: Apache-2.0
#include "lir/layout.h"
#include <inttypes.h>
#include <string.h>

/* ---- functions ---- */
static NestFunction *function_for(Layout *layout, Functions *functions, Nest *nest, bool team,
                                  const char *name, const Kernel *kernel) {
  const char *own = arena_printf(layout->arena, "%s_%s", layout->options.prefix, name);
  return merge_equal(layout->arena, functions, nest, team, own, kernel);
}

/* ---- members ---- */
static Member *new_member(Layout *layout, Part *part, const char *key, const char *name, const Buf *shape) {
  Member *member = NEW(layout->arena, Member);
  member->key = key;
  member->name = names_unique(part ? &part->names : &layout->names, name_letters(layout->arena, name));
  member->rank = shape->rank;
  member->dim = shape->dim;
  member->elem = shape->type.elem;
  member->bytes = elem_bytes(member->elem) * buf_elements(shape);
  if (part) vec_push(layout->arena, part->members, member);
  else vec_push(layout->arena, layout->tables, member);
  table_set(layout->arena, part ? &part->member_of : &layout->table_of, key, member);
  return member;
}

/* The name of a packing function. The printer appends the suffix of packing functions, so the name with this
 * suffix is reserved, too. */
static const char *pack_function_name(Layout *layout, const Pack *pack) {
  const char *name = names_unique(&layout->names, pack->name);
  names_reserve(&layout->names, arena_printf(layout->arena, "%s%s", name, layout->pack.suffix));
  return name;
}

/* The member with these constants. Equal constants of the same origin share a member if their buffers have
 * the same name, as in row bands. Two buffers of one call have different names: they must not share a member,
 * because pointers to them are `restrict`. */
static const Member *constants_member(Layout *layout, Part *part, const Pack *pack, const Buf *shape) {
  const int64_t bytes = elem_bytes(shape->type.elem) * buf_elements(shape);
  Text key = {.arena = layout->arena};
  text_put(&key, "constants %s of type %d", shape->name, (int)shape->type.elem);
  for (int i = 0; i < shape->rank; i++) text_put(&key, " %" PRId64, shape->dim[i]);
  Member *first = table_find(&part->member_of, key.s), *member = first;
  while (member && (member->pack->origin != pack->origin ||
                    memcmp(member->pack->values, pack->values, (size_t)bytes) != 0))
    member = member->next;
  if (member) return member;
  member = new_member(layout, part, key.s, pack->name, shape);
  member->pack = pack;
  member->next = first;
  return member;
}

static void put_weight_key(Text *key, const Weight *weight) {
  text_put(key, " %d", weight->id);
  if (weight->whole) text_put(key, "+%" PRId64, weight->offset - weight->whole->offset);
}

static const Member *pack_member(Layout *layout, Part *part, Pack *pack, const Buf *shape) {
  if (pack->values) return constants_member(layout, part, pack, shape);
  const bool constant = pack->source.n == 0;
  Text key = {.arena = layout->arena};
  text_put(&key, "pack");
  for (int i = 0; i < pack->source.n; i++) put_weight_key(&key, pack->source.data[i]);
  Arena *scratch = arena_new();
  const Key *nest = nest_key(scratch, pack->nest, false);
  Member *first = table_find(constant ? &layout->table_of : &part->member_of, key.s), *member = first;
  while (member && !key_equal(member->nest, nest)) member = member->next;
  if (!member) nest = key_copy(layout->arena, nest);
  arena_free(scratch);
  if (member) return member;
  member = new_member(layout, constant ? NULL : part, key.s, pack->name, pack->out);
  member->pack = pack;
  member->nest = nest;
  member->next = first;
  if (!constant)
    member->function =
        function_for(layout, &layout->pack, pack->nest, false, pack_function_name(layout, pack), NULL);
  return member;
}

static const Member *weight_member(Layout *layout, Part *part, const Weight *weight, const Buf *shape) {
  Text key = {.arena = layout->arena};
  text_put(&key, "weight");
  put_weight_key(&key, weight);
  Member *member = table_find(&part->member_of, key.s);
  if (member) return member;
  member = new_member(layout, part, key.s, weight->name, shape);
  member->copy = weight;
  return member;
}

static Member *table_member(Layout *layout, const float *table, int64_t n, const char *name,
                            const Buf *shape) {
  Text key = {.arena = layout->arena};
  text_put(&key, "table");
  for (int64_t i = 0; i < n; i++) {
    text_put(&key, " ");
    text_hex_float(&key, table[i]);
  }
  Member *member = table_find(&layout->table_of, key.s);
  if (member) return member;
  member = new_member(layout, NULL, key.s, name, shape);
  member->table = table;
  return member;
}

static void bind_members(Layout *layout, Part *part, Step *step, int target) {
  const Version *version = &step->call->version[target];
  const Nest *nest = version->lower->b;
  step->member[target] = NEW_ARRAY(layout->arena, const Member *, nest->nbufs + 1);
  for (int i = 0; i < nest->nbufs; i++) {
    const Operand *argument = &version->argument[i];
    const Binding *binding = argument->binding;
    if (!argument->used) continue;
    if (binding->kind == BIND_PACK)
      step->member[target][i] = pack_member(layout, part, binding->pack, nest->buf[i]);
    if (binding->kind == BIND_WEIGHT && part == &layout->infer)
      step->member[target][i] = weight_member(layout, part, binding->weight, nest->buf[i]);
    if (binding->kind == BIND_TABLE) {
      Member *table = table_member(layout, binding->table, binding->elements,
                                   arena_printf(layout->arena, "%s_table", step->name), nest->buf[i]);
      table->targets |= UINT32_C(1) << target;
      step->member[target][i] = table;
    }
  }
}

static const char *step_wanted_name(Layout *layout, const Part *part, const Kernel *kernel,
                                    const Nest *nest) {
  const char *name = nest->name;
  if (layout->options.taken(name) ||
      name_may_be_macro(arena_printf(layout->arena, "%s_%s", layout->options.prefix, name)))
    name = arena_printf(layout->arena, "%s_layer", name);
  if (node_is_input(kernel->root)) return arena_printf(layout->arena, "%s_floats", nest->name);
  if (part == &layout->infer || !names_taken(&layout->names, name)) return name;
  return arena_printf(layout->arena, "%s_%s", name, part == &layout->train ? "training" : "look");
}

/* Flattens the arrays of a nest, so that their sizes are numbers in indices and not part of types. */
static void flatten(Nest *nest) {
  for (int i = 0; i < nest->nbufs; i++) {
    Buf *buf = nest->buf[i];
    if (buf->place != VIEW && buf->place != REGS) buf->flat = true;
  }
}

static void name_call(Layout *layout, Part *part, const KernelCall *call) {
  const int n = layout->options.ntargets;
  Step step = {.call = call};
  step.function = NEW_ARRAY(layout->arena, NestFunction *, n);
  step.member = NEW_ARRAY(layout->arena, const Member **, n);
  for (int t = 0; t < n; t++) {
    Nest *nest = call->version[t].lower->b;
    if (layout->options.merge) flatten(nest);
    if (t == 0) step.name = names_unique(&layout->names, step_wanted_name(layout, part, call->kernel, nest));
    bind_members(layout, part, &step, t);
    step.function[t] = function_for(layout, &layout->targets[t], nest, call->team, step.name, call->kernel);
    step.function[t]->hot |= part != &layout->look;
  }
  vec_push(layout->arena, part->steps, step);
  const char **value = &part->value[call->kernel->result->id];
  if (!*value) *value = step.name;
}

/* Members are ordered by alignment: first the members whose size is a multiple of ALIGNMENT, then the others
 * by decreasing element size. */
enum { RANKS = 4 };
static int rank_of(const Member *member) {
  if (member->bytes % ALIGNMENT == 0) return 0;
  const int bytes = elem_bytes(member->elem);
  return bytes == 8 ? 1 : bytes == 4 ? 2 : 3;
}

static void order_members(Layout *layout, Part *part) {
  Member **ordered = NEW_ARRAY(layout->arena, Member *, part->members.n + 1);
  int n = 0;
  for (int rank = 0; rank < RANKS; rank++)
    for (int i = 0; i < part->members.n; i++)
      if (rank_of(part->members.data[i]) == rank) ordered[n++] = part->members.data[i];
  part->members.data = ordered;
  part->members.room = n;
}

static void name_outputs(Layout *layout, Part *part) {
  const int outputs = layout->graph->outputs.n;
  part->outputs = NEW_ARRAY(layout->arena, NestFunction **, outputs + 1);
  for (int o = 0; o < outputs; o++) {
    const char *name =
        names_unique(&layout->names, arena_printf(layout->arena, "%s_by_image", layout->output[o].name));
    part->outputs[o] = NEW_ARRAY(layout->arena, NestFunction *, layout->options.ntargets);
    for (int t = 0; t < layout->options.ntargets; t++) {
      Nest *nest = part->program->scatter[o][t];
      part->outputs[o][t] = function_for(layout, &layout->targets[t], nest, false, name, NULL);
      part->outputs[o][t]->hot = true;
    }
  }
}

const Quant *port_quant(const Node *node) {
  return node->quant || !node->nin ? node->quant : node->in[0]->quant;
}

static const char *add_constant(Layout *layout, const char *name, Elem elem, const void *value) {
  static const int64_t one = 1;
  Pack *pack = NEW(layout->arena, Pack);
  Buf *shape = NEW(layout->arena, Buf);
  pack->name = name;
  pack->values = value;
  shape->name = name;
  shape->type = (Type){elem, 1};
  shape->rank = 1;
  shape->dim[0] = shape->room[0] = one;
  Member *member = new_member(layout, &layout->infer, name, name, shape);
  member->pack = pack;
  return member->name;
}

static void name_scales(Layout *layout, PortNames *names, const Node *node) {
  const Quant *quant = port_quant(node);
  if (!quant || !layout->graph->updatable) return;
  names->scale =
      add_constant(layout, arena_printf(layout->arena, "%s_scale", names->name), F32, &quant->scale);
  names->zero = add_constant(layout, arena_printf(layout->arena, "%s_zero", names->name), I32, &quant->zero);
}

static void name_part(Layout *layout, Part *part, const Program *program) {
  part->program = program;
  part->names.arena = layout->arena;
  part->value = NEW_ARRAY(layout->arena, const char *, program->graph->nodes.n + 1);
  for (int c = 0; c < program->calls.n; c++) name_call(layout, part, &program->calls.data[c]);
  if (program->scatter) name_outputs(layout, part);
  for (int i = 0; part == &layout->infer && i < layout->graph->inputs.n; i++)
    name_scales(layout, &layout->input[i], layout->graph->inputs.data[i].node);
  for (int o = 0; part == &layout->infer && o < layout->graph->outputs.n; o++)
    name_scales(layout, &layout->output[o], layout->graph->outputs.data[o].node);
  order_members(layout, part);
}

Layout *layout_new(Arena *arena, const Graph *graph, const Programs *programs, const LayoutOptions *options) {
  Layout *layout = NEW(arena, Layout);
  layout->arena = arena;
  layout->options = *options;
  layout->graph = graph;
  layout->upper = name_upper(arena, options->prefix);
  layout->model = layout->weights = graph->parameters > 0 && !graph->floats;
  layout_name(layout, programs);
  name_part(layout, &layout->infer, programs->infer);
  layout->model |= layout->infer.members.n > 0;
  if (programs->train) name_part(layout, &layout->train, programs->train);
  if (programs->look) name_part(layout, &layout->look, programs->look);
  for (int t = 0; options->merge && t < options->ntargets; t++) merge_similar(arena, &layout->targets[t]);
  return layout;
}
