/* program_predict.c: `net predict`: Labels and scores, detections or raw outputs for images, sounds, arrays
 * and tables. */
// SPDX-License-Identifier: MIT-0
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "hosted/data/batch.h"
#include "hosted/training/evaluate.h"
#include "hosted/training/measure.h"
#include "hosted/base/number.h"
#include "hosted/training/pace.h"
#include "hosted/data/image_list.h"
#include "hosted/commands/found.h"
#include "hosted/commands/program.h"
#include "hosted/commands/program_stream.h"
#include "hosted/commands/scores.h"
#include "hosted/commands/viewer.h"
#include "hosted/base/color.h"
#include "hosted/display/overlay.h"
#include "hosted/base/threads.h"
#include "hosted/commands/written.h"

enum { SHOWN_SCORES = 5, SHOWN_VALUES = 8 };

typedef struct Arguments {
  const char *weights, *out, *target;
  cnn_weights_names names;
  bool json, stream;
  int64_t threads;
  int fit;
  cnn_detect_options detect;
} Arguments;

typedef struct Prediction {
  const cnn_network *network;
  const Arguments *arguments;
  void *model, *workspace, *state; /* state: NULL if the net keeps no state between calls */
  cnn_pace pace;
  cnn_batch batch;
  cnn_reader reader;
  float **output; /* outputs of one call */
  float **kept;   /* the outputs of all samples, for -o */
  int64_t samples, room;
  bool batched;      /* whether outputs have a batch dimension: if an input array has one, or if the input is
                        a table, a folder or several files */
  double *score;     /* class scores of one position */
  int64_t *rank;     /* class numbers, the best first */
  cnn_image picture; /* the first sample in RGB: -o OUT.png draws the result over it */
  cnn_shown shown;   /* the current sample */
  json_t *json;
  bool incomplete;   /* out of memory for part of the output */
  int64_t unsound;   /* number of NaN or infinite output values */
  int32_t strange;   /* the first output with NaN or an infinite value */
  char where[300];   /* the first input for which output `strange` has NaN or an infinite value */
  cnn_status unread; /* CNN_OK, or an error for damaged images of a folder */
} Prediction;

static json_t *real(double value) { return isfinite(value) ? json_real(value) : json_null(); }

/* ---- one sample as text: "PATH: LABEL SCORE, ..."; several outputs are printed with their names */

static void print_classes(Prediction *prediction, const cnn_port *port, const cnn_judged *judged,
                          const float *value) {
  char room[24];
  cnn_class_scores(port, judged, value, prediction->score);
  cnn_rank_classes(prediction->score, judged->classes, SHOWN_SCORES, prediction->rank);
  for (int64_t i = 0; i < SHOWN_SCORES && i < judged->classes; i++) {
    int64_t c = prediction->rank[i];
    printf("%s%s %s", i ? ", " : "", cnn_program_label(prediction->network, NULL, c, room),
           cnn_number_fixed(prediction->score[c], 4).text);
  }
}

/* Prints the classes that cover the largest shares of a class map, and these shares. */
static void print_shares(Prediction *prediction, const cnn_port *port, const cnn_judged *judged,
                         const float *value) {
  double *share = calloc((size_t)judged->classes, sizeof *share);
  char room[24];
  if (!share) {
    prediction->incomplete = true;
    return;
  }
  for (int64_t i = 0; i < judged->positions; i++) {
    share[cnn_class_at(port, judged, value + i * judged->channels, prediction->score)] +=
        1 / (double)judged->positions;
  }
  cnn_rank_classes(share, judged->classes, SHOWN_SCORES, prediction->rank);
  for (int64_t i = 0; i < SHOWN_SCORES && i < judged->classes && share[prediction->rank[i]] > 0; i++) {
    int64_t c = prediction->rank[i];
    printf("%s%s %s", i ? ", " : "", cnn_program_label(prediction->network, NULL, c, room),
           cnn_number_fixed(share[c], 4).text);
  }
  free(share);
}

static void print_values(const cnn_port *port, const float *value) {
  for (int64_t i = 0; i < port->size && i < SHOWN_VALUES; i++)
    printf("%s%s", i ? " " : "", cnn_number((double)value[i], 6).text);
  if (port->size > SHOWN_VALUES) printf(" ... (%s values)", cnn_number_grouped(port->size).text);
}

