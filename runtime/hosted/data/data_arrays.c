/* data_arrays.c: Data sets in one .npz file: x, y, x_val, y_val, x_test, y_test. If a net has several inputs,
 * the arrays of the input NAME are NAME, NAME_val and NAME_test. If a net has several targets, the arrays of
 * the target of OUTPUT are OUTPUT_target, OUTPUT_target_val and OUTPUT_target_test. The names of
 * training arrays may also end in _train. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/calls.h"
#include "hosted/data/dataset.h"

typedef struct Column {
  const cnn_tensor *tensor;
  ArrayForm form;
  bool labels;
} Column; /* labels: the array has one class per sample, which is converted to the target of the output */

typedef struct ArraySet {
  cnn_archive archive;
  Column *input[POOLS], *target[POOLS]; /* input: [inputs], target: [outputs]; tensor NULL: no such array */
} ArraySet;

static const char *const endings[POOLS] = {"", "_val", "_test"};

static const cnn_tensor *find(const cnn_archive *archive, const char *name, const char *ending) {
  char key[400];
  snprintf(key, sizeof key, "%.300s%s", name, ending);
  return cnn_archive_find(archive, key);
}

/* Finds the array of a part: NAME_val, NAME_test, or for training NAME or, as in Keras files, NAME_train. */
static const cnn_tensor *find_part(const cnn_archive *archive, const char *name, int pool) {
  const cnn_tensor *tensor = find(archive, name, endings[pool]);
  return !tensor && pool == POOL_TRAIN ? find(archive, name, "_train") : tensor;
}

/* Finds an input by its name; a single input may be named x. */
static const cnn_tensor *find_input(const cnn_archive *archive, const cnn_network *network, int32_t i,
                                    int pool) {
  const cnn_tensor *tensor = find_part(archive, network->input[i].name, pool);
  return !tensor && network->inputs == 1 ? find_part(archive, "x", pool) : tensor;
}

static int32_t targets_wanted(const cnn_data *data) {
  int32_t wanted = 0;
  for (int32_t o = 0; o < cnn_ports(data->network); o++) wanted += cnn_target_wanted(data, o);
  return wanted;
}

/* Finds a target by its output's name, OUTPUT_target; a single target may be named y. */
static const cnn_tensor *find_target(const cnn_data *data, const cnn_archive *archive, int32_t o, int pool) {
  char name[400];
  snprintf(name, sizeof name, "%.300s_target", data->network->output[o].name);
  const cnn_tensor *tensor = find_part(archive, name, pool);
  return !tensor && targets_wanted(data) == 1 && cnn_target_wanted(data, o) ? find_part(archive, "y", pool)
                                                                            : tensor;
}

/* Lists the names of the file's arrays for an error message. If `text` is too short, it ends with " and N
 * more". */
static const char *names(const cnn_archive *archive, char *text, size_t room) {
  enum { MORE = 20 };
  size_t n = 0;
  text[0] = 0;
  for (int32_t i = 0; i < archive->count; i++) {
    if (n + strlen(archive->tensor[i].name) + MORE > room) {
      snprintf(text + n, room - n, " and %d more", (int)(archive->count - i));
      break;
    }
    n += (size_t)snprintf(text + n, room - n, "%s%s", i ? ", " : "", archive->tensor[i].name);
  }
  return archive->count ? text : "nothing";
}

/* ---- Targets */

static bool whole_numbers(const cnn_tensor *tensor) {
  switch (tensor->dtype) {
  case CNN_DTYPE_F16:
  case CNN_DTYPE_BF16:
  case CNN_DTYPE_F32:
  case CNN_DTYPE_F64: return false;
  default: return true;
  }
}

/* A port for classes per position: the output's shape without its channels. */
static cnn_port class_port(const cnn_port *output) {
  cnn_port port = *output;
  port.size = cnn_port_targets(output);
  port.dim[port.rank - 1] = 1;
  return port;
}

