/* frame.c: Printer of functions that call kernels. A call passes the address of each value, weight or scratch
 * array that is bound to a buffer of the kernel's nest. Computed addresses of values are stored in local
 * variables. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "emit/pool.h"

/* ---- names ---- */
void add_parameter(Arena *arena, Parameters *list, const char *name, const char *declared) {
  const Parameter parameter = {name, declared, "void *"};
  vec_push(arena, *list, parameter);
}

void add_number(Arena *arena, Parameters *list, const char *name, const char *declared) {
  add_parameter(arena, list, name, declared);
  list->data[list->n - 1].cast = "int32_t";
}

const char *parameters_text(Arena *arena, const Parameters *list) {
  Text text = {.arena = arena};
  for (int i = 0; i < list->n; i++) list_add(&text, list->data[i].declared);
  return text.s;
}

Frame frame_begin(Net *net, const Part *part, int target, FrameKind kind, const Parameters *parameters) {
  Frame frame = {.net = net,
                 .part = part,
                 .target = target,
                 .kind = kind,
                 .images = program_lanes(part->program, target),
                 .parameters = *parameters};
  frame.names.file = &net->layout->names; /* names of types and functions */
  frame.names.prefix = arena_printf(net->arena, "%s_", net->name);
  frame.names.macros = &net->layout->macros;
  frame.before.arena = frame.locals.arena = frame.calls.arena = frame.names.arena = net->arena;
  for (int i = 0; i < parameters->n; i++) names_reserve(&frame.names, parameters->data[i].name);
  return frame;
}

const char *frame_name(Frame *f, const char *name) {
  table_set(f->net->arena, &f->mentioned, name, f->net);
  return name;
}

bool frame_mentions(const Frame *f, const char *name) { return table_find(&f->mentioned, name) != NULL; }

/* ---- local variables: their keys in f->local are "NAME = VALUE" ---- */
static const char *local_key(Frame *f, const char *wanted, const char *value) {
  return arena_printf(f->net->arena, "%s = %s", wanted, value);
}

static const char *local_new(Frame *f, const char *key, const char *name) {
  const char *unique = names_unique(&f->names, name);
  table_set(f->net->arena, &f->local, key, arena_copy(f->net->arena, unique, strlen(unique)));
  return unique;
}

/* Returns the name of a local pointer with this value, and declares the pointer when it is first needed.
 * `comment` may be empty. */
static const char *local(Frame *f, const char *type, const char *wanted, const char *value,
                         const char *comment) {
  const char *key = local_key(f, wanted, value), *name = table_find(&f->local, key);
  if (name) return name;
  name = local_new(f, key, wanted);
  text_put(&f->locals, "  %sconst %s = %s;%s%s%s\n", type, name, value, *comment ? " /* " : "", comment,
           *comment ? " */" : "");
  return name;
}

/* An expression that adds `bytes` bytes to `base`: "arena + 4704". `base` is a pointer to floats; if `bytes`
 * is not a multiple of 4, the expression casts `base` to char *. */
static const char *offset_text(Frame *f, const char *base, int64_t bytes) {
  Arena *arena = f->net->arena;
  if (bytes % (int64_t)sizeof(float)) return arena_printf(arena, "(char *)(%s) + %" PRId64, base, bytes);
  return bytes ? arena_printf(arena, "%s + %" PRId64, base, floats_in(bytes)) : base;
}

/* A caller's array, or in a FRAME_SAMPLE the current image's part: "image + n * LENET5_IMAGE_SIZE". */
static const char *image_text(Frame *f, const char *base, const char *size) {
  return f->kind == FRAME_SAMPLE ? arena_printf(f->net->arena, "%s + %s * %s", base, frame_name(f, "n"), size)
                                 : base;
}

/* An alias, such as the result of flatten, has the name of the value whose memory it shares. */
static const char *value_name(const Frame *f, const Node *node) {
  while (node->op->family == FAMILY_ALIAS && node->nin) node = node->in[0];
  const char *step = f->part->value[node->id];
  return name_of_values(f->net->arena, step ? step : *node->name ? node->name : "unnamed");
}

