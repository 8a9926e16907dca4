/* naming.c: Names of a net's interface and of the generated code around its layers, reserved before functions
 * are named. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "lir/layout.h"

static const char *name_of_net(Layout *layout, const char *name) {
  names_reserve(&layout->names, name);
  return arena_printf(layout->arena, "%s_%s", layout->options.prefix, name);
}

static const char *own_macro(Layout *layout, const char *name) {
  const char *macro = arena_printf(layout->arena, "%s_%s", layout->upper, name);
  names_reserve(&layout->macros, macro);
  names_reserve(&layout->names, name); /* no function gets this name: if the net's name is in capitals,
                                          functions and macros have the same prefix */
  return macro;
}

static const char *port_macro(Layout *layout, const PortNames *port, const char *name) {
  return own_macro(layout, arena_printf(layout->arena, "%s_%s", port->upper, name));
}

static void name_own(Layout *layout) {
#define OWN(name) layout->own.name = name_of_net(layout, #name);
#define ELSEWHERE(name) names_reserve(&layout->names, #name);
#define OWN_MACRO(name) layout->macro.name = own_macro(layout, #name);
#include "lir/own_names.def"
  for (int t = 0; t < layout->options.ntargets; t++)
    own_macro(layout, name_upper(layout->arena, layout->options.target[t]->suffix));
}

static void name_port_macros(Layout *layout, PortNames *port) {
#define PORT_MACRO(name) port->macro.name = port_macro(layout, port, #name);
#include "lir/own_names.def"
  port->step = own_macro(layout, arena_printf(layout->arena, "STEP_%s", port->upper));
}

static bool begins(const char *name, const char *net) {
  return strncmp(name, net, strlen(net)) == 0 && name[strlen(net)] == '_';
}

/* A name for a parameter, different from functions and types of the net and the runtime, which the parameter
 * would hide. */
static const char *parameter_name(Names *parameters, const Layout *layout, const char *name) {
  const bool hides = begins(name, layout->options.prefix) || name_of_runtime(name);
  return names_unique(parameters, arena_printf(layout->arena, "%s%s", hides ? "port_" : "", name));
}

/* Names the members of the state struct, and the parameters of functions that have one parameter per
 * state. */
static void name_states(Layout *layout, Names *parameters) {
  const int n = graph_states(layout->graph);
  Names members = {.arena = layout->arena};
  layout->state = NEW_ARRAY(layout->arena, StateNames, n + 1);
  for (int k = 0; k < n; k++) {
    StateNames *names = &layout->state[k];
    names->name = names_unique(&members, name_of_values(layout->arena, graph_state(layout->graph, k)->name));
    names->parameter = parameter_name(parameters, layout, names->name);
  }
}

static const char *target_name(Names *parameters, const Layout *layout, const Port *port) {
  return parameter_name(parameters, layout,
                        arena_printf(layout->arena, "%s_target", name_letters(layout->arena, port->name)));
}

/* Port names are part of the interface, which must not depend on the layers, so ports are named before
 * functions. */
static void name_ports(Layout *layout) {
  const Graph *graph = layout->graph;
  Names parameters = {.arena = layout->arena}, uppers = parameters;
  layout->input = NEW_ARRAY(layout->arena, PortNames, graph->inputs.n + 1);
  layout->output = NEW_ARRAY(layout->arena, PortNames, graph_ports(graph) + 1);
  for (int i = 0; i < graph->inputs.n; i++)
    layout->input[i].upper = names_unique(&uppers, name_upper(layout->arena, graph->inputs.data[i].name));
  for (int i = 0; i < graph->outputs.n; i++)
    layout->output[i].upper = names_unique(&uppers, name_upper(layout->arena, graph->outputs.data[i].name));
  for (int i = 0; i < graph->inputs.n; i++) name_port_macros(layout, &layout->input[i]);
  for (int i = 0; i < graph->outputs.n; i++) name_port_macros(layout, &layout->output[i]);
  for (int i = 0; i < graph->inputs.n; i++)
    layout->input[i].name =
        parameter_name(&parameters, layout, name_of_values(layout->arena, graph->inputs.data[i].name));
  for (int i = 0; i < graph->outputs.n; i++)
    layout->output[i].name =
        parameter_name(&parameters, layout, name_of_values(layout->arena, graph->outputs.data[i].name));
  for (int i = 0; i < graph_ports(graph); i++)
    layout->output[i].target = target_name(&parameters, layout, graph_port(graph, i));
  name_states(layout, &parameters);
}

static int phases_of(const Program *p) {
  return p->phases.n ? p->phases.data[p->phases.n - 1].number + 1 : 0;
}

static void reserve_phases(Layout *layout, const Programs *programs) {
  const Program *infer = programs->infer, *train = programs->train;
  for (int i = 0; infer->batching.how == WHOLE_BATCH && i < phases_of(infer); i++)
    names_reserve(&layout->names, arena_printf(layout->arena, "run_phase%d", i));
  for (int i = 0; train && i < phases_of(train) - train->first_phase; i++) {
    names_reserve(&layout->names, arena_printf(layout->arena, "phase%d_image", i));
    names_reserve(&layout->names, arena_printf(layout->arena, "phase%d_images", i));
    names_reserve(&layout->names, arena_printf(layout->arena, "phase%d_batch", i));
  }
}

static void name_targets(Layout *layout) {
  const LayoutOptions *o = &layout->options;
  layout->pack.suffix = "_pack";
  layout->targets = NEW_ARRAY(layout->arena, Functions, o->ntargets);
  for (int t = 0; t < o->ntargets; t++)
    layout->targets[t] = (Functions){
        .target = o->target[t],
        .suffix = o->ntargets > 1 ? arena_printf(layout->arena, "_%s", o->target[t]->suffix) : ""};
}

void layout_name(Layout *layout, const Programs *programs) {
  layout->names.arena = layout->macros.arena = layout->arena;
  name_own(layout);
  reserve_phases(layout, programs);
  name_ports(layout);
  name_targets(layout);
}
