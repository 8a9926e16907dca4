/* train_generic: the net `train_generic` as C. Made by cnnc; change the program, not this file.
 *
 * This text and the weights in it belong to the author of the net, who may use them in any way, without conditions.
 *
 * net train_generic: x 4x4x1 u8 -> output 2
 * -------------------------------------------------------------------------------------------------
 * layer       operator   output shape  parameters  multiply-adds  receptive field  activation bytes
 * -------------------------------------------------------------------------------------------------
 * normalize1  normalize  4x4x1                  0              0              1x1                64
 * conv1       conv       2x2x2                 18             72              3x3                32
 * batchnorm1  batchnorm  2x2x2                  8              0              3x3                32
 * relu1       relu       2x2x2                  0              0              3x3                32
 * flatten1    flatten    8                      0              0              3x3                32
 * dropout1    dropout    8                      0              0              3x3                32
 * dense1      dense      2                     18             16              all                 8
 * softmax1    softmax    2                      0              0              all                 8
 * -------------------------------------------------------------------------------------------------
 * parameters     44 (176 bytes): 40 trainable, 0 frozen, 4 statistics
 * multiply-adds  88
 * activations    240 bytes
 * workspace      128 bytes, the least possible
 * training       1,680 bytes, the least possible
 */
// SPDX-License-Identifier: MIT-0
#include <stddef.h>
#include <stdint.h>
#if __STDC_HOSTED__ || !defined(__GNUC__)
#include <string.h>
#else // without a C library: the builtins may call functions named memcpy and memset
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#endif

/* ---- shared with the runtime ---- */

#ifndef CNN_NETWORK_VERSION
#define CNN_NETWORK_VERSION 14
#include <stddef.h>
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

typedef enum cnn_type { CNN_F32, CNN_U8, CNN_I8, CNN_I16, CNN_I32 } cnn_type;
typedef enum cnn_target {
  CNN_TARGET_NONE,
  CNN_TARGET_CLASS,
  CNN_TARGET_VALUES
} cnn_target; /* classes: int32_t, -1 is ignored; values: float of the output's shape */
typedef enum cnn_scores {
  CNN_SCORES_NONE,
  CNN_SCORES_PROBABILITY,
  CNN_SCORES_LOG,
  CNN_SCORES_LOGIT,
  CNN_SCORES_BINARY,
  CNN_SCORES_BINARY_LOGIT
} cnn_scores; /* how an output is converted to class scores */

typedef enum cnn_output_kind {
  CNN_OUTPUT_VALUES,      /* numbers, or class scores */
  CNN_OUTPUT_DETECTIONS,  /* rows x1 y1 x2 y2 score class, in pixels of the first image input; class -1: empty
                             row */
  CNN_OUTPUT_MASKS,       /* per row of the detections: a mask of its box for each class, values 0 to 1 */
  CNN_OUTPUT_MASK_LOGITS, /* masks before a sigmoid */
  CNN_OUTPUT_PANOPTIC     /* per pixel: its class, and the number of its instance (0: no instance) */
} cnn_output_kind;

typedef enum cnn_contents {              /* the numbers that an input usually has */
                            CNN_NORMAL,  /* normally distributed: mean 0, standard deviation 1 */
                            CNN_BYTES,   /* pixels: the range of the type; float: 0 to 255 */
                            CNN_SOUND,   /* samples of a sound; float: -1 to 1 */
                            CNN_INDICES, /* integers from 0 to `indices` - 1 */
                            CNN_MASK     /* ones; zeros for masked positions */
} cnn_contents;

typedef struct cnn_loss {    /* parameters of a loss; validation computes the loss from infer's outputs */
  double weight;             /* factor of this output's loss in the sum of losses */
  double smoothing;          /* label_smoothing */
  double parameter;          /* huber: delta; focal: gamma */
  int32_t ignore;            /* a class that is ignored, besides -1 */
  const float *class_weight; /* one per class, or NULL */
} cnn_loss;

typedef struct cnn_port { /* an input or an output */
  const char *name;
  cnn_type type;   /* outputs: CNN_F32 */
  int32_t rank;    /* 3: height, width, channels; 2: length, channels; 1: a vector */
  int32_t regions; /* 0, or the number of regions; each region has the shape `dim` */
  int32_t dim[3];
  int32_t chw;         /* inputs: the caller's buffer is channels-first */
  int64_t size;        /* elements of one image */
  cnn_target target;   /* outputs: the kind of target of the loss */
  int64_t target_size; /* elements of the target of one image: one class, one class per position, or `size`
                          values */
  cnn_scores scores;   /* outputs */
  const char *loss;    /* outputs: the name of its loss, or NULL */
  const cnn_loss
      *criterion; /* parameters of the loss; NULL: weight 1, no smoothing, delta 1, gamma 2, ignore -1 */
  const char *normalize; /* inputs: the input's normalize, "normalize(mean=0, std=1, scale=0.5)", or NULL */
  int32_t rate;          /* inputs: samples per second of sound; otherwise 0 */
  int32_t calls; /* 0 means 1; the runtime sets it to the number of calls per sample: regions, size and
                    target_size then cover all calls */
  int32_t step, offset, late; /* --stream, --slide: step: rows per call, or 0; offset: first row of call 0;
                                 late: delay of the output's rows, in rows of the first input */
  cnn_output_kind kind;       /* outputs */
  cnn_contents contents;      /* inputs */
  int64_t indices;            /* inputs with CNN_INDICES: number of valid indices */
  int32_t stuff, things;      /* for a panoptic output: number of background classes, which come first, and
                                 of object classes */
} cnn_port;

typedef enum cnn_role {
  CNN_TRAINED,
  CNN_FROZEN,
  CNN_STATISTIC,
  CNN_PASSING
} cnn_role; /* statistic: running mean or variance; passing: only used in training, so files may lack it */
typedef struct cnn_weight {
  const char *name; /* "stage1.conv1.weight" */
  int32_t rank, dim[4];
  int64_t offset, size; /* in floats; offset: position in the weights struct */
  cnn_role role;
  int32_t decay;        /* subject to weight decay (`decay = weights` excludes biases and norms) */
  int32_t flattened[3]; /* after flatten(order=hwc): height, width, channels of the flattened value */
} cnn_weight;

typedef struct cnn_layer {
  const char *name, *op;
  int32_t line, rank, regions, dim[3];
  int64_t parameters, macs, bytes; /* bytes: size of the layer's output */
} cnn_layer;

typedef struct cnn_step {
  const char *name;
  int64_t macs;
} cnn_step; /* a call inside infer, for timing */

typedef enum cnn_training_part {
  CNN_FORWARD,
  CNN_INPUT_GRADIENT,
  CNN_WEIGHT_GRADIENT,
  CNN_UPKEEP /* packing of weights, addition of gradients of shards */
} cnn_training_part;
typedef struct cnn_training_step {
  const char *name;
  int64_t macs;
  cnn_training_part part;
} cnn_training_step; /* a call inside gradients, for timing */

typedef struct cnn_option {
  const char *name;
  double value[4];
  int32_t count;
} cnn_option; /* an augmentation or a metric with its arguments: {"shift", {2}, 1} */

typedef enum cnn_optimizer_kind {
  CNN_SGD,
  CNN_ADAM,
  CNN_ADAMW,
  CNN_RMSPROP,
  CNN_LARS,
  CNN_LAMB
} cnn_optimizer_kind;
typedef enum cnn_schedule_kind {
  CNN_CONSTANT,
  CNN_STEP,
  CNN_EXPONENTIAL,
  CNN_POLY,
  CNN_COSINE,
  CNN_PLATEAU
} cnn_schedule_kind;
typedef struct cnn_recipe { /* the train block */
  cnn_optimizer_kind optimizer;
  double rate, momentum, weight_decay, beta1, beta2, epsilon, alpha, trust;
  int32_t nesterov;
  cnn_schedule_kind schedule;
  double warmup, factor, power, floor, every; /* warmup, every: in epochs; every 0: never; floor: the
                                                 smallest rate of cosine */
  int32_t patience, milestones;
  const double *milestone;                       /* step(at=[...]), in epochs */
  int32_t batch, epochs, accumulate, early_stop; /* early_stop 0: off */
  uint64_t seed;
  double average, clip_norm; /* 0: off */
  int32_t steps, loss_from;  /* for a net with states: number of calls per sample (0 means 1), and the
                                first call whose loss counts */
  int32_t target_is_input;
  int32_t augments, metrics;
  int32_t quantize;                   /* quantization-aware training */
  double quantize_start;              /* number of epochs before the rounding begins */
  int64_t quantize_switch;            /* offset, in floats, of the rounding switch (0 or 1) in the weights */
  const cnn_option *augment, *metric; /* metric: for example {"accuracy"}, {"top", {5}, 1} */
} cnn_recipe;

