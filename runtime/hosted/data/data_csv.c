/* data_csv.c: Tables as data sets: a row is a sample. One .csv or .tsv file, or train.csv, val.csv and
 * test.csv (or .tsv) in a directory. The last column, or the column that --target names, is the target; a
 * regression may have several target columns. All other columns, in their order, are the elements of the
 * input. */
// SPDX-License-Identifier: MIT-0
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif
#include "hosted/data/csv.h"
#include "hosted/data/dataset.h"
#include "hosted/base/similar.h"
#include "hosted/base/unicode.h"

typedef struct Table {
  char *path; /* NULL: there is no such file */
  cnn_file file;
  int64_t rows;
  unsigned char *input; /* [rows][input size], in the input's type */
  float *target;        /* [rows][targets] */
} Table;

typedef struct Tables {
  Table pool[POOLS];
  bool header;                     /* the first row has column names */
  char **name;                     /* column names if there is a header; otherwise NULL */
  int32_t columns, first, targets; /* target columns: first .. first + targets - 1 */
  bool texts;                      /* classes are matched by name */
  bool fractions;                  /* some value of the input is not an integer */
  int32_t names_room;
} Tables;

static const char *const part_files[POOLS][2] = {
    {"train.csv", "train.tsv"}, {"val.csv", "val.tsv"}, {"test.csv", "test.tsv"}};

bool cnn_csv_is_part(const char *name) {
  for (int pool = 0; pool < POOLS; pool++)
    for (int kind = 0; kind < 2; kind++)
      if (strcmp(name, part_files[pool][kind]) == 0) return true;
  return false;
}

/* ---- Cells */

static bool whole(const char *cell) {
  if (*cell == '-' || *cell == '+') cell++;
  if (!isdigit((unsigned char)*cell)) return false;
  while (isdigit((unsigned char)*cell)) cell++;
  return !*cell;
}

/* Parses a number in the C locale, which is set while a file is read. */
static bool number(const char *cell, double *value) {
  if (!*cell || cell[strspn(cell, "+-.0123456789eE")])
    return false; /* rejects inf, nan and hexadecimal numbers */
  char *end;
  *value = strtod(cell, &end);
  return !*end && isfinite(*value);
}

static const char *const nothing[] = {"", "nan", "na", "n/a", "null", "none", "?"};

static bool is_missing(const char *cell) {
  char small[8] = "";
  if (strlen(cell) >= sizeof small) return false;
  for (size_t i = 0; cell[i]; i++) small[i] = (char)tolower((unsigned char)cell[i]);
  for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
    if (strcmp(small, nothing[i]) == 0) return true;
  return false;
}

/* Formats a position: "iris.csv:12: column 3 (petal)" */
static const char *place(const Tables *set, const cnn_csv *csv, int32_t column, char text[600]) {
  const char *name = set->header ? set->name[column] : "";
  snprintf(text, 600, "%.400s:%lld: column %d%s%.100s%s", csv->path, (long long)csv->line, column + 1,
           *name ? " (" : "", name, *name ? ")" : "");
  return text;
}

static cnn_status bad_cell(const Tables *set, const cnn_csv *csv, int32_t column) {
  const char *cell = csv->cell[column];
  char where[600];
  place(set, csv, column, where);
  if (!*cell) return cnn_failure(CNN_BAD_FORMAT, "%s: the cell is empty", where);
  if (is_missing(cell)) return cnn_failure(CNN_BAD_FORMAT, "%s: the value is missing: '%s'", where, cell);
  double value = strtod(cell, NULL);
  if (!isfinite(value)) return cnn_failure(CNN_BAD_FORMAT, "%s: '%.60s' is not a finite number", where, cell);
  return cnn_failure(CNN_BAD_FORMAT, "%s: '%.60s' is not a number%s", where, cell,
                     strchr(cell, ',') && csv->separator != ',' ? "; fractions are written with a point"
                                                                : "");
}

/* ---- Columns */