/* The shape of a value, such as "28x28x64"; for a part of another value "28x28x64 of 28x28x128". */
static const char *value_text(const Frame *f, const Node *node) {
  Arena *arena = f->net->arena;
  while (node->op->family == FAMILY_ALIAS && node->nin) node = node->in[0];
  const Node *home = f->part->program->home[node->id].node;
  const char *shape = shape_text(arena, node->shape);
  return home == node ? shape : arena_printf(arena, "%s of %s", shape, shape_text(arena, home->shape));
}

const char *sample_size(Net *net, const char *size) {
  const Training *training = net->graph->training;
  return training && training->steps > 1
             ? arena_printf(net->arena, "(%s * %s)", net->macro->TRAIN_STEPS, size)
             : size;
}

static const char *input_value(Frame *f, int index) {
  Net *net = f->net;
  const PortNames *port = &net->input[index];
  if (f->kind == FRAME_INFER || f->kind == FRAME_TOGETHER) return frame_name(f, port->name);
  if (f->kind == FRAME_LOOK)
    return local(f, "const void *", port->name,
                 arena_printf(net->arena, "%s[%d]", frame_name(f, "input"), index), "");
  const char *size = sample_size(net, port->macro.SIZE);
  return local(f, "const void *", port->name,
               image_text(f, arena_printf(net->arena, "%s->%s", frame_name(f, "batch"), port->name), size),
               "");
}

/* A member of the struct with an image's annotations. */
static const char *truth_value(Frame *f, int part) {
  static const char *const members[] = {"count", "class", "box", "instance"};
  Arena *arena = f->net->arena;
  return local(f, "const void *", arena_printf(arena, "truth_%s", members[part]),
               arena_printf(arena, "%s%s->truth[%s].%s", part == TRUTH_COUNT ? "&" : "",
                            frame_name(f, "batch"), frame_name(f, "n"), members[part]),
               "");
}

static const char *target_value(Frame *f, int index) {
  Net *net = f->net;
  if (f->kind == FRAME_LOOK)
    return local(f, "const void *", arena_printf(net->arena, "%s_seed", net->output[index].name),
                 arena_printf(net->arena, "%s[%d]", frame_name(f, "seed"), index), "");
  if (index >= graph_ports(net->graph)) return truth_value(f, index - graph_ports(net->graph));
  const char *name = net->output[index].target,
             *size = arena_printf(net->arena, "%" PRId64,
                                  shape_elements(f->part->program->target_of[index]->shape));
  return local(f, "const void *", name,
               image_text(f, arena_printf(net->arena, "%s->%s", frame_name(f, "batch"), name), size), "");
}

/* A value that a later phase needs: it is stored in the record of its image. */
static const char *kept_value(Frame *f, const Node *node, const Place *place, const char *name) {
  Arena *arena = f->net->arena;
  const char *record = arena_printf(arena, "%s->at->kept + %s * %" PRId64, frame_name(f, "batch"),
                                    frame_name(f, "n"), floats_in(place->stride));
  return local(f, "void *", name, offset_text(f, record, place->offset),
               arena_printf(arena, "%s, kept", value_text(f, node)));
}

/* The address of a value of image `n`: "all + n * 153". `first` is the address of image 0's value, `offset`
 * bytes after the start of an array of floats; the values of the images are `stride` bytes apart. bf16 values
 * may have an `offset` or a `stride` that is not a multiple of 4; then the text counts in bytes. */
static const char *image_offset(Frame *f, const char *first, int64_t offset, int64_t stride) {
  const bool floats = offset % (int64_t)sizeof(float) == 0 && stride % (int64_t)sizeof(float) == 0;
  return arena_printf(f->net->arena, floats ? "%s + %s * %" PRId64 : "(char *)(%s) + %s * %" PRId64, first,
                      frame_name(f, "n"), floats ? floats_in(stride) : stride);
}

/* The address of a batched value, or of the part for image `n` in this value. The parts are consecutive. */
static const char *value_of_all(Frame *f, const Node *node, const Place *place, const char *name) {
  Net *net = f->net;
  const bool infer = f->kind == FRAME_INFER || f->kind == FRAME_TOGETHER;
  const char *first = offset_text(
      f, infer ? frame_name(f, "all") : arena_printf(net->arena, "%s->at->all", frame_name(f, "batch")),
      place->offset);
  const char *value = f->kind == FRAME_SAMPLE || f->kind == FRAME_INFER
                          ? image_offset(f, first, place->offset, place->stride)
                          : first;
  return local(f, "void *", name, value, arena_printf(net->arena, "%s, one per image", value_text(f, node)));
}

