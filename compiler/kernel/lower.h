/* lower.h: Lowering of kernels to loop nests: buffers and their bindings, packed weights, fused nodes.
 * Operators use this interface to build reference nests, and schedules use it to build tiled nests. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LOWER_H
#define CNNC_LOWER_H
#include "nest/build.h"
#include "graph/op.h"
#include "target/cpu.h"

/* A kernel: the node `root`, and `chain`: the FAMILY_MAP nodes fused after it. Each node of the chain reads
 * the value before it. The values before the last one are not stored. */
typedef struct Kernel {
  Node *root;
  int nchain;
  Node **chain;
  Node *pool;   /* a fused pooling after the chain, or NULL */
  Node *means;  /* an op_row_mean of the result, or NULL; its value is stored in addition to the result */
  Node *result; /* the last node of the kernel except `means`, possibly a folded batchnorm; its value is
                   stored */
  const Node
      *over; /* an operand that the result overwrites if the nest allows it (passes/in_place.c); or NULL */
  /* batchnorms folded into the packed weights, in order. Per output channel: w' = w*gain,
   * b' = (b - mean)*gain + shift. For bf16 and f16 weights, they are applied to the sums instead */
  int nscales;
  Node **scale;
  /* a normalize before the root whose factor is folded into the weights and whose shift is folded into the
   * bias; or NULL */
  Node *normalize;
  bool normalize_shift;
  /* a product before the root that scales the channels of the root's input; or NULL. With a gate, root->in[0]
   * is the value before the scaling, root->in[1] has the factors, and the kernel multiplies the weights by
   * the factors */
  Node *gate;
  int phase;  /* number of the kernel's phase; the per-image kernels of a phase run image by image */
  bool batch; /* the kernel runs once for all images, after the per-image kernels of its phase: a BATCH node,
                 or a batched kernel */
  const Home *home; /* by node id: where values are stored; NULL: each value has its own memory */
} Kernel;
bool kernel_whole_batch(const Kernel *); /* whether the kernel is batched and computes a per-image value */
Node *const *kernel_layers(Arena *, const Kernel *,
                           int *n); /* the kernel's n nodes, in the order in which they are computed */

enum {
  TOGETHER_WEIGHTS = 1 << 14
}; /* minimum number of weights of a batched dense layer; fewer weights stay in the cache without batching */

typedef enum BindKind {
  BIND_VALUE,    /* the value of `node`: [h][w][c], or with a leading axis for rows and images */
  BIND_INPUT,    /* in a conversion kernel: the caller's buffer of `node`, which is an input or a target; the
                    buffer has the element type and layout of node->port */
  BIND_WEIGHT,   /* `weight` in its natural layout */
  BIND_PACK,     /* the packed weights `pack` */
  BIND_GRADIENT, /* the gradient of `weight` in its natural layout: the result of a node with a target */
  BIND_SCRATCH,
  BIND_KEYS,  /* int32 [2]: the two keys of this image's random numbers; the second key is XORed with
                 node->salt */
  BIND_TABLE, /* constants: the `elements` floats at `table` */
} BindKind;
typedef struct Pack { /* packed weights, which a nest computes from weights in their natural layout, or
                         constants */
  const char *name;   /* "stage1_conv1_weight" : C name of the model's member */
  Nest *nest;
  Buf *out; /* the packed weights, in pack->nest */
  VEC(Weight *) source;
  VEC(Buf *) source_buf; /* the nest's input buffers; if there are none, the nest packs only constants */
  const void *values;    /* constants without a nest; NULL: there is a nest */
  const void *origin;    /* updatable models: the node or detail that the constants belong to; equal constants
                            with different origins are not merged */
  Buf *factor, *shift;   /* in pack->nest: the constants of a folded normalize per channel, or NULL */
  Buf *scale; /* in pack->nest, for QAT: the rounding step of each filter's weights; NULL without QAT */
} Pack;
typedef struct Binding {
  BindKind kind;
  const Node *node;
  Weight *weight;
  Pack *pack;
  int64_t elements;
  const float *table;
} Binding;

struct Schedule; /* schedule/schedule.h */
/* The outer loop: over rows or over panels of weights; OWN: the schedule chooses. */
typedef enum Order { ORDER_OWN, ORDER_ROWS, ORDER_PANELS } Order;
/* A schedule and its parameters. If a parameter is 0, the schedule chooses it. The schedule and m determine
 * the packing of weights. */
