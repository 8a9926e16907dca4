/* module.c: lowers every kernel for every target, prints its function, finds what can be shared, and names
 * everything.
 *
 * Where nests are the same code, for layers of equal shape, or in inference and training, one function serves
 * all. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/module.h"
#include <inttypes.h>
#include <string.h>

static const char stand_in[] = "cnnc_function";

/* ---- functions ---- */
static const char *print_nest(Net *net, Section *section, Nest *nest, bool team) {
  Text text = {.arena = net->arena};
  NestPrint print = section->print;
  print.team = team;
  const char *name = nest->name, *about = nest->about, *main = nest->main->name;
  nest->name = nest->main->name = stand_in;
  nest->about = "";
  emit_nest(&text, nest, &print);
  nest->name = name;
  nest->about = about;
  nest->main->name = main;
  return text.s;
}

static const char *renamed(Arena *arena, const char *text, const char *name) {
  Text out = {.arena = arena};
  for (const char *at; (at = strstr(text, stand_in)); text = at + strlen(stand_in)) {
    text_bytes(&out, text, (size_t)(at - text));
    text_put(&out, "%s", name);
  }
  text_put(&out, "%s", text);
  return out.s;
}

static void tell_of(Net *net, Function *function, const Node *node, bool also) {
  const char *layer = node ? layer_text(net->arena, net->sources, node) : "";
  if (!*layer || table_find(&function->told, layer)) return;
  table_set(net->arena, &function->told, layer, function);
  if (also) vec_push(net->arena, function->also, layer);
}

/* The function computes the layers of the kernel; also: beside those that its comment has. */
static void tell(Net *net, Function *function, const Kernel *kernel, bool also) {
  tell_of(net, function, kernel->normalize, also);
  tell_of(net, function, kernel->gate, also);
  tell_of(net, function, kernel->root, also);
  for (int i = 0; i < kernel->nscales; i++) tell_of(net, function, kernel->scale[i], also);
  for (int i = 0; i < kernel->nchain; i++) tell_of(net, function, kernel->chain[i], also);
  tell_of(net, function, kernel->pool, also);
  tell_of(net, function, kernel->means, also);
}

/* The function for a nest: an existing one, or a new one with that name. team: its parallel loops are shared
 * out. */
static Function *section_function(Net *net, Section *section, Nest *nest, bool team, const char *name,
                                  const char *comment, const Kernel *kernel) {
  const NestKey *key = nest_key(net->arena, nest, team);
  const char *hash = arena_printf(net->arena, "%" PRIx64, key->hash);
  Function *first = table_find(&section->by_hash, hash), *function = first;
  while (function && !nest_key_equal(function->key, key)) function = function->next;
  if (function) {
    if (kernel) tell(net, function, kernel, true);
    return function;
  }
  function = NEW(net->arena, Function);
  function->key = key;
  function->next = first;
  function->comment = comment;
  if (kernel) tell(net, function, kernel, false);
  function->code = print_nest(net, section, nest, team);
  function->text = renamed(net->arena, function->code, arena_printf(net->arena, "%s_%s", net->name, name));
  function->name = arena_printf(net->arena, "%s_%s%s", net->name, name, section->suffix);
  function->call = arena_printf(net->arena, "%s(", function->name);
  vec_push(net->arena, section->functions, function);
  table_set(net->arena, &section->by_hash, hash, function);
  return function;
}

/* ---- comments ---- */
static void put_layer(Net *net, Text *out, const Node *node) {
  text_put(out, "%s%s", out->n ? "\n" : "", layer_text(net->arena, net->sources, node));
  if (!node->hidden && node->op->detail) text_put(out, "\n    %s", node->op->detail);
}

/* What a kernel computes: the layers in it, with their places in the program and their formulas, then what
 * the schedule says about itself. */
static const char *kernel_comment(Net *net, const Kernel *kernel, const Nest *nest) {
  Text out = {.arena = net->arena};
  if (kernel->normalize) put_layer(net, &out, kernel->normalize);
  if (kernel->gate) put_layer(net, &out, kernel->gate);
  put_layer(net, &out, kernel->root);
  for (int i = 0; i < kernel->nscales; i++) put_layer(net, &out, kernel->scale[i]);
  for (int i = 0; i < kernel->nchain; i++) put_layer(net, &out, kernel->chain[i]);
  if (kernel->pool) put_layer(net, &out, kernel->pool);
  if (kernel->means) put_layer(net, &out, kernel->means);
  if (nest->about && *nest->about) text_put(&out, "\n%s", nest->about);
  return out.s;
}

