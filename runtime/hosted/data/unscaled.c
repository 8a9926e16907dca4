// unscaled.c: Detection of inputs whose numbers are still large at the first weights.
// SPDX-License-Identifier: MIT-0
#include "hosted/data/unscaled.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/data/dataset.h"

/* Whether the net can scale its input: in an operator before the first weights, or in the operator with these
 * weights. True for a net without weights. */
static bool scales_itself(const cnn_network *network) {
  static const char *const scaling[] = {"normalize", "multiply",  "divide",       "scale",  "batchnorm",
                                        "layernorm", "groupnorm", "instancenorm", "l2norm", "lrn"};
  for (int32_t i = 0; i < network->layers; i++) {
    for (size_t s = 0; s < sizeof scaling / sizeof *scaling; s++)
      if (strcmp(network->layer[i].op, scaling[s]) == 0) return true;
    if (network->layer[i].parameters > 0) return false;
  }
  return true;
}

/* Smallest or largest number of the argument `name` ("scale=") in the text of a normalize. The argument is a
 * number, or a list in brackets. If the text lacks the argument, the result is 1. */
static double extreme(const char *text, const char *name, bool largest) {
  const char *at = strstr(text, name);
  double found = largest ? -INFINITY : INFINITY;
  if (!at) return 1;
  at += strlen(name);
  const bool list = *at == '[';
  do {
    char *end;
    const double number = strtod(at + list, &end);
    found = largest ? fmax(found, number) : fmin(found, number);
    at = end;
  } while (list && *at == ',');
  return found;
}

/* The largest value that the net's own normalize computes from the value `high`; 0: the net has no
 * normalize. */
static double normalized(const cnn_port *port, double high) {
  if (!port->normalize) return 0;
  const double scale = extreme(port->normalize, "scale=", true);
  return (high * scale - extreme(port->normalize, "mean=", false)) / extreme(port->normalize, "std=", false);
}

/* Whether the numbers are probably pixels. The numbers of a table can be pixels only if all are from 0 to
 * 255, and if the input has three dimensions or at least FEW elements. */
static bool are_pixels(const cnn_data *data, const cnn_port *port, double low, double high) {
  enum { FEW = 64 };
  if (!cnn_data_is_csv(data)) return true;
  return cnn_data_scale(data, 0) >= 255 && low >= 0 && high <= 255 && (port->rank == 3 || port->size >= FEW);
}

cnn_status cnn_data_unscaled(const cnn_data *data, const cnn_network *network, cnn_part part, int64_t samples,
                             cnn_unscaled *found) {
  enum { SAMPLES = 16 };
  const double centered = 200; /* bytes minus their mean are smaller than this */
  const cnn_port *port = &network->input[0];
  const bool raw = cnn_data_scale(data, 0) >= 255 || cnn_data_is_csv(data);
  *found = (cnn_unscaled){.remedy = "batchnorm, which scales each column"};
  if (network->inputs != 1 || port->type == CNN_I16 || port->type == CNN_I32 || !raw ||
      (scales_itself(network) && !port->normalize))
    return cnn_success();
  void *input = malloc((size_t)port->size * cnn_type_bytes(port->type));
  cnn_status status = input ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "no memory for a sample");
  for (int64_t i = 0; i < SAMPLES && i < samples && status.code == CNN_OK; i++) {
    status = cnn_data_sample(data, part, i, (void *[]){input}, NULL);
    for (int64_t k = 0; k < port->size && status.code == CNN_OK; k++) {
      const double value = cnn_port_number(port, input, k);
      found->low = fmin(found->low, value);
      found->high = fmax(found->high, value);
    }
  }
  free(input);
  const bool pixels = are_pixels(data, port, found->low, found->high);
  const double large = pixels ? 16 : 100;
  if (pixels)
    snprintf(found->remedy, sizeof found->remedy, port->normalize ? "scale=1/%d" : "normalize(scale=1/%d)",
             port->type == CNN_I8 ? 128 : 255);
  found->made = normalized(port, found->high);
  if (port->normalize) found->there = pixels && found->made > centered;
  else found->there = fmax(found->high, -found->low) > large;
  found->there = found->there && status.code == CNN_OK;
  return status;
}

cnn_unscaled_hint cnn_unscaled_text(const cnn_unscaled *found, const char *input) {
  cnn_unscaled_hint hint;
  snprintf(hint.text, sizeof hint.text,
           "hint: the input \"%.80s\" has values up to %g, and normalize turns the largest into %g: if mean "
           "and std were computed for values from 0 to 1, normalize also needs %s",
           input, found->high, found->made, found->remedy);
  return hint;
}

cnn_status cnn_data_hint_unscaled(const cnn_data *data, const cnn_network *network, cnn_part part) {
  cnn_unscaled found;
  const cnn_status status = cnn_data_unscaled(data, network, part, cnn_data_count(data, part), &found);
  if (status.code != CNN_OK || !found.there) return status;
  if (found.made > 0) fprintf(stderr, "%s\n", cnn_unscaled_text(&found, network->input[0].name).text);
  else
    fprintf(
        stderr,
        "hint: the input \"%s\" has values from %g to %g, and nothing in the program scales them; weights "
        "that were trained on scaled inputs need the same scaling here: normalize(mean=..., std=..., "
        "scale=...)\n",
        network->input[0].name, found.low, found.high);
  return status;
}