static bool is_target(const Tables *set, int32_t column) {
  return column >= set->first && column < set->first + set->targets;
}

/* Whether the cells are consecutive integers from 0 or 1, which pandas writes as the names of unnamed
 * columns. The last cell may be another name. */
static bool counts_up(const cnn_csv *csv) {
  double first, value;
  int32_t last = csv->cells - 1;
  if (csv->cells < 4 || !whole(csv->cell[0]) || !number(csv->cell[0], &first) || (first != 0 && first != 1))
    return false;
  for (int32_t c = 0; c < last; c++)
    if (!whole(csv->cell[c]) || !number(csv->cell[c], &value) || value != first + c) return false;
  return !whole(csv->cell[last]) || (number(csv->cell[last], &value) && value == first + last);
}

/* Whether the first row has column names. If the only row has consecutive numbers, it is a sample. */
static bool has_header(cnn_csv *csv) {
  double value;
  int32_t numbers = 0;
  for (int32_t c = 0; c < csv->cells; c++) numbers += number(csv->cell[c], &value);
  return numbers == 0 || (counts_up(csv) && cnn_csv_has_more(csv));
}

static cnn_status names_keep(const cnn_data *data, Tables *set, cnn_csv *csv) {
  set->columns = csv->cells;
  set->header = has_header(csv);
  if (!set->header) return cnn_success();
  set->name = calloc((size_t)csv->cells, sizeof *set->name);
  for (int32_t c = 0; set->name && c < csv->cells; c++)
    if (!(set->name[c] = cnn_path_join("", csv->cell[c]))) return cnn_data_no_memory(data);
  return set->name ? cnn_success() : cnn_data_no_memory(data);
}

static cnn_status target_unknown(const cnn_data *data, const Tables *set) {
  const char *target = data->options.target;
  if (!set->header)
    return cnn_failure(
        CNN_BAD_ARGUMENT,
        "%s: has no header, so its columns have no names; --target takes a number from 1 to %d, not '%s'",
        data->path, set->columns, target);
  const char *meant = cnn_similar(target, (const char *const *)set->name, set->columns);
  if (meant)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: has no column '%s'; did you mean '%s'?", data->path, target,
                       meant);
  return cnn_failure(CNN_BAD_ARGUMENT, "%s: has no column '%s'; its %d columns are '%.60s' to '%.60s'",
                     data->path, target, set->columns, set->name[0], set->name[set->columns - 1]);
}

static cnn_status target_find(const cnn_data *data, Tables *set) {
  const char *target = data->options.target;
  set->first = set->columns - set->targets;
  if (!target) return cnn_success();
  for (int32_t c = 0; set->header && c < set->columns; c++)
    if (strcmp(set->name[c], target) == 0) return set->first = c, cnn_success();
  long column = whole(target) && strlen(target) < 9 ? strtol(target, NULL, 10) : 0;
  if (set->header || column < 1 || column > set->columns) return target_unknown(data, set);
  set->first = (int32_t)column - 1;
  return cnn_success();
}

/* The output whose target is in the set; -1: no target is needed. Several targets are not supported. */
static cnn_status output_find(const cnn_data *data, int32_t *output) {
  *output = -1;
  if (data->inputs_only) return cnn_success();
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    if (!cnn_target_wanted(data, o)) continue;
    if (*output >= 0)
      return cnn_failure(
          CNN_MISMATCH,
          "%s: a row has one target, but several outputs need targets; an .npz can have an array for "
          "each output",
          data->path);
    *output = o;
  }
  return cnn_success();
}

/* Hint for a table whose first column has no name, or is named index or id: such a column probably contains
 * row numbers. */
static const char *index_help(const Tables *set) {
  if (!set->header || set->columns < 2) return "";
  const char *name = set->name[0];
  bool numbers = !*name || strcmp(name, "index") == 0 || strcmp(name, "id") == 0 || strcmp(name, "Id") == 0 ||
                 strcmp(name, "Unnamed: 0") == 0;
  return numbers ? "; the first column seems to be row numbers: remove it (in pandas: to_csv(..., "
                   "index=False))"
                 : "";
}