/* ---- members ---- */
static Member *new_member(Net *net, Part *part, const char *key, const char *name, const Buf *shape) {
  Member *member = NEW(net->arena, Member);
  member->key = key;
  member->name = names_unique(part ? &part->names : &net->names, name_identifier(net->arena, name));
  member->rank = shape->rank;
  member->dim = shape->dim;
  member->elem = shape->type.elem;
  member->bytes = elem_bytes(member->elem) * buf_elements(shape);
  if (part) vec_push(net->arena, part->members, member);
  else vec_push(net->arena, net->tables, member);
  table_set(net->arena, part ? &part->member_of : &net->table_of, key, member);
  return member;
}

static const char *pack_function_name(Net *net, const Pack *pack) { /* the section's suffix comes behind it */
  const char *name = names_unique(&net->names, pack->name);
  names_reserve(&net->names, arena_printf(net->arena, "%s%s", name, net->pack.suffix));
  return name;
}

/* What is the same is there once, as the weights of a layer that is computed band by band; but for constants
 * that one call reads, which have different names: to C they are apart (restrict). In an updatable net they
 * are made of the same layer, too: others are equal by chance. */
static const Member *constants_member(Net *net, Part *part, const Pack *pack, const Buf *shape) {
  const int64_t bytes = elem_bytes(shape->type.elem) * buf_elements(shape);
  Text key = {.arena = net->arena};
  text_put(&key, "constants %s of type %d", shape->name, (int)shape->type.elem);
  for (int i = 0; i < shape->rank; i++) text_put(&key, " %" PRId64, shape->dim[i]);
  Member *first = table_find(&part->member_of, key.s), *member = first;
  while (member && (member->pack->origin != pack->origin ||
                    memcmp(member->pack->values, pack->values, (size_t)bytes) != 0))
    member = member->next;
  if (member) return member;
  member = new_member(net, part, key.s, pack->name, shape);
  member->pack = pack;
  member->next = first;
  return member;
}

static const Member *pack_member(Net *net, Part *part, Pack *pack, const Buf *shape) {
  if (pack->values) return constants_member(net, part, pack, shape);
  const bool constant = pack->source.n == 0;
  Text key = {.arena = net->arena};
  text_put(&key, "pack");
  for (int i = 0; i < pack->source.n; i++) text_put(&key, " %d", pack->source.data[i]->id);
  const NestKey *nest = nest_key(net->arena, pack->nest, false);
  Member *first = table_find(constant ? &net->table_of : &part->member_of, key.s), *member = first;
  while (member && !nest_key_equal(member->nest, nest)) member = member->next;
  if (member) return member;
  member = new_member(net, constant ? NULL : part, key.s, pack->name, pack->out);
  member->pack = pack;
  member->nest = nest;
  member->next = first;
  if (!constant)
    member->function = section_function(net, &net->pack, pack->nest, false, pack_function_name(net, pack),
                                        pack->nest->about ? pack->nest->about : "", NULL);
  return member;
}

static const Member *weight_member(Net *net, Part *part, const Weight *weight, const Buf *shape) {
  const char *key = arena_printf(net->arena, "weight %d", weight->id);
  Member *member = table_find(&part->member_of, key);
  if (member) return member;
  member = new_member(net, part, key, weight->name, shape);
  member->copy = weight;
  return member;
}

static Member *table_member(Net *net, const float *table, int64_t n, const char *name, const Buf *shape) {
  Text key = {.arena = net->arena};
  text_put(&key, "table");
  for (int64_t i = 0; i < n; i++) {
    text_put(&key, " ");
    put_hex_float(&key, table[i]);
  }
  Member *member = table_find(&net->table_of, key.s);
  if (member) return member;
  member = new_member(net, NULL, key.s, name, shape);
  member->table = table;
  return member;
}

