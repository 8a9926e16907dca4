/* cnn_core.h: Freestanding part of the runtime: training steps on any machine. It allocates no memory, opens
 * no files, and only calls memcpy, memset and (for augmentation) memcmp. The caller provides all memory. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CORE_H
#define CNN_CORE_H
#include <stdbool.h>
#include "cnn_network.h"
#ifdef __cplusplus
extern "C" {
#endif

/* ---- Counter-based random numbers ----
 * A number depends only on the keys and the counter: not on the order of the calls, the machine or the number
 * of threads. */

typedef struct cnn_random {
  uint32_t key[2];
} cnn_random;

typedef enum cnn_stream { /* purposes of random numbers; for one seed, each purpose has its own numbers */
                          CNN_STREAM_ORDER = 1, /* the order of samples in an epoch */
                          CNN_STREAM_AUGMENT,
                          CNN_STREAM_SPLIT, /* selection of validation samples */
                          CNN_STREAM_DATA,  /* synthetic data */
                          CNN_STREAM_CUT    /* position of the cut in a long recording */
} cnn_stream;

cnn_random cnn_random_keys(uint64_t seed, uint64_t stream); /* splitmix64 of the seed and the stream */
/* The keys for random numbers with one purpose (`stream`) in one epoch. */
cnn_random cnn_random_stream(uint64_t seed, cnn_stream stream, uint32_t epoch);
uint32_t cnn_random_bits(cnn_random random, uint32_t counter);
float cnn_random_uniform(cnn_random random, uint32_t counter);                  /* 0 <= u < 1, 24 bits */
uint32_t cnn_random_below(cnn_random random, uint32_t counter, uint32_t limit); /* 0 .. limit-1 */
/* Fills order[] with a permutation of 0 .. count-1. */
void cnn_random_permutation(cnn_random random, int32_t *order, int32_t count);

/* ---- Schedules: the learning rate at a time t in epochs, which may be fractional. */

typedef struct cnn_schedule { /* state of a plateau schedule */
  double scale;               /* factor of the rate: the product of all reductions */
  double best;                /* the lowest loss so far */
  int32_t waiting;            /* epochs since the lowest loss, or since a later reduction */
  int32_t epochs;             /* epochs reported so far; 0: `best` is undefined */
} cnn_schedule;

void cnn_schedule_begin(cnn_schedule *schedule);
double cnn_schedule_rate(const cnn_schedule *schedule, const cnn_recipe *recipe, double t);
/* Must be called after each epoch. loss: the number to minimize, for example the validation loss. Without
 * validation, it is the training loss. */
void cnn_schedule_epoch(cnn_schedule *schedule, const cnn_recipe *recipe, double loss);

/* ---- Optimizers, computed in float. They follow PyTorch; LARS and LAMB follow their papers. */

int32_t cnn_optimizer_slots(const cnn_recipe *recipe); /* number of state floats per parameter: 0, 1 or 2 */

/* Updates `count` parameters; LARS and LAMB need all parameters of one weight tensor in one call. `step`
 * counts from 1. `decay`: whether recipe->weight_decay applies to these parameters. Unused slots may be
 * NULL. */
void cnn_optimizer_step(const cnn_recipe *recipe, float *weights, const float *gradients, float *slot0,
                        float *slot1, int64_t count, int64_t step, double rate, bool decay);

/* ---- Trainer: weights, optimizer state and all other data that a step reads and writes. */

typedef struct cnn_trainer {
  const cnn_network *network;
  cnn_recipe recipe; /* a copy: rate, seed and other fields may be changed before the first step */
  cnn_schedule schedule;
  float *weights; /* network->parameters floats, like all float arrays that follow */
  float *gradients;
  float *sum;      /* sum of the gradients of a step's batches, weighted by samples; NULL if a step is one
                      batch */
  float *slot[2];  /* the optimizer's state, or NULL */
  float *average;  /* exponential moving average of the weights, or NULL */
  void *training;  /* network->training_bytes bytes */
  int64_t batches; /* calls of network->gradients so far; selects the random numbers of dropout */
  int64_t steps;   /* updates so far */
  int64_t samples; /* number of samples since the last update */
  const cnn_exchange *exchange; /* for processes that share each batch; NULL: a single process */
} cnn_trainer;

/* cnn_trainer_bytes returns the number of bytes that a trainer needs; cnn_trainer_place constructs a trainer
 * in memory of this size, which must be aligned to 64 bytes. `accumulates`: a step may use several batches.
 * Weights are not initialized: call network->init, or copy them. */
size_t cnn_trainer_bytes(const cnn_network *network, const cnn_recipe *recipe, bool accumulates);
void cnn_trainer_place(cnn_trainer *trainer, const cnn_network *network, const cnn_recipe *recipe,
                       bool accumulates, void *memory);

/* Quantization-aware training: turns the rounding of values and weights on if the time t, in epochs, is at
 * least recipe.quantize_start; otherwise turns it off. If recipe.quantize is 0, the function does nothing.
 * Returns true if this call turns rounding on. */
bool cnn_trainer_quantize(cnn_trainer *trainer, double t);
/* Computes the gradients of one batch of 1 .. train_batch samples, and returns the mean loss of the batch.
 * Running statistics are updated immediately. */
float cnn_trainer_batch(cnn_trainer *trainer, const void *const *input, const void *const *target,
                        int32_t count, float *const *output);
/* Returns the index of the last weight of the net with a non-finite gradient, or of the last non-finite
 * running statistic, or -1. The backward pass runs from the last weight to the first, so this gradient is the
 * first non-finite one that was computed. Call this function before cnn_trainer_update, because an update
 * with such a gradient can make all weights non-finite. */