typedef struct cnn_look { /* inspection of one image: all values are in the caller's memory, at offsets in
                             floats from the start of this memory */
  size_t bytes;           /* number of bytes of the memory, which must be aligned to 64 */
  const int64_t *layer;   /* per layer: its value, [h][w][c]; -1 - i: input i, in the caller's layout */
  const int64_t *score;   /* per output: the output, or the input of its softmax or sigmoid; like `layer` */
  const int64_t
      *gradient; /* per input: the gradient of the scores, [h][w][c] of floats for any input type; -1: none */
  void (*pack)(void *memory, const float *weights);
  void (*forward)(void *memory, const float *weights,
                  const void *const *input); /* fills in the layers and the scores */
  /* fills in the gradients of the sum of seed[o][k] * score[o][k] */
  void (*backward)(void *memory, const float *weights, const void *const *input, const float *const *seed);
} cnn_look;

/* Communication of processes that share the shards of a batch. A single process sets all functions to NULL.
 * If only `gather` is set, and `sum`, `poll` and `wait` are NULL, gradients are not exchanged and must be
 * ignored: only the loss is valid. */
typedef struct cnn_exchange {
  int32_t first, last; /* shards of this process: first .. last - 1 */
  void *context;
  /* Receives the parts of `values` (`bytes` bytes per image) that other processes computed. */
  void (*gather)(void *context, void *values, int64_t bytes);
  /* Begins to add the gradients of all shards, for the floats `from` to `to` - 1. The gradients of shard 0
   * are in `gradients`, which also receives the sums. The gradients of shard s are in sums[s - 1]; these
   * arrays are stored one after the other. */
  void (*sum)(void *context, float *gradients, float *sums, int64_t from, int64_t to);
  void (*poll)(void *context); /* lets messages progress */
  void (*wait)(void *context); /* waits until all sums are complete */
} cnn_exchange;

typedef struct cnn_network {
  int32_t version;           /* CNN_NETWORK_VERSION */
  const char *name, *target; /* target: the names of all targets, "x86-64-v4,x86-64-v3,x86-64" */
  int32_t inputs, outputs, weights, layers, steps, labels;
  const cnn_port *input, *output; /* output: the outputs, then `values` values that only losses read */
  int32_t values;
  /* Losses for object detection read a record NAME_truth for each image: int32_t count, class[objects]; float
   * box[objects][4], x1 y1 x2 y2 in pixels of the first image input; if truth_height is not 0, uint8_t
   * instance[height][width]. truth_objects is 0 if there is no such loss. */
  int32_t truth_objects, truth_height, truth_width;
  size_t truth_bytes;
  const cnn_weight *weight;
  const cnn_layer *layer;
  const cnn_step *timed;      /* the steps after which infer_timed calls mark */
  const char *const *label;   /* NULL without labels */
  const char *summary;        /* the compiler's table of the layers */
  int64_t parameters, macs;   /* parameters: number of floats in the weights struct */
  int32_t batch, train_batch; /* images per infer call; maximum per gradients call, 0 without training */
  size_t model_bytes, workspace_bytes, training_bytes; /* training_bytes 0 without training */
  const cnn_recipe *recipe;                            /* NULL without training */
  const float *initial; /* compiled-in or constant weights, laid out as the weights struct; NULL: none */
  const char *(*target_name)(void); /* the instruction set level in use on this CPU */
  void (*init)(float *weights, uint64_t seed);
  void (*pack)(void *model, const float *weights);
  void (*threads)(int32_t); /* sets the number of threads for this thread's calls; 0: default; NULL: one */
  void (*infer)(const void *model, const void *const *input, float *const *output,
                void *workspace); /* exactly `batch` images; NULL if the net has a state */
  /* Nets with a state have `reset` and `step` instead of `infer`: reset initializes the state, and each step
   * updates it. state_bytes 0: no state. */
  size_t state_bytes;
  int32_t window, ready; /* --slide: rows per window, or 0; calls before the first full window */
  void (*reset)(void *state);
  void (*step)(const void *model, const void *const *input, float *const *output, void *state,
               void *workspace);
  void (*infer_timed)(const void *model, const void *const *input, float *const *output, void *workspace,
                      void (*mark)(void *, int32_t step),
                      void *context); /* calls mark after each step; NULL: not compiled in */
  /* target[]: the targets of the outputs, then of the `values` (NULL: without a target), then the annotation
   * records. Without training, `gradients` is NULL. */
  float (*gradients)(const float *weights, const void *const *input, const void *const *target, int32_t count,
                     uint64_t seed, uint64_t step, float *gradients, float *const *output, void *training);
  int32_t training_steps, flush_denormals; /* flush_denormals: 1 with --denormals=flush, for the runtime */
  const cnn_training_step *training_step;
  float (*gradients_timed)(
      const float *weights, const void *const *input, const void *const *target, int32_t count, uint64_t seed,
      uint64_t step, float *gradients, float *const *output, void *training,
      void (*mark)(void *, int32_t step),
      void *context);   /* on one thread: calls mark after each step; NULL: not compiled in */
  const cnn_look *look; /* NULL: not compiled in */
  /* A batch of `count` samples is split into shards, which are distributed over processes. The samples form
   * groups of `lanes`; shard s has groups s * groups / shards to (s + 1) * groups / shards - 1. */
  int32_t shards, lanes;
  float (*gradients_shared)(
      const float *weights, const void *const *input, const void *const *target, int32_t count, uint64_t seed,
      uint64_t step, float *gradients, float *const *output, void *training,
      const cnn_exchange *exchange); /* gradients with several processes; NULL: not compiled in */
} cnn_network;

#ifdef __cplusplus
}
#endif
#endif

#define TRAIN_GENERIC_BATCH 1                /* images per call of infer */
#define TRAIN_GENERIC_TRAIN_BATCH 4          /* maximum number of samples per call of gradients */
#define TRAIN_GENERIC_X_SIZE 16              /* elements of one `x`: 4x4x1, channels last */
#define TRAIN_GENERIC_X_HEIGHT 4
#define TRAIN_GENERIC_X_WIDTH 4
#define TRAIN_GENERIC_X_CHANNELS 1
#define TRAIN_GENERIC_OUTPUT_SIZE 2          /* elements of one `output`: 2 */
#define TRAIN_GENERIC_PARAMETERS 44          /* number of floats in the weights */
#define TRAIN_GENERIC_ALIGNMENT 64           /* preferred alignment in bytes */
#define TRAIN_GENERIC_MODEL_BYTES 176
#define TRAIN_GENERIC_FILE_BYTES 240         /* size of a model file */
#define TRAIN_GENERIC_WORKSPACE_BYTES 128
#define TRAIN_GENERIC_TRAINING_BYTES 1680

/* Trained parameters in PyTorch's layouts, one after the other without padding. The struct is also an array of TRAIN_GENERIC_PARAMETERS floats. */
typedef struct train_generic_weights train_generic_weights;
struct train_generic_weights {
  float conv1_weight[2][1][3][3];
  float batchnorm1_weight[2];
  float batchnorm1_bias[2];
  float batchnorm1_running_mean[2]; /* statistics of the training data, not trained */
  float batchnorm1_running_var[2]; /* statistics of the training data, not trained */
  float dense1_weight[2][8];
  float dense1_bias[2];
};

/* The weights in the order in which the kernels read them. train_generic_pack fills the struct, and train_generic_infer only reads it. It may be copied with memcpy. */
typedef struct train_generic_model train_generic_model;
struct train_generic_model {
  float dense1_weight[2][8];
  float conv1_weight[2][1][3][3];
  float batchnorm1_running_mean[2];
  float batchnorm1_running_var[2];
  float batchnorm1_weight[2];
  float batchnorm1_bias[2];
  float dense1_bias[2];
};

/* Memory for activations and scratch. It needs no initialization and keeps nothing between calls; each thread needs its own. */
typedef struct train_generic_workspace train_generic_workspace;
struct train_generic_workspace {
  float arena[32];
};

void train_generic_pack(train_generic_model *model, const train_generic_weights *weights);

/* Opens a model file of cnnc --emit=model in place: `bytes` is the file, read or mapped. NULL if it is for another net or layout, or unaligned. */
const train_generic_model *train_generic_open(const void *bytes, size_t size);

/* One image. It cannot fail. */
void train_generic_infer(const train_generic_model *model, const uint8_t x_values[TRAIN_GENERIC_BATCH * TRAIN_GENERIC_X_SIZE],
                         float output_values[TRAIN_GENERIC_BATCH * TRAIN_GENERIC_OUTPUT_SIZE], train_generic_workspace *workspace);
/* Name of the target in use; compiled for generic. */
const char *train_generic_target(void);

/* ---- training ---- */

/* Memory for the computation of gradients. */
typedef struct train_generic_training train_generic_training;
struct train_generic_training {
  float dense1_weight[2][8]; /* weights, packed in the order in which kernels read them */
  float conv1_weight[2][1][3][3];
  float dense1_bias[2];
  float batch[48]; /* values that exist once per batch */
  float all[128]; /* values of all images of the batch */
  float kept[128]; /* a record for each image: values that a later phase needs */
  float arena[1][80]; /* activations of the current image, one arena per shard */
};

/* Initializes the weights; the same seed gives the same weights on every machine. */
void train_generic_init(train_generic_weights *weights, uint64_t seed);

