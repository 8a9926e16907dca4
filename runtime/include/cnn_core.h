/* cnn_core.h: the freestanding part of the runtime: training steps on any machine. It allocates nothing,
 * opens nothing and calls nothing but memcpy and memset; all memory is the caller's. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_CORE_H
#define CNN_CORE_H
#include <stdbool.h>
#include "cnn_network.h"
#ifdef __cplusplus
extern "C" {
#endif

/* ---- Random numbers by counter ----
 * The same (keys, counter) gives the same number, in any order, on any machine, with any number of
 * threads. */

typedef struct cnn_random {
  uint32_t key[2];
} cnn_random;

typedef enum cnn_stream { /* one seed serves several purposes, each with its own numbers */
                          CNN_STREAM_ORDER = 1, /* the order of samples in an epoch */
                          CNN_STREAM_AUGMENT,
                          CNN_STREAM_SPLIT, /* which samples are kept for validation */
                          CNN_STREAM_DATA,  /* made-up data */
                          CNN_STREAM_CUT    /* which part of a long recording is read */
} cnn_stream;

cnn_random cnn_random_keys(uint64_t seed, uint64_t stream); /* splitmix64 of both */
cnn_random cnn_random_stream(uint64_t seed, cnn_stream stream,
                             uint32_t epoch); /* cnn_random_keys for a purpose and an epoch */
uint32_t cnn_random_bits(cnn_random random, uint32_t counter);
float cnn_random_uniform(cnn_random random, uint32_t counter);                  /* 0 <= u < 1, 24 bits */
uint32_t cnn_random_below(cnn_random random, uint32_t counter, uint32_t limit); /* 0 .. limit-1 */
void cnn_random_permutation(cnn_random random, int32_t *order,
                            int32_t count); /* order[]: 0 .. count-1, shuffled */

/* ---- Schedules: the learning rate at a time t in epochs, which need not be whole. */

typedef struct cnn_schedule { /* state of a plateau schedule */
  double scale;               /* of the rate, after reductions */
  double best;                /* the lowest loss so far */
  int32_t waiting;            /* epochs since then */
  int32_t epochs;             /* epochs reported; 0: `best` means nothing yet */
} cnn_schedule;

void cnn_schedule_begin(cnn_schedule *schedule);
double cnn_schedule_rate(const cnn_schedule *schedule, const cnn_recipe *recipe, double t);
/* After each epoch; loss: of validation, or of training where there is none. */
void cnn_schedule_epoch(cnn_schedule *schedule, const cnn_recipe *recipe, double loss);

/* ---- Optimizers: PyTorch's arithmetic, in float, element by element. */

int32_t
cnn_optimizer_slots(const cnn_recipe *recipe); /* how many floats of state a parameter needs: 0, 1 or 2 */

/* One step of `count` parameters. `step` counts from 1. `decay`: whether recipe->weight_decay applies to
 * these. Unused slots may be NULL. */
void cnn_optimizer_step(const cnn_recipe *recipe, float *weights, const float *gradients, float *slot0,
                        float *slot1, int64_t count, int64_t step, double rate, bool decay);

/* ---- The trainer: weights, optimizer state and everything else that a step reads and writes. */

typedef struct cnn_trainer {
  const cnn_network *network;
  cnn_recipe recipe; /* a copy: rate, seed and the like may be changed before the first step */
  cnn_schedule schedule;
  float *weights; /* network->parameters floats, as are all that follow */
  float *gradients;
  float *sum; /* gradients of the batches of one step, weighted by samples; NULL when a step is one batch */
  float *slot[2];               /* the optimizer's, or NULL */
  float *average;               /* exponential average of the weights, or NULL */
  void *training;               /* network->training_bytes */
  int64_t batches;              /* calls of gradients so far; numbers the random numbers of dropout */
  int64_t steps;                /* updates so far */
  int64_t samples;              /* in `sum` */
  const cnn_exchange *exchange; /* with processes that share each batch; NULL: alone */
} cnn_trainer;

/* How much memory (aligned to 64) a trainer needs, and placing one there. `accumulates`: a step may take
 * several batches. Weights are not initialized: call network->init, or copy them there. */
size_t cnn_trainer_bytes(const cnn_network *network, const cnn_recipe *recipe, bool accumulates);
void cnn_trainer_place(cnn_trainer *trainer, const cnn_network *network, const cnn_recipe *recipe,
                       bool accumulates, void *memory);

/* Training for 8 bits: whether the next batches are rounded, at t epochs. True: from now on they are. */
bool cnn_trainer_quantize(cnn_trainer *trainer, double t);
/* Gradients of one batch of 1 .. train_batch samples; returns its mean loss. Running statistics are updated
 * immediately.
 */
float cnn_trainer_batch(cnn_trainer *trainer, const void *const *input, const void *const *target,
                        int32_t count, float *const *output);
