/* lower.h: from a kernel (a node with the element-wise nodes fused behind it) to a loop nest. Operators build
 * the plain nest, schedules the tiled one; both get their buffers here, so that emit and the tests know what
 * each parameter of the nest is bound to. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LOWER_H
#define CNNC_LOWER_H
#include "nest/build.h"
#include "graph/op.h"
#include "target/cpu.h"

/* A kernel: `root`, then `chain`, FAMILY_MAP nodes of which each takes the value before it. Only the last
 * value is stored. */
typedef struct Kernel {
  Node *root;
  int nchain;
  Node **chain;
  Node *pool;   /* a pooling behind them that root->op->traits.fuses_pool; NULL: none */
  Node *means;  /* op_row_mean: the mean of each row of the result, which is stored beside it; NULL: none */
  Node *result; /* the last of them */
  const Node *over; /* set by passes/in_place.c: what it reads and nobody after it: the result is written over
                       it, if the nest allows; NULL: none */
  /* folded away by passes, applied when the weights are packed: per output channel w' = w*gain, b' = (b -
   * mean)*gain + shift of these batchnorm nodes, in order; */
  int nscales;
  Node **scale; /* and the normalize node before it, whose factor (and where exact, shift) goes into the
                   weights; NULL: none */
  Node *normalize;
  bool normalize_shift;
  /* the product before the root that scales the channels of what the root reads: root->in[0] is what is
   * scaled, root->in[1] the numbers, by which the weights are multiplied; NULL: none */
  Node *gate;
  int phase;  /* kernels of a phase run image by image */
  bool batch; /* runs once for all images, when those of its phase are through: a BATCH node, or one that is
                 computed together */
  const Home *home; /* by node id: where values lie; NULL: each in its own place */
} Kernel;
bool kernel_whole_batch(
    const Kernel *); /* its value is one of each image, and it computes them all at once */

enum { TOGETHER_WEIGHTS = 1 << 14 }; /* of dense layers that may be: fewer stay in the first caches */

typedef enum BindKind {
  BIND_VALUE,  /* the value of `node`: [h][w][c]; in a nest for all images the values of all: [batch][h][w][c]
                */
  BIND_INPUT,  /* the caller's buffer of `node`, an op_input or op_target: in[0] of its conversion kernel, of
                  the elements and order that node->port says */
  BIND_WEIGHT, /* `weight` in its natural layout */
  BIND_PACK,   /* `pack` */
  BIND_GRADIENT, /* the gradient of `weight`, natural layout (RESULT_SUM, BATCH with a target) */
  BIND_SCRATCH,
  BIND_KEYS,  /* int32 [2]: the keys of this image's random numbers, the second one XOR node->salt */
  BIND_TABLE, /* constants: `elements` floats, `table` */
} BindKind;
typedef struct Pack { /* weights in the order a kernel reads them: a nest from natural weights to one OUTPUT
                         buffer */
  const char *name;   /* "stage1_conv1_weight" : C name of the model's member */
  Nest *nest;
  Buf *out; /* in pack->nest */
  VEC(Weight *) source;
  VEC(Buf *) source_buf; /* what it reads; no sources: constants only */
  const void *values;    /* constants that are there as they are, and no nest; NULL: there is one */
  const void *origin;    /* of an updatable net: what they were made of; only then are equal ones the same */
  Buf *factor, *shift;   /* in pack->nest: the constants of a folded normalize by channel, or NULL */
  Buf *scale;            /* in pack->nest, training for 8 bits: what weights are rounded to multiples of, by
                            filter; else NULL */
} Pack;
typedef struct Binding {
  BindKind kind;
  const Node *node;
  Weight *weight;
  Pack *pack;
  int64_t elements;
  const float *table;
} Binding;

struct Schedule;                                                  /* schedule/schedule.h */
typedef enum Order { ORDER_OWN, ORDER_ROWS, ORDER_PANELS } Order; /* which loop is the outer one */
/* A schedule and what it may be told; where a number is 0 it decides by itself. The schedule and m say how
 * weights are packed. */
typedef struct Choice {
  const struct Schedule *schedule;
  int m;       /* Winograd: m x m outputs of a tile; Strassen: parts of an axis, 2 or 4 */
  int tiles;   /* Winograd, Strassen: about so many tiles in a block */
  int pixels;  /* direct: outputs of a row in a register tile */
  Order order; /* direct */
  bool small;  /* on boards: constants of fewer bytes, from which more is computed */
} Choice;
struct Decision; /* schedule/choose.h: how it was chosen */
struct Tuning;   /* schedule/tuning.h: choices that were measured */

/* How small weights of 8 bits have to be, where flash is short. */
typedef enum Small {
  SMALL_NOT,   /* as the fastest schedule has them */
  SMALL_TILES, /* no larger tiles of Winograd's algorithm than 2x2 */
  SMALL_BYTES, /* bytes */
  SMALL_MOST   /* what is beside them has as few bytes as there can be, too */
} Small;