/* Computes the mean loss of 1 to TRAIN_GENERIC_TRAIN_BATCH samples and its gradients. In `gradients`, frozen parameters are zero, and running statistics have their new values.
   Random numbers depend only on seed, step and the sample's index in the batch. An output that is NULL is not written. */
float train_generic_gradients(const train_generic_weights *weights, const uint8_t *x_values, const int32_t *output_target, int32_t count,
                              uint64_t seed, uint64_t step, train_generic_weights *gradients, float *output_values,
                              train_generic_training *workspace);

/* Description of the net, with which the runtime trains, loads, saves and inspects it. */
extern const cnn_network train_generic_network;

/* The sizes in the header must match the structs. */
_Static_assert(sizeof(train_generic_weights) == TRAIN_GENERIC_PARAMETERS * sizeof(float), "weights");
_Static_assert(sizeof(train_generic_model) == TRAIN_GENERIC_MODEL_BYTES, "model");
_Static_assert(sizeof(train_generic_workspace) == TRAIN_GENERIC_WORKSPACE_BYTES, "workspace");
_Static_assert(sizeof(train_generic_training) == TRAIN_GENERIC_TRAINING_BYTES, "training");

// Turns -ffast-math off for this file: operations are not reordered.
#if defined(__clang__) && defined(__FAST_MATH__)
#pragma float_control(precise, on, push)
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#ifdef __FAST_MATH__
#pragma GCC optimize("no-fast-math")
#endif
#endif

/* ---- initial weights: without fused multiply-adds, for equal weights on all machines ---- */

#if defined(__clang__)
#pragma clang fp contract(off)
#elif defined(__GNUC__)
#pragma GCC push_options
#pragma GCC optimize("fp-contract=off")
#endif

// Two random keys from seed, step and sample (splitmix64's finalizer).
static uint64_t train_generic_mix(uint64_t x) {
  x += UINT64_C(0x9E3779B97F4A7C15);
  x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}
static void train_generic_keys(uint64_t seed, uint64_t step, uint64_t sample, int32_t keys[2]) {
  const uint64_t x = train_generic_mix(train_generic_mix(train_generic_mix(seed) ^ step) ^ sample);
  const uint32_t key[2] = {(uint32_t)x, (uint32_t)(x >> 32)};
  memcpy(keys, key, sizeof key);
}

// 24 random bits, determined by keys and counter.
static uint32_t train_generic_bits(const int32_t keys[2], uint32_t counter) {
  uint32_t x = counter * 0x9E3779B9u ^ (uint32_t)keys[0];
  x ^= x >> 16, x *= 0x85EBCA6Bu, x ^= x >> 13, x += (uint32_t)keys[1], x *= 0xC2B2AE35u;
  x ^= x >> 16, x *= 0x7FEB352Du, x ^= x >> 15;
  return x >> 8;
}

// Natural logarithm of a positive number x = 2^e * m: the series of artanh for m.
static double train_generic_log(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int e = (int)(bits >> 52) - 1023;
  bits = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000);
  double m, sum = 0;
  memcpy(&m, &bits, sizeof m);
  if (m > 1.4142135623730951) m *= 0.5, e++;
  const double s = (m - 1) / (m + 1), z = s * s;
  for (int k = 23; k > 0; k -= 2) sum = sum * z + 1.0 / k;
  return 2 * s * sum + e * 0.6931471805599453;
}
// Square root: Newton's iteration, which starts from half the exponent.
static double train_generic_root(double x) {
  uint64_t bits;
  double y;
  if (x <= 0) return 0;
  memcpy(&bits, &x, sizeof bits);
  bits = (bits >> 1) + (UINT64_C(1023) << 51);
  memcpy(&y, &bits, sizeof y);
  for (int k = 0; k < 5; k++) y = 0.5 * (y + x / y);
  return y;
}
// Cosine and sine of the angle 2*pi*t, 0 <= t < 1: Taylor series around the nearest quarter turn.
static void train_generic_turn(double t, double *cosine, double *sine) {
  const int quarter = (int)(4 * t + 0.5);
  const double x = (4 * t - quarter) * 1.5707963267948966, z = x * x;
  double c = 1, s = 1;
  for (int k = 9; k > 0; k--) c = 1 - c * z / ((2 * k - 1) * (2 * k)), s = 1 - s * z / (2 * k * (2 * k + 1));
  s *= x;
  *cosine = quarter == 1 ? -s : quarter == 2 ? -c : quarter == 3 ? s : c;
  *sine = quarter == 1 ? c : quarter == 2 ? -s : quarter == 3 ? -c : s;
}
// Normally distributed numbers, in pairs (Box and Muller, 1958).
static void train_generic_normal(float *w, int64_t n, uint64_t seed, uint64_t weight, double mean, double deviation) {
  int32_t keys[2];
  train_generic_keys(seed, UINT64_C(0x696e6974), weight, keys);
  for (int64_t i = 0; i < n; i += 2) {
    const double u = (train_generic_bits(keys, (uint32_t)i) + 1) * 0x1p-24, t = train_generic_bits(keys, (uint32_t)i + 1) * 0x1p-24;
    const double radius = deviation * train_generic_root(-2 * train_generic_log(u));
    double c, s;
    train_generic_turn(t, &c, &s);
    w[i] = (float)(mean + radius * c);
    if (i + 1 < n) w[i + 1] = (float)(mean + radius * s);
  }
}

static void train_generic_fill(float *w, int64_t n, float value) {
  for (int64_t i = 0; i < n; i++) w[i] = value;
}

void train_generic_init(train_generic_weights *weights, uint64_t seed) {
  train_generic_normal(&weights->conv1_weight[0][0][0][0], 18, seed, 0, 0.0, 0.4714045207910317);
  train_generic_fill(weights->batchnorm1_weight, 2, 1.0f);
  train_generic_fill(weights->batchnorm1_bias, 2, 0.0f);
  train_generic_fill(weights->batchnorm1_running_mean, 2, 0.0f);
  train_generic_fill(weights->batchnorm1_running_var, 2, 1.0f);
  train_generic_normal(&weights->dense1_weight[0][0], 16, seed, 5, 0.0, 0.5);
  train_generic_fill(weights->dense1_bias, 2, 0.0f);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

// Products and sums become fused multiply-adds if the CPU has them; copy loops are not replaced by calls.
#if defined(__clang__)
#pragma clang fp contract(fast)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=fast", "no-tree-loop-distribute-patterns")
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline, unused))
#define KERNEL static __attribute__((noinline))
#else
#define INLINE static inline
#define KERNEL static
#endif
#ifdef TRAIN_GENERIC_FLUSH_DENORMALS // functions of the interface treat subnormal floats as zeros
// Whether the CPU treats subnormal floats as zeros. ADOPT takes this over from another mode, and restores the thread's own mode at the end of the block.
#if defined(__GNUC__) && defined(__SSE__) && !defined(__TINYC__)
enum { train_generic_fp_zeros = 0x8040 }; // FTZ and DAZ
INLINE uint32_t train_generic_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
  return mode;
}
INLINE void train_generic_fp_set(uint32_t mode) {
  __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
}
#elif defined(__GNUC__) && defined(__aarch64__)
enum { train_generic_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t train_generic_fp_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
  return (uint32_t)mode;
}
INLINE void train_generic_fp_set(uint32_t mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory");
}
#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)
enum { train_generic_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t train_generic_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(mode) : : "memory");
  return mode;
}
INLINE void train_generic_fp_set(uint32_t mode) {
  __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory");
}
#else // the CPU has no such mode
enum { train_generic_fp_zeros = 0 };
INLINE uint32_t train_generic_fp_mode(void) { return 0; }
INLINE void train_generic_fp_set(uint32_t mode) { (void)mode; }
#endif
INLINE uint32_t train_generic_fp_adopt(uint32_t wanted) {
  const uint32_t own = train_generic_fp_mode();
  if ((own ^ wanted) & train_generic_fp_zeros) train_generic_fp_set((own & ~(uint32_t)train_generic_fp_zeros) | (wanted & train_generic_fp_zeros));
  return own;
}
INLINE void train_generic_fp_restore(const uint32_t *own) {
  if ((train_generic_fp_mode() ^ *own) & train_generic_fp_zeros) train_generic_fp_set(*own);
}
#ifdef __GNUC__
#define ADOPT(own, mode) const uint32_t own __attribute__((cleanup(train_generic_fp_restore), unused)) = train_generic_fp_adopt(mode)
#else
#define ADOPT(own, mode) ((void)(mode))
#endif
#define FLUSH_DENORMALS ADOPT(fp_caller, train_generic_fp_zeros);
#else
#define FLUSH_DENORMALS
#endif

/* ---- weights ---- */

// weight of conv1, packed
//   out    [2][1][3][3]  output
//   weight [2][1][3][3]  input
KERNEL void train_generic_conv1_weight_pack(float (*restrict out)[1][3][3], const float (*restrict weight)[1][3][3]) {
  for (int s = 0; s < 2; s++)
    for (int ky = 0; ky < 3; ky++)
      for (int kx = 0; kx < 3; kx++)
        out[s][0][ky][kx] = weight[s][0][ky][kx];
}

