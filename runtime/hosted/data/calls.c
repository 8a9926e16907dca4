/* calls.c: Samples of nets that are trained with `steps`: several calls per sample. */
// SPDX-License-Identifier: MIT-0
#include "hosted/data/calls.h"

#include <stdlib.h>
#include <string.h>

#include "hosted/data/dataset.h"

cnn_port cnn_port_call(const cnn_port *port) {
  const int32_t calls = cnn_port_calls(port);
  cnn_port call = *port;
  if (calls == 1) return call;
  call.calls = 1;
  call.size /= calls;
  call.target_size /= calls;
  call.regions = call.regions == calls ? 0 : call.regions / calls;
  return call;
}

static void widen(cnn_port *port, int32_t calls) {
  port->calls = calls;
  port->size *= calls;
  port->target_size *= calls;
  port->regions = calls * (port->regions > 0 ? port->regions : 1);
}

bool cnn_calls_open(cnn_network *samples, cnn_port **ports, const cnn_network *network) {
  const int32_t calls = network->recipe ? network->recipe->steps : 1;
  const size_t inputs = (size_t)network->inputs, outputs = (size_t)cnn_ports(network);
  *samples = *network;
  *ports = NULL;
  if (calls <= 1) return true;
  cnn_port *all = malloc((inputs + outputs) * sizeof *all);
  if (!all) return false;
  memcpy(all, network->input, inputs * sizeof *all);
  memcpy(all + inputs, network->output, outputs * sizeof *all);
  for (size_t i = 0; i < inputs + outputs; i++) widen(&all[i], calls);
  samples->input = all;
  samples->output = all + inputs;
  *ports = all;
  return true;
}

cnn_network cnn_calls_network(const cnn_network *network, const cnn_data *data) {
  cnn_network own = *network;
  if (data->ports) {
    own.input = data->network->input;
    own.output = data->network->output;
  }
  return own;
}