static void print_sample(Prediction *prediction, const char *path, int64_t index, bool batched,
                         int32_t slot) {
  const cnn_network *network = prediction->network;
  printf(batched ? "%s[%lld]: " : "%s: ", path, (long long)index);
  if (cnn_net_finds(network)) {
    if (!cnn_found_print(&prediction->shown, prediction->output, slot)) prediction->incomplete = true;
    printf("\n");
    return;
  }
  for (int32_t o = 0; o < network->outputs; o++) {
    const cnn_port *port = &network->output[o];
    cnn_judged judged = cnn_judge(network, o);
    const float *value = prediction->output[o] + slot * port->size;
    if (network->outputs > 1) printf("%s%s: ", o ? "; " : "", port->name);
    if (judged.classes == 0) {
      print_values(port, value);
    } else if (judged.positions == 1) {
      print_classes(prediction, port, &judged, value);
    } else {
      print_shares(prediction, port, &judged, value);
    }
  }
  printf("\n");
}

/* ---- One sample as JSON */

static void put(Prediction *prediction, json_t *object, const char *key, json_t *value) {
  if (json_object_set_new(object, key, value) != 0) prediction->incomplete = true;
}

static void push(Prediction *prediction, json_t *array, json_t *value) {
  if (json_array_append_new(array, value) != 0) prediction->incomplete = true;
}

static void add_classes(Prediction *prediction, json_t *object, int32_t o, const float *value) {
  cnn_judged judged = cnn_judge(prediction->network, o);
  char room[24];
  int64_t best = cnn_class_at(&prediction->network->output[o], &judged, value, prediction->score);
  /* null if the label is not UTF-8 */
  json_t *label = json_string(cnn_program_label(prediction->network, NULL, best, room));
  put(prediction, object, "class", json_integer(best));
  put(prediction, object, "label", label ? label : json_null());
  put(prediction, object, "score", real(prediction->score[best]));
  json_t *scores = json_array();
  for (int64_t c = 0; c < judged.classes; c++) push(prediction, scores, real(prediction->score[c]));
  put(prediction, object, "scores", scores);
}

static json_t *raw_output(Prediction *prediction, const cnn_port *port, const float *value) {
  json_t *shape = json_array(), *values = json_array();
  if (port->regions) push(prediction, shape, json_integer(port->regions));
  for (int32_t i = 0; i < port->rank; i++) push(prediction, shape, json_integer(port->dim[i]));
  for (int64_t i = 0; i < port->size; i++) push(prediction, values, real((double)value[i]));
  return json_pack("{s:o, s:o}", "shape", shape, "values", values);
}

static void add_sample(Prediction *prediction, const char *path, int64_t index, int32_t slot) {
  const cnn_network *network = prediction->network;
  cnn_judged first = cnn_judge(network, 0);
  if (cnn_net_finds(network)) {
    if (!cnn_found_add(&prediction->shown, prediction->output, slot, prediction->json))
      prediction->incomplete = true;
    return;
  }
  json_t *object = json_object(), *name = json_string(path);
  put(prediction, object, "input", name ? name : json_null());
  put(prediction, object, "index", json_integer(index));
  if (network->outputs == 1 && first.classes > 0 && first.positions == 1) {
    add_classes(prediction, object, 0, prediction->output[0] + slot * network->output[0].size);
  } else {
    json_t *outputs = json_object();
    for (int32_t o = 0; o < network->outputs; o++) {
      const cnn_port *port = &network->output[o];
      cnn_judged judged = cnn_judge(network, o);
      const float *value = prediction->output[o] + slot * port->size;
      json_t *output = raw_output(prediction, port, value);
      if (judged.classes > 0 && judged.positions == 1) add_classes(prediction, output, o, value);
      put(prediction, outputs, port->name, output);
    }
    put(prediction, object, "outputs", outputs);
  }
  push(prediction, prediction->json, object);
}

/* ---- -o */

static bool ends_in(const char *path, const char *suffix) {
  size_t n = strlen(path), m = strlen(suffix);
  return n >= m && strcmp(path + n - m, suffix) == 0;
}