/* Writes a hint for a table whose number of columns does not match the input. If it has too few columns for
 * an image, each line may be one row of an image. */
static void columns_help(const cnn_data *data, const Tables *set, int64_t inputs, char *help, size_t room) {
  const cnn_port *input = &data->network->input[0];
  const char *known = index_help(set);
  if (!*known && data->inputs_only && !data->options.target && inputs > input->size)
    known = "; --target=NAME ignores a column";
  if (!*known && inputs < input->size && input->rank > 1)
    snprintf(help, room, "; a line is one sample, with all %lld values of its %s", (long long)input->size,
             input->rank == 3 ? "image" : "sequence");
  else snprintf(help, room, "%s", known);
}

static cnn_status columns_check(const cnn_data *data, Tables *set) {
  const cnn_port *input = &data->network->input[0];
  int64_t inputs = set->columns - set->targets;
  char of_target[200] = "", help[200];
  if (set->first < 0 || set->first + set->targets > set->columns)
    return cnn_failure(
        CNN_MISMATCH,
        "%s: the target has %d columns, but the file has only %d from the first target column on", data->path,
        set->targets, set->columns - (set->first < 0 ? 0 : set->first));
  if (inputs == input->size) return cnn_success();
  if (set->targets == 1)
    snprintf(of_target, sizeof of_target, " besides the target (column %d%s%.80s)", set->first + 1,
             set->header ? ", " : "", set->header ? set->name[set->first] : "");
  else if (set->targets > 1)
    snprintf(of_target, sizeof of_target, " besides the %d columns of the target", set->targets);
  columns_help(data, set, inputs, help, sizeof help);
  return cnn_failure(CNN_MISMATCH, "%s: has %lld column%s%s, but the input \"%s\" has %lld value%s%s",
                     data->path, (long long)inputs, inputs == 1 ? "" : "s", of_target, input->name,
                     (long long)input->size, input->size == 1 ? "" : "s", help);
}

static int32_t target_columns(const cnn_data *data, const Tables *set, const cnn_port *port) {
  bool values =
      port->target == CNN_TARGET_VALUES &&
      (port->scores == CNN_SCORES_NONE || set->columns - data->network->input[0].size == port->size);
  return values && port->size <= set->columns ? (int32_t)port->size : 1;
}

/* Number of target columns in a table for prediction, which may have none. */
static int32_t columns_beyond(const cnn_data *data, const Tables *set) {
  const int64_t beyond = set->columns - data->network->input[0].size;
  if (beyond == 0 && !data->options.target) return 0;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) {
    const int32_t targets = target_columns(data, set, &data->network->output[o]);
    if (cnn_target_wanted(data, o) && (targets == beyond || data->options.target)) return targets;
  }
  return data->options.target ? 1 : 0;
}

/* Finds the target columns: one column with a class or a number, or one column per value of a regression. If
 * the target of the net is its input, the column of --target is ignored. */
static cnn_status columns_find(const cnn_data *data, Tables *set) {
  int32_t output;
  cnn_status status = output_find(data, &output);
  if (status.code != CNN_OK) return status;
  set->targets = data->options.target ? 1 : 0;
  if (output >= 0) set->targets = target_columns(data, set, &data->network->output[output]);
  if (data->inputs_only) set->targets = columns_beyond(data, set);
  status = target_find(data, set);
  return status.code == CNN_OK ? columns_check(data, set) : status;
}

/* ---- Rows */

static cnn_status row_next(const Tables *set, cnn_csv *csv, bool *more) {
  cnn_status status = cnn_csv_row(csv, more);
  if (status.code != CNN_OK || !*more || csv->cells == set->columns) return status;
  return cnn_failure(CNN_BAD_FORMAT, "%s:%lld: has %d cell%s, but the first row has %d", csv->path,
                     (long long)csv->line, csv->cells, csv->cells == 1 ? "" : "s", set->columns);
}