typedef struct Choice {
  const struct Schedule *schedule;
  int m;       /* Winograd: a tile has m x m outputs; Strassen: number of parts of an axis, 2 or 4 */
  int tiles;   /* Winograd, Strassen: approximate number of tiles per block */
  int pixels;  /* direct: number of pixels of one row in a register tile */
  Order order; /* direct: the outer loop */
  bool small;  /* for microcontrollers: smaller constants, but more computation */
} Choice;
struct Decision; /* schedule/choose.h: the candidates and the chosen one */
struct Tuning;   /* schedule/tuning.h: measured choices */

/* Size class of an int8 kernel's constants, if flash is limited. */
typedef enum Small {
  SMALL_NOT,   /* the constants of the fastest schedule */
  SMALL_TILES, /* no Winograd tiles larger than 2x2 */
  SMALL_BYTES, /* weights as bytes */
  SMALL_MOST   /* weights as bytes, and all other constants as small as possible */
} Small;

/* Number of accumulators per reduction loop with -Os. A loop with one accumulator needs 2 loads per
 * multiply-add, and a loop with six accumulators needs 1.2 loads. More accumulators save few loads and
 * increase the code size. */
enum { SMALL_SUMS = 6 };

struct Numbers;
typedef struct Numbers Numbers;

typedef struct LowerOptions { /* the members have the same meaning as in Lower */
  int layout_lanes, sums;
  bool plain, exact, threads;
  bool updatable; /* graph->updatable */
  bool steps;
  bool sole; /* no other kernel adds to the gradient, so this kernel may store the gradient without adding */
  Small small;
  const CpuCycles *cycles; /* NULL: the cycles of `layout` */
  int64_t batch, call;
  int images;
  const Target *layout; /* NULL: the kernel's target if it has layout_lanes lanes, otherwise the first target
                           in the table that has them */
  int64_t weight_bytes;
  struct Tuning *tuning; /* NULL: only the cost model chooses */
} LowerOptions;

typedef struct Lower {
  Arena *arena;
  Nest *b; /* the nest under construction; schedules call it b */
  const Kernel *kernel;
  const Node *node; /* kernel->root, or a copy of it with a different number of groups
                       (conv_groups_joined.c) */
  const Target *target;
  int layout_lanes;     /* lanes of `layout`; packed layouts depend on this number and on shapes, never on
                           `target` */
  const Target *layout; /* the target with the widest vectors among all targets of the generated C; the
                           choices that determine the packing are made for this target */
  int64_t weight_bytes; /* size of the whole net's weights, to estimate whether they stay in a cache between
                           calls */
  struct Tuning *tuning;
  Choice choice;
  struct Decision *decision; /* set before a schedule builds the nest */
  bool plain;                /* -O0, -Os */
  int sums;                  /* reference nests: maximum number of accumulators per reduction loop; 0 means
                                1 */
  bool exact;                /* excludes algorithms that round differently, such as Winograd */
  bool updatable;            /* graph->updatable: numbers of the weight file are stored in the model */
  bool steps;          /* --stream, --slide: rows before the first row of the stream may be infinite or NaN */
  Numbers *numbers[2]; /* numbers stored in the model: [0] integers, [1] floats; NULL: none so far */
  VEC(const char *) broken; /* assumptions of the schedule that the weights do not satisfy */
  bool sole;                /* as in LowerOptions */
  Small small;
  const CpuCycles *cycles; /* instruction cycles of the CPU, for the choice of int8 schedules; or NULL */
  bool threads;            /* PARALLEL loops are run by threads */
  int64_t batch;           /* maximum number of images: of the batch in training, of a batched kernel in
                              inference; 0: a per-image kernel in inference */
  int64_t call; /* inference: maximum number of images per call, if it is more than 1; otherwise 0 */
  int images;   /* images interleaved in vector lanes, [h][w][c][images]: the nest is built with scalars,
                   then widened; 0 or 1: not interleaved */
  int64_t rows; /* size of the nest's leading axis: the rows of an image; in a batched nest, these rows *
                   batch. 0: the nest has no leading axis, or the builder loops over it (nest_lead) */
  /* created by lower_begin: buffers of the root's inputs and of the result. The dimensions are [h][w][c]
   * ([rows][h][w][c] in a nest with the leading axis; [batch][h][w][c] for inputs of a RESULT_BATCH node).
   * RESULT_SUM: out is the gradient, with the dimensions of the weight; out->place is UPDATE, or OUTPUT if
   * the gradient is stored. With kernel->over, out is also the buffer of the overwritten value; out->place is
   * OVER, or UPDATE if the kernel changes only some of the elements */
  Buf **in, *out;
  Buf *means;            /* the buffer of kernel->means, an OUTPUT; or NULL */
  VEC(Binding) bindings; /* by buffer id; lower_binding reads it */
  VEC(Pack *) packs;
  Buf *other[64];
  int nothers;    /* number of elements of `other`, which are the operands of the chain */
  Buf *rounded;   /* QAT, bf16, f16w: node->weight[0] as lower_weight returns it; NULL: not requested yet */
  Buf *scales[2]; /* bf16, f16w: factors and constants of the kernel's batchnorms; NULL: not requested yet */
  int64_t joined; /* number of pixels joined into one pixel (lower_join_pixels); 0 means 1 */
  const Ix *row; /* nests with the leading axis: the row whose elements lower_finish and lower_store access */
  VEC(const char *) details; /* lines for --emit=schedule, from lower_detail */
} Lower;