// weight of dense1, packed
//   out    [2][8]  output
//   weight [2][8]  input
KERNEL void train_generic_dense1_weight_pack(float (*restrict out)[8], const float (*restrict weight)[8]) {
  for (int u = 0; u < 2; u++)
    for (int i = 0; i < 8; i++)
      out[u][i] = weight[u][i];
}

// bias of dense1, packed
//   out  [2]  output
//   bias [2]  input
KERNEL void train_generic_dense1_bias_pack(float *restrict out, const float *restrict bias) {
  for (int u = 0; u < 2; u++)
    out[u] = bias[u];
}

// Replaces subnormal weights by 0: many CPUs are slow on them.
static void train_generic_clear_floats(float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (x[i] > -0x1p-126f && x[i] < 0x1p-126f) x[i] *= 0.f; // keeps the sign
}

void train_generic_pack(train_generic_model *model, const train_generic_weights *weights) {
  train_generic_dense1_weight_pack(model->dense1_weight, weights->dense1_weight);
  train_generic_conv1_weight_pack(model->conv1_weight, weights->conv1_weight);
  memcpy(model->batchnorm1_running_mean, weights->batchnorm1_running_mean, sizeof model->batchnorm1_running_mean);
  memcpy(model->batchnorm1_running_var, weights->batchnorm1_running_var, sizeof model->batchnorm1_running_var);
  memcpy(model->batchnorm1_weight, weights->batchnorm1_weight, sizeof model->batchnorm1_weight);
  memcpy(model->batchnorm1_bias, weights->batchnorm1_bias, sizeof model->batchnorm1_bias);
  train_generic_dense1_bias_pack(model->dense1_bias, weights->dense1_bias);
  train_generic_clear_floats((float *)model->dense1_weight, 16);
  train_generic_clear_floats((float *)model->conv1_weight, 18);
  train_generic_clear_floats((float *)model->batchnorm1_running_mean, 2);
  train_generic_clear_floats((float *)model->batchnorm1_running_var, 2);
  train_generic_clear_floats((float *)model->batchnorm1_weight, 2);
  train_generic_clear_floats((float *)model->batchnorm1_bias, 2);
  train_generic_clear_floats((float *)model->dense1_bias, 2);
}

/* ---- a model in a file or in flash ---- */

// Header of a model: "cnnmodel", format version, number of bytes that follow,
// and a fingerprint of their layout and of this code.
static const uint64_t train_generic_mark[8] = {UINT64_C(0x6c65646f6d6e6e63), 1, TRAIN_GENERIC_MODEL_BYTES, UINT64_C(0x38ffb97ce6cbd75e)};

const train_generic_model *train_generic_open(const void *bytes, size_t size) {
  const char *start = bytes;
  if (start == NULL || size != TRAIN_GENERIC_FILE_BYTES || (uintptr_t)start % _Alignof(train_generic_model) != 0) return NULL;
  for (int i = 0; i < 8; i++) {
    uint64_t word;
    memcpy(&word, start + 8 * i, sizeof word);
    if (word != train_generic_mark[i]) return NULL;
  }
  return (const train_generic_model *)(const void *)(start + sizeof train_generic_mark);
}

// Arguments of train_generic_gradients.
typedef struct train_generic_batch {
  const train_generic_weights *weights;
  const uint8_t *x_values;
  const int32_t *output_target;
  float *output_values;
  int32_t count;
  uint64_t seed, step;
  train_generic_training *at;
  const train_generic_training *packed; // the struct *at; its packed weights are only read
} train_generic_batch;

// Layers without separate code:
//   flatten1, line 6: flatten: the same elements with another shape
//   dropout1, line 6: dropout(0.5): no effect in inference

/* ---- generic ---- */

INLINE uint32_t train_generic_bits_x1(float x) { union { float f; uint32_t u; } v = {x}; return v.u; }
INLINE float train_generic_float_of_x1(uint32_t u) { union { uint32_t u; float f; } v = {u}; return v.f; }
INLINE float train_generic_select_x1(int32_t mask, float a, float b) { return mask ? a : b; }
INLINE float train_generic_max_x1(float a, float b) { return a > b ? a : b; }
// e to the power x, within 1.1 ulp, but at least the smallest normal number: 2^n times a polynomial in r, with x = n*log(2) + r. 2^n is multiplied in two steps, because 2^128 is not a float.
INLINE float train_generic_exp_x1(float x) {
  const float top = train_generic_select_x1(x > 89.f, 89.f, x), c = train_generic_select_x1(top < -87.33654f, -87.33654f, top);
  const float shifted = c * 1.44269504f + 12583166.f, n = shifted - 12583166.f; // 1.5 * 2^23 + 254: the sum's last bits are n + 254
  const float r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = r * 1.38438714e-3f + 8.36954918e-3f;
  p = p * r + 4.16680612e-2f;
  p = p * r + 1.66665137e-1f;
  p = p * r + 4.99999940e-1f;
  p = p * (r * r) + r + 1.f;
  const uint32_t e = train_generic_bits_x1(shifted), half = e >> 1;
  return p * train_generic_float_of_x1(half << 23) * train_generic_float_of_x1((e - half) << 23);
}
// Natural logarithm, within 1.2 ulp: x = 2^k * m, sqrt(1/2) <= m < sqrt(2), a polynomial in m - 1.
INLINE float train_generic_log_x1(float x) {
  const int32_t tiny = x < 0.f + 1.17549435e-38f;
  const uint32_t u = train_generic_bits_x1(train_generic_select_x1(tiny, x * 8388608.f, x)) + (0x3f800000u - 0x3f3504f3u);
  const float k = train_generic_float_of_x1((u >> 23) | 0x4b000000u) - train_generic_select_x1(tiny, 8388758.f, 8388735.f);
  const float f = train_generic_float_of_x1((u & 0x007fffffu) + 0x3f3504f3u) - 1.f, z = f * f;
  float p = f * 4.96306717e-2f - 1.07510939e-1f;
  p = p * f + 1.21050552e-1f;
  p = p * f - 1.25501320e-1f;
  p = p * f + 1.42097622e-1f;
  p = p * f - 1.66593671e-1f;
  p = p * f + 2.00022236e-1f;
  p = p * f - 2.50001669e-1f;
  p = p * f + 3.33333135e-1f;
  float r = f * z * p - k * 2.12194440e-4f;
  r = f + (r - 0.5f * z) + k * 0.693359375f;
  r = train_generic_select_x1(x > 3.40282347e38f, x, r);
  r = train_generic_select_x1(x < 0.f, train_generic_float_of_x1(0x7fc00000u), r);
  r = train_generic_select_x1(x == 0.f, train_generic_float_of_x1(0xff800000u), r);
  return train_generic_select_x1(x == x, r, x);
}
// Square root, within 0.8 ulp: Newton's iteration for 1/sqrt(x), then one step for sqrt(x).
INLINE float train_generic_sqrt_x1(float x) {
  const int32_t tiny = x < 0.f + 1e-30f;
  const float s = train_generic_select_x1(tiny, x * 0x1p48f, x);
  float y = train_generic_float_of_x1(0x5f375a86u - (train_generic_bits_x1(s) >> 1));
  y = y * (1.5f - 0.5f * s * y * y);
  y = y * (1.5f - 0.5f * s * y * y);
  y = y * (1.5f - 0.5f * s * y * y);
  float r = s * y;
  r = r + 0.5f * y * (s - r * r);
  r = train_generic_select_x1(tiny, r * 0x1p-24f, r);
  r = train_generic_select_x1(x < 0.f, train_generic_float_of_x1(0x7fc00000u), r);
  r = train_generic_select_x1(x > 3.40282347e38f, x, r);
  r = train_generic_select_x1(x == 0.f, x, r);
  return train_generic_select_x1(x == x, r, x);
}
// A number in [0, 1) from two keys and a counter: the same in any order and on any number of threads.
INLINE float train_generic_random_x1(int32_t key0, int32_t key1, int32_t counter) {
  uint32_t x = (uint32_t)counter * 0x9e3779b9u ^ (uint32_t)key0;
  x ^= x >> 16, x *= 0x85ebca6bu, x ^= x >> 13;
  x += (uint32_t)key1;
  x *= 0xc2b2ae35u, x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15;
  return (float)(x >> 8) * 0x1p-24f;
}

// normalize1, line 4: normalize(scale=1/255)
//     y = (x*scale - mean) / std = x*(scale/std) - mean/std
// normalize: 4x4x1 -> 4x4x1
//   in  [4][4][1]  input
//   out [4][4][1]  output
static void train_generic_normalize1(const uint8_t (*restrict in)[4][1], float (*restrict out)[4][1]) {
  for (int y = 0; y < 4; y++)
    for (int x = 0; x < 4; x++)
      out[y][x][0] = (float)in[y][x][0] * 0.003921569f;
}

