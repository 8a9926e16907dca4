/* look.c: Inspection code: computes every layer's value for an image, and the gradient of the scores with
 * respect to the inputs. The values are consecutive at the start of a struct (put_look_struct); tables for
 * the runtime contain the positions of the values. Kernels that are equal to kernels of inference or training
 * are not printed again. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include "emit/module.h"

/* ---- positions of values ---- */
int64_t look_value_offset(const Part *part, int output) {
  int64_t floats = 0;
  for (int o = 0; o < output; o++)
    if (program_writes(part->program, o)) floats += aligned(shape_elements(part->program->output[o]->shape));
  return floats;
}

/* Position of a value in the struct, in floats. For an input that is read from the caller's array, the result
 * is -1 minus the index of the input. */
static int64_t look_offset(const Part *part, int output) {
  const Place *place = &part->program->value[0][part->program->output[output]->id];
  return place->space == SPACE_INPUT ? -1 - place->index : look_value_offset(part, place->index);
}

void put_look_struct(Text *out, Net *net) {
  const Part *part = &net->layout->look;
  const int64_t arena = floats_in(program_room(part->program, SPACE_ARENA));
  text_put(out, "/* All values of one image, and the memory to compute them. */\ntypedef struct %s {\n",
           net->own->look);
  text_put(out, "  float value[%" PRId64 "]; /* values of the layers, and gradients of the inputs */\n",
           look_value_offset(part, part->program->graph->outputs.n));
  for (int i = 0; i < part->members.n; i++) {
    text_put(out, "  float %s", part->members.data[i]->name);
    put_dims(out, part->members.data[i]->rank, part->members.data[i]->dim);
    text_put(out, ";\n");
  }
  text_put(out, "  float arena[%" PRId64 "]; /* intermediate gradients */\n} %s;\n\n", arena, net->own->look);
}

/* ---- functions ---- */
static Parameters pass_parameters(Arena *arena, bool backward) {
  Parameters list = {0};
  add_parameter(arena, &list, "memory", "void *memory");
  add_parameter(arena, &list, "parameters", "const float *parameters");
  add_parameter(arena, &list, "input", "const void *const *input");
  if (backward) add_parameter(arena, &list, "seed", "const float *const *seed");
  return list;
}

static void put_head(Text *out, const char *function, const char *suffix, const char *parameters) {
  text_put(out, "static void %s%s(%s) {\n", function, suffix, parameters);
}

static void put_pass(Text *out, Net *net, int target, bool backward) {
  const Part *part = &net->layout->look;
  const Parameters parameters = pass_parameters(net->arena, backward);
  Frame f = frame_begin(net, part, target, FRAME_LOOK, &parameters);
  for (int s = 0; s < part->steps.n; s++)
    if (part->steps.data[s].call->kernel->root->backward == backward)
      frame_call(&f, &part->steps.data[s], "  ");
  put_head(out, backward ? net->own->look_backward : net->own->look_forward, net->section[target].suffix,
           parameters_text(net->arena, &parameters));
  const bool values = frame_mentions(&f, "look") || frame_mentions(&f, "arena"),
             packed = frame_mentions(&f, "packed");
  if (values) text_put(out, "  %s *const look = memory;\n", net->own->look);
  if (packed)
    text_put(out, "  const %s *const packed = memory; // its packed weights are only read\n", net->own->look);
  if (values || packed) frame_name(&f, "memory");
  if (frame_mentions(&f, "weights")) frame_name(&f, "parameters");
  if (frame_mentions(&f, "arena")) text_put(out, "  float *const arena = look->arena;\n");
  if (frame_mentions(&f, "weights"))
    text_put(out, "  const %s *const weights = (const %s *)(const void *)parameters;\n", net->own->weights,
             net->own->weights);
  frame_unused(out, &f);
  frame_end(out, &f);
  text_put(out, "}\n\n");
}

void put_look(Text *out, Net *net, int target) {
  text_put(out, "/* One image: the values of all layers; then the gradient of a weighted sum of the scores; "
                "`seed` has the weights of the sum. */\n");
  put_pass(out, net, target, false);
  put_pass(out, net, target, true);
}

void put_look_entries(Text *out, Net *net) {
  if (net->layout->options.ntargets > 1) {
    const Parameters forward = pass_parameters(net->arena, false),
                     backward = pass_parameters(net->arena, true);
    put_head(out, net->own->look_forward, "", parameters_text(net->arena, &forward));
    put_dispatched(out, net, "", net->own->look_forward, "memory, parameters, input");
    text_put(out, "}\n\n");
    put_head(out, net->own->look_backward, "", parameters_text(net->arena, &backward));
    put_dispatched(out, net, "", net->own->look_backward, "memory, parameters, input, seed");
    text_put(out, "}\n\n");
  }
  put_head(out, net->own->look_pack, "", "void *memory, const float *parameters");
  if (net->layout->look.members.n) {
    text_put(out,
             "  %s *const look = memory;\n  const %s *const weights = (const %s "
             "*)(const void *)parameters;\n",
             net->own->look, net->own->weights, net->own->weights);
    put_packing(out, net, &net->layout->look, "look->");
  } else text_put(out, "  (void)memory, (void)parameters;\n");
  text_put(out, "}\n\n");
}

/* ---- for the runtime ---- */
void put_look_tables(Text *out, Net *net) {
  const Graph *graph = net->graph;
  const Program *look = net->layout->look.program;
  text_put(out, "static const int64_t %s[] = {", net->own->look_layers);
  for (int i = 0, n = 0; i < graph->nodes.n; i++)
    if (!node_is_input(graph->nodes.data[i]))
      text_put(out, "%s%" PRId64, n++ ? ", " : "", look_offset(&net->layout->look, look->layer[i]));
  text_put(out, "%s};\nstatic const int64_t %s[] = {", graph->nodes.n == graph->inputs.n ? "0" : "",
           net->own->look_scores);
  for (int o = 0; o < graph->outputs.n; o++)
    text_put(out, "%s%" PRId64, o ? ", " : "", look_offset(&net->layout->look, look->score[o]));
  text_put(out, "};\nstatic const int64_t %s[] = {", net->own->look_gradients);
  for (int i = 0; i < graph->inputs.n; i++)
    text_put(out, "%s%" PRId64, i ? ", " : "",
             look->gradient[i] < 0 ? -1 : look_offset(&net->layout->look, look->gradient[i]));
  text_put(out,
           "};\nstatic const cnn_look %s = {\n  .bytes = sizeof(%s),\n  .layer = "
           "%s, .score = %s, .gradient = %s,\n",
           net->own->network_look, net->own->look, net->own->look_layers, net->own->look_scores,
           net->own->look_gradients);
  text_put(out, "  .pack = %s, .forward = %s, .backward = %s,\n};\n", net->own->look_pack,
           net->own->look_forward, net->own->look_backward);
}
