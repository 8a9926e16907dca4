/* example.c: Example of a caller's code, for libraries and `cnnc new`. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/example.h"

enum { SHOWN = 10 }; /* maximum number of printed elements of an output */

static const char *loop_over(const Net *net, const PortNames *port) {
  return arena_printf(net->arena, "  for (int i = 0; i < %s * %s; i++)", net->macro->BATCH, port->macro.SIZE);
}

static const char *loop_over_first(const Net *net, const PortNames *port) {
  return arena_printf(net->arena, "  for (int i = 0; i < %s && i < %d; i++)", port->macro.SIZE, SHOWN);
}

/* Names of the buffers, inputs first. */
static const char **buffer_names(Net *net) {
  const int inputs = net->graph->inputs.n, n = inputs + net->graph->outputs.n;
  const char **name = NEW_ARRAY(net->arena, const char *, n + 1);
  for (int i = 0; i < n; i++) name[i] = i < inputs ? net->input[i].name : net->output[i - inputs].name;
  return name;
}

static void put_buffers(Text *out, const Net *net, const char *const *name, bool trained) {
  const int inputs = net->graph->inputs.n;
  text_put(out, "static %s workspace;", net->own->workspace);
  if (net_steps(net))
    text_put(out, "\nstatic %s state; // the state between calls; reset it before the first call",
             net->own->state);
  if (net->model && !trained)
    text_put(out, "\nstatic %s model; // zeros; fill it before the first call", net->own->model);
  for (int i = 0; i < inputs; i++)
    text_put(out, "\nstatic %s %s[%s * %s];", net_input_type(net, i), name[i], net->macro->BATCH,
             net->input[i].macro.SIZE);
  for (int i = 0; i < net->graph->outputs.n; i++)
    text_put(out, "\nstatic %s %s[%s * %s];", net_output_type(net, i), name[inputs + i], net->macro->BATCH,
             net->output[i].macro.SIZE);
}

static void put_fill(Text *out, const Net *net, const char *const *name) {
  for (int i = 0; i < net->graph->inputs.n; i++)
    text_put(out, "%s%s\n    %s[i] = (%s)(i %% 100); // replace with the data of your camera or sensor",
             i ? "\n" : "", loop_over(net, &net->input[i]), name[i], net_input_type(net, i));
}

static const char *example_call(const Net *net, const char *const *name, bool trained) {
  Text list = {.arena = net->arena};
  if (net->model) list_add(&list, trained ? arena_printf(net->arena, "&%s", net->own->trained) : "&model");
  for (int i = 0; i < net->graph->inputs.n + net->graph->outputs.n; i++) list_add(&list, name[i]);
  if (net_steps(net)) list_add(&list, "&state");
  list_add(&list, "&workspace");
  return arena_printf(net->arena, "%s(%s);", infer_name(net), list.s);
}

/* Whether the output has one element per label of the net. */
static bool is_labeled(const Net *net, int output) {
  return net->graph->nlabels > 0 &&
         shape_elements(net->graph->outputs.data[output].node->shape) == net->graph->nlabels;
}

static void put_prints(Text *print, Text *serial, const Net *net, const char *const *name) {
  for (int i = 0; i < net->graph->outputs.n; i++) {
    const char *loop = loop_over_first(net, &net->output[i]), *array = name[net->graph->inputs.n + i],
               *what = is_labeled(net, i) ? arena_printf(net->arena, "%s[i]", net->own->labels) : "i";
    text_put(print, "%s%s\n    printf(\"%s %s: %%g\\n\", %s, (double)%s[i]);", i ? "\n" : "", loop,
             net->graph->outputs.data[i].name, is_labeled(net, i) ? "%s" : "%d", what, array);
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
  const char *reset = net_steps(net) ? arena_printf(net->arena, "\n  %s(&state);", net->own->reset) : "";
  return (Example){buffers.s,
                   reset,
                   name,
                   fill.s ? fill.s : "",
                   example_call(net, name, trained),
                   print.s ? print.s : "",
                   serial.s ? serial.s : ""};
}