/* What the buffer of a step reads, if it is a member or a table: noted in step->member. */
static void bind_members(Net *net, Part *part, Step *step, int target) {
  const Version *version = &step->call->version[target];
  const Nest *nest = version->lower->b;
  step->member[target] = NEW_ARRAY(net->arena, const Member *, nest->nbufs + 1);
  for (int i = 0; i < nest->nbufs; i++) {
    const Operand *argument = &version->argument[i];
    const Binding *binding = argument->binding;
    if (!argument->used) continue;
    if (binding->kind == BIND_PACK)
      step->member[target][i] = pack_member(net, part, binding->pack, nest->buf[i]);
    if (binding->kind == BIND_WEIGHT && part == &net->infer)
      step->member[target][i] = weight_member(net, part, binding->weight, nest->buf[i]);
    if (binding->kind == BIND_TABLE) {
      Member *table = table_member(net, binding->table, binding->elements,
                                   arena_printf(net->arena, "%s_table", step->name), nest->buf[i]);
      table->targets |= UINT32_C(1) << target;
      step->member[target][i] = table;
    }
  }
}

int64_t aligned(int64_t floats) { return (floats + ALIGNED_FLOATS - 1) / ALIGNED_FLOATS * ALIGNED_FLOATS; }

int64_t floats_in(int64_t bytes) { return bytes / (int64_t)sizeof(float); }

static const char *step_wanted_name(Net *net, const Part *part, const Kernel *kernel, const Nest *nest) {
  const char *name = prelude_has_name(nest->name) ? arena_printf(net->arena, "%s_", nest->name) : nest->name;
  if (node_is_input(kernel->root)) return arena_printf(net->arena, "%s_floats", nest->name);
  if (part == &net->infer || !names_taken(&net->names, name)) return name;
  return arena_printf(net->arena, "%s_%s", name, part == &net->train ? "training" : "look");
}

static void name_call(Net *net, Part *part, const KernelCall *call) {
  const int n = net->options->ntargets;
  Step step = {.call = call};
  step.function = NEW_ARRAY(net->arena, Function *, n);
  step.member = NEW_ARRAY(net->arena, const Member **, n);
  for (int t = 0; t < n; t++) {
    Nest *nest = call->version[t].lower->b;
    if (net->options->alike) alike_prepare(nest);
    if (t == 0) step.name = names_unique(&net->names, step_wanted_name(net, part, call->kernel, nest));
    bind_members(net, part, &step, t);
    step.function[t] = section_function(net, &net->section[t], nest, call->team, step.name,
                                        kernel_comment(net, call->kernel, nest), call->kernel);
    step.function[t]->steady |= part != &net->look;
    if (net->options->alike) step.function[t]->stack = nest_stack(nest);
  }
  vec_push(net->arena, part->steps, step);
  const char **value = &part->value[call->kernel->result->id];
  if (!*value) *value = step.name;
}

/* Members of whole vectors come first, then the larger numbers, so that all of them are aligned when the
 * struct is. */
enum { RANKS = 4 };
static int rank_of(const Member *member) {
  if (member->bytes % ALIGNMENT == 0) return 0;
  const int bytes = elem_bytes(member->elem);
  return bytes == 8 ? 1 : bytes == 4 ? 2 : 3;
}

static void order_members(Net *net, Part *part) {
  Member **ordered = NEW_ARRAY(net->arena, Member *, part->members.n + 1);
  int n = 0;
  for (int rank = 0; rank < RANKS; rank++)
    for (int i = 0; i < part->members.n; i++)
      if (rank_of(part->members.data[i]) == rank) ordered[n++] = part->members.data[i];
  part->members.data = ordered;
  part->members.room = n;
}

static void name_outputs(Net *net, Part *part) {
  const int outputs = net->graph->outputs.n;
  part->outputs = NEW_ARRAY(net->arena, Function **, outputs + 1);
  for (int o = 0; o < outputs; o++) {
    const char *name =
        names_unique(&net->names, arena_printf(net->arena, "%s_by_image", net->output[o].name));
    part->outputs[o] = NEW_ARRAY(net->arena, Function *, net->options->ntargets);
    for (int t = 0; t < net->options->ntargets; t++) {
      Nest *nest = part->program->scatter[o][t];
      part->outputs[o][t] = section_function(net, &net->section[t], nest, false, name, nest->about, NULL);
      part->outputs[o][t]->steady = true;
    }
  }
}

/* The scale and zero of a port in bytes, or of the value that it is made of: members, where they may change.
 */
const Quant *port_quant(const Node *node) {
  return node->quant || !node->nin ? node->quant : node->in[0]->quant;
}

