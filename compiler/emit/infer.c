/* infer.c: Inference code: for each target, a function that computes one image, a group of interleaved images
 * or a batch; and the public functions. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "emit/pool.h"

/* ---- parameters and arguments, in the order of the C interface ---- */
void list_add(Text *list, const char *text) { text_put(list, "%s%s", list->n ? ", " : "", text); }

void put_signature(Text *out, const char *head, const Parameters *list, const char *tail) {
  enum { WIDTH = 140 };
  const size_t indent = strlen(head) + 1;
  size_t column = indent;
  text_put(out, "%s(", head);
  for (int i = 0; i < list->n; i++) {
    const bool last = i == list->n - 1;
    const char *declared = list->data[i].declared;
    const size_t length = strlen(declared) + 1 + (last ? strlen(tail) : 0);
    if (column > indent && column + 1 + length > WIDTH) {
      text_put(out, "\n%*s", (int)indent, "");
      column = indent;
    } else if (i) {
      text_put(out, " ");
      column++;
    }
    text_put(out, "%s%s", declared, last ? "" : ",");
    column += length;
  }
  text_put(out, ")%s", tail);
}

static bool by_phases(const Net *net) { return net->layout->infer.program->batching.how == WHOLE_BATCH; }

static Parameters run_parameters(Net *net,
                                 bool phase) { /* phase: the parameters of a phase's function for one image */
  Arena *arena = net->arena;
  Parameters list = {0};
  if (net->model)
    add_parameter(arena, &list, "model", arena_printf(arena, "const %s *model", net->own->model));
  for (int i = 0; i < net->graph->inputs.n; i++)
    add_parameter(arena, &list, net->input[i].name,
                  arena_printf(arena, "const void *%s", net->input[i].name));
  if (phase) add_parameter(arena, &list, "n", "int64_t n");
  else if (program_counts(net->layout->infer.program)) add_number(arena, &list, "count", "int32_t count");
  for (int i = 0; i < net->graph->outputs.n; i++)
    add_parameter(arena, &list, net->output[i].name, arena_printf(arena, "void *%s", net->output[i].name));
  for (int k = 0; k < graph_states(net->graph); k++)
    add_parameter(arena, &list, net->layout->state[k].parameter,
                  arena_printf(arena, "void *%s", net->layout->state[k].parameter));
  if (layout_all_floats(net->layout)) add_parameter(arena, &list, "all", "float *all");
  add_parameter(arena, &list, "arena", "float *arena");
  if (net->options->program) {
    add_parameter(arena, &list, "mark", "void (*mark)(void *, int32_t)");
    list.data[list.n - 1].cast = "void (*)(void *, int32_t)";
    add_parameter(arena, &list, "context", "void *context");
  }
  if (net->layout->infer.program->team && !phase && net_pool(net))
    add_parameter(arena, &list, "team", net_pool(net)->team);
  else if (net->layout->infer.program->team && !phase) {
    add_parameter(arena, &list, "thread", "int thread");
    add_parameter(arena, &list, "threads", "int threads");
  }
  return list;
}

static void put_run_head(Text *out, Net *net, const char *function) {
  const Parameters parameters = run_parameters(net, false);
  put_signature(out, arena_printf(net->arena, "static void %s", function), &parameters, " {\n");
}

typedef struct RunArguments {
  const char *step, *count, *arena, *mark;
  bool typed;
  const char *thread;
  bool inside;
} RunArguments; /* step: expression for the index of the first image ("": 0); typed: the arguments are cast to
                   types, because the caller's ports are void pointers; thread: arguments with the number of
                   the thread and of all threads ("": one thread); inside: the caller has a parameter per
                   state instead of the state struct */

/* Address of the first image's part of a state. */
static const char *state_argument(Net *net, const RunArguments *a, int k) {
  const StateNames *names = &net->layout->state[k];
  const Node *state = graph_state(net->graph, k);
  if (!a->inside)
    return arena_printf(net->arena, *a->step ? "state->%s[%s]" : "state->%s", names->name, a->step);
  if (!*a->step) return names->parameter;
  return arena_printf(net->arena, "(%s *)%s + %s * %" PRId64, elem_c_type(state->elem), names->parameter,
                      a->step, shape_elements(state->shape));
}