typedef cnn_status EachRow(cnn_data *data, Table *table, const cnn_csv *csv, void *context);

static cnn_status each_row(cnn_data *data, EachRow *function, void *context) {
  Tables *set = data->set;
  cnn_status status = cnn_success();
  for (int pool = 0; pool < POOLS && status.code == CNN_OK; pool++) {
    Table *table = &set->pool[pool];
    cnn_csv csv;
    bool more = true;
    if (!table->path) continue;
    status = cnn_csv_open(&csv, table->path, table->file.data, table->file.size);
    if (status.code == CNN_OK && set->header) status = row_next(set, &csv, &more);
    for (table->rows = 0; status.code == CNN_OK && more; table->rows += more && status.code == CNN_OK) {
      status = row_next(set, &csv, &more);
      if (status.code == CNN_OK && more) status = function(data, table, &csv, context);
    }
    cnn_csv_close(&csv);
  }
  return status;
}

/* ---- Classes */

typedef struct Survey {
  bool wanted, whole, labeled;
} Survey; /* wanted: the net has a target; whole: all targets are integers; labeled: all are labels */

static int32_t label_find(const cnn_data *data, const char *name) {
  for (int32_t c = 0; data->network->label && c < data->network->labels; c++)
    if (cnn_names_compare(data->network->label[c], name) == CNN_SAME_NAME) return c;
  return -1;
}

static cnn_status survey_row(cnn_data *data, Table *table, const cnn_csv *csv, void *context) {
  const Tables *set = data->set;
  Survey *survey = context;
  (void)table;
  if (!survey->wanted || set->targets != 1) return cnn_success();
  const char *cell = csv->cell[set->first];
  if (is_missing(cell)) return bad_cell(set, csv, set->first);
  survey->whole = survey->whole && whole(cell);
  survey->labeled = survey->labeled && label_find(data, cell) >= 0;
  return cnn_success();
}

static cnn_status label_unknown(const cnn_data *data, const cnn_csv *csv, const char *name) {
  const cnn_network *network = data->network;
  const char *meant = cnn_similar(name, network->label, network->labels);
  char where[600];
  const char *column = data->options.target ? "" : "; --target names another column";
  return cnn_failure(CNN_MISMATCH, "%s: '%.60s' is not one of the net's labels%s%.60s%s",
                     place(data->set, csv, ((const Tables *)data->set)->first, where), name,
                     meant ? "; did you mean '" : column, meant ? meant : "", meant ? "'?" : "");
}

/* Adds a name to the classes, which are sorted at the end. If the net has labels, other names are errors. */
static cnn_status class_row(cnn_data *data, Table *table, const cnn_csv *csv, void *context) {
  Tables *set = data->set;
  const char *name = csv->cell[set->first];
  const int64_t *limit = context;
  (void)table;
  if (data->network->label)
    return label_find(data, name) >= 0 ? cnn_success() : label_unknown(data, csv, name);
  for (int32_t c = 0; c < data->classes; c++)
    if (cnn_names_compare(data->class_name[c], name) == CNN_SAME_NAME) return cnn_success();
  char where[600];
  if (data->classes == *limit)
    return cnn_failure(CNN_MISMATCH,
                       "%s: with '%.60s' there are more classes than the %lld of the output (another class "
                       "is '%.60s')",
                       place(set, csv, set->first, where), name, (long long)*limit, data->class_name[0]);
  if (data->classes == set->names_room) {
    int32_t room = set->names_room ? 2 * set->names_room : 16;
    char **moved = realloc(data->class_name, sizeof *moved * (size_t)room);
    if (!moved) return cnn_data_no_memory(data);
    data->class_name = moved;
    set->names_room = room;
  }
  if (!(data->class_name[data->classes] = cnn_path_join("", name))) return cnn_data_no_memory(data);
  data->classes++;
  return cnn_success();
}

