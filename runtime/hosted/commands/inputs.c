/* inputs.c: Inputs and outputs of `predict`: images, sounds, arrays and tables in, arrays out. */
// SPDX-License-Identifier: MIT-0
#include <stdlib.h>
#include <string.h>
#include "hosted/data/dataset.h"
#include "hosted/data/image.h"
#include "hosted/data/sound.h"
#include "hosted/weights/npz.h"

struct cnn_inputs {
  const cnn_network *network;
  char *path;
  cnn_fit fit;
  cnn_image image;  /* an image file; if the input is not an image file, image.pixel is NULL */
  cnn_sound *sound; /* a WAV file; otherwise NULL */
  cnn_data *rows;   /* a table; otherwise NULL */
  cnn_archive archive;
  const cnn_tensor **tensor; /* [inputs] */
  ArrayForm *form;           /* [inputs] */
  int64_t count;
  bool batched;
};

static cnn_status no_memory(const char *path) {
  return cnn_failure(CNN_NO_MEMORY, "%s: out of memory", path);
}

/* ---- Inputs */

static cnn_status picture_open(cnn_inputs *inputs, const cnn_file *file) {
  const cnn_port *port = &inputs->network->input[0];
  if (inputs->network->inputs != 1)
    return cnn_failure(
        CNN_MISMATCH,
        "%s: an image is a single input, but the net has %d: use an .npz with a named array for each input",
        inputs->path, inputs->network->inputs);
  cnn_status status = cnn_image_decode(&inputs->image, inputs->path, file->data, file->size);
  if (status.code == CNN_OK)
    status =
        cnn_image_fits(inputs->path, inputs->image.height, inputs->image.width, inputs->image.channels, port);
  inputs->count = 1;
  return status;
}

static cnn_status sound_open(cnn_inputs *inputs, const cnn_file *file) {
  const cnn_port *port = &inputs->network->input[0];
  if (inputs->network->inputs != 1)
    return cnn_failure(CNN_MISMATCH, "%s: a sound is a single input, but the net has %d", inputs->path,
                       inputs->network->inputs);
  cnn_status status = cnn_sound_fits(inputs->path, port);
  inputs->sound = calloc(1, sizeof *inputs->sound);
  if (!inputs->sound) return no_memory(inputs->path);
  if (status.code == CNN_OK) status = cnn_sound_decode(inputs->sound, inputs->path, file->data, file->size);
  inputs->count = 1;
  return status;
}

/* The array for input i: the one with the input's name. If the net has a single input, its array may also be
 * named x. If the net has a single input and the file a single array, the array may have any name. */
static const cnn_tensor *tensor_for(const cnn_inputs *inputs, int32_t i) {
  const cnn_tensor *tensor = cnn_archive_find(&inputs->archive, inputs->network->input[i].name);
  if (!tensor && inputs->network->inputs == 1) tensor = cnn_archive_find(&inputs->archive, "x");
  if (!tensor && inputs->network->inputs == 1 && inputs->archive.count == 1)
    tensor = &inputs->archive.tensor[0];
  return tensor;
}

static cnn_status arrays_open(cnn_inputs *inputs) {
  const cnn_network *network = inputs->network;
  inputs->tensor = calloc((size_t)network->inputs + 1, sizeof(const cnn_tensor *));
  inputs->form = calloc((size_t)network->inputs + 1, sizeof *inputs->form);
  if (!inputs->tensor || !inputs->form) return no_memory(inputs->path);
  for (int32_t i = 0; i < network->inputs; i++) {
    const cnn_tensor *tensor = inputs->tensor[i] = tensor_for(inputs, i);
    if (!tensor)
      return cnn_failure(CNN_MISMATCH,
                         network->inputs == 1 ? "%s: must have a single array, or one named \"%s\" or \"x\""
                                              : "%s: has no array named \"%s\"",
                         inputs->path, network->input[i].name);
    bool either = i == 0; /* input 0 is a batch or one sample; the other inputs must match input 0 */
    if (!cnn_array_form(tensor, &network->input[i], either || inputs->batched, either || !inputs->batched,
                        &inputs->form[i])) {
      if (i > 0 && cnn_array_form(tensor, &network->input[i], true, true, &inputs->form[i]))
        return cnn_failure(CNN_MISMATCH, "%s: \"%s\" is %s, but \"%s\" is %s", inputs->path,
                           inputs->tensor[0]->name, inputs->batched ? "a batch" : "one sample", tensor->name,
                           inputs->batched ? "one sample" : "a batch");
      return cnn_array_mismatch(inputs->path, tensor, &network->input[i]);
    }
    int64_t count = inputs->form[i].batched ? tensor->dim[0] : 1;
    if (i > 0 && count != inputs->count)
      return cnn_failure(CNN_MISMATCH, "%s: \"%s\" has %lld samples, but \"%s\" has %lld", inputs->path,
                         tensor->name, (long long)count, inputs->tensor[0]->name, (long long)inputs->count);
    inputs->count = count;
    inputs->batched = inputs->form[i].batched;
  }
  return cnn_success();
}