static const char *run_arguments(Net *net, const RunArguments *a) {
  Text list = {.arena = net->arena};
  if (net->model) list_add(&list, "model");
  for (int i = 0; i < net->graph->inputs.n + net->graph->outputs.n; i++) {
    const bool in = i < net->graph->inputs.n;
    const PortNames *port = in ? &net->input[i] : &net->output[i - net->graph->inputs.n];
    const char *cast =
        !a->typed ? ""
        : in      ? arena_printf(net->arena, "(const %s *)", net_input_type(net, i))
                  : arena_printf(net->arena, "(%s *)", net_output_type(net, i - net->graph->inputs.n));
    if (i == net->graph->inputs.n && program_counts(net->layout->infer.program)) list_add(&list, a->count);
    list_add(&list, *a->step ? arena_printf(net->arena, "%s%s + %s * %s", cast, port->name, a->step,
                                            port->macro.SIZE)
                             : port->name);
  }
  for (int k = 0; k < graph_states(net->graph); k++) list_add(&list, state_argument(net, a, k));
  list_add(&list, a->arena);
  if (net->options->program) list_add(&list, a->mark);
  if (net->layout->infer.program->team && *a->thread) list_add(&list, net_pool(net) ? "team" : a->thread);
  return list.s;
}

static const char *plain_arguments(Net *net) {
  return run_arguments(net,
                       &(RunArguments){"", "count", layout_all_floats(net->layout) ? "all, arena" : "arena",
                                       "mark, context", false, "thread, threads", true});
}

/* ---- one image, or a group of interleaved images ---- */
static const char *output_pointer(Frame *f, int o) { return frame_name(f, f->net->output[o].name); }

static void put_output_copies(Frame *f, const char *indent, const char *images) {
  Net *net = f->net;
  const Program *p = f->part->program;
  for (int i = 0; f->images == 1 && i < p->copies.n; i++) {
    const int o = p->copies.data[i].output;
    text_put(&f->calls, "%smemcpy(%s, %s, %s%s * sizeof(%s));\n", indent, output_pointer(f, o),
             frame_value(f, p->output[o]), images, net->output[o].macro.SIZE, net_output_type(net, o));
  }
}

static void put_mark(Frame *f, const char *indent, int step) {
  if (!f->net->options->program) return;
  const char *mark = frame_name(f, "mark");
  text_put(&f->calls, "%sif (%s) %s(%s, %d);\n", indent, mark, mark, frame_name(f, "context"), step);
}

/* ---- team of threads ---- */
/* Prints the call of `mark` that ends the timing of a step: one thread makes this call after all threads have
 * finished the step. waited: a barrier has just been printed. */
static void put_team_mark(Frame *f, int step, bool waited) {
  if (!f->net->options->program) return;
  const char *mark = frame_name(f, "mark"), *thread = frame_name(f, "thread"),
             *context = frame_name(f, "context");
  if (waited) text_put(&f->calls, "  if (%s && %s == 0) %s(%s, %d);\n", mark, thread, mark, context, step);
  else
    text_put(&f->calls, "  if (%s) {\n    BARRIER();\n    if (%s == 0) %s(%s, %d);\n  }\n", mark, thread,
             mark, context, step);
}

static void put_by_one(Frame *f) { text_put(&f->calls, "  if (%s == 0) {\n", frame_name(f, "thread")); }

/* Begins a block that one thread runs, after all threads have finished the earlier work. */
static void put_last_by_one(Frame *f) {
  if (net_pool(f->net)) text_put(&f->calls, "  SHARES(1) {\n");
  else {
    text_put(&f->calls, "  BARRIER();\n");
    put_by_one(f);
  }
}