static bool has_class_target(const cnn_port *output) { return output->target != CNN_TARGET_VALUES; }

static cnn_status target_column(cnn_data *data, Column *column, int32_t o, const char *what) {
  const cnn_port *output = &data->network->output[o];
  const cnn_tensor *tensor = column->tensor;
  cnn_port shape = has_class_target(output) ? class_port(output) : *output;
  if (tensor->rank > 0 && tensor->size == tensor->dim[0] && cnn_tensor_numeric(tensor) &&
      (whole_numbers(tensor) || has_class_target(output))) {
    column->labels = true;
    return cnn_label_fits(data, o, what);
  }
  return cnn_array_form(tensor, &shape, true, false, &column->form)
             ? cnn_success()
             : cnn_array_mismatch(what, tensor, &shape);
}

/* The first output whose targets are one class per sample, or -1. Its classes are the classes of the set. */
static int32_t label_output(const cnn_data *data, int pool) {
  const ArraySet *set = data->set;
  for (int32_t o = 0; o < cnn_ports(data->network); o++)
    if (set->target[pool][o].labels && cnn_label_limit(&data->network->output[o]) > 0) return o;
  return -1;
}

/* Checks every label of the targets of output `o`. */
static cnn_status labels_scan(cnn_data *data, int32_t o, int pool, const char *what) {
  const ArraySet *set = data->set;
  const cnn_tensor *tensor = set->target[pool][o].tensor;
  const int32_t classes = data->classes;
  cnn_status status = cnn_success();
  for (int64_t i = 0; i < tensor->size && status.code == CNN_OK; i++)
    status = cnn_label_check(data, o, what, i, cnn_tensor_number(tensor, i));
  if (label_output(data, pool) != o) data->classes = classes;
  return status;
}

/* ---- Opening */

/* Returns the error for missing inputs. A single input may be named x; several need their own names. */
static cnn_status input_missing(const cnn_data *data, const cnn_archive *archive, int pool) {
  const cnn_network *network = data->network;
  char wanted[400] = "", all[400];
  size_t n = 0;
  for (int32_t i = 0; i < network->inputs && n < sizeof wanted; i++)
    n += (size_t)snprintf(wanted + n, sizeof wanted - n, "%s\"%.60s%s\"",
                          i == 0                    ? ""
                          : i + 1 < network->inputs ? ", "
                                                    : " and ",
                          network->input[i].name, endings[pool]);
  if (network->inputs > 1)
    return cnn_failure(CNN_MISMATCH,
                       "%.300s: the net has %d inputs, and each needs an array of its name: %s; the file "
                       "has %s",
                       data->path, network->inputs, wanted, names(archive, all, sizeof all));
  return cnn_failure(CNN_MISMATCH, "%.300s: has no inputs: neither \"x%s\" nor %s; it has %s", data->path,
                     endings[pool], wanted, names(archive, all, sizeof all));
}

static cnn_status target_missing(const cnn_data *data, const cnn_archive *archive, int32_t o, int pool) {
  const char *name = data->network->output[o].name, *ending = endings[pool];
  char all[400];
  if (targets_wanted(data) > 1)
    return cnn_failure(CNN_MISMATCH,
                       "%.300s: has no \"%.100s_target%s\"; if several outputs have targets, each needs "
                       "an array of its name; it has %s",
                       data->path, name, ending, names(archive, all, sizeof all));
  return cnn_failure(CNN_MISMATCH, "%.300s: has no targets \"y%s\" or \"%.100s_target%s\"; it has %s",
                     data->path, ending, name, ending, names(archive, all, sizeof all));
}

static cnn_status no_numbers(const cnn_data *data, const cnn_tensor *tensor, int32_t o, const char *what) {
  const char *help = has_class_target(&data->network->output[o]) ? "; numpy.unique(y, "
                                                                   "return_inverse=True)[1] converts strings "
                                                                   "to class numbers"
                                                                 : "";
  return cnn_failure(CNN_MISMATCH, "%s: contains strings or objects, not numbers%s", what,
                     tensor->dtype == CNN_DTYPE_OTHER ? help : "");
}

