/* previous.c: Backup of an earlier run's weights and checkpoint before a new run replaces them. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "hosted/training/previous.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hosted/weights/archive.h"
#include "hosted/base/number.h"

typedef struct Listener {
  void (*tell)(void *context, const char *line);
  void *context;
} Listener;

/* ---- metadata of weights */

void cnn_about_weights(cnn_about *about, const char *data, const char *loss, double val, int32_t epoch,
                       const char *measure, double value) {
  snprintf(about->val, sizeof about->val, "%s", cnn_number(val, 9).text);
  snprintf(about->epoch, sizeof about->epoch, "%d", (int)epoch);
  snprintf(about->value, sizeof about->value, "%s", cnn_number(value, 9).text);
  const char *const note[] = {"data",       data,      "loss",  loss,    "val",        about->val, "epoch",
                              about->epoch, "measure", measure, "value", about->value, NULL};
  memcpy(about->note, note, sizeof note);
  if (!measure) about->note[6] = NULL;
}

enum { TEXT = 300 };
typedef struct Weights {
  bool there, opened, ours, rated; /* opened: the file is an archive of tensors;
                                    ours: written by a program that cnnc built */
  char data[TEXT], loss[TEXT], epoch[16], measure[72];
  double value;
} Weights;

static void take(char *text, size_t room, const cnn_archive *archive, const char *key) {
  const char *note = cnn_archive_note(archive, key);
  snprintf(text, room, "%s", note ? note : "");
}

/* Inspects a file that the run would replace. An empty file is treated as missing. A file that cannot be
 * opened as weights is not an error, unless memory runs out. */
static cnn_status weights_look(const char *path, Weights *weights) {
  struct stat about;
  cnn_archive archive;
  *weights = (Weights){.there = stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size > 0};
  if (!weights->there) return cnn_success();
  cnn_status status = cnn_archive_open(&archive, path);
  if (status.code != CNN_OK) return status.code == CNN_NO_MEMORY ? status : cnn_success();
  weights->opened = true;
  weights->ours = cnn_archive_note(&archive, "net") != NULL;
  take(weights->data, sizeof weights->data, &archive, "data");
  take(weights->loss, sizeof weights->loss, &archive, "loss");
  take(weights->epoch, sizeof weights->epoch, &archive, "epoch");
  take(weights->measure, sizeof weights->measure, &archive, "measure");
  const char *value = cnn_archive_note(&archive, "value");
  weights->rated = value && weights->measure[0];
  weights->value = value ? strtod(value, NULL) : NAN;
  cnn_archive_close(&archive);
  return cnn_success();
}

/* Whether both weight files were evaluated with the same metric, loss and data set, and `a` is at least as
 * good as `b`. */
static bool as_good(const Weights *a, const Weights *b) {
  const bool alike = a->rated && b->rated && strcmp(a->measure, b->measure) == 0 &&
                     strcmp(a->data, b->data) == 0 && strcmp(a->loss, b->loss) == 0;
  return alike && (cnn_metric_rises(a->measure) ? a->value >= b->value : a->value <= b->value);
}

static const char *describe(const Weights *weights, char text[200]) {
  text[0] = 0;
  if (weights->rated) {
    snprintf(text, 200, " (epoch %s, %s %s)", weights->epoch, weights->measure,
             cnn_number_fixed(weights->value, 4).text);
  }
  return text;
}

/* ---- Copies */

static cnn_status copy(const char *from, const char *to) {
  cnn_file file;
  cnn_writer writer;
  cnn_status status = cnn_file_open(&file, from);
  if (status.code != CNN_OK) return status;
  status = cnn_writer_open(&writer, to);
  if (status.code == CNN_OK) {
    cnn_writer_put(&writer, file.data, file.size);
    status = cnn_writer_commit(&writer);
  }
  cnn_file_close(&file);
  return status;
}

/* Makes a backup of the weights of a finished run, unless the weights in the existing backup are at least as
 * good. */
static cnn_status keep_weights(const char *out, const Weights *there, const char *previous,
                               const Listener *listener) {
  Weights before;
  cnn_status status = weights_look(previous, &before);
  if (status.code != CNN_OK) return status;
  char line[1000], one[200], other[200];
  describe(there, one);
  describe(&before, other);
  const bool stays = before.there && as_good(&before, there);
  const char *holds = "contains the weights of another run";
  if (stays) {
    snprintf(line, sizeof line, "%.200s %s%s, which are replaced; %.200s has better weights%s, and is kept",
             out, holds, one, previous, other);
  } else if (before.there) {
    snprintf(line, sizeof line,
             "%.200s %s%s; they are kept as %.200s, in place of the weights of an older run%s", out, holds,
             one, previous, other);
  } else {
    snprintf(line, sizeof line, "%.200s %s%s; they are kept as %.200s", out, holds, one, previous);
  }
  if (!stays) status = copy(out, previous);
  if (status.code == CNN_OK) listener->tell(listener->context, line);
  return status;
}