static cnn_status keep(Prediction *prediction, int32_t count) {
  const cnn_network *network = prediction->network;
  int64_t samples = prediction->samples + count, room = prediction->room;
  if (samples > room) {
    room = 2 * samples;
    for (int32_t o = 0; o < network->outputs; o++) {
      float *larger = realloc(prediction->kept[o], (size_t)(room * network->output[o].size) * sizeof *larger);
      if (!larger)
        return cnn_failure(CNN_NO_MEMORY, "no memory to keep the outputs of %lld samples",
                           (long long)samples);
      prediction->kept[o] = larger;
    }
    prediction->room = room;
  }
  for (int32_t o = 0; o < network->outputs; o++) {
    int64_t size = network->output[o].size;
    memcpy(prediction->kept[o] + prediction->samples * size, prediction->output[o],
           (size_t)(count * size) * sizeof(float));
  }
  prediction->samples = samples;
  return cnn_success();
}

static uint8_t byte_of(float value) {
  return value >= 1 ? 255 : value > 0 ? (uint8_t)(value * 255 + 0.5f) : 0;
}

static bool is_map(const cnn_network *network, int32_t o) {
  cnn_judged judged = cnn_judge(network, o);
  return network->output[o].rank == 3 && !network->output[o].regions && judged.classes > 0 &&
         judged.positions > 1;
}

static bool is_picture(const cnn_network *network, int32_t o) {
  cnn_judged judged = cnn_judge(network, o);
  return network->output[o].rank == 3 && !network->output[o].regions && judged.classes == 0 &&
         network->output[o].kind == CNN_OUTPUT_VALUES && (judged.channels == 1 || judged.channels == 3);
}

/* Keeps an RGB image of the sample for drawing: the image file, or the input converted to pixels. Has no
 * effect if the net's input is not an image. */
static cnn_status keep_picture(Prediction *prediction, const cnn_inputs *inputs) {
  const cnn_status no_memory = cnn_failure(CNN_NO_MEMORY, "no memory for the image");
  const cnn_image *picture = cnn_inputs_picture(inputs);
  const cnn_port *port = cnn_picture_input(prediction->network);
  cnn_image *kept = &prediction->picture;
  if (!cnn_port_is_picture(port)) return cnn_success();
  if (picture) {
    *kept = cnn_overlay_copy(picture);
    return kept->pixel ? cnn_success() : no_memory;
  }
  float *value = malloc((size_t)port->size * sizeof *value);
  *kept = (cnn_image){port->dim[0], port->dim[1], 3, malloc(3 * (size_t)port->dim[0] * (size_t)port->dim[1])};
  const bool fine = value && kept->pixel;
  if (fine) {
    cnn_port_floats(port, prediction->reader.raw.input[port - prediction->network->input], value);
    cnn_port_pixels(port, value, kept->pixel);
  }
  free(value);
  return fine ? cnn_success() : no_memory;
}

/* Draws the classes of the pixels over the image. */
static bool draw_map(Prediction *prediction, int32_t o, const cnn_image *picture) {
  const cnn_port *port = &prediction->network->output[o];
  const cnn_judged judged = cnn_judge(prediction->network, o);
  const int64_t pixels = (int64_t)picture->height * picture->width;
  int32_t *class = malloc((size_t)pixels * sizeof *class);
  for (int64_t i = 0; class && i < pixels; i++) {
    const int64_t at = cnn_view_place(&prediction->shown.view, (int32_t)(i / picture->width),
                                      (int32_t)(i % picture->width), port->dim[0], port->dim[1]);
    class[i] = at < 0 ? -1
                      : (int32_t)cnn_class_at(port, &judged, prediction->kept[o] + at * judged.channels,
                                              prediction->score);
  }
  if (class) cnn_overlay_classes(picture, class, NULL, cnn_mask_color);
  free(class);
  return class != NULL;
}

/* Draws the results on the image, and writes the image. If o < 0, the results are boxes and segments;
 * otherwise the class map of output `o`. */
static cnn_status write_overlay(Prediction *prediction, const char *path, int32_t o) {
  cnn_image *picture = &prediction->picture;
  const bool drawn = o < 0 ? cnn_found_draw(&prediction->shown, prediction->kept, picture)
                           : draw_map(prediction, o, picture);
  return drawn ? cnn_image_write(path, picture) : cnn_failure(CNN_NO_MEMORY, "%s: no memory", path);
}

/* Reports results that the written image does not show: other outputs that are images, and values outside the
 * range 0 to 1. */