static cnn_status pool_open(cnn_data *data, ArraySet *set, int pool) {
  const cnn_network *network = data->network;
  char what[600];
  int32_t found = 0;
  for (int32_t i = 0; i < network->inputs; i++) {
    Column *column = &set->input[pool][i];
    const cnn_tensor *tensor = column->tensor = find_input(&set->archive, network, i, pool);
    if (!tensor) continue;
    snprintf(what, sizeof what, "%.300s: \"%.200s\"", data->path, tensor->name);
    if (!cnn_array_form(tensor, &network->input[i], true, false, &column->form))
      return cnn_array_mismatch(what, tensor, &network->input[i]);
    if (found++ == 0) data->pool[pool] = tensor->dim[0];
    else if (tensor->dim[0] != data->pool[pool])
      return cnn_failure(CNN_MISMATCH, "%s: has %lld samples, but another input has %lld", what,
                         (long long)tensor->dim[0], (long long)data->pool[pool]);
  }
  if (found == 0) return cnn_success();
  for (int32_t i = 0; i < network->inputs; i++)
    if (!set->input[pool][i].tensor) return input_missing(data, &set->archive, pool);
  for (int32_t o = 0; o < cnn_ports(network); o++) {
    Column *column = &set->target[pool][o];
    bool useful = cnn_target_wanted(data, o) || cnn_target_optional(data, o);
    const cnn_tensor *tensor = column->tensor = useful ? find_target(data, &set->archive, o, pool) : NULL;
    if (!tensor && cnn_target_wanted(data, o)) {
      if (!data->options.any_target) return target_missing(data, &set->archive, o, pool);
      data->lacks_targets = true;
    }
    if (!tensor) continue;
    snprintf(what, sizeof what, "%.300s: \"%.200s\"", data->path, tensor->name);
    if (!cnn_tensor_numeric(tensor)) return no_numbers(data, tensor, o, what);
    if (tensor->rank < 1 || tensor->dim[0] != data->pool[pool])
      return cnn_failure(CNN_MISMATCH, "%s: has %lld samples, but the inputs have %lld", what,
                         (long long)(tensor->rank ? tensor->dim[0] : 0), (long long)data->pool[pool]);
    cnn_status status = target_column(data, column, o, what);
    if (status.code == CNN_OK && column->labels) status = labels_scan(data, o, pool, what);
    if (status.code != CNN_OK) return status;
  }
  return cnn_success();
}

/* ---- Reading */

static cnn_status classes_read(const cnn_data *data, const Column *column, int64_t index, int32_t o,
                               int32_t *classes) {
  const cnn_port *output = &data->network->output[o];
  int64_t n = cnn_port_targets(output), limit = cnn_port_classes(output), first = index * n;
  for (int64_t i = 0; i < n; i++) {
    double value = cnn_tensor_number(column->tensor, first + i);
    bool ignored = value == -1 || (output->criterion && value == (double)output->criterion->ignore);
    if (!ignored && !(value >= 0 && value < (double)limit && value == (double)(int32_t)value))
      return cnn_failure(CNN_MISMATCH,
                         "%s: \"%s\": element %lld is %g, but the output \"%s\" has %lld classes", data->path,
                         column->tensor->name, (long long)(first + i), value, output->name, (long long)limit);
    classes[i] = (int32_t)value;
  }
  return cnn_success();
}