static void put_team_steps(Frame *f) {
  const Part *part = f->part;
  bool one = false, was_one = false;
  for (int s = 0; s < part->steps.n; s++, was_one = one) {
    const Step *step = &part->steps.data[s];
    const Version *version = &step->call->version[f->target];
    const bool wait = version->barrier;
    one = !version->shared;
    if (was_one && (!one || wait)) text_put(&f->calls, "  }\n");
    if (wait) text_put(&f->calls, "  BARRIER();\n");
    if (s && !was_one) put_team_mark(f, s - 1, wait);
    if (one && (!was_one || wait)) put_by_one(f);
    frame_call(f, step, one ? "    " : "  ");
    if (one) put_mark(f, "    ", s);
  }
  if (one) text_put(&f->calls, "  }\n");
  else put_team_mark(f, part->steps.n - 1, false);
}

static void put_steps(Frame *f) {
  const Net *net = f->net;
  if (net->layout->infer.program->team && net_pool(net)) pool_steps(f);
  else if (net->layout->infer.program->team) put_team_steps(f);
  else
    for (int s = 0; s < net->layout->infer.steps.n; s++) {
      frame_call(f, &net->layout->infer.steps.data[s], "  ");
      frame_outputs(f, &net->layout->infer.steps.data[s], output_pointer, false);
      put_mark(f, "  ", s);
    }
  const bool one = net->layout->infer.program->team && net->layout->infer.program->copies.n;
  if (one) put_last_by_one(f);
  put_output_copies(f, one ? "    " : "  ", "");
  if (one) text_put(&f->calls, "  }\n");
}

static void put_run_of_images(Text *out, Net *net, int target) {
  const int images = program_lanes(net->layout->infer.program, target);
  const char *suffix = net->section[target].suffix,
             *count = arena_printf(net->arena, "count - n < %d ? count - n : %d", images, images);
  put_run_head(out, net, arena_printf(net->arena, "%s%s", net->own->run, suffix));
  text_put(out, "  for (int32_t n = 0; n < count; n += %d)\n    %s%s(%s);\n}\n\n", images, net->own->images,
           suffix, run_arguments(net, &(RunArguments){"n", count, "arena", "mark, context", true, "", true}));
}

static void put_function(Text *out, Frame *f, const char *name) {
  put_signature(out, arena_printf(f->net->arena, "static void %s", name), &f->parameters, " {\n");
  frame_unused(out, f);
  frame_end(out, f);
  text_put(out, "}\n\n");
}

/* ---- phases: each has per-image layers or batched layers ---- */
static const char *phase_function(const Net *net, int target, int phase) {
  return arena_printf(net->arena, "%s%d%s", net->own->run_phase, phase, net->section[target].suffix);
}

static void put_phase(Text *out, Net *net, int target, const Phase *of) {
  const int phase = of->number;
  const Parameters parameters = run_parameters(net, true);
  Frame f = frame_begin(net, &net->layout->infer, target, FRAME_INFER, &parameters);
  for (int s = of->first; s < of->first + of->n; s++) {
    frame_call(&f, &net->layout->infer.steps.data[s], "  ");
    put_mark(&f, "  ", s);
  }
  text_put(out, "/* Image n of a call: the layers %s. */\n",
           phase ? "after a batched kernel" : "before the batched kernels");
  put_function(out, &f, phase_function(net, target, phase));
}

/* The images of a slot run one after the other in the slot's part of the arena. With n threads, each thread
 * runs every n-th slot. */
