/* cnn_network.h: Model metadata of generated code, for the runtime. The compiler copies the text between the
 * guards into every header that declares a cnn_network, so that generated code only needs the C standard's
 * headers. All fields are constant. Pointers are not NULL unless documented; an array without elements may
 * be NULL. */
// SPDX-License-Identifier: MIT-0
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
