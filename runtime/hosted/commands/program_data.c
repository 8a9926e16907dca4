/* program_data.c: `net data`: a data set as files. */
// SPDX-License-Identifier: MIT-0
#include <stdio.h>
#include <sys/stat.h>
#include "hosted/commands/program.h"
#include "hosted/data/export.h"

typedef struct Arguments {
  const char *data, *out;
  int64_t limit;
} Arguments;

static int export(const cnn_program *program, const Arguments *arguments) {
  cnn_data *data = NULL;
  cnn_data_options options = CNN_DATA_DEFAULTS;
  options.limit = arguments->limit;
  cnn_status status = cnn_data_open(&data, arguments->data, program->network, &options);
  if (status.code == CNN_OK) {
    fprintf(stderr, "data: %s\n%s", cnn_data_describe(data), cnn_data_notes(data));
    status = cnn_data_export(data, arguments->out);
  }
  cnn_data_close(data);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

int cnn_program_data(const cnn_program *program, int argc, char **argv) {
  Arguments a = {0};
  const cnn_flag flag[] = {
      {"data", 0, CNN_VALUE_TEXT, &a.data, "PATH", "a data set of pictures with masks, or synthetic:shapes",
       0, 0, NULL, NULL},
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "DIR", "a folder that is not there yet", 0, 0, NULL, NULL},
      {"limit", 0, CNN_VALUE_WHOLE, &a.limit, "N", "only the first N samples of each part", 1, 1e15, NULL,
       NULL},
  };
  const cnn_usage usage = {program->name,
                           "data",
                           "",
                           "Writes a data set as pictures, masks and labels of boxes, and a sheet of it.",
                           flag,
                           sizeof flag / sizeof *flag};
  const int parsed = cnn_usage_parse(&usage, argc, argv, NULL);
  if (parsed != CNN_GO_ON) return parsed;
  if (!a.data) return cnn_usage_error(&usage, "it needs --data");
  if (!a.out) return cnn_usage_error(&usage, "it needs -o DIR");
  struct stat about;
  if (stat(a.out, &about) == 0)
    return cnn_usage_error(&usage, "%s is there already; -o names a folder that is not", a.out);
  return export(program, &a);
}
