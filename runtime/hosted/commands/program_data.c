/* program_data.c: `net data`: Summary of a data set, and export as files. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "hosted/base/number.h"
#include "hosted/commands/program.h"
#include "hosted/data/dataset.h"
#include "hosted/commands/export.h"

typedef struct Arguments {
  const char *data, *out;
  int64_t limit;
  bool skip_bad;
} Arguments;

static void tell(void *context, const char *line) {
  (void)context;
  fprintf(stderr, "%s\n", line);
}

/* Number of samples, objects and pixels of each class. */
typedef struct Census {
  int64_t *samples, *objects, *pixels; /* [classes] */
  int64_t ignored;                     /* objects marked as ignored */
} Census;

static void truth_count(const cnn_data *data, const cnn_truth *truth, Census *census) {
  for (int k = 0; k < truth->count; k++) {
    if (truth->object[k].ignored) census->ignored++;
    else census->objects[data->stuff + truth->object[k].label]++;
  }
  for (int64_t i = 0; truth->pixels && i < (int64_t)truth->height * truth->width; i++)
    if (truth->pixels[i] >= 0 && truth->pixels[i] < data->classes) census->pixels[truth->pixels[i]]++;
}

static cnn_status sample_count(const cnn_data *data, cnn_part part, int64_t index, Census *census) {
  cnn_image image;
  cnn_truth truth;
  int32_t label;
  if (cnn_data_label(data, part, index, &label) && label >= 0 && label < data->classes)
    census->samples[label]++;
  if (!data->kind->truth) return cnn_success();
  const cnn_status status = cnn_data_truth(data, part, index, &image, &truth);
  if (status.code != CNN_OK) return status;
  truth_count(data, &truth, census);
  cnn_image_free(&image);
  cnn_truth_free(&truth);
  return status;
}

static void census_print(const cnn_data *data, const Census *census) {
  const struct {
    const char *title;
    const int64_t *count;
    bool shown;
  } column[] = {{"samples", census->samples, !data->kind->truth},
                {"objects", census->objects, data->objects},
                {"pixels", census->pixels, data->pixels}};
  for (int32_t c = -1; c < data->classes; c++) {
    const char *name = c < 0 ? "class" : cnn_data_class(data, c);
    printf("%-24s", name ? name : cnn_number_grouped(c).text);
    for (int k = 0; k < 3; k++)
      if (column[k].shown)
        printf("%16s", c < 0 ? column[k].title : cnn_number_grouped(column[k].count[c]).text);
    putchar('\n');
  }
  if (census->ignored > 0)
    printf("%s objects are marked as crowd or difficult, and are ignored\n",
           cnn_number_grouped(census->ignored).text);
}

/* Reads every sample, and prints for each class the number of samples, or of objects and pixels. */
static cnn_status look(const cnn_data *data) {
  const size_t room = (size_t)data->classes + 1;
  cnn_inspection inspection = {.threads = cnn_threads(0), .tell = tell};
  for (int p = 0; p < 3; p++)
    if (p != CNN_PART_TEST || cnn_data_has_test(data))
      inspection.samples[p] = cnn_data_count(data, (cnn_part)p);
  cnn_status status = cnn_data_inspect(data, &inspection);
  if (status.code != CNN_OK) return status;
  int64_t *counts = calloc(3 * room, sizeof *counts);
  if (!counts) return cnn_data_no_memory(data);
  Census census = {counts, counts + room, counts + 2 * room, 0};
  for (int p = 0; p < 3; p++)
    for (int64_t i = 0; i < inspection.samples[p] && status.code == CNN_OK; i++)
      status = sample_count(data, (cnn_part)p, i, &census);
  if (status.code == CNN_OK && data->classes > 0) census_print(data, &census);
  free(counts);
  return status;
}

static int run(const cnn_program *program, const Arguments *arguments) {
  cnn_data *data = NULL;
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.limit = arguments->limit;
  options.skip_bad = arguments->skip_bad;
  options.any_target = true;
  cnn_status status = cnn_data_open(&data, arguments->data, program->network, &options);
  if (status.code == CNN_OK) {
    fprintf(stderr, "data: %s\n%s", cnn_data_describe(data), cnn_data_notes(data));
    status = arguments->out ? cnn_data_export(data, arguments->out) : look(data);
  }
  cnn_data_close(data);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_data(const cnn_program *program, int argc, char **argv) {
  Arguments a = {0};
  const cnn_flag flag[] = {
      {"data", 0, CNN_VALUE_TEXT, &a.data, "PATH", "a data set", 0, 0, NULL, NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "DIR",
       "write the images and their classes, masks or boxes into a new folder", 0, 0, NULL, NULL},
      {"limit", 0, CNN_VALUE_WHOLE, &a.limit, "N", "only the first N samples of each part", 1, 1e15, NULL,
       NULL},
      {"skip-bad", 0, CNN_VALUE_FLAG, &a.skip_bad, "", "skip and count unusable images, sounds and boxes", 0,
       0, NULL, NULL},
  };
  const cnn_usage usage = {
      program->name,
      "data",
      "",
      "Reads a whole data set and counts its classes. With -o, writes the data set as files: images, masks, "
      "boxes, and a contact sheet.",
      flag,
      sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  if (!a.data) return cnn_usage_error(&usage, "this command needs --data");
  struct stat about;
  if (a.out && stat(a.out, &about) == 0)
    return cnn_usage_error(&usage, "%s already exists; -o needs a new folder", a.out);
  return run(program, &a);
}