/* Before a step ends: the last weight in the net whose gradient is not finite (where the backward pass, which
 * begins at the end, met it first), or -1. Updating with such a gradient would spoil all weights. */
int32_t cnn_trainer_overflow(const cnn_trainer *trainer);
/* Ends a step: clips, updates the weights by the gradients since the last update, and moves the average. */
void cnn_trainer_update(cnn_trainer *trainer, double rate);
/* Both, with the rate that the schedule gives at t epochs. */
float cnn_train_step(cnn_trainer *trainer, const void *const *input, const void *const *target, int32_t count,
                     float *const *output, double t);
/* The weights that are saved and evaluated: the average, where there is one. */
const float *cnn_trainer_result(const cnn_trainer *trainer);

/* ---- Augmentation of one sample, by the steps of recipe->augment in their order ----
 * Of its inputs, and of targets that have pixels. */

typedef struct cnn_plane {
  int32_t height, width, channels;
} cnn_plane; /* a sequence has one row, a vector one pixel */

/* Background recordings, with the rate and the channels of the input. */
typedef struct cnn_noise {
  const float *const *sample; /* [recordings][frames][channels] */
  const int64_t *frames;
  int32_t recordings;
} cnn_noise;

typedef struct cnn_augmentation { /* of one sample in one epoch */
  const cnn_recipe *recipe;
  cnn_plane
      plane; /* of the first input, whose pixels shifts and sizes count; other planes move in proportion */
  cnn_random random;
  int32_t rate;           /* samples per second of sound, for time_shift; else 0 */
  const cnn_noise *noise; /* for background; NULL: there is none */
} cnn_augmentation;

cnn_augmentation cnn_augment_draw(const cnn_recipe *recipe, cnn_plane plane, uint64_t seed, uint32_t epoch,
                                  uint32_t index);
int64_t cnn_augment_scratch(cnn_plane plane); /* floats of `scratch` */
/* From `in` to `out`, values of `type`: u8 and i8 stay within their range. scale: the value of full scale
 * (255 for images; i8 after adding 128). Elements from outside are zero (i8: -128). */
void cnn_augment_input(const cnn_augmentation *augmentation, cnn_plane plane, cnn_type type, float scale,
                       const void *in, void *out, float *scratch);
/* int32 classes (the nearest; -1 from outside) or floats (bilinear; 0 from outside) of each pixel. */
void cnn_augment_target(const cnn_augmentation *augmentation, cnn_plane plane, bool classes, const void *in,
                        void *out);

/* The number of an object for each pixel: the nearest; 0 from outside. */
void cnn_augment_instances(const cnn_augmentation *augmentation, cnn_plane plane, const uint8_t *in,
                           uint8_t *out);
/* A box x1 y1 x2 y2 in pixels of the plane: the least one that holds its four corners where they are moved
 * to, cut at the edges. False: less than a quarter of that is inside. */
bool cnn_augment_box(const cnn_augmentation *augmentation, cnn_plane plane, const float in[4], float out[4]);
/* Cuts a box. False: less than a quarter of its area is left. */
bool cnn_box_cut(float box[4], float left, float top, float right, float bottom);
/* The first step that mixes two samples, which those with boxes cannot be; -1: there is none. */
int32_t cnn_augment_mixes(const cnn_recipe *recipe);
bool cnn_augment_mixes_noise(const cnn_recipe *recipe); /* one of the steps is background */

typedef struct cnn_move {
  int32_t down, right; /* shift in pixels */
  bool mirror, upend;  /* left and right, top and bottom exchanged, before the shift */
} cnn_move;
/* Moves an image of height x width pixels of pixel_bytes each from `in` to `out`; pixels that come from
 * outside are pixel_bytes of `border`. */
void cnn_move_picture(const cnn_move *move, const void *in, void *out, int32_t height, int32_t width,
                      int32_t pixel_bytes, int border);

/* mixup and cutmix: a sample becomes a mixture with another one, drawn from `samples`, that has been
 * augmented in its own way. */
typedef struct cnn_mix {
  cnn_plane plane; /* of the first input */
  double share;    /* of the sample itself */
  int64_t partner; /* the other one: its place among the samples of the epoch */
  bool boxed;      /* cutmix: this part of the plane is the other's */
  int32_t top, left, bottom, right;
  bool label; /* a single class is the other's: drawn with the probability 1 - share */
} cnn_mix;

bool cnn_mix_draw(const cnn_augmentation *augmentation, int32_t step, int64_t samples,
                  cnn_mix *mix); /* false: recipe->augment[step] does not mix */
void cnn_mix_input(const cnn_mix *mix, cnn_plane plane, cnn_type type, void *own, const void *other);
void cnn_mix_target(const cnn_mix *mix, cnn_plane plane, bool classes, void *own, const void *other);

#ifdef __cplusplus
}
#endif
#endif