/* The address of a value in a caller's array; the value may be a range of the array's channels. */
static const char *part_of(Frame *f, const char *type, const char *whole, const Node *node,
                           const char *name) {
  const Program *p = f->part->program;
  const Elem elem = p->home[node->id].elem;
  const int64_t offset = p->value[f->target][node->id].offset / elem_bytes(elem);
  if (!offset) return whole;
  return local(f, arena_printf(f->net->arena, "%svoid *", type), name,
               arena_printf(f->net->arena, "(%s%s *)%s + %" PRId64, type, elem_c_type(elem), whole, offset),
               value_text(f, node));
}

/* Prints code that copies a value that exists once per batch to the lanes of all interleaved images. Lanes
 * that repeat the last image get 0, so that they add nothing to any sum. Returns the name of the copy. */
static const char *repeated_value(Frame *f, const Node *node) {
  Arena *arena = f->net->arena;
  const char *wanted = arena_printf(arena, "%s_of_images", value_name(f, node));
  const char *key = local_key(f, wanted, ""), *name = table_find(&f->local, key);
  if (name) return name;
  name = local_new(f, key, wanted);
  text_put(&f->locals,
           "  float %s[%d]; /* 0 for repeated images, so that they add nothing to any sum */\n  for "
           "(int32_t i = 0; i < %d; i++) %s[i] = i < %s ? %s->at->batch[%" PRId64 "] : 0;\n",
           name, f->images, f->images, name, frame_name(f, "count"), frame_name(f, "batch"),
           floats_in(f->part->program->value[f->target][node->id].offset));
  return name;
}

const char *frame_value(Frame *f, const Node *node) {
  Net *net = f->net;
  const Place *place = &f->part->program->value[f->target][node->id];
  const int64_t offset = place->offset;
  const char *name = value_name(f, node);
  switch (place->space) {
  case SPACE_INPUT: return part_of(f, "const ", input_value(f, place->index), node, name);
  case SPACE_OUTPUT:
    if (f->kind != FRAME_LOOK)
      return part_of(f, "", frame_name(f, net->output[place->index].name), node, name);
    return local(f, "void *", name,
                 offset_text(f, arena_printf(net->arena, "%s->value", frame_name(f, "look")),
                             4 * look_value_offset(f->part, place->index) + offset),
                 value_text(f, node));
  case SPACE_STATE:
    return part_of(f, "", frame_name(f, net->layout->state[place->index].parameter), node, name);
  case SPACE_TARGET: return part_of(f, "const ", target_value(f, place->index), node, name);
  case SPACE_KEPT: return kept_value(f, node, place, name);
  case SPACE_ALL: return value_of_all(f, node, place, name);
  case SPACE_ARENA:
    return local(f, "void *", name, offset_text(f, frame_name(f, "arena"), offset), value_text(f, node));
  case SPACE_BATCH:
    return local(f, "void *", name,
                 offset_text(f, arena_printf(net->arena, "%s->at->batch", frame_name(f, "batch")), offset),
                 arena_printf(net->arena, "%s, one per batch", value_text(f, node)));
  default: return "NULL";
  }
}

/* The text of an argument that is a multidimensional array. If the parameter has another type (a flat array,
 * or an array without the dimensions of size 1), the text converts to this type. */
const char *array_argument(Arena *arena, const Nest *nest, int id, const char *array, int rank,
                           const int64_t *dim) {
  const Buf *buf = nest->buf[id];
  const char *type = emit_nest_pointer(arena, nest, id);
  const bool flat = code_is_flat(buf);
  bool same = rank == buf->rank;
  for (int i = 1; i < rank && same; i++) same = dim[i] == buf->dim[i];
  if (flat ? rank <= 1 : same) return array;
  if (!flat) return arena_printf(arena, "(%s)%s", type, array);
  const char *first = arena_printf(arena, "&%s", array);
  for (int i = 0; i < rank; i++) first = arena_printf(arena, "%s[0]", first);
  return first;
}