/* -Os: a product of one sum takes two loads, of six sums 1.2. More sums take more code and save little. */
enum { SMALL_SUMS = 6 };

struct Numbers;
typedef struct Numbers Numbers;

typedef struct LowerOptions { /* as in Lower */
  int layout_lanes, sums;
  bool plain, exact, threads;
  bool updatable; /* graph->updatable */
  bool sole; /* nothing else adds to the gradient that a RESULT_SUM is added to: it may be stored instead */
  Small small;
  const CpuCycles *cycles; /* NULL: those of `layout` */
  int64_t batch, call;
  int images;
  const Target *layout; /* NULL: the first of the table with so many lanes */
  int64_t weight_bytes;
  struct Tuning *tuning; /* NULL: the cost model alone */
} LowerOptions;

typedef struct Lower {
  Arena *arena;
  Nest *b; /* the nest being built; schedules name it b */
  const Kernel *kernel;
  const Node *node; /* kernel->root */
  const Target *target;
  int layout_lanes; /* lanes of the widest target of the file: packed layouts depend on this and the shapes
                       alone, never on `target` */
  const Target *layout; /* that target: what decides how weights are packed is chosen for it */
  int64_t weight_bytes; /* of the whole net: whether weights stay in a cache from one call to the next */
  struct Tuning *tuning;
  Choice choice;
  struct Decision *decision; /* set before a schedule builds the nest */
  bool plain;                /* -O0, -Os */
  int sums;                  /* plain nests: a loop over inputs has at most so many sums; 0: one */
  bool exact;                /* no algorithm that rounds differently */
  bool updatable;            /* graph->updatable: numbers of the weights file are in the model alone */
  Numbers *numbers[2];       /* such numbers, whole ones and floats; NULL: none yet */
  VEC(const char *) broken;  /* what the schedule needs of the weights, and does not hold for these */
  bool sole;                 /* as in LowerOptions */
  Small small;
  const CpuCycles *cycles; /* of a board's CPU, whose schedules of 8 bits are chosen by them; or NULL */
  bool threads;            /* PARALLEL loops are run by threads */
  int64_t batch; /* the most images of a nest for the whole batch; 0: one of an image, in inference */
  int64_t call;  /* inference: images of a call, which take turns or are computed together; 0: there is one */
  int images; /* side by side in the lanes of a vector, [h][w][c][images]: the nest is built of scalars, then
                 widened; 0 or 1: one after the other */
  int64_t rows; /* of the leading axis that the nest has: the images of a batch, at most, or the regions of an
                   image; 0: it has none, or the builder goes through them (nest_lead) */
  Buf **in, *out; /* made by lower_begin: [h][w][c] of each root input and of the result ([rows][h][w][c] in a
               nest that has the leading axis; [batch][h][w][c] of inputs of a RESULT_BATCH node); RESULT_SUM:
               out is the gradient buffer in the weight's dims, UPDATE, or OUTPUT where it is stored; with
               kernel->over it is that value's buffer, too, OVER */
  Buf *means;     /* of kernel->means, an OUTPUT; or NULL */
  VEC(Binding) bindings; /* by buffer id, as far as they are bound: lower_binding */
  VEC(Pack *) packs;
  Buf *other[64];
  int nothers; /* operands of the chain */
  Buf *
      rounded; /* training for 8 bits: node->weight[0] as lower_weight gives it; NULL: it was not asked for */
  const Ix *row; /* nests that have the leading axis: the row that lower_finish and lower_store mean */
  VEC(const char *) details; /* what else the schedule says about itself */
} Lower;

/* Is a RESULT_SUM added to what the gradient holds, or is it the gradient? */
bool lower_adds(const Lower *);
void lower_must_add(Lower *); /* before anything is built: it is made in parts, one added to the other */

/* Starts a nest with the buffers of inputs and result and the operands of the chain; other parameters are
 * made when they are asked for, which may be at any time. The main function is named l->b->name. */
Lower *lower_begin(Arena *, const Kernel *, const Target *, const LowerOptions *);
const Binding *lower_binding(const Lower *, int buffer); /* of a local one: zeros */
Buf *lower_weight(Lower *,
                  int k); /* node->weight[k], natural layout [dims]; NULL if the node has no such weight */
Buf *lower_scratch(Lower *, const char *name, int rank, const int64_t *dim); /* WORK */
Buf *lower_scratch_of(Lower *, const char *name, Elem, int rank, const int64_t *dim);
/* Constants in the model, as kernels of 8 bits read them. */
Buf *lower_constants(Lower *, const char *member, Elem, int rank, const int64_t *dim, const void *values);
/* numbers.c: a number that follows from scales or weights, by a name of its own in the kernel: a constant, or
 * of an updatable net a number in the model. */
Val lower_number(Lower *, const char *name, int32_t);
Val lower_real(Lower *, const char *name, float);
/* What a schedule needs to know of the numbers of the weights file. Where the net is updatable a schedule is
 * chosen as if it held for all weights; lower_needs, of the one that was chosen, notes where it does not. */