static cnn_status rows_open(cnn_inputs *inputs, const char *target) {
  cnn_status status = cnn_data_open_rows(&inputs->rows, inputs->path, inputs->network, target);
  if (status.code != CNN_OK) return status;
  if (!inputs->rows)
    return cnn_failure(CNN_BAD_FORMAT,
                       "%s: is neither an image (PNG, JPEG, WebP) nor an array (.npy, .npz) nor a WAV file "
                       "nor a table (.csv)",
                       inputs->path);
  inputs->count = inputs->rows->pool[POOL_TRAIN];
  inputs->batched = true;
  return status;
}

cnn_status cnn_inputs_open_table(cnn_inputs **opened, const char *path, const cnn_network *network,
                                 cnn_fit fit, const char *target) {
  *opened = NULL;
  cnn_inputs *inputs = calloc(1, sizeof *inputs);
  if (!inputs) return no_memory(path);
  inputs->network = network;
  inputs->fit = fit;
  inputs->path = cnn_path_join("", path);
  cnn_file file = {0};
  cnn_status status = inputs->path ? cnn_file_open(&file, path) : no_memory(path);
  bool picture = status.code == CNN_OK && cnn_image_known(file.data, file.size);
  bool array = status.code == CNN_OK && file.size >= 6 &&
               (memcmp(file.data, "PK", 2) == 0 || memcmp(file.data, "\x93NUMPY", 6) == 0);
  const bool sound = status.code == CNN_OK && cnn_sound_known(file.data, file.size);
  if (picture) status = picture_open(inputs, &file);
  else if (sound) status = sound_open(inputs, &file);
  cnn_file_close(&file);
  if (array) {
    status = cnn_archive_open(&inputs->archive, path);
    if (status.code == CNN_OK) status = arrays_open(inputs);
  } else if (status.code == CNN_OK && !picture && !sound) {
    status = rows_open(inputs, target);
  }
  if (status.code == CNN_OK && target && !inputs->rows)
    status = cnn_failure(CNN_BAD_ARGUMENT, "%s: only tables (.csv) have a target column", path);
  if (status.code == CNN_OK) *opened = inputs;
  else cnn_inputs_close(inputs);
  return status;
}

cnn_status cnn_inputs_open(cnn_inputs **opened, const char *path, const cnn_network *network, cnn_fit fit) {
  return cnn_inputs_open_table(opened, path, network, fit, NULL);
}

void cnn_inputs_close(cnn_inputs *inputs) {
  if (!inputs) return;
  cnn_image_free(&inputs->image);
  if (inputs->sound) cnn_sound_free(inputs->sound);
  free(inputs->sound);
  cnn_data_close(inputs->rows);
  cnn_archive_close(&inputs->archive);
  free(inputs->tensor);
  free(inputs->form);
  free(inputs->path);
  free(inputs);
}

int64_t cnn_inputs_count(const cnn_inputs *inputs) { return inputs->count; }
const cnn_image *cnn_inputs_picture(const cnn_inputs *inputs) {
  return inputs->image.pixel ? &inputs->image : NULL;
}
bool cnn_inputs_batched(const cnn_inputs *inputs) { return inputs->batched; }

cnn_status cnn_inputs_sample(const cnn_inputs *inputs, int64_t index, void *const input[]) {
  const cnn_network *network = inputs->network;
  if (index < 0 || index >= inputs->count)
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: there is no sample %lld", inputs->path, (long long)index);
  cnn_status status = cnn_success();
  if (inputs->image.pixel) {
    status = cnn_image_feed(&inputs->image, &network->input[0], inputs->fit, input[0]);
    return status.code == CNN_OK ? status : cnn_failure(status.code, "%s: %s", inputs->path, status.message);
  }
  if (inputs->sound) return cnn_sound_feed(inputs->sound, inputs->path, &network->input[0], -1, input[0]);
  if (inputs->rows) return inputs->rows->kind->read(inputs->rows, POOL_TRAIN, index, input, NULL);
  for (int32_t i = 0; i < network->inputs && status.code == CNN_OK; i++)
    status =
        cnn_array_read(inputs->tensor[i], inputs->form[i], index, &network->input[i], inputs->path, input[i]);
  return status;
}

/* ---- Outputs */

static cnn_tensor output_tensor(const cnn_port *port, int64_t count, bool batched, const float *values) {
  cnn_tensor tensor = {.name = port->name, .dtype = CNN_DTYPE_F32, .data = (const unsigned char *)values};
  if (batched) tensor.dim[tensor.rank++] = count;
  if (port->regions > 0) tensor.dim[tensor.rank++] = port->regions;
  for (int32_t d = 0; d < port->rank; d++) tensor.dim[tensor.rank++] = port->dim[d];
  cnn_tensor_measure(&tensor); /* the array is already in memory, so computing its size cannot overflow */
  return tensor;
}

cnn_status cnn_outputs_write(const char *path, const cnn_network *network, int64_t count, bool batched,
                             const float *const output[]) {
  size_t n = strlen(path);
  bool zip = network->outputs > 1 || (n >= 4 && strcmp(path + n - 4, ".npz") == 0);
  cnn_tensor *tensor = calloc((size_t)network->outputs + 1, sizeof *tensor);
  if (!tensor) return no_memory(path);
  for (int32_t o = 0; o < network->outputs; o++)
    tensor[o] = output_tensor(&network->output[o], count, batched, output[o]);
  cnn_status status =
      zip ? cnn_npz_write(path, tensor, network->outputs, NULL, 0) : cnn_npy_write(path, tensor);
  free(tensor);
  return status;
}
