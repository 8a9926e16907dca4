/* train.c: Printer of NAME_gradients, of the functions that it calls, and of the structs for training. A
 * batch is divided into a fixed number of shards, which may run at the same time. Each shard has its own
 * arena and gradients; its images, or groups of interleaved images, are computed one after the other. The
 * gradients of the shards are finally added in a fixed order. Calls that need all images, such as those for
 * batch statistics, separate the phases. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "base/number.h"
#include "emit/pool.h"

/* ---- the struct ---- */
void put_training_struct(Text *out, Net *net) {
  text_put(out, "struct %s {\n", net->own->training);
  for (int i = 0; i < net->layout->train.members.n; i++) {
    const Member *member = net->layout->train.members.data[i];
    text_put(out, "  %s %s", elem_c_type(member->elem), member->name);
    put_dims(out, member->rank, member->dim);
    text_put(out, ";%s\n", i ? "" : " /* weights, packed in the order in which kernels read them */");
  }
  const int64_t batch = layout_training_floats(net->layout, SPACE_BATCH),
                all = layout_training_floats(net->layout, SPACE_ALL),
                kept = layout_training_floats(net->layout, SPACE_KEPT);
  if (batch) text_put(out, "  float batch[%" PRId64 "]; /* values that exist once per batch */\n", batch);
  if (all) text_put(out, "  float all[%" PRId64 "]; /* values of all images of the batch */\n", all);
  if (kept)
    text_put(out,
             "  float kept[%" PRId64 "]; /* a record for each image: values that a later phase needs */\n",
             kept);
  text_put(out,
           "  float arena[%" PRId64 "][%" PRId64
           "]; /* activations of the current image, one arena per shard */\n",
           net->layout->train.program->shards, layout_training_floats(net->layout, SPACE_ARENA));
  if (net->model && net->layout->train.program->shards > 1)
    text_put(out, "  %s sum[%" PRId64 "]; /* gradients of the shards after the first */\n", net->own->weights,
             net->layout->train.program->shards - 1);
  text_put(out, "};\n\n");
}

/* ---- parameters ---- */
static const char *target_type(const Net *net, int o) {
  return elem_c_type(net->layout->train.program->target_of[o]->port->elem);
}

bool truth_read(const Net *net) { return net->graph->training && net->graph->training->objects > 0; }

/* The struct of an image's annotations. C++ does not permit a member named class. */
void put_truth_struct(Text *out, Net *net) {
  const Training *t = net->graph->training;
  const Node *instance = net->layout->train.program->target_of[graph_ports(net->graph) + TRUTH_INSTANCE];
  text_put(out,
           "/* The objects of an image. Boxes are x1 y1 x2 y2 in pixels of the input. */\n"
           "enum { %s = %" PRId64 " };\ntypedef struct %s {\n"
           "  int32_t count;\n#ifdef __cplusplus\n  int32_t label[%s];\n#else\n"
           "  int32_t class[%s];\n#endif\n  float box[%s][4];\n",
           net->macro->TRUTH_OBJECTS, t->objects, net->own->truth, net->macro->TRUTH_OBJECTS,
           net->macro->TRUTH_OBJECTS, net->macro->TRUTH_OBJECTS);
  if (t->instances && instance)
    text_put(out, "  uint8_t instance[%" PRId64 "][%" PRId64 "]; /* k + 1: object k; 0: no object */\n",
             instance->shape.dim[0], instance->shape.dim[1]);
  text_put(out, "} %s;\n\n", net->own->truth);
}

static void add_pointer(Net *net, Parameters *list, const char *type, const char *name) {
  add_parameter(net->arena, list, name, arena_printf(net->arena, "%s *%s", type, name));
}

static void add_constant_pointer(Net *net, Parameters *list, const char *type, const char *name) {
  add_pointer(net, list, arena_printf(net->arena, "const %s", type), name);
}