static const char *add_constant(Net *net, const char *name, Elem elem, const void *value) {
  static const int64_t one = 1;
  Pack *pack = NEW(net->arena, Pack);
  Buf *shape = NEW(net->arena, Buf);
  pack->name = name;
  pack->values = value;
  shape->name = name;
  shape->type = (Type){elem, 1};
  shape->rank = 1;
  shape->dim[0] = shape->room[0] = one;
  Member *member = new_member(net, &net->infer, name, name, shape);
  member->pack = pack;
  return member->name;
}

static void name_scales(Net *net, PortNames *names, const Node *node) {
  const Quant *quant = port_quant(node);
  if (!quant || !net->graph->updatable) return;
  names->scale = add_constant(net, arena_printf(net->arena, "%s_scale", names->name), F32, &quant->scale);
  names->zero = add_constant(net, arena_printf(net->arena, "%s_zero", names->name), I32, &quant->zero);
}

static void name_part(Net *net, Part *part, const Program *program) {
  part->program = program;
  part->names.arena = net->arena;
  part->value = NEW_ARRAY(net->arena, const char *, program->graph->nodes.n + 1);
  for (int c = 0; c < program->calls.n; c++) name_call(net, part, &program->calls.data[c]);
  if (program->scatter) name_outputs(net, part);
  for (int i = 0; part == &net->infer && i < net->graph->inputs.n; i++)
    name_scales(net, &net->input[i], net->graph->inputs.data[i].node);
  for (int o = 0; part == &net->infer && o < net->graph->outputs.n; o++)
    name_scales(net, &net->output[o], net->graph->outputs.data[o].node);
  order_members(net, part);
}

/* ---- the net ---- */
static void add_macro(Net *net, const char *name) {
  names_reserve(&net->macros, arena_printf(net->arena, "%s_%s", net->upper, name));
  names_reserve(&net->names, name); /* the net's own name may be in capitals */
}

static void name_macros(Net *net) {
  static const char *const fixed[] = {
      "H",           "BATCH",      "TRAIN_BATCH",     "PARAMETERS",     "ALIGNMENT",
      "MODEL_BYTES", "FILE_BYTES", "WORKSPACE_BYTES", "TRAINING_BYTES", "FORCE_TARGET",
      "EMBED",       "PRECISION",  "SYMBOL",          "TEXT",           "TEXT_",
      NULL};
  static const char *const sizes[] = {"SIZE", "HEIGHT", "WIDTH", "LENGTH", "CHANNELS", "SCALE", "ZERO", NULL};
  for (const char *const *s = fixed; *s; s++) add_macro(net, *s);
  for (int t = 0; t < net->options->ntargets; t++)
    add_macro(net, name_upper(net->arena, net->options->target[t]->suffix));
  for (int i = 0; i < net->graph->inputs.n + net->graph->outputs.n; i++) {
    const PortNames *port =
        i < net->graph->inputs.n ? &net->input[i] : &net->output[i - net->graph->inputs.n];
    for (const char *const *s = sizes; *s; s++)
      add_macro(net, arena_printf(net->arena, "%s_%s", port->upper, *s));
  }
}

static bool begins(const char *name, const char *net) {
  return strncmp(name, net, strlen(net)) == 0 && name[strlen(net)] == '_';
}

/* A parameter that looks like a function or a macro of the net, or of the runtime, would hide it. */
static const char *port_name(const Net *net, const char *given) {
  const bool hides = begins(given, net->name) || begins(given, net->upper) || name_of_runtime(given);
  return arena_printf(net->arena, "%s%s", hides ? "port_" : "", name_identifier(net->arena, given));
}

/* What generated functions that take ports call their other parameters and their variables. A port is named
 * once, before any function is printed, for it is part of the interface, which must not depend on what the
 * functions happen to need. */