// conv1, line 5: conv(2, 3x3, bias=false)
//     out[y][x][f] = bias[f] + sum over ky, kx, c of in[y*S + ky*D - P][x*S + kx*D - P][c] * weight[f][c][ky][kx]
// conv: 4x4x1 -> 2x2x2
//   in     [4][4][1]  input
//   out    [2][2][2]  output
//   weight [2][1][3][3]  weights
static void train_generic_conv1(const float (*restrict in)[4][1], float (*restrict out)[2][2], const float (*restrict weight)[1][3][3]) {
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int f = 0; f < 2; f++) {
        float sum;
        sum = 0.f;
        for (int ky = 0; ky < 3; ky++)
          for (int kx = 0; kx < 3; kx++)
            sum += in[y + ky][x + kx][0] * weight[f][0][ky][kx];
        out[y][x][f] = sum;
      }
}

// batchnorm1, line 5: batchnorm
//     y = (x - mean) / sqrt(variance + epsilon) * weight + bias. In training, mean and variance are computed over the batch; in inference and with frozen=true, they are the running statistics
// batchnorm: 2x2x2 -> 2x2x2
//   out          [2][2][2]  input and output
//   running_mean [2]  input
//   running_var  [2]  input
//   weight       [2]  input
//   bias         [2]  input
static void train_generic_batchnorm1(float (*restrict out)[2][2], const float *restrict running_mean, const float *restrict running_var,
    const float *restrict weight, const float *restrict bias) {
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int c = 0; c < 2; c++)
        out[y][x][c] = (out[y][x][c] - running_mean[c]) * (weight[c] * (1.f / train_generic_sqrt_x1(running_var[c] + 1e-05f))) + bias[c];
}

// relu1, line 5: relu
//     y = max(x, 0)
// relu: 2x2x2 -> 2x2x2
//   out [2][2][2]  input and output
static void train_generic_relu1(float (*restrict out)[2][2]) {
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int c = 0; c < 2; c++)
        out[y][x][c] = train_generic_max_x1(0.f, out[y][x][c]);
}

// dense1, line 6: dense(2)
//     out[u] = bias[u] + sum over i of weight[u][i] * in[i]
// dense: 8 -> 2
//   in     [1][1][8]  input
//   out    [1][1][2]  output
//   weight [2][8]  weights
//   bias   [2]  weights
static void train_generic_dense1(const float (*restrict in)[1][8], float (*restrict out)[1][2], const float (*restrict weight)[8],
    const float *restrict bias) {
  for (int u = 0; u < 2; u++) {
    float sum;
    sum = bias[u];
    for (int i = 0; i < 8; i++)
      sum += in[0][0][i] * weight[u][i];
    out[0][0][u] = sum;
  }
}

// softmax1, line 6: softmax
//     y[c] = exp(x[c]) / sum over k of exp(x[k])
// softmax: 2 -> 2
//   in  [1][1][2]  input
//   out [1][1][2]  output
//   row [2]  scratch
static void train_generic_softmax1(const float (*restrict in)[1][2], float (*restrict out)[1][2], float *restrict row) {
  float most;
  most = in[0][0][0];
  most = train_generic_max_x1(most, in[0][0][1]);
  const float largest = most;
  for (int v = 0; v < 2; v++)
    row[v] = train_generic_exp_x1(in[0][0][v] - largest);
  float sum;
  sum = 0.f;
  for (int v = 0; v < 2; v++)
    sum = sum + row[v];
  const float total = sum;
  const float factor = 1.f / total;
  for (int v = 0; v < 2; v++) {
    const float x = row[v];
    out[0][0][v] = (x < total * 1.1755056e-38f ? 0.f : x) * factor;
  }
}

// loss, line 7: cross_entropy
// cross_entropy scale: 1 -> 1
//   in  [4][1][1][1]  input
//   out [1][1][1]  output
static void train_generic_loss_18_cross_entropy_scale(const int32_t (*restrict in)[1][1][1], float (*restrict out)[1][1], int32_t count) {
  float total;
  total = 0.f;
  for (int n = 0; n < count; n++) {
    float row;
    row = 0.f;
    const int32_t label = in[n][0][0][0];
    row = row + (label < 0 ? 0.f : label < 2 ? 1.f : 0.f);
    total = total + row;
  }
  const float sum = total;
  const int32_t t = 0.f < sum;
  out[0][0][0] = t ? 1.f / (t ? sum : 1.f) : 0.f;
}

// batchnorm moments of batchnorm1, line 5: batchnorm
// batchnorm moments: 2x2x2 -> 1x2x2
//   in  [2][2][2]  input
//   out [1][2][2]  output
static void train_generic_batchnorm1_moments(const float (*restrict in)[2][2], float (*restrict out)[2][2]) {
  for (int g = 0; g < 2; g++) {
    float mean;
    float squares;
    mean = 0.f;
    for (int row = 0; row < 2; row++)
      for (int x = 0; x < 2; x++)
        mean = mean + in[row][x][g];
    mean = mean * 0.25f;
    squares = 0.f;
    for (int row = 0; row < 2; row++)
      for (int x = 0; x < 2; x++) {
        const float d = in[row][x][g] - mean;
        squares += d * d;
      }
    out[0][0][g] = mean;
    out[0][1][g] = squares;
  }
}

// batchnorm merge of batchnorm1, line 5: batchnorm
// batchnorm merge: 1x2x2 -> 1x3x2
//   in  [4][1][2][2]  input
//   out [1][3][2]  output
static void train_generic_batchnorm1_merge(const float (*restrict in)[1][2][2], float (*restrict out)[3][2], int32_t count) {
  for (int v = 0; v < 2; v++) {
    float mean;
    float squares;
    mean = 0.f;
    squares = 0.f;
    for (int n = 0; n < count; n++) {
      const float share = 1.f / (float)(n + 1);
      const float delta = in[n][0][0][v] - mean;
      mean += delta * share;
      squares = squares + delta * delta * ((float)(n) * share * 4.f) + in[n][0][1][v];
    }
    const float variance = squares / (float)(4*count);
    out[0][0][v] = mean;
    out[0][1][v] = 1.f / train_generic_sqrt_x1(variance + 1e-05f);
    out[0][2][v] = variance;
  }
}

// batchnorm running of batchnorm1, line 5: batchnorm
// batchnorm running: 1x3x2
//   in  [1][3][2]  input
//   out [2]  updated
static void train_generic_batchnorm1_running(const float (*restrict in)[3][2], float *restrict out, int32_t count) {
  (void)count;
  for (int v = 0; v < 2; v++)
    out[v] = 0.9f * out[v] + 0.1f * in[0][0][v];
}

// batchnorm running of batchnorm1, line 5: batchnorm
// batchnorm running: 1x3x2
//   in  [1][3][2]  input
//   out [2]  updated
static void train_generic_batchnorm1_running_training(const float (*restrict in)[3][2], float *restrict out, int32_t count) {
  for (int v = 0; v < 2; v++)
    out[v] = 0.9f * out[v] + 0.1f * (in[0][2][v] * ((float)(4*count) / train_generic_max_x1((float)(4*count - 1), 1.f)));
}

// batchnorm apply of batchnorm1, line 5: batchnorm
// batchnorm apply: 2x2x2 -> 2x2x2
//   in     [2][2][2]  input
//   in1    [1][3][2]  input
//   out    [2][2][2]  output
//   weight [2]  input
//   bias   [2]  input
static void train_generic_batchnorm1_apply(const float (*restrict in)[2][2], const float (*restrict in1)[3][2], float (*restrict out)[2][2],
    const float *restrict weight, const float *restrict bias) {
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int v = 0; v < 2; v++)
        out[y][x][v] = (in[y][x][v] - in1[0][0][v]) * (in1[0][1][v] * weight[v]) + bias[v];
}

// dropout mask of dropout1, line 6: dropout(0.5)
// dropout mask: 8 -> 8
//   in   [1][1][8]  input
//   out  [1][1][8]  output
//   keys [2]  input
static void train_generic_dropout1_mask(const float (*restrict in)[1][8], float (*restrict out)[1][8], const int32_t *restrict keys) {
  const int32_t key0 = keys[0];
  const int32_t key1 = keys[1];
  for (int c = 0; c < 8; c++)
    out[0][0][c] = train_generic_random_x1(key0, key1, c) < 0.5f ? 0.f : in[0][0][c] * 2.f;
}

// loss, line 7: cross_entropy
//     mean of -log p[label], or the weighted mean with `weights`; samples with label -1 or `ignore` do not count
// cross_entropy: 2 -> 1
//   in  [1][1][2]  input
//   in1 [1][1][1]  input
//   in2 [1][1][1]  input
//   out [1][1][1]  output
//   row [2]  scratch
static void train_generic_loss_19_cross_entropy(const float (*restrict in)[1][2], const int32_t (*restrict in1)[1][1],
    const float (*restrict in2)[1][1], float (*restrict out)[1][1], float *restrict row) {
  float total;
  total = 0.f;
  float line;
  line = 0.f;
  float most;
  most = in[0][0][0];
  most = train_generic_max_x1(most, in[0][0][1]);
  const float largest = most;
  for (int v = 0; v < 2; v++)
    row[v] = train_generic_exp_x1(in[0][0][v] - largest);
  float sum;
  sum = 0.f;
  for (int v = 0; v < 2; v++)
    sum = sum + row[v];
  const float total_2 = sum;
  const float log_sum = train_generic_log_x1(total_2) + largest;
  const int32_t label = in1[0][0][0];
  const float counts = label < 0 ? 0.f : label < 2 ? 1.f : 0.f;
  const float label_weight = counts;
  float score;
  score = 0.f;
  for (int c = 0; c < 2; c++)
    score = score + (label == c ? in[0][0][c] : 0.f);
  line += label_weight * (log_sum - score);
  total = total + line;
  out[0][0][0] = total * in2[0][0][0];
}