Parameters gradients_parameters(Net *net) {
  const Program *p = net->layout->train.program;
  Parameters list = {0};
  if (net->model) add_constant_pointer(net, &list, net->own->weights, "weights");
  for (int i = 0; i < net->graph->inputs.n; i++)
    add_constant_pointer(net, &list, net_input_type(net, i), net->input[i].name);
  for (int o = 0; o < graph_ports(net->graph); o++)
    if (p->target_of[o]) add_constant_pointer(net, &list, target_type(net, o), net->output[o].target);
  if (truth_read(net)) add_constant_pointer(net, &list, net->own->truth, "truth");
  add_parameter(net->arena, &list, "count", "int32_t count");
  add_parameter(net->arena, &list, "seed", "uint64_t seed");
  add_parameter(net->arena, &list, "step", "uint64_t step");
  if (net->model) add_pointer(net, &list, net->own->weights, "gradients");
  for (int o = 0; o < net->graph->outputs.n; o++) add_pointer(net, &list, "float", net->output[o].name);
  add_pointer(net, &list, net->own->training, "workspace");
  if (net_processes(net)) add_pointer(net, &list, "const cnn_exchange", "exchange");
  if (net->options->program) {
    add_parameter(net->arena, &list, "mark", "void (*mark)(void *, int32_t)");
    add_parameter(net->arena, &list, "context", "void *context");
  }
  return list;
}

void put_batch_struct(Text *out, Net *net) {
  text_put(out, "// Arguments of %s.\ntypedef struct %s {\n", net->own->gradients, net->own->batch);
  if (net->model) text_put(out, "  const %s *weights;\n", net->own->weights);
  for (int i = 0; i < net->graph->inputs.n; i++)
    text_put(out, "  const %s *%s;\n", net_input_type(net, i), net->input[i].name);
  for (int o = 0; o < graph_ports(net->graph); o++)
    if (net->layout->train.program->target_of[o])
      text_put(out, "  const %s *%s;\n", target_type(net, o), net->output[o].target);
  if (truth_read(net)) text_put(out, "  const %s *truth;\n", net->own->truth);
  for (int o = 0; o < net->graph->outputs.n; o++) text_put(out, "  float *%s;\n", net->output[o].name);
  text_put(out,
           "  int32_t count;\n  uint64_t seed, step;\n  %s *at;\n  const %s *packed; // "
           "the struct *at; its packed weights are only read\n",
           net->own->training, net->own->training);
  if (net->options->program) text_put(out, "  void (*mark)(void *, int32_t);\n  void *context;\n");
  text_put(out, "} %s;\n\n", net->own->batch);
}

/* ---- phases ---- */
static bool interleaved(const Net *net) { return net->layout->train.program->batching.how == INTERLEAVED; }

/* The name of a phase's function. batch: the phase runs once for the whole batch; otherwise it runs image by
 * image or, if images are interleaved, group by group. */
static const char *
training_phase_function(Net *net, int phase,
                        bool batch) { /* the first phase gets the number 0, even if it is phase -1 */
  return arena_printf(net->arena, "%s%d_%s", net->own->phase, phase - net->layout->train.program->first_phase,
                      batch              ? "batch"
                      : interleaved(net) ? "images"
                                         : "image");
}

static const char *list_of(Net *net, const char *first, const char *images, bool declared) {
  return arena_printf(net->arena, "%s%s%s", first, images,
                      !net->model ? ""
                      : declared  ? arena_printf(net->arena, ", %s *gradients", net->own->weights)
                                  : ", gradients");
}
static const char *phase_parameters(Net *net, bool batch) {
  const char *images = batch              ? ""
                       : interleaved(net) ? ", int64_t from, int64_t to, float *arena"
                                          : ", int64_t n, float *arena";
  return list_of(net, arena_printf(net->arena, "const %s *batch", net->own->batch), images, true);
}
static const char *phase_arguments(Net *net, bool batch) {
  return list_of(net, "batch", batch ? "" : interleaved(net) ? ", from, to, arena" : ", n, arena", false);
}

static const char *training_output(Frame *f, int o) {
  Net *net = f->net;
  return arena_printf(net->arena, "(void *)(%s->%s + %s * %s)", frame_name(f, "batch"), net->output[o].name,
                      frame_name(f, "n"), sample_size(net, net->output[o].macro.SIZE));
}

