/* origin.c: Comparison of the class names and input normalization of a weight file with the program. */
// SPDX-License-Identifier: Apache-2.0
#include "backend/origin.h"
#include <string.h>
#include "graph/normalize_text.h"
#include "hosted/weights/classes.h"
#include "hosted/weights/origin.h"

static void tell_renamed(Diags *diags, const char *path, const Graph *graph, const char *const *name,
                         int32_t names) {
  int32_t place[CNN_CLASSES_SHOWN];
  const int32_t count =
      cnn_classes_renamed(name, names, graph->label, graph->nlabels, place, CNN_CLASSES_SHOWN);
  Diag *diag;
  if (count == 1) {
    diag = diag_report(diags, DIAG_label_renamed, graph->name_span, NULL,
                       "class %d was '%s' when the weights in %s were trained; the label is '%s' now",
                       (int)place[0], name[place[0]], path, graph->label[place[0]]);
  } else {
    diag = diag_report(diags, DIAG_label_renamed, graph->name_span, NULL,
                       "%d classes had other names when the weights in %s were trained", (int)count, path);
    for (int i = 0; i < count && i < CNN_CLASSES_SHOWN; i++)
      diag_fact(diag, "class %d was '%s'; the label is '%s' now", (int)place[i], name[place[i]],
                graph->label[place[i]]);
    if (count > CNN_CLASSES_SHOWN) diag_fact(diag, "and %d more", (int)count - CNN_CLASSES_SHOWN);
  }
  diag_help(diag, "without `labels` the program uses the class names stored with the weights");
}

static bool compare(Diags *diags, const char *path, const Graph *graph, const char *const *name,
                    int32_t names) {
  int32_t c = 0;
  char list[300];
  const cnn_agreement agreement = cnn_classes_compare(name, names, graph->label, graph->nlabels, &c);
  if (agreement == CNN_CLASSES_AGREE) return true;
  if (agreement == CNN_CLASSES_RENAMED) {
    tell_renamed(diags, path, graph, name, names);
    return true;
  }
  Diag *diag = diag_report(diags, DIAG_weights_mismatch, graph->name_span, NULL,
                           "class %d of these weights is '%s', but the net's label '%s' is for another class",
                           (int)c, name[c], name[c]);
  diag_fact(diag, "%s was trained with the classes %s, in this order", path,
            cnn_classes_list(name, names, list, sizeof list));
  diag_help(diag, "write the labels in that order, or leave them out: %s",
            "the program then uses the class names stored with the weights");
  return false;
}

static int64_t most_classes(const Graph *graph) {
  int64_t most = 0;
  for (int o = 0; o < graph->outputs.n; o++) {
    const int64_t classes = graph_classes(graph->outputs.data[o].node);
    if (classes > most) most = classes;
  }
  return most;
}

/* Number of labels to set if a weight file names `names` classes. The result is `names` if an output has
 * `names` classes; for two classes, one channel is enough. Otherwise, if the net has a single output and this
 * output has more than `names` classes, the result is the output's number of classes. 0: the number of names
 * does not fit. */
static int64_t labels_wanted(const Graph *graph, int64_t names) {
  for (int o = 0; o < graph->outputs.n; o++) {
    const int64_t classes = graph_classes(graph->outputs.data[o].node);
    if (classes == names || (classes == 1 && names == 2)) return names;
  }
  return graph->outputs.n == 1 && most_classes(graph) > names ? most_classes(graph) : 0;
}

/* Checks the number of names in the file. The net has `classes` classes: labels, or channels of an output. */
static bool count_check(Diags *diags, const char *path, const Graph *graph, int32_t names, int64_t classes) {
  if (names == classes || (classes == 1 && names == 2)) return true;
  if (names < classes) {
    diag_report(diags, DIAG_label_renamed, graph->name_span, NULL,
                "the weights in %s have %d class name%s, but %s has %lld classes", path, names,
                names == 1 ? "" : "s", graph->name, (long long)classes);
    return true;
  }
  Diag *diag = diag_report(diags, DIAG_weights_mismatch, graph->name_span, NULL,
                           "%s has %d class names, but %s has %lld class%s", path, names, graph->name,
                           (long long)classes, classes == 1 ? "" : "es");
  diag_help(diag, "correct or remove \"classes\" in the metadata of the file");
  return false;
}

/* Uses the names as labels. Classes without a name in the file get numbers as labels. */
static void take_names(Arena *arena, Graph *graph, const char *const *name, int32_t names) {
  const int wanted = (int)labels_wanted(graph, names);
  const char **label = NEW_ARRAY(arena, const char *, wanted + 1);
  for (int c = 0; c < wanted; c++)
    label[c] = c < names ? arena_printf(arena, "%s", name[c]) : arena_printf(arena, "%d", c);
  graph->label = label;
  graph->nlabels = wanted;
}

static bool read_classes(Arena *arena, Diags *diags, const char *path, Graph *graph,
                         const cnn_archive *archive) {
  cnn_classes classes;
  cnn_status status = cnn_classes_read(&classes, archive, path);
  bool fine = status.code == CNN_OK;
  if (!fine) diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
  const char *const *name = (const char *const *)classes.name;
  const int64_t wanted = graph->nlabels > 0                                     ? graph->nlabels
                         : labels_wanted(graph, classes.count) == classes.count ? classes.count
                                                                                : most_classes(graph);
  if (classes.count > 0) fine = count_check(diags, path, graph, classes.count, wanted);
  if (fine && classes.count > 0 && graph->nlabels > 0)
    fine = compare(diags, path, graph, name, classes.count);
  else if (fine && classes.count > 0) take_names(arena, graph, name, classes.count);
  cnn_classes_free(&classes);
  return fine;
}

static void check_normalize(Arena *arena, Diags *diags, const char *path, const Graph *graph,
                            const cnn_archive *archive) {
  const char *theirs = cnn_origin_normalize(archive);
  const char *ours = graph_normalize(arena, graph, graph->inputs.data[0].node);
  if (!theirs || strcmp(theirs, ours ? ours : "no normalize") == 0) return;
  Diag *diag = diag_report(diags, DIAG_other_normalize, graph->name_span, NULL,
                           "the weights in %s were trained with a different input normalization", path);
  diag_fact(diag, "in training: %s", theirs);
  diag_fact(diag, "in this net: %s", ours ? ours : "no normalize");
}

bool origin_read(Arena *arena, Diags *diags, const char *path, Graph *graph) {
  cnn_archive archive;
  cnn_status status = cnn_archive_open(&archive, path);
  bool fine = status.code == CNN_OK;
  if (!fine) diag_report(diags, DIAG_weights_file, NO_SPAN, NULL, "%s", status.message);
  fine = fine && read_classes(arena, diags, path, graph, &archive);
  if (fine) check_normalize(arena, diags, path, graph, &archive);
  cnn_archive_close(&archive);
  return fine;
}