// loss, line 7: cross_entropy
// cross_entropy gradient: 2 -> 2
//   in  [1][1][2]  input
//   in1 [1][1][1]  input
//   in2 [1][1][1]  input
//   out [1][1][2]  output
//   row [2]  scratch
static void train_generic_loss_20_cross_entropy_gradient(const float (*restrict in)[1][2], const int32_t (*restrict in1)[1][1],
    const float (*restrict in2)[1][1], float (*restrict out)[1][2], float *restrict row) {
  const float scale = in2[0][0][0];
  float most;
  most = in[0][0][0];
  most = train_generic_max_x1(most, in[0][0][1]);
  const float largest = most;
  for (int v = 0; v < 2; v++)
    row[v] = train_generic_exp_x1(in[0][0][v] - largest);
  float sum;
  sum = 0.f;
  for (int v = 0; v < 2; v++)
    sum = sum + row[v];
  const float total = sum;
  const int32_t label = in1[0][0][0];
  const float counts = label < 0 ? 0.f : label < 2 ? 1.f : 0.f;
  const float label_weight = counts;
  const float own = scale * label_weight;
  const float all = own / total;
  for (int c = 0; c < 2; c++) {
    const float x = row[c];
    out[0][0][c] = (x < 7.888609e-31f ? 0.f : x) * all - (label == c ? own : 0.f);
  }
}

// dense input gradient of dense1, line 6: dense(2)
// dense input gradient: 2 -> 8
//   in     [1][1][2]  input
//   out    [1][1][8]  output
//   weight [2][8]  input
static void train_generic_dense1_input_gradient(const float (*restrict in)[1][2], float (*restrict out)[1][8],
    const float (*restrict weight)[8]) {
  for (int i = 0; i < 8; i++) {
    float sum;
    sum = 0.f;
    for (int u = 0; u < 2; u++)
      sum += in[0][0][u] * weight[u][i];
    out[0][0][i] = sum;
  }
}

// dense weight gradient of dense1, line 6: dense(2)
// dense weight gradient: 8
//   in  [1][1][8]  input
//   in1 [1][1][2]  input
//   out [2][8]  updated
static void train_generic_dense1_weight_gradient(const float (*restrict in)[1][8], const float (*restrict in1)[1][2],
    float (*restrict out)[8]) {
  for (int u = 0; u < 2; u++)
    for (int i = 0; i < 8; i++)
      out[u][i] += in1[0][0][u] * in[0][0][i];
}

// bias gradient of dense1, line 6: dense(2)
// bias gradient: 2
//   in  [1][1][2]  input
//   out [2]  updated
static void train_generic_dense1_bias_gradient(const float (*restrict in)[1][2], float *restrict out) {
  for (int g = 0; g < 2; g++) {
    float sum;
    sum = 0.f;
    sum = in[0][0][g] + sum;
    out[g] = out[g] + sum;
  }
}

// map gradient of relu1, line 5: relu
// map gradient: 2x2x2 -> 2x2x2
//   in  [2][2][2]  input
//   in1 [2][2][2]  input
//   out [2][2][2]  output
static void train_generic_relu1_map_gradient_0(const float (*restrict in)[2][2], const float (*restrict in1)[2][2],
    float (*restrict out)[2][2]) {
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int c = 0; c < 2; c++)
        out[y][x][c] = in1[y][x][c] <= 0.f ? 0.f : in[y][x][c];
}

// batchnorm sums of batchnorm1, line 5: batchnorm
// batchnorm sums: 2x2x2 -> 1x2x2
//   in  [2][2][2]  input
//   in1 [2][2][2]  input
//   in2 [1][3][2]  input
//   out [1][2][2]  output
static void train_generic_batchnorm1_batchnorm_sums(const float (*restrict in)[2][2], const float (*restrict in1)[2][2],
    const float (*restrict in2)[3][2], float (*restrict out)[2][2]) {
  for (int g = 0; g < 2; g++) {
    float mean;
    float sum;
    float products;
    mean = in2[0][0][g];
    sum = 0.f;
    products = 0.f;
    for (int y = 0; y < 2; y++)
      for (int x = 0; x < 2; x++) {
        const float dy = in[y][x][g];
        sum = sum + dy;
        products += dy * (in1[y][x][g] - mean);
      }
    out[0][0][g] = sum;
    out[0][1][g] = products * in2[0][1][g];
  }
}

// batchnorm weight gradient of batchnorm1, line 5: batchnorm
// batchnorm weight gradient: 1x2x2
//   in  [1][2][2]  input
//   out [2]  updated
static void train_generic_batchnorm1_batchnorm_weight_gradient(const float (*restrict in)[2][2], float *restrict out) {
  for (int v = 0; v < 2; v++)
    out[v] = out[v] + in[0][1][v];
}

// batchnorm weight gradient of batchnorm1, line 5: batchnorm
// batchnorm weight gradient: 1x2x2
//   in  [1][2][2]  input
//   out [2]  updated
static void train_generic_batchnorm1_batchnorm_weight_gradient_training(const float (*restrict in)[2][2], float *restrict out) {
  for (int v = 0; v < 2; v++)
    out[v] = out[v] + in[0][0][v];
}

// batchnorm means of batchnorm1, line 5: batchnorm
// batchnorm means: 1x2x2 -> 1x2x2
//   in  [4][1][2][2]  input
//   out [1][2][2]  output
static void train_generic_batchnorm1_batchnorm_means(const float (*restrict in)[1][2][2], float (*restrict out)[2][2], int32_t count) {
  for (int v = 0; v < 2; v++) {
    float sum;
    sum = 0.f;
    for (int n = 0; n < count; n++)
      sum = sum + in[n][0][0][v];
    out[0][0][v] = sum / (float)(4*count);
    float products;
    products = 0.f;
    for (int n = 0; n < count; n++)
      products = products + in[n][0][1][v];
    out[0][1][v] = products / (float)(4*count);
  }
}

// batchnorm input gradient of batchnorm1, line 5: batchnorm
// batchnorm input gradient: 2x2x2 -> 2x2x2
//   in     [2][2][2]  input
//   in1    [2][2][2]  input
//   in2    [1][3][2]  input
//   in3    [1][2][2]  input
//   out    [2][2][2]  output
//   weight [2]  input
static void train_generic_batchnorm1_batchnorm_input_gradient(const float (*restrict in)[2][2], const float (*restrict in1)[2][2],
    const float (*restrict in2)[3][2], const float (*restrict in3)[2][2], float (*restrict out)[2][2], const float *restrict weight) {
  for (int y = 0; y < 2; y++)
    for (int x = 0; x < 2; x++)
      for (int v = 0; v < 2; v++) {
        const float factor = in2[0][1][v];
        out[y][x][v] = (in[y][x][v] - ((in1[y][x][v] - in2[0][0][v]) * factor * in3[0][1][v] + in3[0][0][v])) * factor * weight[v];
      }
}

// conv weight gradient of conv1, line 5: conv(2, 3x3, bias=false)
// conv weight gradient: 4x4x1
//   in  [4][4][1]  input
//   in1 [2][2][2]  input
//   out [2][1][3][3]  updated
static void train_generic_conv1_weight_gradient(const float (*restrict in)[4][1], const float (*restrict in1)[2][2],
    float (*restrict out)[1][3][3]) {
  for (int f = 0; f < 2; f++)
    for (int ky = 0; ky < 3; ky++)
      for (int kx = 0; kx < 3; kx++) {
        float sum;
        sum = 0.f;
        for (int y = 0; y < 2; y++)
          for (int x = 0; x < 2; x++)
            sum += in[ky + y][kx + x][0] * in1[y][x][f];
        out[f][0][ky][kx] = sum + out[f][0][ky][kx];
      }
}

/* One image. Activations share one arena: the memory of dead values is reused. */
static void train_generic_run(const train_generic_model *model, const void *x_values, void *output_values, float *arena) {
  void *const normalize1_values = arena; /* 4x4x1 */
  void *const conv1_values = arena + 16; /* 2x2x2 */
  void *const batchnorm1_values = arena + 16; /* 2x2x2 */
  void *const relu1_values = arena + 16; /* 2x2x2 */
  void *const dense1_values = arena; /* 2 */

  train_generic_normalize1((const uint8_t (*)[4][1])(uintptr_t)x_values, normalize1_values);
  train_generic_conv1(normalize1_values, conv1_values, model->conv1_weight);
  train_generic_batchnorm1(batchnorm1_values, model->batchnorm1_running_mean, model->batchnorm1_running_var, model->batchnorm1_weight, model->batchnorm1_bias);
  train_generic_relu1(relu1_values);
  train_generic_dense1(relu1_values, dense1_values, model->dense1_weight, model->dense1_bias);
  train_generic_softmax1(dense1_values, output_values, arena + 16);
}