/* Outputs are copied to the caller as soon as they are computed, before their memory is reused. */
static void put_output(Frame *f, int o) {
  Net *net = f->net;
  const PortNames *port = &net->output[o];
  const char *sample = sample_size(net, port->macro.SIZE);
  frame_name(f, "batch");
  if (f->kind == FRAME_BATCH) {
    text_put(&f->calls,
             "  if (batch->%s) memcpy(batch->%s, %s, (size_t)batch->count * %s * sizeof(float));\n",
             port->name, port->name, frame_value(f, f->part->program->output[o]), sample);
    return;
  }
  frame_name(f, "n");
  const Node *node = f->part->program->output[o];
  const int64_t there = shape_elements(node->shape),
                room = shape_elements(net->graph->outputs.data[o].node->shape);
  const char *size = there < room
                         ? arena_printf(net->arena, "%" PRId64, there) /* fewer proposals than in inference */
                         : sample;
  text_put(&f->calls, "  if (batch->%s) memcpy(batch->%s + n * %s, %s, %s * sizeof(float));\n", port->name,
           port->name, sample, frame_value(f, node), size);
}

static void put_keys(Text *out, const Frame *f) {
  if (!f->keys) return;
  if (f->images == 1) {
    text_put(out, "  int32_t keys[2];\n  %s(batch->seed, batch->step, (uint64_t)n, keys);\n",
             f->net->own->keys);
    return;
  }
  text_put(out, "  int32_t keys[2][%d];\n  for (int32_t i = 0; i < %d; i++) {\n    int32_t key[2];\n",
           f->images, f->images);
  text_put(out,
           "    %s(batch->seed, batch->step, (uint64_t)(n + (i < count ? i : count - 1)), key);\n    "
           "keys[0][i] = key[0], keys[1][i] = key[1];\n  }\n",
           f->net->own->keys);
}

static void put_phase_of_images(Text *out, Net *net, int target, int phase) {
  const int images = program_lanes(net->layout->train.program, target);
  const char *function = training_phase_function(net, phase, false), *suffix = net->section[target].suffix;
  text_put(out, "static void %s%s(%s) {\n", function, suffix, phase_parameters(net, false));
  text_put(
      out, "  for (int64_t n = from; n < to; n += %d) %s_%d%s(%s);\n}\n\n", images, function, images, suffix,
      list_of(net, "batch",
              arena_printf(net->arena, ", n, (int32_t)(to - n < %d ? to - n : %d), arena", images, images),
              false));
}

static void put_copies(Frame *f, int after) {
  const Program *p = f->part->program;
  for (int i = 0; i < p->copies.n; i++)
    if (p->copies.data[i].after == after) put_output(f, p->copies.data[i].output);
}

/* Parameters of a function that calls kernels. With `batch`, the function computes the whole batch; otherwise
 * one image, or one group of interleaved images. */
static Parameters calls_parameters(Net *net, bool batch) {
  Arena *arena = net->arena;
  Parameters list = {0};
  add_parameter(arena, &list, "batch", arena_printf(arena, "const %s *batch", net->own->batch));
  if (!batch) add_parameter(arena, &list, "n", "int64_t n");
  if (!batch && interleaved(net)) add_parameter(arena, &list, "count", "int32_t count");
  if (!batch) add_parameter(arena, &list, "arena", "float *arena");
  if (net->model)
    add_parameter(arena, &list, "gradients", arena_printf(arena, "%s *gradients", net->own->weights));
  return list;
}

/* With many phases, compilation takes long if the compiler inlines them into the gradients function. */
bool phases_apart(const Net *net) {
  enum { FEW = 8 };
  return net->layout->train.program && net->layout->train.program->phases.n > FEW;
}

static void put_step_mark(Frame *f, int step) {
  if (!f->net->options->program) return;
  const char *batch = frame_name(f, "batch");
  text_put(&f->calls, "  if (%s->mark) %s->mark(%s->context, %d);\n", batch, batch, batch, step);
}