static int name_order(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static cnn_status labels_copy(cnn_data *data) {
  const cnn_network *network = data->network;
  data->class_name = calloc((size_t)network->labels + 1, sizeof *data->class_name);
  if (!data->class_name) return cnn_data_no_memory(data);
  for (; data->classes < network->labels; data->classes++)
    if (!(data->class_name[data->classes] = cnn_path_join("", network->label[data->classes])))
      return cnn_data_no_memory(data);
  return cnn_success();
}

/* Counts the rows, and finds the classes. Integers are class numbers, unless all of them are labels. Texts
 * are labels or, if the net has no labels, class names, in alphabetical order. */
static cnn_status classes_find(cnn_data *data, int32_t output) {
  Tables *set = data->set;
  int64_t limit = output < 0 ? 0 : cnn_label_limit(&data->network->output[output]);
  Survey survey = {output >= 0, true, data->network->label != NULL};
  cnn_status status = each_row(data, survey_row, &survey);
  if (status.code != CNN_OK || set->targets != 1 || limit == 0) return status;
  set->texts = survey.labeled || !survey.whole;
  if (!set->texts) return status;
  status = each_row(data, class_row, &limit);
  if (status.code != CNN_OK) return status;
  if (data->network->label) return labels_copy(data);
  qsort(data->class_name, (size_t)data->classes, sizeof *data->class_name, name_order);
  if (data->classes < limit)
    return cnn_failure(CNN_MISMATCH,
                       "%s: has %d named classes, but the output has %lld; without labels [...] in the "
                       "program it is unknown which classes are missing",
                       data->path, data->classes, (long long)limit);
  return status;
}

/* ---- Numbers */

static cnn_status input_store(const cnn_data *data, Table *table, const cnn_csv *csv, int32_t column,
                              int64_t place_in, double value) {
  const cnn_port *port = &data->network->input[0];
  char where[600];
  if (!cnn_port_takes(port, value))
    return cnn_failure(CNN_MISMATCH, "%s: %s does not fit the %s input \"%s\"",
                       place(data->set, csv, column, where), csv->cell[column], cnn_type_name(port->type),
                       port->name);
  if (port->type == CNN_F32 && !isfinite((float)value))
    return cnn_failure(CNN_MISMATCH, "%s: %s is too large for a float", place(data->set, csv, column, where),
                       csv->cell[column]);
  cnn_port_store(port, table->input, place_in, value);
  return cnn_success();
}

static cnn_status target_store(cnn_data *data, Table *table, const cnn_csv *csv, int32_t column) {
  const Tables *set = data->set;
  float *target = &table->target[table->rows * set->targets + column - set->first];
  const char *cell = csv->cell[column];
  double value = 0;
  if (set->texts) {
    int32_t c = 0;
    while (cnn_names_compare(data->class_name[c], cell) != CNN_SAME_NAME)
      c++; /* the name exists: names were collected before */
    *target = (float)c;
    return cnn_success();
  }
  if (!number(cell, &value) || !isfinite((float)value)) return bad_cell(set, csv, column);
  *target = (float)value;
  char where[600];
  return set->targets == 1
             ? cnn_label_check(data, CNN_EVERY_TARGET, place(set, csv, column, where), table->rows, value)
             : cnn_success();
}

static cnn_status store_row(cnn_data *data, Table *table, const cnn_csv *csv, void *context) {
  Tables *set = data->set;
  int64_t at = table->rows * data->network->input[0].size;
  cnn_status status = cnn_success();
  int32_t output = *(const int32_t *)context;
  for (int32_t c = 0; c < set->columns && status.code == CNN_OK; c++) {
    double value;
    if (is_target(set, c)) {
      if (output >= 0) status = target_store(data, table, csv, c);
    } else if (!number(csv->cell[c], &value)) {
      status = bad_cell(set, csv, c);
    } else {
      set->fractions = set->fractions || value != floor(value);
      status = input_store(data, table, csv, c, at++, value);
    }
  }
  return status;
}

/* ---- The set */

static cnn_status csv_read(const cnn_data *data, int pool, int64_t index, void *const input[],
                           void *const target[]) {
  const Tables *set = data->set;
  const Table *table = &set->pool[pool];
  const cnn_port *port = &data->network->input[0];
  size_t bytes = (size_t)port->size * cnn_type_bytes(port->type);
  memcpy(input[0], table->input + (size_t)index * bytes, bytes);
  const float *values = table->target + index * set->targets;
  for (int32_t o = 0; target && o < cnn_ports(data->network); o++) {
    if (!target[o] || !cnn_target_wanted(data, o)) continue;
    if (set->targets == 1) cnn_label_store_one(data, o, (double)values[0], target[o]);
    else memcpy(target[o], values, sizeof *values * (size_t)set->targets);
  }
  return cnn_success();
}

static bool csv_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  const Tables *set = data->set;
  if (data->classes == 0 || set->targets != 1) return false;
  *label = (int32_t)set->pool[pool].target[index];
  return true;
}