static void name_ports(Net *net) {
  static const char *const local[] = {
      "model", "weights", "workspace", "training", "gradients", "count",  "seed",    "step", "arena",
      "i",     "n",       "mark",      "context",  "batch",     "at",     "packed",  "slot", "shard",
      "loss",  "keys",    "from",      "to",       "groups",    "thread", "threads", NULL};
  const Graph *graph = net->graph;
  Names names = {.arena = net->arena}, uppers = {.arena = net->arena};
  net->input = NEW_ARRAY(net->arena, PortNames, graph->inputs.n + 1);
  net->output = NEW_ARRAY(net->arena, PortNames, graph_ports(graph) + 1);
  for (int i = 0; i < graph->inputs.n; i++)
    net->input[i].upper = names_unique(&uppers, name_upper(net->arena, graph->inputs.data[i].name));
  for (int i = 0; i < graph->outputs.n; i++)
    net->output[i].upper = names_unique(&uppers, name_upper(net->arena, graph->outputs.data[i].name));
  name_macros(net);
  for (const char *const *s = local; *s; s++) names_reserve(&names, *s);
  for (int i = 0; i < graph->inputs.n + graph->outputs.n; i++) {
    const bool in = i < graph->inputs.n;
    const char *given = in ? graph->inputs.data[i].name : graph->outputs.data[i - graph->inputs.n].name,
               *name = port_name(net, given);
    PortNames *port = in ? &net->input[i] : &net->output[i - graph->inputs.n];
    port->name = names_unique(&names, name);
    port->target =
        in ? NULL : names_unique(&names, port_name(net, arena_printf(net->arena, "%s_target", given)));
  }
  for (int i = graph->outputs.n; i < graph_ports(graph); i++)
    net->output[i].target = names_unique(
        &names, port_name(net, arena_printf(net->arena, "%s_target", graph_port(graph, i)->name)));
  net->truth = names_unique(&names, "truth");
}

static void section_begin(Net *net, Section *section, const Target *target, const char *suffix,
                          const char *attribute) {
  *section = (Section){.target = target, .suffix = suffix, .attribute = attribute};
  const Target *vectors = target && target->vectors ? target->vectors : target;
  section->print = (NestPrint){{arena_printf(net->arena, "%s_", net->name), suffix, attribute,
                                .helium = vectors && vectors->dot == DOT_ACROSS,
                                .vnni = target && target->avx == AVX_VNNI},
                               !target || target->vectors ? LANES : target->lanes,
                               .apart = !target || target->dsp,
                               .load2 = target && target->dsp,
                               .alike = net->options->alike,
                               .standard = target && !target->condition,
                               .needs = &section->needs};
}

static void name_sections(Net *net) {
  const EmitOptions *o = net->options;
  section_begin(net, &net->pack, NULL, "_pack", "");
  net->section = NEW_ARRAY(net->arena, Section, o->ntargets);
  for (int t = 0; t < o->ntargets; t++) {
    const Target *target = o->target[t];
    const char *suffix = o->ntargets > 1 ? arena_printf(net->arena, "_%s", target->suffix) : "";
    const char *attribute = target->attribute ? arena_printf(net->arena, "%s_%s", net->upper,
                                                             name_upper(net->arena, target->suffix))
                                              : "";
    section_begin(net, &net->section[t], target, suffix, attribute);
  }
}

/* Names of the file that are its interface, or that its fixed text has: NAME_infer, NAME_pack. Layers, whose
 * functions are called NAME_LAYER, take others. The list must be here: layers get their names, and their
 * kernels are printed with them, before any of that text is, and a name that was registered when the text
 * comes to it would be too late. tests/embed/reserved_names.tap finds what is missing: it calls layers by
 * every word that any of the generated files has. The last two are the ends of types of C and of the shared
 * header: uint8_t, cnn_optimizer_kind. */
static const char *const fixed_names[] = {"infer",
                                          "infer_some",
                                          "pack",
                                          "pack_step",
                                          "init",
                                          "gradients",
                                          "target",
                                          "level",
                                          "avx",
                                          "forced",
                                          "labels",
                                          "trained",
                                          "bytes",
                                          "open",
                                          "mark",
                                          "run",
                                          "image",
                                          "images",
                                          "batch",
                                          "sample",
                                          "weights",
                                          "model",
                                          "workspace",
                                          "training",
                                          "add",
                                          "mix",
                                          "keys",
                                          "bits",
                                          "uniform",
                                          "normal",
                                          "log",
                                          "root",
                                          "turn",
                                          "fill",
                                          "initial",
                                          "network",
                                          "network_inputs",
                                          "network_outputs",
                                          "network_weights",
                                          "network_layers",
                                          "network_steps",
                                          "network_recipe",
                                          "network_summary",
                                          "network_metrics",
                                          "network_augment",
                                          "network_milestones",
                                          "look",
                                          "look_forward",
                                          "look_backward",
                                          "look_pack",
                                          "look_layers",
                                          "look_scores",
                                          "look_gradients",
                                          "network_look",
                                          "network_init",
                                          "network_pack",
                                          "network_infer",
                                          "network_infer_timed",
                                          "network_gradients",
                                          "network_gradients_shared",
                                          "network_gradients_timed",
                                          "network_training_steps",
                                          "t",
                                          "kind",
                                          NULL};