static void put_training_phase(Text *out, Net *net, int target, const Phase *of) {
  const int phase = of->number;
  const bool batch = of->once, several = !batch && interleaved(net);
  const Parameters parameters = calls_parameters(net, batch);
  Frame f = frame_begin(net, &net->layout->train, target, batch ? FRAME_BATCH : FRAME_SAMPLE, &parameters);
  if (!batch && phase == 0) put_copies(&f, -1);
  for (int s = of->first; s < of->first + of->n; s++) {
    frame_call(&f, &net->layout->train.steps.data[s], "  ");
    if (several) frame_outputs(&f, &net->layout->train.steps.data[s], training_output, true);
    else put_copies(&f, s);
    put_step_mark(&f, s);
  }
  const char *function = training_phase_function(net, phase, batch);
  if (several) {
    text_put(out,
             "/* %d interleaved images, one in each lane: a value is [height][width][channels][%d]. Only the "
             "first `count` lanes have different images; the other lanes repeat the last image. */\n",
             f.images, f.images);
    function = arena_printf(net->arena, "%s_%d", function, f.images);
  }
  text_put(out, "%s", f.before.n ? f.before.s : "");
  text_put(out, "%s void %s%s(%s) {\n", phases_apart(net) ? "KERNEL" : "static", function,
           net->section[target].suffix, parameters_text(net->arena, &parameters));
  frame_unused(out, &f);
  if (batch && frame_mentions(&f, "arena")) text_put(out, "  float *const arena = batch->at->arena[0];\n");
  put_keys(out, &f);
  frame_end(out, &f);
  text_put(out, "}\n\n");
  if (several) put_phase_of_images(out, net, target, phase);
}

void put_gradients(Text *out, Net *net, int target) {
  const Program *p = net->layout->train.program;
  for (int i = 0; i < p->phases.n; i++) put_training_phase(out, net, target, &p->phases.data[i]);
}

static void put_phase_dispatch(Text *out, Net *net, int phase, bool batch) {
  const char *function = training_phase_function(net, phase, batch);
  text_put(out, "static void %s(%s) {\n", function, phase_parameters(net, batch));
  put_dispatched(out, net, "", function, phase_arguments(net, batch));
  text_put(out, "}\n\n");
}

/* ---- functions of the interface ---- */
/* Prints code that computes all images of a batch with only one shard. If several processes train, only one
 * of them has the shard. */
static void put_only_shard(Text *out, Net *net, int phase) {
  const char *function = training_phase_function(net, phase, false),
             *gradients = net->model ? ", gradients" : "",
             *test = net_processes(net) ? "if (exchange->first < exchange->last) " : "";
  if (interleaved(net))
    text_put(out, "  %s%s(&batch, 0, count, workspace->arena[0]%s);\n", test, function, gradients);
  else
    text_put(out, "  %sfor (int64_t n = 0; n < count; n++) %s(&batch, n, workspace->arena[0]%s);\n", test,
             function, gradients);
}

static const char *first_shard(const Net *net) { return net_processes(net) ? "exchange->first" : "0"; }
static const char *last_shard(const Net *net) {
  const Program *p = net->layout->train.program;
  return net_processes(net) ? "exchange->last" : arena_printf(net->arena, "%" PRId64, p->shards);
}

/* Prints a loop over the shards from `from` to `to` (exclusive). These are all shards of this process or, in
 * a SHARES loop of a pool, some of them. */