static void csv_close(cnn_data *data) {
  Tables *set = data->set;
  for (int pool = 0; pool < POOLS; pool++) {
    cnn_file_close(&set->pool[pool].file);
    free(set->pool[pool].path);
    free(set->pool[pool].input);
    free(set->pool[pool].target);
  }
  for (int32_t c = 0; set->name && c < set->columns; c++) free(set->name[c]);
  free(set->name);
  free(set);
}

static bool csv_unit(const cnn_data *data, int32_t input) {
  (void)input;
  return ((const Tables *)data->set)->fractions;
}

static void csv_files(const cnn_data *data, cnn_each_file *each, void *context) {
  const Tables *set = data->set;
  for (int pool = 0; pool < POOLS; pool++) {
    if (set->pool[pool].path) each(context, set->pool[pool].path);
  }
}

/* Whether a file of this name would be a new part of the data set in the directory. */
static bool csv_takes(const cnn_data *data, const char *below) {
  (void)data;
  return cnn_csv_is_part(below);
}

static const DataKind tables = {csv_read, csv_label, csv_close, csv_unit, csv_files,
                                NULL,     csv_takes, NULL,      NULL};

bool cnn_data_is_csv(const cnn_data *data) { return data->kind == &tables; }

static cnn_status room_make(cnn_data *data) {
  Tables *set = data->set;
  const cnn_port *port = &data->network->input[0];
  int64_t width = port->size * (int64_t)cnn_type_bytes(port->type), bytes;
  for (int pool = 0; pool < POOLS; pool++) {
    Table *table = &set->pool[pool];
    data->pool[pool] = table->rows;
    if (__builtin_mul_overflow(table->rows, width, &bytes) || bytes > INT64_MAX / 2)
      return cnn_data_no_memory(data);
    table->input = malloc((size_t)bytes + 1);
    table->target = calloc((size_t)(table->rows * set->targets) + 1, sizeof *table->target);
    if (!table->input || !table->target)
      return cnn_failure(CNN_NO_MEMORY, "%s: no memory for %lld rows of %lld values", data->path,
                         (long long)table->rows, (long long)port->size);
  }
  return cnn_success();
}

/* Takes the number and names of the columns from the first file. If the first file has a header, rejects a
 * later file with another header. Without a header, row_next checks the number of columns. */
static cnn_status header_check(const cnn_data *data, const Tables *set, const Table *table, bool first) {
  cnn_csv csv;
  bool more = false;
  cnn_status status = cnn_csv_open(&csv, table->path, table->file.data, table->file.size);
  if (status.code == CNN_OK) status = cnn_csv_row(&csv, &more);
  if (status.code == CNN_OK && !more) status = cnn_failure(CNN_BAD_FORMAT, "%s: is empty", table->path);
  if (status.code == CNN_OK && first) status = names_keep(data, data->set, &csv);
  for (int32_t c = 0; c < csv.cells && set->header && status.code == CNN_OK; c++)
    if (csv.cells != set->columns || strcmp(csv.cell[c], set->name[c]) != 0)
      status = cnn_failure(
          CNN_MISMATCH, "%s: its columns differ from those of the first file of the data set", table->path);
  cnn_csv_close(&csv);
  return status;
}