static void put_images_of_phase(Frame *f, int phase) {
  Net *net = f->net;
  const Parameters taken = run_parameters(net, true);
  for (int i = 0; i < taken.n; i++) frame_name(f, taken.data[i].name);
  const int64_t slots = net->layout->infer.program->slots;
  const char *function = phase_function(net, f->target, phase),
             *thread = !net->layout->infer.program->team ? "0"
                       : net_pool(net)                   ? "thread"
                                                         : frame_name(f, "thread"),
             *mark =
                 net->layout->infer.program->team ? "thread == 0 ? mark : NULL, context" : "mark, context",
             *count = frame_name(f, "count");
  const char *all = layout_all_floats(net->layout) ? "all, " : "",
             *place = slots > 1
                          ? arena_printf(net->arena, "%sarena + slot * %" PRId64, all,
                                         floats_in(program_room(net->layout->infer.program, SPACE_ARENA)))
                          : arena_printf(net->arena, "%sarena", all);
  const char *arguments = run_arguments(net, &(RunArguments){"n", "n", place, mark, true, "", true});
  if (slots > 1 && net_pool(net) && net->layout->infer.program->team) {
    frame_name(f, "team");
    text_put(&f->calls,
             net->options->program ? "  SHARES(%s ? 2 : %" PRId64 ")\n" : "  SHARES(%.0s%" PRId64 ")\n",
             net->options->program ? frame_name(f, "mark") : "", slots);
  }
  if (slots > 1) {
    text_put(&f->calls, "  for (int32_t slot = %s; slot < %" PRId64 "; slot += %s)\n", thread, slots,
             !net->layout->infer.program->team ? "1"
             : net_pool(net)                   ? "threads"
                                               : frame_name(f, "threads"));
    text_put(&f->calls,
             "    for (int64_t n = (int64_t)slot * %s / %" PRId64 "; n < (int64_t)(slot + 1) * %s / %" PRId64
             "; n++)\n      %s(%s);\n",
             count, slots, count, slots, function, arguments);
  } else text_put(&f->calls, "  for (int64_t n = 0; n < %s; n++) %s(%s);\n", count, function, arguments);
}

static void put_together(Frame *f, int s) {
  if (net_pool(f->net) && f->net->layout->infer.program->team) {
    pool_step(f, s);
    return;
  }
  const Step *step = &f->net->layout->infer.steps.data[s];
  const Version *version = &step->call->version[f->target];
  const bool team = f->net->layout->infer.program->team, one = team && !version->shared;
  if (version->barrier) text_put(&f->calls, "  BARRIER();\n");
  if (one) put_by_one(f);
  frame_call(f, step, one ? "    " : "  ");
  if (one) text_put(&f->calls, "  }\n");
  if (team) put_team_mark(f, s, false);
  else put_mark(f, "  ", s);
}

static void put_copies_of_all(Frame *f) {
  const Program *p = f->net->layout->infer.program;
  if (!p->copies.n) return;
  if (p->team) put_last_by_one(f);
  put_output_copies(f, p->team ? "    " : "  ",
                    arena_printf(f->net->arena, "(size_t)%s * ", frame_name(f, "count")));
  if (p->team) text_put(&f->calls, "  }\n");
}

static void put_infer_by_phases(Text *out, Net *net, int target) {
  const Program *p = net->layout->infer.program;
  const Parameters parameters = run_parameters(net, false);
  Frame f = frame_begin(net, &net->layout->infer, target, FRAME_TOGETHER, &parameters);
  for (int i = 0; i < p->phases.n; i++) {
    const Phase *phase = &p->phases.data[i];
    if (phase->barrier && !net_pool(net)) text_put(&f.calls, "  BARRIER();\n");
    if (!phase->once) {
      put_phase(out, net, target, phase);
      put_images_of_phase(&f, phase->number);
    }
    for (int s = phase->first; phase->once && s < phase->first + phase->n; s++) put_together(&f, s);
  }
  put_copies_of_all(&f);
  text_put(out,
           "/* `count` images: some layers run once for all images, the other layers image by image. */\n");
  put_function(out, &f, arena_printf(net->arena, "%s%s", net->own->run, net->section[target].suffix));
}

void put_infer(Text *out, Net *net, int target) {
  if (by_phases(net)) {
    put_infer_by_phases(out, net, target);
    return;
  }
  const Parameters parameters = run_parameters(net, false);
  Frame f = frame_begin(net, &net->layout->infer, target, FRAME_INFER, &parameters);
  put_steps(&f);
  if (f.images > 1)
    text_put(
        out,
        "/* %d interleaved images, one in each lane: a value is [height][width][channels][%d]. The first "
        "`count` lanes have different images; the other lanes repeat the last image. */\n",
        f.images, f.images);
  else text_put(out, "/* One image. Activations share one arena: the memory of dead values is reused. */\n");
  put_function(out, &f,
               arena_printf(net->arena, "%s%s", f.images > 1 ? net->own->images : net->own->run,
                            net->section[target].suffix));
  if (f.images > 1) put_run_of_images(out, net, target);
}