static void put_shard_loop(Text *out, Net *net, int phase, const char *from, const char *to) {
  const char *batch = net_pool(net) ? "batch" : "&batch", *count = net_pool(net) ? "batch->count" : "count";
  const int64_t shards = net->layout->train.program->shards;
  const char *wide = net->layout->train.program->batching.images > INT32_MAX / shards
                         ? "(int64_t)"
                         : ""; /* 64 bits only if needed, because small CPUs divide only 32-bit numbers */
  const char *gradients = !net->model ? "" : ", shard ? &workspace->sum[shard - 1] : gradients";
  if (interleaved(net)) {
    const int images = net->layout->train.program->batching.lanes;
    text_put(out, "  for (int32_t shard = %s; shard < %s; shard++) { /* whole groups of images */\n", from,
             to);
    text_put(out,
             "    const int64_t groups = ((int64_t)%s + %d) / %d, from = shard * groups / %" PRId64
             " * %d, to = (shard + 1) * groups / %" PRId64 " * %d;\n",
             count, images - 1, images, shards, images, shards, images);
    text_put(out, "    %s(%s, from, to < %s ? to : %s, workspace->arena[shard]%s);\n  }\n",
             training_phase_function(net, phase, false), batch, count, count, gradients);
    return;
  }
  text_put(out, "  for (int32_t shard = %s; shard < %s; shard++)\n", from, to);
  text_put(out,
           "    for (int64_t n = %sshard * %s / %" PRId64 "; n < %s(shard + 1) * %s / %" PRId64 "; n++)\n",
           wide, count, shards, wide, count, shards);
  text_put(out, "      %s(%s, n, workspace->arena[shard]%s);\n", training_phase_function(net, phase, false),
           batch, gradients);
}

/* ---- shards on a pool ---- */
/* Prints the head of a function that runs on a pool and processes shards of a training workspace: those from
 * its parameter `first` to `last` (exclusive). With `batch`, the batch and its gradients are parameters, too.
 * Returns the parameters without the team. */
static Parameters put_shards_head(Text *out, Net *net, const char *function, bool batch) {
  Parameters list = {0};
  if (batch) add_constant_pointer(net, &list, net->own->batch, "batch");
  add_pointer(net, &list, net->own->training, "workspace");
  if (batch && net->model) add_pointer(net, &list, net->own->weights, "gradients");
  add_number(net->arena, &list, "first", "int32_t first");
  add_number(net->arena, &list, "last", "int32_t last");
  text_put(out, "static void %s(%s, %s) {\n  SHARES(%" PRId64 ")\n", function,
           parameters_text(net->arena, &list), net_pool(net)->team, net->layout->train.program->shards);
  return list;
}

static const char shard_from[] = "SHARE(first, last, thread)", shard_to[] = "SHARE(first, last, thread + 1)";

/* Prints the functions that are called by the code that put_shards prints. */
static void put_shards_functions(Text *out, Net *net) {
  const Program *p = net->layout->train.program;
  for (int i = 0; net_pool(net) && p->shards > 1 && i < p->phases.n; i++) {
    if (p->phases.data[i].once) continue;
    const int phase = p->phases.data[i].number;
    const char *function = pool_function(net, training_phase_function(net, phase, false), "shards");
    const Parameters list = put_shards_head(out, net, function, true);
    put_shard_loop(out, net, phase, shard_from, shard_to);
    text_put(out, "}\n\n");
    pool_describe(out, net, function, &list, "team", 0);
  }
}

static void put_shards(Text *out, Net *net, int phase) {
  if (net_pool(net)) {
    text_put(out, "  ");
    pool_call(out, net, pool_function(net, training_phase_function(net, phase, false), "shards"),
              arena_printf(net->arena, "&batch, workspace%s, %s, %s", net->model ? ", gradients" : "",
                           first_shard(net), last_shard(net)));
    return;
  }
  text_put(out, net->options->openmp ? "  TEAM_LOOP\n" : "");
  put_shard_loop(out, net, phase, first_shard(net), last_shard(net));
  text_put(out, net->options->openmp ? "  TEAM_LOOP_END\n" : "");
}

/* Prints the sum of the gradients of the shards from `from` to `to` (exclusive) as a tree of pairs:
 * ((g + s0) + (s1 + s2)) + ..., where g are the gradients of shard 0, and s0 those of shard 1. */