const char *weight_text(Net *net, const char *holder, const Weight *weight) {
  const char *name = name_letters(net->arena, weight->name);
  if (!weight->whole) return arena_printf(net->arena, "%s->%s", holder, name);
  const int64_t row = weight->size / weight->dim[0], first = (weight->offset - weight->whole->offset) / row;
  return arena_printf(net->arena, "(%s->%s + %" PRId64 ")", holder, name, first);
}

static const char *member_text(Frame *f, const Member *member) {
  if (member->table || (member->pack && member->pack->nest && member->pack->source.n == 0))
    return arena_printf(f->net->arena, "%s_%s", f->net->name, member->name);
  const bool infer = f->kind == FRAME_INFER || f->kind == FRAME_TOGETHER, look = f->kind == FRAME_LOOK;
  const char *holder = frame_name(f, infer ? "model" : look ? "packed" : "batch");
  return arena_printf(f->net->arena, "%s%s->%s", holder, infer || look ? "" : "->packed", member->name);
}

/* The keys of the image's random numbers in a layer. Each layer that uses random numbers has different
 * keys. */
static const char *keys_value(Frame *f, const Step *step, const Node *node) {
  Net *net = f->net;
  const bool several = f->images > 1;
  const char *wanted = arena_printf(net->arena, "%s_keys", step->name),
             *value = arena_printf(net->arena, "keys[1]%s ^ %" PRId64, several ? "[i]" : "", node->salt);
  const char *key = local_key(f, wanted, value), *name = table_find(&f->local, key);
  if (name) return name;
  name = local_new(f, key, wanted);
  if (several)
    text_put(
        &f->locals,
        "  int32_t %s[2][%d];\n  for (int32_t i = 0; i < %d; i++) %s[0][i] = keys[0][i], %s[1][i] = %s;\n",
        name, f->images, f->images, name, name, value);
  else text_put(&f->locals, "  const int32_t %s[2] = {keys[0], %s};\n", name, value);
  f->keys = true;
  return name;
}

/* A const void pointer must be cast to a pointer to arrays of const elements. The pointer is first cast to
 * an integer, because otherwise gcc's -Wcast-qual would warn that const is lost. */
static const char *const_argument(const Frame *f, const Nest *nest, int id, const char *value) {
  const char *type = emit_nest_pointer(f->net->arena, nest, id);
  return code_is_flat(nest->buf[id]) ? value : arena_printf(f->net->arena, "(%s)(uintptr_t)%s", type, value);
}

static const char *scratch_argument(Frame *f, const Buf *buf, int64_t bytes) {
  const char *start = offset_text(f, frame_name(f, "arena"), bytes);
  const bool floats = buf->type.elem == F32 && bytes % (int64_t)sizeof(float) == 0;
  return floats && code_is_flat(buf)
             ? start
             : arena_printf(f->net->arena, bytes ? "(void *)(%s)" : "(void *)%s", start);
}

static const char *argument(Frame *f, const Step *step, int id) {
  Net *net = f->net;
  const Version *version = &step->call->version[f->target];
  const Operand *argument = &version->argument[id];
  const Binding *binding = argument->binding;
  const Member *member = step->member[f->target][id];
  const Nest *nest = version->lower->b;
  if (member) return array_argument(net->arena, nest, id, member_text(f, member), member->rank, member->dim);
  switch (binding->kind) {
  case BIND_VALUE: {
    const SpaceKind space = argument->place.space;
    if (argument->repeated) return const_argument(f, nest, id, repeated_value(f, binding->node));
    if (space == SPACE_TARGET && f->kind == FRAME_BATCH && f->images > 1)
      return const_argument(f, nest, id, target_value(f, argument->place.index));
    const char *value = frame_value(f, binding->node);
    return space == SPACE_INPUT || space == SPACE_TARGET ? const_argument(f, nest, id, value) : value;
  }
  case BIND_INPUT:
    return const_argument(f, nest, id,
                          node_is_target(binding->node) ? target_value(f, binding->node->port->index)
                                                        : input_value(f, binding->node->port->index));
  case BIND_WEIGHT:
    return array_argument(net->arena, nest, id,
                          weight_text(net,
                                      f->kind == FRAME_LOOK
                                          ? frame_name(f, "weights")
                                          : arena_printf(net->arena, "%s->weights", frame_name(f, "batch")),
                                      binding->weight),
                          binding->weight->rank, binding->weight->dim);
  case BIND_GRADIENT:
    return array_argument(net->arena, nest, id, weight_text(net, frame_name(f, "gradients"), binding->weight),
                          binding->weight->rank, binding->weight->dim);
  case BIND_SCRATCH: return scratch_argument(f, nest->buf[id], argument->place.offset);
  case BIND_KEYS: return const_argument(f, nest, id, keys_value(f, step, binding->node));
  case BIND_PACK:
  case BIND_TABLE: break; /* members */
  }
  return "NULL";
}