static void tell_left_out(const Prediction *prediction, const char *path, int32_t o, bool map) {
  const cnn_network *network = prediction->network;
  const cnn_port *port = &network->output[o];
  const cnn_scale range = cnn_scale_of(prediction->kept[o], port->size);
  float low = INFINITY, high = -INFINITY;
  int32_t drawable = 0;
  for (int32_t i = 0; i < network->outputs; i++) drawable += is_map(network, i) || is_picture(network, i);
  for (int64_t i = 0; i < port->size; i++) {
    low = fminf(low, prediction->kept[o][i]);
    high = fmaxf(high, prediction->kept[o][i]);
  }
  const bool cut = !map && (low < 0 || high > 1 || range.unsound > 0);
  if (drawable > 1)
    fprintf(stderr, "%s: shows the output \"%s\", the first of %d outputs that are images\n", path,
            port->name, (int)drawable);
  if (cut)
    fprintf(stderr, "%s: the values of \"%s\", %s to %s, are clamped to 0..1\n", path, port->name,
            cnn_number((double)low, 4).text, cnn_number((double)high, 4).text);
  if (drawable > 1 || cut)
    fprintf(stderr, "the command `features` draws %s on its own scale\n",
            drawable > 1 ? "each output" : "the output");
}

/* Writes an image of the detections. If the net has no output of detections, writes the first output that is
 * a class map or an image. A class map is drawn in colors, over the input image if there is one. The values
 * of an image are clamped to 0..1. */
static cnn_status write_picture(Prediction *prediction, const char *path) {
  const cnn_network *network = prediction->network;
  const bool finds = cnn_net_finds(network);
  int32_t o = 0;
  while (o < network->outputs && !is_map(network, o) && !is_picture(network, o)) o++;
  if (o == network->outputs && !finds) {
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: no output is an image; -o OUT.%s writes numbers", path,
                       o > 1 ? "npz" : "npy");
  }
  if (prediction->samples != 1) {
    return cnn_failure(CNN_BAD_ARGUMENT, "%s: an image can show one sample, but there are %lld", path,
                       (long long)prediction->samples);
  }
  if (!finds) tell_left_out(prediction, path, o, is_map(network, o));
  if (finds || (prediction->picture.pixel && is_map(network, o)))
    return write_overlay(prediction, path, finds ? -1 : o);
  const cnn_port *port = &network->output[o];
  cnn_judged judged = cnn_judge(network, o);
  bool map = is_map(network, o);
  cnn_image image = {.height = port->dim[0], .width = port->dim[1], .channels = map ? 3 : port->dim[2]};
  image.pixel = malloc((size_t)judged.positions * (size_t)image.channels);
  if (!image.pixel) return cnn_failure(CNN_NO_MEMORY, "%s: no memory", path);
  const float *value = prediction->kept[o];
  for (int64_t i = 0; map && i < judged.positions; i++) {
    cnn_mask_color(cnn_class_at(port, &judged, value + i * judged.channels, prediction->score),
                   image.pixel + 3 * i);
  }
  for (int64_t i = 0; !map && i < port->size; i++) image.pixel[i] = byte_of(value[i]);
  cnn_status status = cnn_image_write(path, &image);
  free(image.pixel);
  return status;
}

/* ---- The command */

static cnn_status open_prediction(const cnn_program *program, Prediction *prediction) {
  const cnn_network *network = program->network;
  int64_t most = 2;
  for (int32_t o = 0; o < network->outputs; o++) {
    int64_t classes = cnn_judge(network, o).classes;
    if (classes > most) most = classes;
  }
  prediction->model = cnn_aligned(network->model_bytes);
  prediction->workspace = cnn_aligned(network->workspace_bytes);
  prediction->state = network->step ? cnn_aligned(network->state_bytes) : NULL;
  prediction->output = cnn_outputs_alloc(network, network->batch);
  prediction->kept = calloc((size_t)network->outputs + 1, sizeof *prediction->kept);
  prediction->score = calloc((size_t)most, sizeof *prediction->score);
  prediction->rank = calloc((size_t)most, sizeof *prediction->rank);
  prediction->json = json_array();
  bool fine = cnn_batch_open(&prediction->batch, network, network->batch, false) &&
              cnn_reader_open(&prediction->reader, network) && prediction->model && prediction->workspace &&
              (prediction->state || !network->step) && prediction->output && prediction->kept &&
              prediction->score && prediction->rank && prediction->json;
  if (!fine) return cnn_failure(CNN_NO_MEMORY, "no memory to run %s", network->name);
  if (network->step) network->reset(prediction->state); /* reset only once: all inputs form one stream */
  float *weights;
  cnn_status status =
      cnn_program_weights(program, prediction->arguments->weights, &prediction->arguments->names, &weights);
  if (status.code == CNN_OK && network->pack) network->pack(prediction->model, weights);
  free(weights);
  return status;
}

