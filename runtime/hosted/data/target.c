/* target.c: Target formats of outputs, and class labels in these formats. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "hosted/data/calls.h"
#include "hosted/data/dataset.h"

size_t cnn_type_bytes(cnn_type type) {
  static const size_t bytes[] = {[CNN_F32] = sizeof(float),
                                 [CNN_U8] = 1,
                                 [CNN_I8] = 1,
                                 [CNN_I16] = sizeof(int16_t),
                                 [CNN_I32] = sizeof(int32_t)};
  return bytes[type];
}

static int64_t channels(const cnn_port *port) { return port->dim[port->rank - 1]; }

static bool binary(const cnn_port *port) {
  return port->scores == CNN_SCORES_BINARY || port->scores == CNN_SCORES_BINARY_LOGIT;
}

double cnn_port_number(const cnn_port *port, const void *values, int64_t i) {
  switch (port->type) {
  case CNN_U8: return ((const uint8_t *)values)[i];
  case CNN_I8: return ((const int8_t *)values)[i];
  case CNN_I16: return ((const int16_t *)values)[i];
  case CNN_I32: return ((const int32_t *)values)[i];
  default: return (double)((const float *)values)[i];
  }
}

void cnn_port_store(const cnn_port *port, void *values, int64_t i, double value) {
  switch (port->type) {
  case CNN_U8: ((uint8_t *)values)[i] = (uint8_t)value; break;
  case CNN_I8: ((int8_t *)values)[i] = (int8_t)value; break;
  case CNN_I16: ((int16_t *)values)[i] = (int16_t)value; break;
  case CNN_I32: ((int32_t *)values)[i] = (int32_t)value; break;
  default: ((float *)values)[i] = (float)value;
  }
}

bool cnn_port_takes(const cnn_port *port, double value) {
  static const double low[] = {[CNN_I8] = -128, [CNN_I16] = -32768, [CNN_I32] = INT32_MIN},
                      high[] = {[CNN_U8] = 255, [CNN_I8] = 127, [CNN_I16] = 32767, [CNN_I32] = INT32_MAX};
  return port->type == CNN_F32 ||
         (value == floor(value) && value >= low[port->type] && value <= high[port->type]);
}

const char *cnn_type_name(cnn_type type) {
  static const char *const name[] = {
      [CNN_F32] = "f32", [CNN_U8] = "u8", [CNN_I8] = "i8", [CNN_I16] = "i16", [CNN_I32] = "i32"};
  return name[type];
}

int64_t cnn_port_classes(const cnn_port *output) {
  if (output->target != CNN_TARGET_CLASS && output->scores == CNN_SCORES_NONE) return 0;
  return channels(output) == 1 && binary(output) ? 2 : channels(output);
}

int64_t cnn_port_targets(const cnn_port *output) {
  if (output->target != CNN_TARGET_NONE) return output->target_size;
  return output->scores == CNN_SCORES_NONE ? 0 : output->size / channels(output);
}

void cnn_port_arrange(const cnn_port *input, const void *hwc, void *out) {
  size_t depth = (size_t)channels(input), pixels = (size_t)input->size / depth;
  if (!input->chw || depth == 1 || pixels == 1) {
    memcpy(out, hwc, (size_t)input->size * cnn_type_bytes(input->type));
  } else if (input->type == CNN_F32) {
    const float *from = hwc;
    float *to = out;
    for (size_t c = 0; c < depth; c++)
      for (size_t p = 0; p < pixels; p++) to[c * pixels + p] = from[p * depth + c];
  } else if (input->type == CNN_I32) {
    const int32_t *from = hwc;
    int32_t *to = out;
    for (size_t c = 0; c < depth; c++)
      for (size_t p = 0; p < pixels; p++) to[c * pixels + p] = from[p * depth + c];
  } else if (input->type == CNN_I16) {
    const int16_t *from = hwc;
    int16_t *to = out;
    for (size_t c = 0; c < depth; c++)
      for (size_t p = 0; p < pixels; p++) to[c * pixels + p] = from[p * depth + c];
  } else {
    const uint8_t *from = hwc;
    uint8_t *to = out;
    for (size_t c = 0; c < depth; c++)
      for (size_t p = 0; p < pixels; p++) to[c * pixels + p] = from[p * depth + c];
  }
}

/* If no output has a loss, outputs with scores are compared with classes. */
bool cnn_target_wanted(const cnn_data *data, int32_t output) {
  const cnn_network *network = data->network;
  bool losses = cnn_boxes_wanted(network);
  if (network->recipe && network->recipe->target_is_input) return false;
  for (int32_t o = 0; o < cnn_ports(network); o++)
    losses = losses || network->output[o].target != CNN_TARGET_NONE;
  const cnn_port *port = &network->output[output];
  return losses ? port->target != CNN_TARGET_NONE : port->scores != CNN_SCORES_NONE;
}