static void train_generic_phase0_batch(const train_generic_batch *batch, train_generic_weights *gradients) {
  (void)gradients;
  const void *const output_target = batch->output_target;
  void *const loss_18_cross_entropy_scale_values = batch->at->batch + 16; /* 1, one per batch */

  train_generic_loss_18_cross_entropy_scale((const int32_t (*)[1][1][1])(uintptr_t)output_target, loss_18_cross_entropy_scale_values, batch->count);
}

static void train_generic_phase1_image(const train_generic_batch *batch, int64_t n, float *arena, train_generic_weights *gradients) {
  (void)gradients;
  const void *const x_values = batch->x_values + n * TRAIN_GENERIC_X_SIZE;
  void *const normalize1_training_values = arena; /* 4x4x1 */
  void *const conv1_training_values = batch->at->kept + n * 32; /* 2x2x2, kept */
  void *const batchnorm1_moments_values = batch->at->all + n * 4; /* 1x2x2, one per image */

  train_generic_normalize1((const uint8_t (*)[4][1])(uintptr_t)x_values, normalize1_training_values);
  train_generic_conv1(normalize1_training_values, conv1_training_values, batch->packed->conv1_weight);
  train_generic_batchnorm1_moments(conv1_training_values, batchnorm1_moments_values);
}

static void train_generic_phase1_batch(const train_generic_batch *batch, train_generic_weights *gradients) {
  void *const batchnorm1_moments_values = batch->at->all; /* 1x2x2, one per image */
  void *const batchnorm1_merge_values = batch->at->batch; /* 1x3x2, one per batch */

  train_generic_batchnorm1_merge(batchnorm1_moments_values, batchnorm1_merge_values, batch->count);
  train_generic_batchnorm1_running(batchnorm1_merge_values, gradients->batchnorm1_running_mean, batch->count);
  train_generic_batchnorm1_running_training(batchnorm1_merge_values, gradients->batchnorm1_running_var, batch->count);
}

static void train_generic_phase2_image(const train_generic_batch *batch, int64_t n, float *arena, train_generic_weights *gradients) {
  int32_t keys[2];
  train_generic_keys(batch->seed, batch->step, (uint64_t)n, keys);
  void *const conv1_training_values = batch->at->kept + n * 32; /* 2x2x2, kept */
  void *const batchnorm1_merge_values = batch->at->batch; /* 1x3x2, one per batch */
  void *const batchnorm1_apply_values = arena; /* 2x2x2 */
  void *const relu1_training_values = arena; /* 2x2x2 */
  void *const dropout1_mask_values = arena + 16; /* 8 */
  const int32_t dropout1_mask_keys[2] = {keys[0], keys[1] ^ 6};
  void *const dense1_training_values = arena + 32; /* 2 */
  void *const softmax1_training_values = arena + 64; /* 2 */
  const void *const output_target = batch->output_target + n * 1;
  void *const loss_18_cross_entropy_scale_values = batch->at->batch + 16; /* 1, one per batch */
  void *const loss_19_cross_entropy_values = batch->at->all + 64 + n * 1; /* 1, one per image */
  void *const loss_20_cross_entropy_gradient_values = arena + 64; /* 2 */
  void *const dense1_input_gradient_values = arena + 32; /* 8 */
  void *const dropout1_dropout_mask_values = arena + 16; /* 8 */
  const int32_t dropout1_dropout_mask_keys[2] = {keys[0], keys[1] ^ 6};
  void *const relu1_map_gradient_0_values = batch->at->kept + n * 32 + 16; /* 2x2x2, kept */
  void *const batchnorm1_batchnorm_sums_values = batch->at->all + n * 4; /* 1x2x2, one per image */

  train_generic_batchnorm1_apply(conv1_training_values, batchnorm1_merge_values, batchnorm1_apply_values, batch->weights->batchnorm1_weight, batch->weights->batchnorm1_bias);
  train_generic_relu1(relu1_training_values);
  train_generic_dropout1_mask(relu1_training_values, dropout1_mask_values, dropout1_mask_keys);
  train_generic_dense1(dropout1_mask_values, dense1_training_values, batch->packed->dense1_weight, batch->packed->dense1_bias);
  train_generic_softmax1(dense1_training_values, softmax1_training_values, arena + 48);
  if (batch->output_values) memcpy(batch->output_values + n * TRAIN_GENERIC_OUTPUT_SIZE, softmax1_training_values, TRAIN_GENERIC_OUTPUT_SIZE * sizeof(float));
  train_generic_loss_19_cross_entropy(dense1_training_values, (const int32_t (*)[1][1])(uintptr_t)output_target, loss_18_cross_entropy_scale_values, loss_19_cross_entropy_values, arena + 48);
  train_generic_loss_20_cross_entropy_gradient(dense1_training_values, (const int32_t (*)[1][1])(uintptr_t)output_target, loss_18_cross_entropy_scale_values, loss_20_cross_entropy_gradient_values, arena + 48);
  train_generic_dense1_input_gradient(loss_20_cross_entropy_gradient_values, dense1_input_gradient_values, batch->weights->dense1_weight);
  train_generic_dense1_weight_gradient(dropout1_mask_values, loss_20_cross_entropy_gradient_values, gradients->dense1_weight);
  train_generic_dense1_bias_gradient(loss_20_cross_entropy_gradient_values, gradients->dense1_bias);
  train_generic_dropout1_mask(dense1_input_gradient_values, dropout1_dropout_mask_values, dropout1_dropout_mask_keys);
  train_generic_relu1_map_gradient_0(dropout1_dropout_mask_values, relu1_training_values, relu1_map_gradient_0_values);
  train_generic_batchnorm1_batchnorm_sums(relu1_map_gradient_0_values, conv1_training_values, batchnorm1_merge_values, batchnorm1_batchnorm_sums_values);
  train_generic_batchnorm1_batchnorm_weight_gradient(batchnorm1_batchnorm_sums_values, gradients->batchnorm1_weight);
  train_generic_batchnorm1_batchnorm_weight_gradient_training(batchnorm1_batchnorm_sums_values, gradients->batchnorm1_bias);
}

static void train_generic_phase2_batch(const train_generic_batch *batch, train_generic_weights *gradients) {
  (void)gradients;
  void *const batchnorm1_batchnorm_sums_values = batch->at->all; /* 1x2x2, one per image */
  void *const batchnorm1_batchnorm_means_values = batch->at->batch + 32; /* 1x2x2, one per batch */

  train_generic_batchnorm1_batchnorm_means(batchnorm1_batchnorm_sums_values, batchnorm1_batchnorm_means_values, batch->count);
}

static void train_generic_phase3_image(const train_generic_batch *batch, int64_t n, float *arena, train_generic_weights *gradients) {
  void *const relu1_map_gradient_0_values = batch->at->kept + n * 32 + 16; /* 2x2x2, kept */
  void *const conv1_training_values = batch->at->kept + n * 32; /* 2x2x2, kept */
  void *const batchnorm1_merge_values = batch->at->batch; /* 1x3x2, one per batch */
  void *const batchnorm1_batchnorm_means_values = batch->at->batch + 32; /* 1x2x2, one per batch */
  void *const batchnorm1_batchnorm_input_gradient_values = arena; /* 2x2x2 */
  const void *const x_values = batch->x_values + n * TRAIN_GENERIC_X_SIZE;
  void *const normalize1_training_2_values = arena + 16; /* 4x4x1 */

  train_generic_batchnorm1_batchnorm_input_gradient(relu1_map_gradient_0_values, conv1_training_values, batchnorm1_merge_values, batchnorm1_batchnorm_means_values, batchnorm1_batchnorm_input_gradient_values, batch->weights->batchnorm1_weight);
  train_generic_normalize1((const uint8_t (*)[4][1])(uintptr_t)x_values, normalize1_training_2_values);
  train_generic_conv1_weight_gradient(normalize1_training_2_values, batchnorm1_batchnorm_input_gradient_values, gradients->conv1_weight);
}

const char *train_generic_target(void) { return "generic"; }

void train_generic_infer(const train_generic_model *model, const uint8_t x_values[TRAIN_GENERIC_BATCH * TRAIN_GENERIC_X_SIZE],
                         float output_values[TRAIN_GENERIC_BATCH * TRAIN_GENERIC_OUTPUT_SIZE], train_generic_workspace *workspace) {
  FLUSH_DENORMALS
  train_generic_run(model, x_values, output_values, workspace->arena);
}