static void close_prediction(Prediction *prediction) {
  if (prediction->batch.network) cnn_batch_close(&prediction->batch);
  cnn_reader_close(&prediction->reader);
  cnn_outputs_free(prediction->network, prediction->output);
  cnn_outputs_free(prediction->network, prediction->kept);
  free(prediction->model);
  free(prediction->workspace);
  free(prediction->state);
  free(prediction->score);
  free(prediction->rank);
  cnn_image_free(&prediction->picture);
  json_decref(prediction->json);
}

static cnn_status read_sample(Prediction *prediction, const cnn_inputs *inputs, int64_t index, int32_t slot) {
  const cnn_network *network = prediction->network;
  cnn_status status = cnn_inputs_sample(inputs, index, prediction->reader.raw.input);
  for (int32_t i = 0; status.code == CNN_OK && i < network->inputs; i++) {
    const cnn_port *port = &network->input[i];
    size_t bytes = (size_t)port->size * cnn_type_bytes(port->type);
    cnn_port_arrange(port, prediction->reader.raw.input[i],
                     (char *)prediction->batch.input[i] + (size_t)slot * bytes);
  }
  return status;
}

/* Counts NaN and infinite values, because only a few values are printed, and these may all be finite. */
static void count_unsound(Prediction *prediction, const char *path, int32_t samples) {
  const cnn_network *network = prediction->network;
  for (int32_t o = 0; o < network->outputs; o++) {
    const cnn_port *port = &network->output[o];
    int64_t unsound = 0;
    for (int64_t i = 0; port->kind == CNN_OUTPUT_VALUES && i < samples * port->size; i++)
      unsound += !isfinite(prediction->output[o][i]);
    if (unsound > 0 && prediction->unsound == 0) {
      prediction->strange = o;
      snprintf(prediction->where, sizeof prediction->where, "%s", path);
    }
    prediction->unsound += unsound;
  }
}

static void warn_unsound(const cnn_program *program, const Prediction *prediction) {
  const char *s = prediction->unsound == 1 ? " is" : "s are";
  if (prediction->unsound > 0)
    fprintf(stderr,
            "%s: warning: %s output value%s NaN or infinite (first: %s, output \"%s\"); the command features "
            "shows the first layer with such values\n",
            program->name, cnn_number_grouped(prediction->unsound).text, s, prediction->where,
            program->network->output[prediction->strange].name);
}

/* If the net has an image input, makes sample `index` the current sample. If a drawing is requested, keeps
 * the image of the first sample. */
static cnn_status see_sample(Prediction *prediction, const cnn_inputs *inputs, const char *path,
                             int64_t index) {
  const cnn_network *network = prediction->network;
  const cnn_port *port = cnn_picture_input(network);
  const cnn_image *picture = cnn_inputs_picture(inputs);
  if (!port) return cnn_success();
  prediction->shown = (cnn_shown){network, path, cnn_inputs_batched(inputs) ? index : -1,
                                  cnn_view_make(port, picture ? picture->height : port->dim[0],
                                                picture ? picture->width : port->dim[1],
                                                (cnn_fit)prediction->arguments->fit)};
  const bool wanted = prediction->arguments->out && ends_in(prediction->arguments->out, ".png");
  return wanted && !prediction->picture.pixel ? keep_picture(prediction, inputs) : cnn_success();
}