bool cnn_boxes_wanted(const cnn_network *network) {
  bool finds = false;
  for (int32_t o = 0; o < network->outputs; o++)
    finds = finds || network->output[o].kind != CNN_OUTPUT_VALUES;
  return finds || network->truth_objects > 0;
}

cnn_status cnn_masks_agree(const cnn_data *data) {
  if (data->network->truth_height == 0 || data->masks) return cnn_success();
  return cnn_failure(
      CNN_MISMATCH,
      "%s: %s have boxes, but no masks of their objects; the loss 'masks' of the net needs them", data->path,
      data->title);
}

bool cnn_target_optional(const cnn_data *data, int32_t output) {
  const cnn_port *port = &data->network->output[output];
  return !cnn_target_wanted(data, output) && port->target == CNN_TARGET_NONE &&
         port->scores != CNN_SCORES_NONE;
}

/* ---- one class per sample */

typedef enum Form { FORM_CLASS, FORM_LAST, FORM_NUMBER, FORM_ONE_HOT, FORM_NONE } Form;

/* The form of the target that is made from the label of a sample; all calls of the sample have this label.
 * One float per call: the label (FORM_NUMBER). One float per channel: a one-hot vector of the class
 * (FORM_ONE_HOT). One class per call: the class number (FORM_CLASS). One class per row of a sequence: the
 * class number for the last row, which can depend on all rows of the input; the other rows do not count
 * (FORM_LAST). Other targets need more than one label (FORM_NONE). */
static Form label_form(const cnn_port *output) {
  const int64_t calls = cnn_port_calls(output), size = output->size / calls;
  if (output->target == CNN_TARGET_VALUES)
    return size == 1 ? FORM_NUMBER : size == channels(output) ? FORM_ONE_HOT : FORM_NONE;
  if (cnn_port_targets(output) == calls) return FORM_CLASS;
  const bool rows = output->rank == 2 && output->regions == 0 && !binary(output) &&
                    cnn_port_targets(output) == (int64_t)output->dim[0] * calls;
  return rows ? FORM_LAST : FORM_NONE;
}

int64_t cnn_label_limit(const cnn_port *output) {
  if (label_form(output) == FORM_NUMBER) return binary(output) ? 2 : 0;
  return label_form(output) == FORM_ONE_HOT ? channels(output) : cnn_port_classes(output);
}

int64_t cnn_label_classes(const cnn_data *data) {
  int64_t classes = 0;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const int64_t limit = cnn_target_wanted(data, o) ? cnn_label_limit(&data->network->output[o]) : 0;
    if (limit > 0 && (classes == 0 || limit < classes)) classes = limit;
  }
  return classes;
}

cnn_status cnn_label_fits(const cnn_data *data, int32_t o, const char *what) {
  const cnn_port *output = &data->network->output[o];
  char last[120] = "";
  if (label_form(output) != FORM_NONE) return cnn_success();
  if (output->rank == 2 && output->regions == 0)
    snprintf(last, sizeof last, "; -> crop([%d, 0]) before the output keeps the last of its %d rows",
             (int)output->dim[0] - 1, (int)output->dim[0]);
  return cnn_failure(CNN_MISMATCH, "%s: has one class per sample, but the output \"%s\" needs %lld targets%s",
                     what, output->name, (long long)cnn_port_targets(output), last);
}