int32_t cnn_trainer_overflow(const cnn_trainer *trainer);
/* Ends a step: takes the mean of the gradients over all samples since the last update, clips this mean if
 * recipe.clip_norm is not 0, updates the weights, and updates trainer->average if it is not NULL. */
void cnn_trainer_update(cnn_trainer *trainer, double rate);
/* Calls cnn_trainer_quantize, cnn_trainer_batch and cnn_trainer_update, with the scheduled rate at t
 * epochs. */
float cnn_train_step(cnn_trainer *trainer, const void *const *input, const void *const *target, int32_t count,
                     float *const *output, double t);
/* The weights that are saved and evaluated: trainer->average if it is not NULL and a step was made, otherwise
 * trainer->weights. */
const float *cnn_trainer_result(const cnn_trainer *trainer);

/* ---- Augmentation of one sample: the steps of recipe->augment in their order ----
 * A plane is an input, or a target that has pixels. */

typedef struct cnn_plane {
  int32_t height, width, channels;
} cnn_plane; /* a sequence has one row; a vector has one pixel */

/* Background recordings, with the sample rate and the number of channels of the input. */
typedef struct cnn_noise {
  const float *const *sample; /* [recordings][frames][channels] */
  const int64_t *frames;
  int32_t recordings;
} cnn_noise;

typedef struct cnn_augmentation { /* augmentation of one sample in one epoch */
  const cnn_recipe *recipe;
  cnn_plane plane; /* plane of the first input, whose pixels are the unit of shifts and sizes; planes of other
                      sizes are shifted in proportion to their size */
  cnn_random random;
  int32_t rate;           /* samples per second of sound, for time_shift; otherwise 0 */
  const cnn_noise *noise; /* recordings for the step `background`; NULL: none */
} cnn_augmentation;

cnn_augmentation cnn_augment_draw(const cnn_recipe *recipe, cnn_plane plane, uint64_t seed, uint32_t epoch,
                                  uint32_t index);
int64_t cnn_augment_scratch(cnn_plane plane); /* number of floats in cnn_augment_input's scratch */
/* Augments values of `type` from `in` to `out`; u8, i8 and i16 values stay within their range. scale: the
 * full scale of the values, as cnn_data_scale returns it (i8: after adding 128). Elements that come from
 * outside of the input are zero (i8: -128). */
void cnn_augment_input(const cnn_augmentation *augmentation, cnn_plane plane, cnn_type type, float scale,
                       const void *in, void *out, float *scratch);
/* Applies the geometric steps to a target that has pixels. `classes`: the target has an int32 class per
 * pixel, and the result is the class of the nearest pixel, or -1 outside of the image. Otherwise the target
 * has floats, which are interpolated bilinearly; outside of the image the result is 0. */
void cnn_augment_target(const cnn_augmentation *augmentation, cnn_plane plane, bool classes, const void *in,
                        void *out);

/* Applies the geometric steps to an instance map, which has an object number per pixel. The result is the
 * object number of the nearest pixel, or 0 outside of the image. */
void cnn_augment_instances(const cnn_augmentation *augmentation, cnn_plane plane, const uint8_t *in,
                           uint8_t *out);
/* Applies the geometric steps to a box x1 y1 x2 y2, in pixels of the plane. The result is the smallest box
 * around the four moved corners, clipped at the edges of the plane. False: less than a quarter of the box is
 * inside the plane. */
bool cnn_augment_box(const cnn_augmentation *augmentation, cnn_plane plane, const float in[4], float out[4]);
/* Clips a box at the four edges. False: less than a quarter of the box's area is left. */
bool cnn_box_cut(float box[4], float left, float top, float right, float bottom);
/* Returns the index of the first step that mixes two samples, or -1. Samples with boxes cannot be mixed. */
int32_t cnn_augment_mixes(const cnn_recipe *recipe);
bool cnn_augment_mixes_noise(const cnn_recipe *recipe); /* whether there is a step `background` */

typedef struct cnn_move {
  int32_t down, right; /* shift in pixels */
  bool mirror, upend;  /* before the shift: mirror flips left to right, upend flips top to bottom */
} cnn_move;
/* Moves an image of height x width pixels of pixel_bytes each from `in` to `out`; in pixels that come from
 * outside of the image, each byte is `border`. */
void cnn_move_picture(const cnn_move *move, const void *in, void *out, int32_t height, int32_t width,
                      int32_t pixel_bytes, int border);

/* mixup and cutmix: a sample is mixed with another sample of the epoch. The other sample is augmented
 * separately. */
typedef struct cnn_mix {
  cnn_plane plane; /* plane of the first input */
  double share;    /* share of the sample itself (`own`) in the mixture */
  int64_t partner; /* index of the other sample in the epoch */
  bool boxed;      /* true for cutmix: the rectangle (top, left, bottom, right) comes from the other sample */
  int32_t top, left, bottom, right;
  bool label; /* true with probability 1 - share: class targets that are not mixed pixel by pixel come from
                 the other sample */
} cnn_mix;

/* Draws the random numbers of a mixing step. `samples`: number of samples in the epoch. False:
 * recipe->augment[step] does not mix. */
bool cnn_mix_draw(const cnn_augmentation *augmentation, int32_t step, int64_t samples, cnn_mix *mix);
void cnn_mix_input(const cnn_mix *mix, cnn_plane plane, cnn_type type, void *own, const void *other);
void cnn_mix_target(const cnn_mix *mix, cnn_plane plane, bool classes, void *own, const void *other);

#ifdef __cplusplus
}
#endif
#endif