static cnn_status predict_file(Prediction *prediction, const char *path) {
  const cnn_network *network = prediction->network;
  cnn_inputs *inputs;
  cnn_status status = cnn_inputs_open_table(&inputs, path, network, (cnn_fit)prediction->arguments->fit,
                                            prediction->arguments->target);
  if (status.code != CNN_OK) return status;
  int64_t count = cnn_inputs_count(inputs);
  bool batched = cnn_inputs_batched(inputs);
  prediction->batched = prediction->batched || batched;
  /* Successive inputs share the state, so a net with a state gets one input per call, not a batch. */
  const int32_t most = network->step ? 1 : network->batch;
  for (int64_t first = 0; status.code == CNN_OK && first < count; first += most) {
    int32_t now = count - first < most ? (int32_t)(count - first) : most;
    for (int32_t i = 0; status.code == CNN_OK && i < now; i++)
      status = read_sample(prediction, inputs, first + i, i);
    if (status.code == CNN_OK) status = see_sample(prediction, inputs, path, first);
    if (status.code != CNN_OK) break;
    double begun = cnn_pace_begin(&prediction->pace, network);
    cnn_call(network, prediction->model, &prediction->batch, prediction->output, prediction->state,
             prediction->workspace);
    cnn_pace_end(&prediction->pace, begun);
    count_unsound(prediction, path, now);
    for (int32_t i = 0; i < now; i++) {
      if (prediction->shown.index >= 0) prediction->shown.index = first + i;
      if (prediction->arguments->json) {
        add_sample(prediction, path, first + i, i);
      } else if (!prediction->arguments->out) {
        print_sample(prediction, path, first + i, batched, i);
      }
    }
    if (prediction->arguments->out) status = keep(prediction, now);
  }
  cnn_inputs_close(inputs);
  return status;
}

/* Predicts all images in a folder and its subfolders. */
static cnn_status predict_folder(Prediction *prediction, const char *path) {
  cnn_image_list pictures;
  cnn_status status = cnn_image_list_collect(&pictures, path, false);
  if (status.code != CNN_OK) return status;
  const cnn_skipped *skipped = &pictures.skipped;
  if (skipped->count > 0) {
    fprintf(stderr, "%s: skipped %lld file%s, which %s not %s (first: %s)\n", path, (long long)skipped->count,
            skipped->count == 1 ? "" : "s", skipped->count == 1 ? "is" : "are",
            skipped->count == 1 ? "an image" : "images", skipped->first);
  }
  if (pictures.again.count > 0)
    fprintf(stderr, "%s: skipped %lld symbolic link%s to folders that were already read (first: %s)\n", path,
            (long long)pictures.again.count, pictures.again.count == 1 ? "" : "s", pictures.again.first);
  prediction->batched = true;
  if (pictures.count == 0) status = cnn_failure(CNN_MISMATCH, "%s: there are no images in this folder", path);
  int64_t failed = 0;
  for (int64_t i = 0; status.code == CNN_OK && i < pictures.count; i++) {
    status = predict_file(prediction, pictures.picture[i].path);
    if (status.code != CNN_BAD_FORMAT || prediction->arguments->out)
      continue; /* with -o, an unreadable image is an error: the file needs a row for every image */
    fprintf(stderr, "%s\n", status.message);
    status = cnn_success();
    failed++;
  }
  if (failed > 0)
    prediction->unread = cnn_failure(CNN_BAD_FORMAT, "%s: %lld of %lld images could not be read", path,
                                     (long long)failed, (long long)pictures.count);
  cnn_image_list_free(&pictures);
  return status;
}

static bool is_folder(const char *path) {
  struct stat about;
  return stat(path, &about) == 0 && S_ISDIR(about.st_mode);
}