bool lower_assumes(const Lower *, bool holds);
void lower_needs(Lower *, bool holds, const char *what);
Buf *lower_keys(Lower *);                                  /* I32 [2] */
Buf *lower_table(Lower *, const float *values, int64_t n); /* constants [n]; equal ones once */
void lower_join_rows(Lower *, int64_t rows); /* before nest_fn: so many rows of pictures of the result's size
                                                are seen as one, [h/rows][rows*w][c], where the kernel treats
                                                pixels alike */
void lower_columns(Lower *); /* before nest_fn: an input of one channel is seen as [1][h][w], so that vectors
                                run over columns */
void lower_whole_rows(Lower *); /* before nest_fn: the result is seen as [h][1][w*c], so that vectors run over
                                   its pixels */
const Ix *lower_count(Lower *); /* nests for all images: the size parameter `count`, after nest_fn */
Ix lower_rows(Lower *); /* nests that have the leading axis, after nest_fn: the rows that count, of l->rows */
Ix lower_row(const Lower *); /* others: the row that is at work */
Ref lower_at(const Lower *, Buf *value, const Ix *y, const Ix *x,
             const Ix *c); /* of a value that has the leading axis in this nest: of l->row */

/* A packed copy of weights. Between lower_pack and lower_pack_done the caller builds `pack->nest` (with Nest
 * *b = pack->nest) as loops that store to pack->out; lower_packed_weight and lower_packed_bias give natural
 * elements with batchnorm and normalize folded in (constant 0 for a missing bias). */
Pack *lower_pack(Lower *, const char *member, int rank, const int64_t *dim);
Val lower_packed_weight(
    Lower *, Pack *, int rank, const Ix *at, const Ix *out_channel,
    const Ix *in_channel); /* weight[0] at natural indices; the channels choose the folded factors */
Val lower_packed_bias(
    Lower *, Pack *, const Ix *out_channel,
    const Ix *group_channel); /* group_channel: the first input channel of the output's group */
Buf *lower_pack_source(Lower *, Pack *, Weight *, const char *prefix); /* in pack->nest */
Buf *lower_pack_done(Lower *, Pack *); /* the WEIGHTS buffer of the main nest */

/* rounded.c: training for 8 bits. Does the layer, or the gradient of one, compute with rounded weights? Then
 * a pack has scales, by which it rounds what it reads at `index`; channel: the layer's output channel there.
 */
bool lower_rounds(const Lower *);
void lower_scales(Lower *, Pack *);
Val lower_rounded(Lower *, Pack *, Val weight, const Ix *index, const Ix *channel);
Buf *lower_rounded_weight(Lower *); /* all of them as they lie */

/* The chain behind the root: value of output element(s) [y][x][c .. c+part-1] after all fused nodes; `lanes`
 * wide (1: scalar). */
Val lower_finish(Lower *, Val, const Ix *y, const Ix *x, const Ix *c, int part, int lanes);
bool lower_costly(Lower *, Val sum); /* is so much fused behind the root, as an exp, that a loop over the sums
                                        of a tile is better than a copy of the code for each of them? */
void lower_store(Lower *, Val, const Ix *y, const Ix *x, const Ix *c, int part,
                 int lanes); /* finish and store to out */
int64_t lower_sums(const Lower *,
                   int64_t channels); /* plain nests: sums of a loop; they divide the channels */
void lower_store_sums(Lower *, Buf *sum, int64_t sums, const Ix *y, const Ix *x,
                      const Ix *block); /* finish and store those of channel block * sums and behind it */
void lower_put(Lower *, Val finished, const Ix *y, const Ix *x, const Ix *c, int part,
               int lanes); /* store to out what is finished, and pooled if there is a pooling */
Val lower_root_map(Lower *, const Ix *y, const Ix *x, const Ix *c, int part,
                   int lanes); /* FAMILY_MAP: the root's own value there, before the chain */
void lower_plain_map(Lower *); /* FAMILY_MAP alone: three loops over the result */
void lower_about(Lower *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* what the comment above the function says after the shapes */

void lower_detail(Lower *, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* one more line for --emit=schedule */

/* ---- what a FAMILY_MAP operator sees ---- */
typedef struct Map {
  Nest *b;
  const Node *node;
  Val x[MOST_INPUTS]; /* operands as the node's `in` has them, x[0] the current value; lanes wide */
  Val y;              /* in map_gradient: the node's value (only if op asks: see map.c), else NULL */
  Lower *lower;
  const Ix *c;
  int part, lanes;
} Map;
Val map_weight(Map *, int k);               /* node->weight[k] at channel c: lanes wide */
Val map_weight_at(Map *, int k, int64_t i); /* one number of it, for all channels */
Val map_constant(Map *, const float *per_channel,
                 int64_t n); /* n 1: a number; n channels: a table at channel c */
#endif
