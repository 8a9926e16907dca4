/* plan.h: Plan: the kernels of a graph in order, and the storage of every value. Made by the passes
 * (passes.c), lowered by lir/lower.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PLAN_H
#define CNNC_PLAN_H
#include "base/text.h"
#include "graph/graph.h"

struct Kernel;

typedef enum PlanKind { PLAN_INFERENCE, PLAN_TRAINING, PLAN_LOOK } PlanKind;

/* What becomes part of the kernel before it. */
typedef enum Fusing {
  FUSE_ALL,
  FUSE_NOTHING, /* -O0 */
  FUSE_APART,   /* -Os: like FUSE_ALL, but without batched kernels */
} Fusing;

/* Is a layer, or a gradient of one, faster when batched for that number of images, although that number of
 * bytes per image is stored meanwhile that would otherwise be in a cache? */
typedef bool WholeBatchPays(const void *costs, const Node *, int64_t batch, int64_t kept);

/* The layers up to a node are computed in that number of row bands, or more if a value has fewer rows; n
 * 0: no bands. */
typedef struct Bands {
  int end; /* its id after the pass "drop" */
  int64_t n;
} Bands;

/* --stream, --slide: rows of inputs that a call gets. */
typedef struct StreamUse {
  const char *input; /* NULL: the first one */
  int64_t rows;
} StreamUse;
typedef struct Streaming {
  VEC(StreamUse) use; /* --stream */
  int64_t slide;      /* --slide; 0: not given */
  int64_t lookahead;  /* rows of the input by which outputs may come late */
} Streaming;

typedef struct PlanOptions {
  Fusing fusing;
  bool exact; /* nothing that rounds differently */
  int images; /* interleaved, as far as no layer looks at all of them; 0 or 1: one after the other */
  const bool *repeated;       /* inference: by node id as written, the convolutions that read the input of
                                 the nearest upsampling before them; NULL: none */
  int64_t whole_batch;        /* inference: maximum number of batched images; 0: no batching */
  WholeBatchPays *pays;       /* which convolutions and dense layers are; NULL: large dense layers */
  const void *costs;          /* its first argument */
  Bands bands;                /* inference */
  const Streaming *streaming; /* inference; NULL: whole sequences */
} PlanOptions;

/* May the layers up to that node of the graph behind "drop" be computed band by band? */
bool bands_can_end_at(Arena *, const Graph *, int end);

typedef enum StoreKind {
  STORE_NONE,     /* fused into its producer: never in memory */
  STORE_INPUT,    /* the caller's buffer of input `index`, read in place or by the conversion kernel
                   */
  STORE_OUTPUT,   /* inference: written straight into the caller's buffer of output `index` */
  STORE_TARGET,   /* training: the caller's target of output `index`; looking inside: the caller's weights of
                     its scores */
  STORE_ARENA,    /* `offset` bytes into the arena of one image (training: of a shard) */
  STORE_KEPT,     /* training: needed in a later phase: `offset` bytes into the record of its image, of which
                     there is one an image of the batch */
  STORE_ALL,      /* read or written by batched kernels: consecutive for all images of the batch, with a
                     stride of `offset` bytes per image */
  STORE_BATCH,    /* training: value of a BATCH node: `offset` bytes into the part that exists once */
  STORE_STATE,    /* the caller's state `index`: read in place, or written where nobody reads it any more */
  STORE_GRADIENT, /* RESULT_SUM, and BATCH nodes with a target: the gradient of node->target */
} StoreKind;
typedef struct Storage {
  StoreKind kind;
  int index;
  int64_t offset;
} Storage; /* of the value in which it lies: plan->home */

/* The result of a kernel may begin at most `most` bytes after an operand, at a multiple of `step` from it. */
typedef struct ValueOverlap {
  int kernel;
  const Node *operand;
  int64_t most, step;
} ValueOverlap;

typedef struct Inside {
  const Node *within; /* the value that contains this one; or NULL */
  int64_t from;       /* the element of that one at which it begins: a channel of its first pixel, or a row */
  int64_t rows;       /* as in Home; 0: as that one's */
  bool done;          /* no kernel: it is a view of its input (slice), or contains its inputs (concat) */
} Inside;