/* Prints the beginning of a call: "lenet5_conv1(", and the sizes, which are the first arguments of a merged
 * function. Returns the number of sizes. */
static int put_callee(Text *out, const NestFunction *function) {
  text_put(out, "%s(", function->into->name);
  for (int i = 0; i < function->sizes.n; i++)
    text_put(out, "%s%" PRId64, i ? ", " : "", function->sizes.data[i]);
  return function->sizes.n;
}

void frame_call(Frame *f, const Step *step, const char *indent) {
  const Version *version = &step->call->version[f->target];
  const Nest *nest = version->lower->b;
  const bool shared = version->shared,
             own = shared && f->kind == FRAME_BATCH; /* whether a team is started only for this call */
  const NestFunction *function = step->function[f->target];
  Text list = {.arena = f->net->arena};
  for (int i = 0; i < function->sizes.n; i++)
    list_add(&list, arena_printf(f->net->arena, "%" PRId64, function->sizes.data[i]));
  for (int i = 0; i < nest->nbufs; i++)
    if (version->argument[i].used) list_add(&list, argument(f, step, i));
  for (int i = 0; i < nest->main->nparams; i++)
    if (nest->main->size[i])
      list_add(&list, f->kind == FRAME_BATCH
                          ? arena_printf(f->net->arena, "%s->count", frame_name(f, "batch"))
                          : frame_name(f, "count"));
  text_put(&f->calls, "%s", indent);
  if (own && net_pool(f->net)) {
    pool_own_call(f, step, list.n ? list.s : "", function->sizes.n);
    return;
  }
  if (own) list_add(&list, "THREAD, THREADS");
  else if (shared && net_pool(f->net) && pool_waits(f, step))
    list_add(&list, arena_printf(f->net->arena, "%s, %d", frame_name(f, "team"), pool_most(version)));
  else if (shared && net_pool(f->net)) list_add(&list, "thread, threads"); /* variables of SHARES loops */
  else if (shared)
    list_add(&list, arena_printf(f->net->arena, "%s, %s", frame_name(f, "thread"), frame_name(f, "threads")));
  text_put(&f->calls, own ? "TEAM(%s(%s));\n" : "%s(%s);\n", function->into->name, list.n ? list.s : "");
}

void frame_outputs(Frame *f, const Step *step, const char *(*to)(Frame *, int), bool optional) {
  const Program *p = f->part->program;
  for (int i = 0; f->images > 1 && i < p->copies.n; i++) {
    const int o = p->copies.data[i].output;
    if (p->copies.data[i].after != step - f->part->steps.data) continue;
    text_put(&f->calls, "  %s",
             optional
                 ? arena_printf(f->net->arena, "if (%s->%s) ", frame_name(f, "batch"), f->net->output[o].name)
                 : "");
    const int sizes = put_callee(&f->calls, f->part->outputs[o][f->target]);
    text_put(&f->calls, "%s%s, %s, %s);\n", sizes ? ", " : "", frame_value(f, p->output[o]), to(f, o),
             frame_name(f, "count"));
  }
}

void frame_unused(Text *out, const Frame *f) {
  for (int i = 0; i < f->parameters.n; i++)
    if (!frame_mentions(f, f->parameters.data[i].name))
      text_put(out, "  (void)%s;\n", f->parameters.data[i].name);
}

void frame_end(Text *out, Frame *f) {
  if (f->locals.n) text_put(out, "%s", f->locals.s);
  if (f->locals.n && f->calls.n) text_put(out, "\n");
  if (f->calls.n) text_put(out, "%s", f->calls.s);
}