/* ---- functions of the interface ---- */
Parameters infer_parameters(Net *net, bool some) {
  Arena *arena = net->arena;
  Parameters list = {0};
  if (net->model)
    add_parameter(arena, &list, "model", arena_printf(arena, "const %s *model", net->own->model));
  for (int i = 0; i < net->graph->inputs.n; i++)
    add_parameter(arena, &list, net->input[i].name,
                  arena_printf(arena, "const %s %s[%s * %s]", net_input_type(net, i), net->input[i].name,
                               net->macro->BATCH, net->input[i].macro.SIZE));
  if (some) add_number(arena, &list, "count", "int32_t count");
  for (int i = 0; i < net->graph->outputs.n; i++)
    add_parameter(arena, &list, net->output[i].name,
                  arena_printf(arena, "%s %s[%s * %s]", net_output_type(net, i), net->output[i].name,
                               net->macro->BATCH, net->output[i].macro.SIZE));
  if (net_steps(net)) add_parameter(arena, &list, "state", arena_printf(arena, "%s *state", net->own->state));
  add_parameter(arena, &list, "workspace", arena_printf(arena, "%s *workspace", net->own->workspace));
  return list;
}

static const char *parameter_names(Net *net, const Parameters *list) {
  Text text = {.arena = net->arena};
  for (int i = 0; i < list->n; i++) list_add(&text, list->data[i].name);
  return text.s;
}

static const char *some_arguments(Net *net) {
  Text list = {.arena = net->arena};
  if (net->model) list_add(&list, "model");
  for (int i = 0; i < net->graph->inputs.n; i++) list_add(&list, net->input[i].name);
  list_add(&list, net->macro->BATCH);
  for (int i = 0; i < net->graph->outputs.n; i++) list_add(&list, net->output[i].name);
  if (net_steps(net)) list_add(&list, "state");
  list_add(&list, "workspace");
  return list.s;
}

/* The images of a slot, or its groups of interleaved images, run one after the other in the slot's part of
 * the workspace. */
static void put_slots(Text *out, Net *net) {
  const int64_t slots = net->layout->infer.program->slots,
                images = net->layout->infer.program->batching.lanes;
  const char *from = "0", *to = arena_printf(net->arena, "%" PRId64, slots);
  if (net_pool(net)) {
    text_put(out, "  SHARES(%" PRId64 ")\n", slots);
    from = arena_printf(net->arena, "SHARE(0, %s, thread)", to);
    to = arena_printf(net->arena, "SHARE(0, %s, thread + 1)", to);
  } else text_put(out, "  TEAM_LOOP\n");
  text_put(out, "  for (int32_t slot = %s; slot < %s; slot++) ", from, to);
  if (images == 1) {
    text_put(out, "/* images of a slot one after the other, in its part of the workspace */\n");
    text_put(out,
             "    for (int64_t i = (int64_t)slot * count / %" PRId64
             "; i < (int64_t)(slot + 1) * count / %" PRId64 "; i++)\n",
             slots, slots);
    text_put(out, "      %s(%s);\n", net->own->run,
             run_arguments(
                 net, &(RunArguments){"i", "", "workspace->arena[slot]", "NULL, NULL", false, "", false}));
    text_put(out, net_pool(net) ? "" : "  TEAM_LOOP_END\n");
    return;
  }
  text_put(out, "{ /* whole groups of images, in the slot's part of the workspace */\n");
  text_put(out,
           "    const int32_t groups = (count + %" PRId64 ") / %" PRId64 ", from = slot * groups / %" PRId64
           " * %" PRId64 ", to = (slot + 1) * groups / %" PRId64 " * %" PRId64 ";\n",
           images - 1, images, slots, images, slots, images);
  text_put(out, "    if (from < to) %s(%s);\n  }\n", net->own->run,
           run_arguments(net, &(RunArguments){"from", "(to < count ? to : count) - from",
                                              "workspace->arena[slot]", "NULL, NULL", false, "", false}));
  text_put(out, net_pool(net) ? "" : "  TEAM_LOOP_END\n");
}

static const char *some_name(const Net *net) {
  return net_steps(net) ? net->own->step_some : net->own->infer_some;
}