static cnn_status array_sample(const cnn_data *data, int pool, int64_t index, void *const input[],
                               void *const target[]) {
  const ArraySet *set = data->set;
  cnn_status status = cnn_success();
  char what[600];
  for (int32_t i = 0; i < data->network->inputs && status.code == CNN_OK; i++) {
    const Column *column = &set->input[pool][i];
    snprintf(what, sizeof what, "%.300s: \"%.200s\"", data->path, column->tensor->name);
    status = cnn_array_read(column->tensor, column->form, index, &data->network->input[i], what, input[i]);
  }
  for (int32_t o = 0; o < cnn_ports(data->network) && status.code == CNN_OK && target; o++) {
    const Column *column = &set->target[pool][o];
    const cnn_port *port = &data->network->output[o];
    if (target[o] && !column->tensor && cnn_target_wanted(data, o)) /* no target: class -1, or zeros */
      memset(target[o], has_class_target(port) ? 0xFF : 0, (size_t)cnn_port_targets(port) * sizeof(float));
    if (!target[o] || !column->tensor) continue;
    if (column->labels) {
      cnn_label_store_one(data, o, cnn_tensor_number(column->tensor, index), target[o]);
    } else if (has_class_target(&data->network->output[o])) {
      status = classes_read(data, column, index, o, target[o]);
    } else {
      snprintf(what, sizeof what, "%.300s: \"%.200s\"", data->path, column->tensor->name);
      status =
          cnn_array_read(column->tensor, column->form, index, &data->network->output[o], what, target[o]);
    }
  }
  return status;
}

static bool array_label(const cnn_data *data, int pool, int64_t index, int32_t *label) {
  const ArraySet *set = data->set;
  const int32_t o = label_output(data, pool);
  if (o < 0 || data->classes == 0) return false;
  *label = (int32_t)cnn_tensor_number(set->target[pool][o].tensor, index);
  return true;
}

static void array_close(cnn_data *data) {
  ArraySet *set = data->set;
  for (int p = 0; p < POOLS; p++) {
    free(set->input[p]);
    free(set->target[p]);
  }
  cnn_archive_close(&set->archive);
  free(set);
}

static bool array_unit(const cnn_data *data, int32_t input) {
  const ArraySet *set = data->set;
  const cnn_tensor *tensor = NULL;
  for (int p = 0; p < POOLS && !tensor; p++) tensor = set->input[p][input].tensor;
  return tensor && !whole_numbers(tensor);
}

static void array_files(const cnn_data *data, cnn_each_file *each, void *context) {
  each(context, data->path);
}

static const DataKind arrays = {array_sample, array_label, array_close, array_unit, array_files,
                                NULL,         NULL,        NULL,        NULL};

/* Sets *zip to whether the file is a zip, whatever its name. */
static cnn_status zip_look(const char *path, bool *zip) {
  cnn_file file;
  cnn_status status = cnn_file_open(&file, path);
  *zip = file.size >= 2 && memcmp(file.data, "PK", 2) == 0;
  cnn_file_close(&file);
  return status;
}

cnn_status cnn_data_open_arrays(cnn_data *data) {
  bool zip;
  cnn_status look = zip_look(data->path, &zip);
  if (look.code != CNN_OK || !zip) return look;
  ArraySet *set = calloc(1, sizeof *set);
  if (!set) return cnn_data_no_memory(data);
  cnn_status status = cnn_archive_open(&set->archive, data->path);
  if (status.code != CNN_OK) {
    free(set);
    return status;
  }
  data->kind = &arrays; /* from here on, closing `data` closes this set */
  data->set = set;
  data->title = "arrays";
  for (int pool = 0; pool < POOLS && status.code == CNN_OK; pool++) {
    set->input[pool] = calloc((size_t)data->network->inputs + 1, sizeof(Column));
    set->target[pool] = calloc((size_t)cnn_ports(data->network) + 1, sizeof(Column));
    status = set->input[pool] && set->target[pool] ? pool_open(data, set, pool) : cnn_data_no_memory(data);
  }
  if (status.code == CNN_OK && data->pool[POOL_TRAIN] + data->pool[POOL_VAL] + data->pool[POOL_TEST] == 0)
    status = input_missing(data, &set->archive, POOL_TRAIN);
  return status;
}