float train_generic_gradients(const train_generic_weights *weights, const uint8_t *x_values, const int32_t *output_target, int32_t count,
                              uint64_t seed, uint64_t step, train_generic_weights *gradients, float *output_values,
                              train_generic_training *workspace) {
  FLUSH_DENORMALS
  const train_generic_batch batch = {weights, x_values, output_target, output_values, count, seed, step, workspace, workspace};
  memset(gradients, 0, sizeof *gradients);
  memcpy(gradients->batchnorm1_running_mean, weights->batchnorm1_running_mean, sizeof gradients->batchnorm1_running_mean);
  memcpy(gradients->batchnorm1_running_var, weights->batchnorm1_running_var, sizeof gradients->batchnorm1_running_var);
  train_generic_dense1_weight_pack(workspace->dense1_weight, weights->dense1_weight);
  train_generic_conv1_weight_pack(workspace->conv1_weight, weights->conv1_weight);
  train_generic_dense1_bias_pack(workspace->dense1_bias, weights->dense1_bias);
  train_generic_phase0_batch(&batch, gradients);
  for (int64_t n = 0; n < count; n++) train_generic_phase1_image(&batch, n, workspace->arena[0], gradients);
  train_generic_phase1_batch(&batch, gradients);
  for (int64_t n = 0; n < count; n++) train_generic_phase2_image(&batch, n, workspace->arena[0], gradients);
  train_generic_phase2_batch(&batch, gradients);
  for (int64_t n = 0; n < count; n++) train_generic_phase3_image(&batch, n, workspace->arena[0], gradients);
  double loss = 0;
  for (int32_t n = 0; n < count; n++) loss += (double)workspace->all[64 + n];
  return (float)loss;
}

/* ---- for the runtime ---- */

static const cnn_port train_generic_network_inputs[] = {
  {.name = "x", .type = CNN_U8, .rank = 3, .dim = {4, 4, 1}, .size = TRAIN_GENERIC_X_SIZE, .contents = CNN_BYTES,
   .normalize = "normalize(mean=0, std=1, scale=0.003921569)"},
};
static const cnn_loss train_generic_network_loss0 = {.weight = 1.0, .smoothing = 0.0, .parameter = 0.0, .ignore = -1};
static const cnn_port train_generic_network_outputs[] = {
  {.name = "output", .rank = 1, .dim = {2}, .size = TRAIN_GENERIC_OUTPUT_SIZE, .scores = CNN_SCORES_PROBABILITY, .target = CNN_TARGET_CLASS, .target_size = 1,
   .loss = "cross_entropy", .criterion = &train_generic_network_loss0},
};
static const cnn_weight train_generic_network_weights[] = {
  {"conv1.weight", 4, {2, 1, 3, 3}, 0, 18, CNN_TRAINED, 1, {0}},
  {"batchnorm1.weight", 1, {2}, 18, 2, CNN_TRAINED, 1, {0}},
  {"batchnorm1.bias", 1, {2}, 20, 2, CNN_TRAINED, 1, {0}},
  {"batchnorm1.running_mean", 1, {2}, 22, 2, CNN_STATISTIC, 0, {0}},
  {"batchnorm1.running_var", 1, {2}, 24, 2, CNN_STATISTIC, 0, {0}},
  {"dense1.weight", 2, {2, 8}, 26, 16, CNN_TRAINED, 1, {2, 2, 2}},
  {"dense1.bias", 1, {2}, 42, 2, CNN_TRAINED, 1, {0}},
};
static const cnn_layer train_generic_network_layers[] = {
  {.name = "normalize1", .op = "normalize", .line = 4, .rank = 3, .dim = {4, 4, 1}, .parameters = 0, .macs = 0, .bytes = 64},
  {.name = "conv1", .op = "conv", .line = 5, .rank = 3, .dim = {2, 2, 2}, .parameters = 18, .macs = 72, .bytes = 32},
  {.name = "batchnorm1", .op = "batchnorm", .line = 5, .rank = 3, .dim = {2, 2, 2}, .parameters = 8, .macs = 0, .bytes = 32},
  {.name = "relu1", .op = "relu", .line = 5, .rank = 3, .dim = {2, 2, 2}, .parameters = 0, .macs = 0, .bytes = 32},
  {.name = "flatten1", .op = "flatten", .line = 6, .rank = 1, .dim = {8}, .parameters = 0, .macs = 0, .bytes = 32},
  {.name = "dropout1", .op = "dropout", .line = 6, .rank = 1, .dim = {8}, .parameters = 0, .macs = 0, .bytes = 32},
  {.name = "dense1", .op = "dense", .line = 6, .rank = 1, .dim = {2}, .parameters = 18, .macs = 16, .bytes = 8},
  {.name = "softmax1", .op = "softmax", .line = 6, .rank = 1, .dim = {2}, .parameters = 0, .macs = 0, .bytes = 8},
};
static const cnn_step train_generic_network_steps[] = {
  {"normalize1", 0},
  {"conv1", 72},
  {"batchnorm1", 0},
  {"relu1", 0},
  {"dense1", 16},
  {"softmax1", 0},
};
static const cnn_option train_generic_network_metrics[] = {
  {"accuracy", {0}, 0},
};
static const cnn_recipe train_generic_network_recipe = {
  .optimizer = CNN_SGD,
  .rate = 0.01,
  .momentum = 0.9,
  .schedule = CNN_CONSTANT,
  .batch = 4, .epochs = 10, .seed = UINT64_C(1),
  .accumulate = 1,
  .metrics = 1, .metric = train_generic_network_metrics,
};
#ifdef __GNUC__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#endif
static const char train_generic_network_summary[] =
  "net train_generic: x 4x4x1 u8 -> output 2\n"
  "-------------------------------------------------------------------------------------------------\n"
  "layer       operator   output shape  parameters  multiply-adds  receptive field  activation bytes\n"
  "-------------------------------------------------------------------------------------------------\n"
  "normalize1  normalize  4x4x1                  0              0              1x1                64\n"
  "conv1       conv       2x2x2                 18             72              3x3                32\n"
  "batchnorm1  batchnorm  2x2x2                  8              0              3x3                32\n"
  "relu1       relu       2x2x2                  0              0              3x3                32\n"
  "flatten1    flatten    8                      0              0              3x3                32\n"
  "dropout1    dropout    8                      0              0              3x3                32\n"
  "dense1      dense      2                     18             16              all                 8\n"
  "softmax1    softmax    2                      0              0              all                 8\n"
  "-------------------------------------------------------------------------------------------------\n"
  "parameters     44 (176 bytes): 40 trainable, 0 frozen, 4 statistics\n"
  "multiply-adds  88\n"
  "activations    240 bytes\n"
  "workspace      128 bytes, the least possible\n"
  "training       1,680 bytes, the least possible\n";
#ifdef __GNUC__
#pragma GCC diagnostic pop
#endif

static void train_generic_network_init(float *weights, uint64_t seed) { train_generic_init((train_generic_weights *)(void *)weights, seed); }
static void train_generic_network_pack(void *model, const float *weights) { train_generic_pack(model, (const train_generic_weights *)(const void *)weights); }
static void train_generic_network_infer(const void *model, const void *const *input, float *const *output, void *workspace) {
  train_generic_infer(model, input[0], output[0], workspace);
}
static float train_generic_network_gradients(const float *weights, const void *const *input, const void *const *target, int32_t count, uint64_t seed, uint64_t step,
                                  float *gradients, float *const *output, void *training) {
  return train_generic_gradients((const train_generic_weights *)(const void *)weights, input[0], target[0], count, seed, step, (train_generic_weights *)(void *)gradients, output ? output[0] : NULL, training);
}

const cnn_network train_generic_network = {
  .version = CNN_NETWORK_VERSION,
  .name = "train_generic",
  .target = "generic",
  .inputs = 1, .outputs = 1, .weights = 7, .layers = 8, .steps = 6, .labels = 0,
  .input = train_generic_network_inputs,
  .output = train_generic_network_outputs,
  .layer = train_generic_network_layers,
  .summary = train_generic_network_summary,
  .weight = train_generic_network_weights,
  .timed = train_generic_network_steps,
  .parameters = TRAIN_GENERIC_PARAMETERS,
  .macs = INT64_C(88),
  .batch = TRAIN_GENERIC_BATCH,
  .train_batch = TRAIN_GENERIC_TRAIN_BATCH,
  .model_bytes = TRAIN_GENERIC_MODEL_BYTES, .workspace_bytes = TRAIN_GENERIC_WORKSPACE_BYTES, .training_bytes = TRAIN_GENERIC_TRAINING_BYTES,
  .recipe = &train_generic_network_recipe,
  .target_name = train_generic_target,
  .init = train_generic_network_init,
  .pack = train_generic_network_pack,
#ifdef TRAIN_GENERIC_FLUSH_DENORMALS
  .flush_denormals = 1,
#endif
  .infer = train_generic_network_infer,
  .gradients = train_generic_network_gradients,
};

/* ---- the end: this file does not affect later code of the same translation unit ---- */

#undef INLINE
#undef KERNEL
#undef FLUSH_DENORMALS
#undef ADOPT
#if defined(__clang__)
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#if defined(__clang__) && defined(__FAST_MATH__)
#pragma float_control(pop)
#endif
#if !__STDC_HOSTED__ && defined(__GNUC__)
#undef memcpy
#undef memset
#endif
