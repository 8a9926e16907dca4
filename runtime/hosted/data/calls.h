/* calls.h: Samples of nets that are trained with `steps`: several consecutive calls. An input, output or
 * target of a sample concatenates the inputs, outputs or targets of its calls. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CALLS_H
#define CNN_CALLS_H
#include <stdbool.h>
#include "cnn.h"

/* Number of calls that a sample contains; 1 for a port of a single call. */
static inline int32_t cnn_port_calls(const cnn_port *port) { return port->calls > 1 ? port->calls : 1; }
/* Returns the port of a single call, given the port of a sample. */
cnn_port cnn_port_call(const cnn_port *port);
/* Number of rows of a sequence, over all calls of a sample. */
static inline int64_t cnn_port_length(const cnn_port *port) {
  return (int64_t)port->dim[0] * cnn_port_calls(port);
}

/* Sets *samples to a copy of the net whose ports hold whole samples, and *ports to the array of these ports,
 * from malloc. Data sets and training use this copy. If a sample is one call, *samples equals *network, and
 * *ports is NULL. False: out of memory. */
bool cnn_calls_open(cnn_network *samples, cnn_port **ports, const cnn_network *network);
/* Returns a copy of `network` with the ports of the data set's samples. */
cnn_network cnn_calls_network(const cnn_network *network, const cnn_data *data);
#endif