/* Prints `(void)state;` if the net has steps but no states: then the generated function does not use its
 * parameter `state`. */
static void put_unused_state(Text *out, const Net *net) {
  if (net_steps(net) && graph_states(net->graph) == 0) text_put(out, "  (void)state;\n");
}

/* Prints a call of `function`; if inference has a team, all threads of the team call it. */
static void put_team_call(Text *out, Net *net, const char *function, const char *arguments) {
  const bool team = net->layout->infer.program->team;
  text_put(out, "  ");
  if (team && net_pool(net)) pool_call(out, net, function, arguments);
  else text_put(out, team ? "TEAM(%s(%s, THREAD, THREADS));\n" : "%s(%s);\n", function, arguments);
}

static const char *some_slots(Net *net) { return pool_function(net, net->own->run, "slots"); }

/* With a pool, a separate function loops over the slots. */
static void put_slots_function(Text *out, Net *net) {
  Parameters parameters = infer_parameters(net, true), described = parameters;
  add_parameter(net->arena, &parameters, "team", net_pool(net)->team);
  put_signature(out, arena_printf(net->arena, "static void %s", some_slots(net)), &parameters, " {\n");
  put_unused_state(out, net);
  put_slots(out, net);
  text_put(out, "}\n\n");
  pool_describe(out, net, some_slots(net), &described, "team", 0);
}

static void put_infer_some(Text *out, Net *net) {
  const Parameters parameters = infer_parameters(net, true);
  const bool slots = !by_phases(net) && net->layout->infer.program->slots > 1;
  if (slots && net_pool(net)) put_slots_function(out, net);
  put_signature(
      out,
      arena_printf(net->arena, "%svoid %s", net_steps(net) ? "static " : net_linkage(net), some_name(net)),
      &parameters, " {\n");
  put_flush(out, net);
  put_unused_state(out, net);
  if (by_phases(net))
    put_team_call(
        out, net, net->own->run,
        run_arguments(net, &(RunArguments){"", "count",
                                           layout_all_floats(net->layout) ? "workspace->all, workspace->arena"
                                                                          : "workspace->arena",
                                           "NULL, NULL", false, "", false}));
  else if (slots && net_pool(net)) {
    text_put(out, "  ");
    pool_call(out, net, some_slots(net), parameter_names(net, &parameters));
  } else if (slots) put_slots(out, net);
  else if (program_counts(net->layout->infer.program))
    text_put(
        out, "  %s(%s);\n", net->own->run,
        run_arguments(net, &(RunArguments){"", "count", "workspace->arena", "NULL, NULL", false, "", false}));
  else {
    text_put(out, "  for (int64_t i = 0; i < count; i++)\n");
    text_put(
        out, "    %s(%s);\n", net->own->run,
        run_arguments(net, &(RunArguments){"i", "", "workspace->arena", "NULL, NULL", false, "", false}));
  }
  text_put(out, "}\n\n");
}

void put_infer_entries(Text *out, Net *net) {
  if (net->layout->options.ntargets > 1) {
    put_run_head(out, net, net->own->run);
    put_dispatched(out, net, "", net->own->run, plain_arguments(net));
    text_put(out, "}\n\n");
  }
  if (net->layout->infer.program->team && net_pool(net)) {
    Parameters run = run_parameters(net, false);
    run.n--; /* without `team` */
    pool_describe(out, net, net->own->run, &run, "team", 0);
  }
  if (net->layout->options.batch > 1) put_infer_some(out, net);
  const Parameters parameters = infer_parameters(net, false);
  put_signature(out, arena_printf(net->arena, "%svoid %s", net_linkage(net), infer_name(net)), &parameters,
                " {\n");
  put_flush(out, net);
  if (net->layout->options.batch > 1) text_put(out, "  %s(%s);\n", some_name(net), some_arguments(net));
  else {
    put_unused_state(out, net);
    put_team_call(
        out, net, net->own->run,
        run_arguments(net, &(RunArguments){"", "", "workspace->arena", "NULL, NULL", false, "", false}));
  }
  text_put(out, "}\n\n");
}