/* Whether a RESULT_SUM adds to the gradient. If not, it stores the gradient. */
bool lower_adds(const Lower *);
void lower_must_add(Lower *); /* for a gradient computed in several parts: lower_adds then returns true */

/* Starts a nest with buffers for inputs, result and operands of the chain; other parameters are created on
 * first use. The main function is named l->b->name. */
Lower *lower_begin(Arena *, const Kernel *, const Target *, const LowerOptions *);
const Binding *lower_binding(const Lower *, int buffer); /* all zeros for a local buffer */
/* node->weight[k], natural layout [dims]; for k = 0 in QAT, bf16 and f16: the rounded weights. NULL if the
 * node has no such weight. */
Buf *lower_weight(Lower *, int k);
Buf *lower_scratch(Lower *, const char *name, int rank, const int64_t *dim); /* F32, with the place WORK */
Buf *lower_scratch_of(Lower *, const char *name, Elem, int rank, const int64_t *dim);
/* Constants in the model, in the order in which int8 kernels read them. `values` is not copied. */
Buf *lower_constants(Lower *, const char *member, Elem, int rank, const int64_t *dim, const void *values);
/* numbers.c: a number derived from scales or weights, with a name that is unique in the kernel. The number is
 * a constant or, if the net is updatable, a number in the model. */
Val lower_number(Lower *, const char *name, int32_t);
Val lower_real(Lower *, const char *name, float);
/* Whether an assumption of a schedule about numbers in the weight file holds. For updatable nets,
 * lower_assumes always returns true, so that the choice of schedules does not depend on the weights;
 * lower_needs then records the assumptions that the weights do not satisfy. */
bool lower_assumes(const Lower *, bool holds);
void lower_needs(Lower *, bool holds, const char *what);
Buf *lower_keys(Lower *);                                  /* keys of random numbers (BIND_KEYS), I32 [2] */
Buf *lower_table(Lower *, const float *values, int64_t n); /* constants [n]; equal tables are stored once */
bool lower_pixels_touch(const Buf *); /* whether the Buf is [h][w][c] without gaps in its rows */
/* Changes in[0] and the result to views in which one pixel has the channels of `count` adjacent pixels. There
 * must be no gaps between pixels in memory. `count` divides the number of pixels of a row or of the image.
 * Returns the extent of the views. */
Extent lower_join_pixels(Lower *, int64_t count);
void lower_view_rows(Lower *,
                     int64_t rows); /* before nest_fn: views the pixels as `rows` rows, [rows][h*w/rows][c],
                                       for kernels that treat all pixels equally; rows divides h*w */
void lower_columns(Lower *);    /* before nest_fn: views an input of one channel as [1][h][w], so that vectors
                                   run over columns */
void lower_whole_rows(Lower *); /* before nest_fn: views the result as [h][1][w*c], so that vectors run
                                   over its pixels */
const Ix *lower_count(Lower *); /* batched nests: the size parameter `count`, after nest_fn */
Ix lower_rows(
    Lower *); /* nests with the leading axis, after nest_fn: the number of rows in use, at most l->rows */
Ix lower_row(const Lower *); /* the current row if the builder loops over rows (nest_lead); otherwise 0 */
/* A reference to an element of a value; in row l->row if the value has the leading axis in this nest. */
Ref lower_at(const Lower *, Buf *value, const Ix *y, const Ix *x, const Ix *c);