/* Makes a backup of the weights and checkpoint of an unfinished run, under a name with which the run can be
 * resumed. */
static cnn_status keep_run(const char *out, bool there, const char *checkpoint, const char *progress,
                           const char *stopped, const Listener *listener) {
  char line[1000];
  char *beside = cnn_sibling(stopped, "checkpoint");
  cnn_status status =
      beside ? copy(checkpoint, beside) : cnn_failure(CNN_NO_MEMORY, "%s: out of memory", stopped);
  if (status.code == CNN_OK && there) status = copy(out, stopped);
  snprintf(line, sizeof line,
           "%.200s contains a run that was stopped %s; it is kept: '--resume --out %.200s' continues it",
           checkpoint, progress, stopped);
  if (status.code == CNN_OK) listener->tell(listener->context, line);
  free(beside);
  return status;
}

/* Whether the weights are from another tool. False for an .npz of another tool: it may be a data set, which
 * must not be overwritten. */
static bool from_elsewhere(const char *path, const Weights *weights) {
  const size_t n = strlen(path);
  return weights->opened && !weights->ours && !(n > 4 && strcmp(path + n - 4, ".npz") == 0);
}

static cnn_status refuse(const char *path) {
  return cnn_failure(CNN_BAD_ARGUMENT,
                     "%s: will not be overwritten: it is not a weight file of a program built by cnnc; "
                     "name another --out, or remove it",
                     path);
}

cnn_status cnn_previous_check(const char *out) {
  static const char *const siblings[] = {"last", "checkpoint", "previous", "stopped", "original"};
  Weights there;
  cnn_status status = weights_look(out, &there);
  if (status.code != CNN_OK) return status;
  const bool elsewhere = from_elsewhere(out, &there);
  if (there.there && !there.ours && !elsewhere) return refuse(out);
  /* the last sibling, "original", is only written if `out` has weights of another tool */
  const size_t n = sizeof siblings / sizeof *siblings - (elsewhere ? 0 : 1);
  for (size_t i = 0; i < n && status.code == CNN_OK; i++) {
    char *path = cnn_sibling(out, siblings[i]);
    if (!path) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", out);
    status = weights_look(path, &there);
    if (status.code == CNN_OK && there.there && !there.ours) status = refuse(path);
    free(path);
  }
  return status;
}

/* Makes a backup of weights of another tool. Later runs never overwrite this backup, because it is unknown
 * whether their weights are better. */
static cnn_status keep_original(const char *out, const Listener *listener) {
  char line[1000];
  char *original = cnn_sibling(out, "original");
  if (!original) return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", out);
  const cnn_status status = copy(out, original);
  snprintf(line, sizeof line, "%.200s contains weights of another tool; they are kept as %.200s", out,
           original);
  if (status.code == CNN_OK) listener->tell(listener->context, line);
  free(original);
  return status;
}

cnn_status cnn_previous_keep(const char *out, bool resumed, void (*tell)(void *context, const char *line),
                             void *context) {
  const Listener listener = {tell, context};
  char *checkpoint = cnn_sibling(out, "checkpoint"), *previous = cnn_sibling(out, "previous"),
       *stopped = cnn_sibling(out, "stopped");
  cnn_status status = cnn_failure(CNN_NO_MEMORY, "%s: out of memory", out);
  if (checkpoint && previous && stopped) {
    char progress[80];
    bool unfinished = false;
    Weights there;
    status = weights_look(out, &there);
    if (status.code == CNN_OK && !resumed) status = cnn_run_look(checkpoint, &unfinished, progress);
    if (status.code == CNN_OK && unfinished)
      status = keep_run(out, there.there, checkpoint, progress, stopped, &listener);
    else if (status.code == CNN_OK && from_elsewhere(out, &there)) status = keep_original(out, &listener);
    else if (status.code == CNN_OK && there.there) status = keep_weights(out, &there, previous, &listener);
  }
  free(checkpoint);
  free(previous);
  free(stopped);
  return status;
}