static int phases_of(const Program *p) {
  return p->phases.n ? p->phases.data[p->phases.n - 1].number + 1 : 0;
}

static void reserve_phases(Net *net, const Programs *programs) {
  const Program *infer = programs->infer, *train = programs->train;
  for (int i = 0; infer->batching.how == WHOLE_BATCH && i < phases_of(infer); i++)
    names_reserve(&net->names, arena_printf(net->arena, "run_phase%d", i));
  for (int i = 0; train && i < phases_of(train) - train->first_phase; i++) {
    names_reserve(&net->names, arena_printf(net->arena, "phase%d_image", i));
    names_reserve(&net->names, arena_printf(net->arena, "phase%d_images", i));
    names_reserve(&net->names, arena_printf(net->arena, "phase%d_batch", i));
  }
}

Net *emit_begin(Arena *arena, const Graph *graph, const Programs *programs, const Sources *sources,
                const EmitOptions *options) {
  Net *net = NEW(arena, Net);
  net->arena = arena;
  net->options = options;
  net->graph = graph;
  net->sources = sources;
  net->name = options->prefix;
  net->upper = name_upper(arena, options->prefix);
  net->model = net->weights = graph->parameters > 0 && !graph->floats;
  net->names.arena = net->macros.arena = arena;
  for (const char *const *s = fixed_names; *s; s++) names_reserve(&net->names, *s);
  reserve_phases(net, programs);
  name_ports(net);
  name_sections(net);
  name_part(net, &net->infer, programs->infer);
  net->model |= net->infer.members.n > 0;
  for (int t = 0; options->alike && t < options->ntargets; t++) alike_share(net, &net->section[t]);
  if (programs->train) name_part(net, &net->train, programs->train);
  if (programs->look) name_part(net, &net->look, programs->look);
  return net;
}

const char *net_linkage(const Net *net) { return net->options->program ? "static " : ""; }

const char *net_target_names(const Net *net) {
  const char *names = net->options->target[0]->name;
  for (int t = 1; t < net->options->ntargets; t++)
    names = arena_printf(net->arena, "%s,%s", names, net->options->target[t]->name);
  return names;
}

const char *net_input_type(const Net *net, int i) {
  return elem_c_type(net->graph->inputs.data[i].node->port->elem);
}

const char *net_output_type(const Net *net, int i) {
  return elem_c_type(net->graph->outputs.data[i].node->elem);
}

/* A struct is as large as its widest numbers are aligned. */
int64_t members_bytes(const Part *part) {
  int64_t bytes = 0, unit = 4;
  for (int i = 0; i < part->members.n; i++) {
    bytes += part->members.data[i]->bytes;
    if (elem_bytes(part->members.data[i]->elem) > unit) unit = elem_bytes(part->members.data[i]->elem);
  }
  return (bytes + unit - 1) / unit * unit;
}

int64_t net_model_bytes(const Net *net) {
  return net->infer.members.n ? members_bytes(&net->infer) : net->model ? ALIGNMENT : 0;
}

int64_t net_all_floats(const Net *net) {
  return net->options->batch * floats_in(net->infer.program->space[SPACE_ALL].bytes);
}
int64_t net_workspace_floats(const Net *net) {
  const Program *p = net->infer.program;
  return net_all_floats(net) + p->slots * floats_in(program_room(p, SPACE_ARENA));
}

static int64_t slack(const Program *p, SpaceKind space) {
  return p->space[space].bytes - p->space[space].bound;
}

NetSizes emit_sizes(const Net *net) {
  const Program *infer = net->infer.program, *train = net->train.program;
  NetSizes sizes = {.model_bytes = net_model_bytes(net), .workspace_bytes = 4 * net_workspace_floats(net)};
  sizes.workspace_bound = sizes.workspace_bytes - net->options->batch * slack(infer, SPACE_ALL) -
                          infer->slots * slack(infer, SPACE_ARENA);
  if (!train) return sizes;
  sizes.shards = train->shards;
  sizes.training_bytes = 4 * training_floats(net);
  sizes.training_bound = sizes.training_bytes - train->shards * slack(train, SPACE_ARENA) -
                         train->batching.images * (slack(train, SPACE_KEPT) + slack(train, SPACE_ALL));
  return sizes;
}