typedef struct Plan {
  Graph *graph;
  bool training;
  bool together; /* inference: some kernels are for all images of the batch: it runs by phases, as training
                    does */
  bool bands;    /* inference: some layers are computed band by band */
  int images;    /* side by side: each value is [h][w][c][images]; inputs and targets have kernels that bring
                    them into that order. 1: one after the other */
  VEC(struct Kernel *)
  kernels; /* in order. By phase; within a phase the SAMPLE and SUM kernels of one image, then the BATCH
              kernels */
  int first_phase,
      phases; /* phases run from first_phase (-1 when a BATCH kernel needs only targets) to phases - 1 */
  /* Tables by node id, each made by one pass; NULL before it. */
  bool *whole_batch; /* whole-batch: one kernel computes it for all images of the batch */
  bool *given;       /* given: an input or target that is read where the caller has it */
  int *not_before;   /* recompute: the phase in which it runs at the earliest */
  Inside *inside;    /* place */
  Home *home;        /* place: where its value lies */
  int *state_of; /* states: the state that the value updates and is made in; -1: none. NULL: there are none */
  Storage *storage;  /* store */
  int *output_of;    /* store: the first output whose value contains it in whole or in part; -1: none */
  Node **output;     /* by output: the node whose value it is (as in graph->outputs, after passes) */
  bool *copy_output; /* inference: that value is stored elsewhere (an input, a shared output, another
                        output): copied to the caller's buffer at the end */
  Node **loss; /* training: by loss of graph->training: the node with an image's share of it, STORE_KEPT, one
                  float */
  Node **target; /* training: by port, then by part of the truth: its op_target node, or NULL */
  int *layer, *score, *gradient; /* looking inside: indices of outputs, as in LookGraph */
  int64_t arena_bytes;           /* of values and scratch, as laid out */
  int64_t arena_bound; /* the least possible, what is written over something counted once: the largest sum of
                          values alive and scratch at one kernel */
  int64_t *scratch;    /* by kernel: where its scratch starts in the arena */
  int64_t kept_bytes, kept_bound; /* training: of a record, as laid out and the least possible */
  int64_t all_bytes, all_bound;   /* an image of the batch */
  int64_t batch_bytes;
  VEC(ValueOverlap) overlaps;     /* of program/overlap.c, before the layout */
  int *last_writer;               /* by node id: the last kernel that writes into it */
  int64_t again_work, again_macs; /* training: what is rematerialized, an image: multiply-adds and
                                     elements; multiply-adds */
  struct Life *life;              /* by node id: of store.c */
} Plan;

Plan *plan_new(Arena *, const Graph *, PlanKind, PlanOptions);
Plan *plan_inference(Arena *, const Graph *, Fusing, int images, int64_t whole_batch);
Plan *plan_training(Arena *, const Graph *, Fusing, int images);
bool plan_conv_together(const Plan *);   /* is a convolution batched? */
Plan *plan_look(Arena *, const Graph *); /* nothing is fused, each value to be seen is an output */
/* The plan with the least work whose values fit into that number of bytes, as counted by
 * plan_training_needs; if there is none, the smallest one found. */
Plan *plan_training_within(Arena *, const Graph *, PlanOptions, int64_t bytes, int64_t shards);
/* bytes: the least possible for the values of a batch, without scratch; over: the excess above the memory
 * limit, summed over all kernels. */
typedef struct TrainingNeeds {
  int64_t bytes, over;
} TrainingNeeds;
TrainingNeeds plan_training_needs(Arena *, const Plan *, int64_t shards, int64_t room);
/* Approximate minimum bytes for the values of inference, without scratch. */
int64_t plan_inference_least(const Plan *);
void plan_lay_out(Arena *, Plan *,
                  const int64_t *scratch); /* when the kernels are lowered: places in the arena, for the
                                              values and for the bytes of scratch that each kernel needs */

/* Does nobody read that operand behind kernel k, and have both it and the result all of a place in the arena?
 */
bool plan_may_overlap(const Plan *, int k, const Node *operand);

/* ---- for --emit=graph --after=PASS ---- */
const char *const *pass_names(Arena *);        /* in the order in which they run; NULL-terminated */
bool pass_belongs(const char *name, PlanKind); /* is it run for such a plan? */
Plan *plan_after(Arena *, const Graph *, PlanKind, PlanOptions, const char *name); /* after it */
void plan_dump(Text *, const Plan *); /* its graph, with the results of the passes so far for each node */
#endif