static void put_tree(Text *out, int64_t from, int64_t to) {
  if (to - from == 1) {
    if (from) text_put(out, "s[%" PRId64 "].f[i]", from - 1);
    else text_put(out, "g[i]");
    return;
  }
  const int64_t middle = program_sum_middle(from, to);
  text_put(out, "(");
  put_tree(out, from, middle);
  text_put(out, " + ");
  put_tree(out, middle, to);
  text_put(out, ")");
}

static bool all_gradients(const Net *net, const Stretches *of) {
  return of->n == 1 && of->data[0].from == 0 && of->data[0].to == graph_weight_bytes(net->graph);
}

/* Prints code that clears the stretches `of` of the gradients. pointer: text of the gradients' address;
 * object: text of the gradients. */
static void put_zeros(Text *out, const Net *net, const Stretches *of, const char *indent, const char *pointer,
                      const char *object) {
  if (all_gradients(net, of)) {
    text_put(out, "%smemset(%s, 0, sizeof %s);\n", indent, pointer, object);
    return;
  }
  for (int i = 0; i < of->n; i++)
    text_put(out, "%smemset((float *)(void *)%s + %" PRId64 ", 0, %" PRId64 " * sizeof(float));\n", indent,
             pointer, floats_in(of->data[i].from), floats_in(of->data[i].to - of->data[i].from));
}

static void put_clear(Text *out, Net *net) {
  const Program *p = net->layout->train.program;
  if (!net->model) return;
  put_zeros(out, net, &p->cleared, "  ", "gradients", "*gradients");
}

static bool sums_shards(const Net *net) {
  const Program *p = net->layout->train.program;
  return net->model && p->shards > 1 && p->sums.n > 0;
}

static const char *first_sum(const Net *net) {
  return net_processes(net) ? "exchange->first > 0 ? exchange->first - 1 : 0" : "0";
}
static const char *last_sum(const Net *net) {
  const Program *p = net->layout->train.program;
  return net_processes(net) ? "exchange->last - 1" : arena_printf(net->arena, "%" PRId64, p->shards - 1);
}

static void put_clear_loop(Text *out, Net *net, const char *from, const char *to) {
  const Program *p = net->layout->train.program;
  text_put(out, "  for (int32_t shard = %s; shard < %s; shard++)%s\n", from, to, p->sums.n > 1 ? " {" : "");
  put_zeros(out, net, &p->sums, "    ", "&workspace->sum[shard]", "workspace->sum[shard]");
  if (p->sums.n > 1) text_put(out, "  }\n");
}

static void put_clear_function(Text *out, Net *net) { /* prints the function that is called by the code that
                                                         put_clear_shards prints */
  if (!net_pool(net) || !sums_shards(net)) return;
  const char *function = pool_function(net, net->own->add, "clear");
  const Parameters list = put_shards_head(out, net, function, false);
  put_clear_loop(out, net, shard_from, shard_to);
  text_put(out, "}\n\n");
  pool_describe(out, net, function, &list, "team", 0);
}

static void put_clear_shards(Text *out, Net *net) {
  if (!sums_shards(net)) return;
  if (net_pool(net)) {
    text_put(out, "  ");
    pool_call(out, net, pool_function(net, net->own->add, "clear"),
              arena_printf(net->arena, "workspace, %s, %s", first_sum(net), last_sum(net)));
    return;
  }
  text_put(out, net->options->openmp ? "  TEAM_LOOP\n" : "");
  put_clear_loop(out, net, first_sum(net), last_sum(net));
  text_put(out, net->options->openmp ? "  TEAM_LOOP_END\n" : "");
}

/* Prints a loop over the floats of the gradients from `from` to `to` (exclusive), up to "g[i] = ". floats:
 * the number of these floats. */
static void put_sum_loop(Text *out, Net *net, const char *from, const char *to, int64_t floats) {
  enum { SHARE_FLOATS = 1 << 13 };
  if (net_pool(net)) {
    text_put(out, "  SHARES(%" PRId64 ")\n", larger(1, floats / SHARE_FLOATS));
    text_put(out,
             "  for (int64_t i = %s + INT64_C(%" PRId64 ") * thread / threads; i < %s + INT64_C(%" PRId64
             ") * (thread + 1) / threads; i++) g[i] = ",
             from, floats, from, floats);
    return;
  }
  text_put(out, net->options->openmp ? "  TEAM_LOOP\n" : "");
  text_put(out, "  for (int64_t i = %s; i < %s; i++) g[i] = ", from, to);
}