/* A packed copy of weights. Between lower_pack and lower_pack_done the caller builds pack->nest, whose loops
 * store to pack->out. lower_packed_weight and lower_packed_bias return elements at natural indices with
 * batchnorm and normalize folded in (0 for a missing bias). */
Pack *lower_pack(Lower *, const char *member, int rank, const int64_t *dim);
Pack *lower_pack_weights(Lower *, const char *member, int rank,
                         const int64_t *dim); /* a pack of weights that are not transformed: stored as bf16 or
                                                 f16 if the node requires it */
Val lower_packed_weight(
    Lower *, Pack *, int rank, const Ix *at, const Ix *out_channel,
    const Ix *in_channel); /* weight[0] at the natural indices `at`; the channels select the folded factors */
Val lower_packed_bias(
    Lower *, Pack *, const Ix *out_channel,
    const Ix *group_channel); /* group_channel: the first input channel of the output's group */
Buf *lower_pack_source(Lower *, Pack *, Weight *, const char *prefix); /* the weight's buffer in pack->nest */
Buf *lower_pack_done(Lower *, Pack *); /* returns the WEIGHTS buffer of the main nest for this pack */

/* rounded.c. lower_rounds: whether QAT rounds the weights of the node, which is a layer or a gradient
 * of a layer. lower_scales: adds the scales to a pack. lower_rounded: rounds the weight at
 * `index` with these scales; channel: the output channel of that weight. */
bool lower_rounds(const Lower *);
void lower_scales(Lower *, Pack *);
Val lower_rounded(Lower *, Pack *, Val weight, const Ix *index, const Ix *channel);
Buf *lower_rounded_weight(Lower *); /* all rounded weights in natural order */

/* Applies the chain: the value of elements [y][x][c .. c+part-1] after all fused nodes, `lanes` wide (1:
 * scalar). */
Val lower_finish(Lower *, Val, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
/* For kernels that sum in memory and then apply the chain. lower_sums_in_memory: returns the buffer for the
 * sums, which is the result's buffer, or float scratch if the result is not stored as floats. lower_finishes:
 * whether the sums still need the chain, factors of batchnorms, or rounding. */
Buf *lower_sums_in_memory(Lower *);
bool lower_finishes(const Lower *);
bool lower_costly(Lower *, Val sum); /* whether the chain calls functions such as exp. If so, a loop over the
                                        sums of a tile is better than a copy of the code for each sum */
void lower_store(Lower *, Val, const Ix *y, const Ix *x, const Ix *c, int part,
                 int lanes);                         /* applies lower_finish, then stores to out */
int64_t lower_sums(const Lower *, int64_t channels); /* reference nests: the number of sums per loop, which
                                                        divides the number of channels */
void lower_store_sums(Lower *, Buf *sum, int64_t sums, const Ix *y, const Ix *x,
                      const Ix *block); /* applies the chain to the sums of channels block * sums ..
                                           block * sums + sums - 1, and stores the results */
void lower_put(Lower *, Val finished, const Ix *y, const Ix *x, const Ix *c, int part,
               int lanes); /* stores to out; the chain has already been applied */
Val lower_root_map(
    Lower *, const Ix *y, const Ix *x, const Ix *c, int part,
    int lanes); /* FAMILY_MAP: the value of the root, to which the chain has not been applied */
void lower_plain_map(Lower *); /* only for FAMILY_MAP: builds three loops over the result */
void lower_about(Lower *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* adds text after the shapes in the comment above the function */

void lower_detail(Lower *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* adds a line for --emit=schedule */

/* ---- arguments of a FAMILY_MAP operator ---- */
typedef struct Map {
  Nest *b;
  const Node *node;
  Val x[MOST_INPUTS]; /* operands in the order of the node's `in`, where x[0] is the current value; vectors of
                         `lanes` lanes, but scalars for operands with one channel */
  Val y; /* in map_gradient: the node's value, if the operator requests it (map_needs); otherwise NULL */
  Lower *lower;
  const Ix *c;
  int part, lanes;
} Map;
/* node->weight[k] at channel c, as a vector; as a scalar if the weight has one element */
Val map_weight(Map *, int k);
Val map_weight_at(Map *, int k, int64_t i); /* the number node->weight[k][i], which all channels use */
Val map_constant(Map *, const float *per_channel,
                 int64_t n); /* the element of per_channel at channel c; its only element if n is 1 */
#endif
