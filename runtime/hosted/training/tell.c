/* tell.c: what a training run tells its caller: events, and notes on the data, the memory and the
 * processes before it begins. */
// SPDX-License-Identifier: MIT-0
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/data/dataset.h"
#include "hosted/training/training.h"

void cnn_training_send(const Training *training, cnn_event event) {
  event.epoch = training->run.finished + (event.kind != CNN_EVENT_EPOCH && event.kind != CNN_EVENT_END);
  event.epochs = training->run.trainer.recipe.epochs;
  if (training->options->report) training->options->report(training->options->context, &event);
}

void cnn_training_note(const Training *training, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  cnn_training_send(training, (cnn_event){.kind = CNN_EVENT_NOTE, .note = text});
}

void cnn_training_tell(void *training, const char *text) {
  cnn_training_send(training, (cnn_event){.kind = CNN_EVENT_NOTE, .note = text});
}

void cnn_training_note_memory(const Training *training) {
  const cnn_network *network = training->network;
  const cnn_trainer *trainer = &training->run.trainer;
  uint64_t array = (uint64_t)network->parameters * sizeof(float);
  uint64_t arrays =
      (uint64_t)((trainer->slot[0] != NULL) + (trainer->slot[1] != NULL) + (trainer->average != NULL));
  uint64_t evaluation =
      network->model_bytes +
      network->workspace_bytes * (uint64_t)(training->validated > 0 ? training->threads : 0);
  cnn_training_note(training,
                    "memory: weights %s, gradients %s, optimizer %s, training workspace %s, validation %s",
                    cnn_number_bytes(array).text, cnn_number_bytes(array * (trainer->sum ? 2 : 1)).text,
                    cnn_number_bytes(array * arrays).text, cnn_number_bytes(network->training_bytes).text,
                    cnn_number_bytes(evaluation).text);
}

static const char *class_name(const Training *training, int32_t c, char room[24]) {
  const cnn_network *network = training->network;
  if (network->label && c < network->labels) return network->label[c];
  snprintf(room, 24, "class %d", (int)c);
  return room;
}

/* One line: a bar a class, and the smallest and the largest class by name. */
void cnn_training_note_labels(const Training *training) {
  static const char *const bar[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  enum { BARS = 64 };
  int32_t classes = cnn_data_classes(training->data), fewest = 0, most = 0;
  if (classes < 2) return;
  int64_t *count = calloc((size_t)classes, sizeof *count);
  if (!count) return;
  for (int64_t i = 0; i < training->run.samples; i++) {
    int32_t label;
    if (cnn_data_label(training->data, CNN_PART_TRAIN, i, &label) && label >= 0 && label < classes)
      count[label]++;
  }
  char bars[BARS * 4 + 1] = "", name[2][24];
  for (int32_t c = 0; c < classes; c++) {
    if (count[c] < count[fewest]) fewest = c;
    if (count[c] > count[most]) most = c;
  }
  for (int32_t c = 0; c < classes && classes <= BARS; c++)
    strcat(bars, bar[count[most] ? (count[c] * 8 + count[most] - 1) / count[most] : 0]);
  if (count[most] > 0 && count[fewest] == count[most]) {
    cnn_training_note(training, "labels: %d classes %s%s%s samples each", (int)classes, bars,
                      bars[0] ? " " : "", cnn_number_grouped(count[most]).text);
  } else if (count[most] > 0) {
    cnn_training_note(training, "labels: %d classes %s%s%s samples (%s) to %s (%s)", (int)classes, bars,
                      bars[0] ? " " : "", cnn_number_grouped(count[fewest]).text,
                      class_name(training, fewest, name[0]), cnn_number_grouped(count[most]).text,
                      class_name(training, most, name[1]));
  }
  free(count);
}

/* Whether something in front of the first weights, or those themselves, brings values of any size to about 1.
 */
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

/* In a table only bytes are, and where there are enough of them for a picture. */
static bool are_pixels(const Training *training, double low, double high) {
  enum { FEW = 64 };
  const cnn_port *port = &training->network->input[0];
  if (!cnn_data_is_csv(training->data)) return true;
  return cnn_data_scale(training->data, 0) >= 255 && low >= 0 && high <= 255 &&
         (port->rank == 3 || port->size >= FEW);
}

/* Raw bytes that go into the first weights as they are: a beginner's net that learns badly, and nobody knows
 * why. */
cnn_status cnn_training_note_scale(const Training *training) {
  enum { SAMPLES = 16 };
  const cnn_network *network = training->network;
  const cnn_port *port = &network->input[0];
  const bool raw = cnn_data_scale(training->data, 0) >= 255 || cnn_data_is_csv(training->data);
  if (network->inputs != 1 || !raw || scales_itself(network)) return cnn_success();
  void *input = malloc((size_t)port->size * cnn_type_bytes(port->type));
  double low = 0, high = 0;
  cnn_status status = input ? cnn_success() : cnn_failure(CNN_NO_MEMORY, "no memory for a sample");
  for (int64_t i = 0; i < SAMPLES && i < training->run.samples && status.code == CNN_OK; i++) {
    status = cnn_data_sample(training->data, CNN_PART_TRAIN, i, (void *[]){input}, NULL);
    for (int64_t k = 0; k < port->size && status.code == CNN_OK; k++) {
      double value = port->type == CNN_F32  ? (double)((float *)input)[k]
                     : port->type == CNN_U8 ? ((uint8_t *)input)[k]
                                            : ((int8_t *)input)[k];
      low = value < low ? value : low;
      high = value > high ? value : high;
    }
  }
  free(input);
  const bool pixels = are_pixels(training, low, high);
  const double large = pixels ? 16 : 100;
  char remedy[40] = "batchnorm, which scales each column";
  if (pixels) snprintf(remedy, sizeof remedy, "normalize(scale=1/%d)", port->type == CNN_I8 ? 128 : 255);
  if (status.code == CNN_OK && fmax(high, -low) > large)
    cnn_training_note(
        training,
        "hint: the input \"%s\" has values from %g to %g, and nothing scales them: nets learn better behind "
        "%s",
        port->name, low, high, remedy);
  return status;
}

/* Processes get whole shards. */
void cnn_training_note_idle(const Training *training) {
  const cnn_network *network = training->network;
  const cnn_ranks *ranks = training->options->ranks;
  char more[80] = "a larger batch in the train block makes more";
  if (!ranks || ranks->size <= network->shards) return;
  if ((network->train_batch - 1) / network->lanes >= network->shards)
    snprintf(more, sizeof more, "cnnc --mpi=%d makes more", (int)ranks->size);
  cnn_training_note(training,
                    "%d of %d processes have nothing to compute: the program cuts a batch into %d shards; %s",
                    (int)(ranks->size - network->shards), (int)ranks->size, (int)network->shards, more);
}