static void put_sum(Text *out, Net *net) {
  const Program *p = net->layout->train.program;
  if (!sums_shards(net)) return;
  Parameters list = {0};
  add_pointer(net, &list, net->own->weights, "gradients");
  add_constant_pointer(net, &list, net->own->weights, "sum");
  text_put(out,
           "// The gradients of all shards, added in pairs, in the same order for any number of threads.\n"
           "static void %s(%s%s%s) {\n",
           net->own->add, parameters_text(net->arena, &list), net_pool(net) ? ", " : "",
           net_pool(net) ? net_pool(net)->team : "");
  text_put(out, "  typedef struct flat { float f[%s]; } flat; // all parameters as one array\n",
           net->macro->PARAMETERS);
  text_put(out, "  float *const g = ((flat *)(void *)gradients)->f;\n  const flat *const s = (const flat "
                "*)(const void *)sum;\n");
  for (int i = 0; i < p->sums.n; i++) {
    const int64_t from = floats_in(p->sums.data[i].from), to = floats_in(p->sums.data[i].to);
    put_sum_loop(out, net, arena_printf(net->arena, "%" PRId64, from),
                 all_gradients(net, &p->sums) ? net->macro->PARAMETERS
                                              : arena_printf(net->arena, "%" PRId64, to),
                 to - from);
    put_tree(out, 0, net->layout->train.program->shards);
    text_put(out, net->options->openmp ? ";\n  TEAM_LOOP_END\n" : ";\n");
  }
  text_put(out, "}\n\n");
  if (net_pool(net)) pool_describe(out, net, net->own->add, &list, "team", 0);
}

static void put_statistics(Text *out, Net *net) {
  for (int i = 0; i < net->graph->weights.n; i++) {
    const Weight *weight = net->graph->weights.data[i];
    if (!weight->statistic) continue;
    const char *name = name_letters(net->arena, weight->name);
    text_put(out, "  memcpy(gradients->%s, weights->%s, sizeof gradients->%s);\n", name, name, name);
  }
}

static void put_batch_value(Text *out, Net *net) {
  Text list = {.arena = net->arena};
  if (net->model) list_add(&list, "weights");
  for (int i = 0; i < net->graph->inputs.n; i++) list_add(&list, net->input[i].name);
  for (int o = 0; o < graph_ports(net->graph); o++)
    if (net->layout->train.program->target_of[o]) list_add(&list, net->output[o].target);
  if (truth_read(net)) list_add(&list, "truth");
  for (int o = 0; o < net->graph->outputs.n; o++) list_add(&list, net->output[o].name);
  text_put(out, "  const %s batch = {%s, count, seed, step, workspace, workspace%s};\n", net->own->batch,
           list.s, net->options->program ? ", mark, context" : "");
}

/* The list of steps has the calls of all phases, then two more steps: the work before the phases, and the
 * work after them. */
enum { BEFORE_PHASES, AFTER_PHASES };
static void put_upkeep_mark(Text *out, const Net *net, int which) {
  if (net->options->program)
    text_put(out, "  if (mark) mark(context, %d);\n", net->layout->train.steps.n + which);
}

/* ---- several processes ---- */
static const char *gathered(Net *net, const Gather *g) { /* the address of the value's first element */
  switch (g->space) {
  case SPACE_INPUT: return net->input[g->index].name;
  case SPACE_TARGET: return net->output[g->index].target;
  default: return arena_printf(net->arena, "workspace->all + %" PRId64, floats_in(g->offset));
  }
}

/* Prints code that receives values of the other processes' images before the phase with index `before`. The
 * loss is received after the last phase. */
