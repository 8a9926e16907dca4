/* reports.c: Reports of a training run to its caller: events, and notes on the data, the memory and the
 * processes before training begins. */
// SPDX-License-Identifier: MIT-0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted/base/number.h"
#include "hosted/data/dataset.h"
#include "hosted/data/unscaled.h"
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

/* Reports the number of training samples per class on one line: a bar per class, if there are at most BARS
 * classes. If the numbers differ, also reports the smallest and the largest class. */
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

cnn_status cnn_training_note_scale(const Training *training) {
  cnn_unscaled found;
  const cnn_status status =
      cnn_data_unscaled(training->data, training->network, CNN_PART_TRAIN, training->run.samples, &found);
  if (status.code != CNN_OK || !found.there) return status;
  const char *input = training->network->input[0].name;
  if (found.made > 0) cnn_training_note(training, "%s", cnn_unscaled_text(&found, input).text);
  else
    cnn_training_note(
        training,
        "hint: the input \"%s\" has values from %g to %g without scaling: nets learn better after "
        "%s",
        input, found.low, found.high, found.remedy);
  return status;
}

/* Reports how many processes have no shard, and how to get more shards. */
void cnn_training_note_idle(const Training *training) {
  const cnn_network *network = training->network;
  const cnn_ranks *ranks = training->options->ranks;
  char more[80] = "a larger batch in the train block creates more shards";
  if (!ranks || ranks->size <= network->shards) return;
  if ((network->train_batch - 1) / network->lanes >= network->shards)
    snprintf(more, sizeof more, "cnnc --mpi=%d creates more shards", (int)ranks->size);
  cnn_training_note(
      training, "%d of %d processes have nothing to compute: the program splits a batch into %d shards; %s",
      (int)(ranks->size - network->shards), (int)ranks->size, (int)network->shards, more);
}