static void note_rows(cnn_data *data, const cnn_port *output) {
  if (label_form(output) != FORM_LAST || data->last_row) return;
  data->last_row = true;
  cnn_data_note(data,
                "the output \"%s\" has %d rows: the class of a sample is that of its last row, and the other "
                "rows do not count",
                output->name, (int)output->dim[0]);
}

cnn_status cnn_labels_fit(cnn_data *data, const char *what) {
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const cnn_port *output = &data->network->output[o];
    if (!cnn_target_wanted(data, o)) continue;
    const cnn_status status = cnn_label_fits(data, o, what);
    if (status.code != CNN_OK) return status;
    note_rows(data, output);
    if (cnn_label_limit(output) > 0 && data->classes > cnn_label_limit(output))
      return cnn_failure(CNN_MISMATCH, "%s: has %d classes, but the output \"%s\" has only %lld", what,
                         data->classes, output->name, (long long)cnn_label_limit(output));
  }
  return cnn_success();
}

cnn_status cnn_label_check(cnn_data *data, int32_t of, const char *where, int64_t i, double label) {
  bool unlabeled = false;
  data->has_zero = data->has_zero || label == 0;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const cnn_port *output = &data->network->output[o];
    int64_t limit = cnn_label_limit(output);
    if (!(of == CNN_EVERY_TARGET ? cnn_target_wanted(data, o) : o == of) || limit == 0) continue;
    if (label >= 0 && label < (double)limit && label == (double)(int32_t)label) {
      if (label >= data->classes) data->classes = (int32_t)label + 1;
      continue;
    }
    bool ignored = label == -1 || (output->criterion && label == (double)output->criterion->ignore);
    unlabeled = unlabeled || label == -1;
    if (ignored && (label_form(output) == FORM_CLASS || label_form(output) == FORM_LAST)) continue;
    return cnn_failure(CNN_MISMATCH, "%s: label %lld is %g, but the output \"%s\" has %lld classes", where,
                       (long long)i, label, output->name, (long long)limit);
  }
  data->unlabeled += unlabeled;
  return cnn_success();
}

/* Many data sets number their two classes -1 and 1. For such labels, an error explains how to renumber the
 * classes. */
cnn_status cnn_labels_end(cnn_data *data) {
  if (data->unlabeled == 0) return cnn_success();
  if (!data->has_zero && data->classes == 2 && cnn_label_classes(data) == 2)
    return cnn_failure(CNN_MISMATCH,
                       "%s: its classes are -1 and 1, but classes are numbered from 0, and samples of class "
                       "-1 are ignored; replace -1 by 0, in NumPy: y[y == -1] = 0",
                       data->path);
  cnn_data_note(data, "%lld sample%s class -1, and %s ignored", (long long)data->unlabeled,
                data->unlabeled == 1 ? " has" : "s have", data->unlabeled == 1 ? "is" : "are");
  return cnn_success();
}

void cnn_label_store_one(const cnn_data *data, int32_t o, double label, void *target) {
  const cnn_port *output = &data->network->output[o];
  if (!(cnn_target_wanted(data, o) ||
        (cnn_target_optional(data, o) && label < (double)cnn_label_limit(output))))
    return;
  int32_t class = cnn_label_limit(output) > 0 ? (int32_t)label : 0;
  int32_t *classes = target;
  float *values = target;
  switch (label_form(output)) {
  case FORM_CLASS:
    for (int32_t call = 0; call < cnn_port_calls(output); call++) classes[call] = class;
    break;
  case FORM_LAST:
    for (int64_t t = 0; t < cnn_port_targets(output); t++)
      classes[t] = (t + 1) % output->dim[0] == 0 ? class : -1;
    break;
  case FORM_NUMBER:
    for (int32_t call = 0; call < cnn_port_calls(output); call++) values[call] = (float)label;
    break;
  case FORM_ONE_HOT:
    for (int64_t c = 0; c < output->size; c++) values[c] = c % channels(output) == class ? 1 : 0;
    break;
  case FORM_NONE: break;
  }
}

void cnn_label_store(const cnn_data *data, int32_t label, void *const target[]) {
  for (int32_t o = 0; target && o < cnn_ports(data->network); o++)
    if (target[o]) cnn_label_store_one(data, o, (double)label, target[o]);
}