static void put_gathers(Text *out, Net *net, int before) {
  const Program *p = net->layout->train.program;
  for (int i = 0; i < p->gathers.n; i++) {
    const Gather *g = &p->gathers.data[i];
    if (g->before == before)
      text_put(out,
               "  if (exchange->gather) exchange->gather(exchange->context, (void *)(uintptr_t)(%s), %" PRId64
               ");\n",
               gathered(net, g), g->stride);
  }
}

/* Prints code that starts the exchange of the gradient sums that are complete after the phase with index
 * `after`, and continues earlier exchanges. */
static void put_buckets(Text *out, Net *net, int after) {
  const Program *p = net->layout->train.program;
  const char *sums = p->shards > 1 ? "(float *)(void *)workspace->sum" : "NULL";
  for (int i = 0; net->model && i < p->buckets.n; i++) {
    const Bucket *b = &p->buckets.data[i];
    if (b->after == after)
      text_put(
          out,
          "  if (exchange->sum) exchange->sum(exchange->context, (float *)(void *)gradients, %s, %" PRId64
          ", %" PRId64 ");\n",
          sums, floats_in(b->from), floats_in(b->to));
  }
  text_put(out, "  if (exchange->poll) exchange->poll(exchange->context);\n");
}

static void put_loss(Text *out, Net *net) {
  const Program *p = net->layout->train.program;
  text_put(out, "  double loss = 0;\n");
  for (int i = 0; i < net->graph->training->losses.n; i++) {
    const int64_t first = floats_in(p->value[0][p->loss[i]->id].offset);
    text_put(out, "  for (int32_t n = 0; n < count; n++) loss += (double)workspace->all[%sn];\n",
             first ? arena_printf(net->arena, "%" PRId64 " + ", first) : "");
  }
  text_put(out, "  return (float)loss;\n");
}

void put_gradients_entry(Text *out, Net *net) {
  const Program *p = net->layout->train.program;
  for (int i = 0; net->layout->options.ntargets > 1 && i < p->phases.n; i++)
    put_phase_dispatch(out, net, p->phases.data[i].number, p->phases.data[i].once);
  put_sum(out, net);
  put_shared_packing(out, net);
  put_shards_functions(out, net);
  put_clear_function(out, net);
  const Parameters parameters = gradients_parameters(net);
  put_signature(out, arena_printf(net->arena, "%sfloat %s", net_linkage(net), net->own->gradients),
                &parameters, " {\n");
  put_flush(out, net);
  put_batch_value(out, net);
  put_clear(out, net);
  put_statistics(out, net);
  put_clear_shards(out, net);
  if (packing_shared(net) && net_pool(net)) {
    text_put(out, "  ");
    pool_call(out, net, net->own->pack_step, "workspace, weights");
  } else if (packing_shared(net))
    text_put(out, "  TEAM(%s(workspace, weights, THREAD, THREADS));\n", net->own->pack_step);
  else put_packing(out, net, &net->layout->train, "workspace->");
  put_upkeep_mark(out, net, BEFORE_PHASES);
  for (int i = 0; i < p->phases.n; i++) {
    const int phase = p->phases.data[i].number;
    if (net_processes(net)) put_gathers(out, net, i);
    if (p->phases.data[i].once)
      text_put(out, "  %s(&batch%s);\n", training_phase_function(net, phase, true),
               net->model ? ", gradients" : "");
    else if (p->shards > 1) put_shards(out, net, phase);
    else put_only_shard(out, net, phase);
    if (net_processes(net)) put_buckets(out, net, i);
  }
  if (net_processes(net)) {
    put_gathers(out, net, p->phases.n);
    text_put(out, "  if (exchange->wait) exchange->wait(exchange->context);\n");
  }
  if (sums_shards(net)) {
    text_put(out, "  %s", net_processes(net) ? "if (!exchange->sum) " : "");
    if (net_pool(net)) pool_call(out, net, net->own->add, "gradients, workspace->sum");
    else text_put(out, "%s(gradients, workspace->sum);\n", net->own->add);
  }
  put_upkeep_mark(out, net, AFTER_PHASES);
  put_loss(out, net);
  text_put(out, "}\n\n");
}
