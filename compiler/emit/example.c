/* example.c: a program's side of a net, for libraries and `cnnc new`. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/example.h"

/* Words of the texts around it, which a buffer cannot have as its name. */
static const char *const taken[] = {"setup", "loop",   "begin", "end", "micros", "delay",     "Serial",
                                    "main",  "printf", "i",     "run", "model",  "workspace", NULL};
enum { SHOWN = 10 }; /* elements of an output */

static const char *loop_over(const Net *net, const char *upper) {
  return arena_printf(net->arena, "  for (int i = 0; i < %s_BATCH * %s_%s_SIZE; i++)", net->upper, net->upper,
                      upper);
}

static const char *loop_over_first(const Net *net, const char *upper) {
  return arena_printf(net->arena, "  for (int i = 0; i < %s_%s_SIZE && i < %d; i++)", net->upper, upper,
                      SHOWN);
}

/* Of the buffers, inputs first. */
static const char **buffer_names(Net *net) {
  const int inputs = net->graph->inputs.n, n = inputs + net->graph->outputs.n;
  Names names = {.arena = net->arena};
  const char **name = NEW_ARRAY(net->arena, const char *, n + 1);
  for (const char *const *word = taken; *word; word++) names_reserve(&names, *word);
  for (int i = 0; i < n; i++)
    name[i] = names_unique(&names, i < inputs ? net->input[i].name : net->output[i - inputs].name);
  return name;
}

static void put_buffers(Text *out, const Net *net, const char *const *name, bool trained) {
  const int inputs = net->graph->inputs.n;
  text_put(out, "static %s_workspace workspace;", net->name);
  if (net->model && !trained)
    text_put(out, "\nstatic %s_model model; // zeros: to be filled before the first call", net->name);
  for (int i = 0; i < inputs; i++)
    text_put(out, "\nstatic %s %s[%s_BATCH * %s_%s_SIZE];", net_input_type(net, i), name[i], net->upper,
             net->upper, net->input[i].upper);
  for (int i = 0; i < net->graph->outputs.n; i++)
    text_put(out, "\nstatic %s %s[%s_BATCH * %s_%s_SIZE];", net_output_type(net, i), name[inputs + i],
             net->upper, net->upper, net->output[i].upper);
}

static void put_fill(Text *out, const Net *net, const char *const *name) {
  for (int i = 0; i < net->graph->inputs.n; i++)
    text_put(out, "%s%s\n    %s[i] = (%s)(i %% 100); // what the camera or the sensor sees", i ? "\n" : "",
             loop_over(net, net->input[i].upper), name[i], net_input_type(net, i));
}

static const char *example_call(const Net *net, const char *const *name, bool trained) {
  Text list = {.arena = net->arena};
  if (net->model) list_add(&list, trained ? arena_printf(net->arena, "&%s_trained", net->name) : "&model");
  for (int i = 0; i < net->graph->inputs.n + net->graph->outputs.n; i++) list_add(&list, name[i]);
  list_add(&list, "&workspace");
  return arena_printf(net->arena, "%s_infer(%s);", net->name, list.s);
}

/* Whether the elements of an output have the net's labels. */
static bool is_labeled(const Net *net, int output) {
  return net->graph->nlabels > 0 &&
         shape_elements(net->graph->outputs.data[output].node->shape) == net->graph->nlabels;
}

static void put_prints(Text *print, Text *serial, const Net *net, const char *const *name) {
  for (int i = 0; i < net->graph->outputs.n; i++) {
    const char *loop = loop_over_first(net, net->output[i].upper), *array = name[net->graph->inputs.n + i],
               *what = is_labeled(net, i) ? arena_printf(net->arena, "%s_labels[i]", net->name) : "i";
    text_put(print, "%s%s\n    printf(\"%s %s: %%g\\n\", %s, (double)%s[i]);", i ? "\n" : "", loop, array,
             is_labeled(net, i) ? "%s" : "%d", what, array);
    text_put(serial,
             "%s%s {\n    Serial.print(%s);\n    Serial.print(\": \");\n    Serial.println(%s[i]%s);\n  }",
             i ? "\n" : "", loop, what, array, net->graph->outputs.data[i].node->elem == F32 ? ", 4" : "");
  }
}

Example example_of(Net *net, bool trained) {
  const char *const *name = buffer_names(net);
  Text buffers = {.arena = net->arena}, fill = buffers, print = buffers, serial = buffers;
  put_buffers(&buffers, net, name, trained);
  put_fill(&fill, net, name);
  put_prints(&print, &serial, net, name);
  return (Example){buffers.s, fill.s ? fill.s : "", example_call(net, name, trained), print.s ? print.s : "",
                   serial.s ? serial.s : ""};
}