static cnn_status tables_open(cnn_data *data) {
  Tables *set = data->set;
  cnn_status status = cnn_success();
  bool first = true;
  int32_t output = -1;
  if (data->network->inputs != 1)
    return cnn_failure(CNN_MISMATCH,
                       "%s: a row is a single input, but the net has %d; an .npz has an array for each",
                       data->path, data->network->inputs);
  for (int pool = 0; pool < POOLS && status.code == CNN_OK; pool++) {
    Table *table = &set->pool[pool];
    if (!table->path) continue;
    status = cnn_file_open(&table->file, table->path);
    if (status.code == CNN_OK) status = header_check(data, set, table, first);
    first = false;
  }
  if (status.code == CNN_OK) status = columns_find(data, set);
  if (status.code == CNN_OK) status = output_find(data, &output);
  if (status.code == CNN_OK && output >= 0 && set->targets == 1) status = cnn_labels_fit(data, data->path);
  if (status.code == CNN_OK) status = classes_find(data, output);
  if (status.code == CNN_OK) status = room_make(data);
  if (status.code == CNN_OK) status = each_row(data, store_row, &output);
  for (int pool = 0; pool < POOLS; pool++) cnn_file_close(&set->pool[pool].file);
  data->title = set->header ? "CSV with a header" : "CSV without a header";
  if (status.code == CNN_OK && data->pool[0] + data->pool[1] + data->pool[2] == 0)
    status = cnn_failure(CNN_BAD_FORMAT, "%s: has no rows", data->path);
  return status;
}

static bool is_csv(const char *name) {
  size_t n = strlen(name);
  const char *end = n > 4 ? name + n - 4 : "";
  return (end[0] == '.') &&
         (tolower((unsigned char)end[1]) == 'c' || tolower((unsigned char)end[1]) == 't') &&
         tolower((unsigned char)end[2]) == 's' && tolower((unsigned char)end[3]) == 'v';
}

/* The set owns the paths. Numbers have a decimal point, whichever locale the calling program has set. */
static cnn_status set_open(cnn_data *data, char *const path[POOLS]) {
  Tables *set = calloc(1, sizeof *set);
  if (!set) {
    for (int pool = 0; pool < POOLS; pool++) free(path[pool]);
    return cnn_data_no_memory(data);
  }
  for (int pool = 0; pool < POOLS; pool++) set->pool[pool].path = path[pool];
  data->kind = &tables; /* from here on, closing `data` closes this set */
  data->set = set;
  locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
  if (plain == (locale_t)0) return cnn_data_no_memory(data);
  locale_t before = uselocale(plain);
  cnn_status status = tables_open(data);
  uselocale(before);
  freelocale(plain);
  return status;
}

cnn_status cnn_data_open_csv(cnn_data *data) {
  if (!is_csv(data->path)) return cnn_success();
  char *path[POOLS] = {cnn_path_join("", data->path)};
  return path[0] ? set_open(data, path) : cnn_data_no_memory(data);
}

cnn_status cnn_data_open_csv_parts(cnn_data *data, const Listing *listing) {
  char *path[POOLS] = {0};
  bool found = false, memory = true;
  for (int pool = 0; pool < POOLS; pool++)
    for (int kind = 0; kind < 2 && !path[pool]; kind++) {
      if (!cnn_listing_find(listing, part_files[pool][kind])) continue;
      found = true;
      memory = (path[pool] = cnn_path_join(listing->path, part_files[pool][kind])) && memory;
    }
  if (found && memory) return set_open(data, path);
  for (int pool = 0; pool < POOLS; pool++) free(path[pool]);
  return memory ? cnn_success() : cnn_data_no_memory(data);
}