static int predict(const cnn_program *program, const Arguments *arguments, int files, char **file) {
  Prediction prediction = {.network = program->network, .arguments = arguments, .batched = files > 1};
  prediction.pace = cnn_pace_of(cnn_threads((int32_t)arguments->threads));
  cnn_status status = open_prediction(program, &prediction);
  for (int i = 0; status.code == CNN_OK && i < files; i++)
    status = (is_folder(file[i]) ? predict_folder : predict_file)(&prediction, file[i]);
  if (status.code == CNN_OK && prediction.incomplete) {
    status = cnn_failure(CNN_NO_MEMORY, "no memory for the whole result");
  }
  if (status.code == CNN_OK && arguments->json) {
    json_dumpf(prediction.json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    printf("\n");
  }
  if (status.code == CNN_OK && arguments->out) {
    status = ends_in(arguments->out, ".png")
                 ? write_picture(&prediction, arguments->out)
                 : cnn_outputs_write(arguments->out, program->network, prediction.samples, prediction.batched,
                                     (const float *const *)prediction.kept);
  }
  if (status.code == CNN_OK) status = cnn_program_finish();
  warn_unsound(program, &prediction);
  if (status.code == CNN_OK) status = prediction.unread;
  close_prediction(&prediction);
  return status.code == CNN_OK ? 0 : cnn_program_fail(program, &status);
}

/* Checks that the output does not overwrite the input `path` (see cnn_written_spares). If `path` is a
 * folder, checks each image in the folder. */
static int spares_input(const cnn_usage *usage, const cnn_written *written, const char *path) {
  static const char why[] = "it is an input";
  if (!written->path || !is_folder(path)) return cnn_written_spares(usage, written, path, why);
  cnn_image_list pictures;
  const cnn_status status = cnn_image_list_collect(&pictures, path, false);
  if (status.code != CNN_OK) return CNN_GO_ON; /* predict_folder reports the error */
  int spared = CNN_GO_ON;
  for (int64_t i = 0; i < pictures.count && spared == CNN_GO_ON; i++)
    spared = cnn_written_spares(usage, written, pictures.picture[i].path, why);
  cnn_image_list_free(&pictures);
  return spared;
}

static int predict_stream(const cnn_program *program, const cnn_usage *usage, const Arguments *a, int files,
                          char **file) {
  const cnn_stream_arguments arguments = {a->weights, NULL, &a->names, &a->detect, a->threads, a->json};
  if (!a->stream) return cnn_usage_error(usage, CNN_DETECT_WANTS, "--stream");
  if (a->out || a->target) return cnn_usage_error(usage, "--stream excludes %s", a->out ? "-o" : "--target");
  return cnn_predict_stream(program, &arguments, files, file);
}

int cnn_program_predict(const cnn_program *program, int argc, char **argv) {
  Arguments a = {.fit = (int)cnn_fit_usual(program->network), .detect = CNN_DETECT_DEFAULTS};
  const cnn_flag flag[] = {
      CNN_FLAG_WEIGHTS(a.weights),
      CNN_FLAG_WEIGHTS_NAMES(a.names),
      {"out", 'o', CNN_VALUE_TEXT, &a.out, "OUT",
       ".npy or .npz: raw outputs; .png: the image with boxes or classes drawn on it, or an output that is "
       "an image",
       0, 0, NULL, NULL},
      {"json", 0, CNN_VALUE_FLAG, &a.json, "", "print a JSON array of objects instead of lines", 0, 0, NULL,
       NULL},
      CNN_FLAG_FIT(a.fit, NULL),
      {"target", 0, CNN_VALUE_TEXT, &a.target, "NAME",
       "ignored column of a .csv, by name or number (default: the last, if there is one column too many)", 0,
       0, NULL, NULL},
      {"stream", 0, CNN_VALUE_FLAG, &a.stream, "",
       "detections in WAV files of any length; - reads a WAV stream, or raw samples of the input's type, "
       "from standard input; with --json, the scores of all rows",
       0, 0, NULL, NULL},
      CNN_FLAGS_DETECT(a.detect),
      CNN_FLAGS_THREADS(a.threads, program),
  };
  cnn_usage usage = {program->name,
                     "predict",
                     "INPUT...",
                     "Labels and scores of images (PNG, JPEG, WebP), of folders of images, of WAV files, of "
                     "arrays (.npy, .npz) and of the rows of tables (.csv).",
                     flag,
                     sizeof flag / sizeof *flag};
  int operand, parsed = cnn_usage_parse(&usage, argc, argv, &operand);
  if (parsed != CNN_GO_ON) return parsed;
  cnn_program_begin(program);
  int ready = cnn_program_needs_weights(&usage, program, a.weights);
  if (ready != CNN_GO_ON) return ready;
  if (a.stream || a.detect.given) return predict_stream(program, &usage, &a, argc - operand, argv + operand);
  static const char *const one[] = {".npy", ".npz", ".png", NULL}, *const several[] = {".npz", ".png", NULL};
  const bool many = program->network->outputs > 1;
  const cnn_written written[] = {{"-o", a.out}, {NULL, NULL}};
  int status = cnn_usage_suffix(&usage, many ? "-o for several outputs" : "-o", a.out, many ? several : one);
  if (status == CNN_GO_ON) status = cnn_written_apart(&usage, written);
  if (status == CNN_GO_ON) {
    status = cnn_written_spares(&usage, written, a.weights, "the weights are read from it");
  }
  for (int i = operand; i < argc && status == CNN_GO_ON; i++) {
    status = spares_input(&usage, written, argv[i]);
  }
  return status == CNN_GO_ON ? predict(program, &a, argc - operand, argv + operand) : status;
}
