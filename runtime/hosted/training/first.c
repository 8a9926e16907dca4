/* first.c: the weights that a run begins with. */
// SPDX-License-Identifier: MIT-0
#include <string.h>

#include "hosted/training/training.h"
#include "hosted/weights/archive.h"
#include "hosted/weights/origin.h"
#include "hosted/weights/rows.h"

static void first_weights(Training *training) {
  const cnn_network *network = training->network;
  float *weights = training->run.trainer.weights;
  if (network->initial) {
    memcpy(weights, network->initial, (size_t)network->parameters * sizeof(float));
  } else {
    network->init(weights, training->run.trainer.recipe.seed);
  }
}

/* Weights of other classes are no mistake here: the net learns its own. The same ones in another order are
 * put in that of the labels. */
static cnn_status compare_classes(const Training *training) {
  const char *path = training->options->init, *layer = NULL;
  cnn_archive archive;
  char doubt[700] = "";
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) return status;
  status = cnn_origin_check(&archive, path, training->network, doubt, sizeof doubt);
  const bool moved = status.code == CNN_MISMATCH;
  if (moved) {
    cnn_training_note(training, "%s", status.message);
    status = cnn_rows_by_class(training->network, &archive, path, training->options->init_names.prefix,
                               training->run.trainer.weights, &layer);
  }
  cnn_archive_close(&archive);
  if (status.code == CNN_OK && layer)
    cnn_training_note(training, "%s: the rows of %s are taken by name, in the order of the labels", path,
                      layer);
  else if (status.code == CNN_OK && moved)
    cnn_training_note(training, "%s: the scores begin with those of other classes, and are learnt anew",
                      path);
  if (*doubt) cnn_training_note(training, "%s", doubt);
  return status;
}

static cnn_status take_init(Training *training) {
  const char *const init = training->options->init;
  cnn_weights_report report = {0};
  cnn_status status = cnn_weights_load_named(training->network, init, &training->options->init_names, true,
                                             training->run.trainer.weights, &report);
  if (status.code == CNN_OK) {
    cnn_training_note(training, "%s: %d of %d weights taken%s%s", init, (int)report.matched,
                      (int)training->network->weights, report.text ? "; not:\n" : "",
                      report.text ? report.text : "");
    if (*report.warning) cnn_training_note(training, "%s: warning: %s", init, report.warning);
    if (report.renames) cnn_training_tell(training, report.renames);
  }
  cnn_weights_report_free(&report);
  return status.code == CNN_OK ? compare_classes(training) : status;
}

cnn_status cnn_training_first_weights(Training *training) {
  first_weights(training);
  return training->options->init ? take_init(training) : cnn_success();
}
