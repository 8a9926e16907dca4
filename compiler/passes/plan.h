/* plan.h: Plan: the kernels of a graph in execution order, and the storage of every value. Built by the
 * passes (passes.c), lowered by lir/lower.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PLAN_H
#define CNNC_PLAN_H
#include "base/text.h"
#include "graph/graph.h"

struct Kernel;

typedef enum PlanKind { PLAN_INFERENCE, PLAN_TRAINING, PLAN_LOOK } PlanKind;

/* The permitted fusion of nodes into the kernels of other nodes. */
typedef enum Fusing {
  FUSE_ALL,
  FUSE_NOTHING, /* -O0 */
  FUSE_APART,   /* -Os: FUSE_ALL without batched kernels, row means and gates */
} Fusing;

/* Whether a layer, or a gradient of a layer, is faster if batched. Batching has a cost: `kept` bytes per
 * image, which would otherwise stay in a cache, are stored in memory. */
typedef bool WholeBatchPays(const void *costs, const Node *, int64_t batch, int64_t kept);

/* Row bands of the layers up to a node. n: number of bands; 0: none. */
typedef struct Bands {
  int end; /* the node's id after the pass "drop" */
  int64_t n;
} Bands;

/* --stream: number of rows of an input that each call gets. */
typedef struct StreamUse {
  const char *input; /* NULL: the first input */
  int64_t rows;
} StreamUse;
typedef struct Streaming {
  VEC(StreamUse) use; /* --stream */
  int64_t slide;      /* --slide: new rows of the first input per call; 0: not given */
  int64_t lookahead;  /* maximum delay of outputs, in rows of the input */
} Streaming;

typedef struct PlanOptions {
  Fusing fusing;
  bool exact; /* --exact: no algorithm, such as Winograd, that changes the rounding of results */
  int images; /* number of images to interleave; 0, 1: none. Ignored if the net cannot be interleaved */
  const bool *repeated; /* inference: by node id of the source, convolutions that include the nearest
                           upsampling before them; NULL: none */
  int64_t whole_batch;  /* inference: maximum number of images of batched kernels; 0: no batched kernels */
  WholeBatchPays *pays; /* selects batched layers; NULL: large dense layers */
  const void *costs;    /* first argument of `pays` */
  Bands bands;          /* inference */
  const Streaming *streaming; /* inference; NULL: each call gets whole sequences */
} PlanOptions;

/* Whether the layers up to node `end` of the graph after the pass "drop" can be computed in row bands. */
bool bands_can_end_at(Arena *, const Graph *, int end);

typedef enum StoreKind {
  STORE_NONE,   /* fused or dead: never in memory */
  STORE_INPUT,  /* the caller's buffer of input `index`, read directly */
  STORE_OUTPUT, /* inference and inspection: the caller's buffer of output `index` */
  STORE_TARGET, /* training: the caller's target of port `index`; inspection: the caller's score weights */
  STORE_ARENA,  /* `offset` bytes into the arena of an image (training: of a shard) */
  STORE_KEPT,   /* training: needed in a later phase; `offset` bytes into the record that each image has */
  STORE_ALL,    /* the values of all images, for example for batched kernels, in an array that begins at
                   `offset` * images bytes */
  STORE_BATCH, /* training: value of a BATCH node; `offset` bytes into the space that exists once per batch */
  STORE_STATE, /* the caller's state `index`: the old value and, after the last read of the old value, the new
                  value */
  STORE_GRADIENT, /* RESULT_SUM nodes, and BATCH nodes with a target: the gradient of node->target */
} StoreKind;
typedef struct Storage {
  StoreKind kind;
  int index;
  int64_t offset;
} Storage; /* if the value is part of another value (plan->home), this is the storage of that value */

/* The result of a kernel may overlap an operand without later uses. The result must begin at most `most`
 * bytes after the operand's start, and the distance of the two starts must be a multiple of `step` bytes. */
typedef struct ValueOverlap {
  int kernel;
  const Node *operand;
  int64_t most, step;
} ValueOverlap;

typedef struct Inside {
  const Node *within; /* the value that contains this value, or NULL */
  int64_t from;       /* index in `within` of the first element of this value */
  int64_t rows;       /* distance between rows, as in Home; 0: the same distance as in `within` */
  bool done; /* the value needs no kernel: it is a view of its input (slice), or its inputs are views of the
                value (concat) */
} Inside;

typedef struct Plan {
  Graph *graph;
  bool training;
  bool together; /* inference: has batched kernels, so it runs by phases, like training */
  bool bands;    /* inference: some layers are computed in row bands */
  int images;    /* number of interleaved images: values are [h][w][c][images]; 1: not interleaved */
  VEC(struct Kernel *)
  kernels; /* by phase: first the kernels that run for each image, then the batched kernels */
  /* phase numbers: first_phase .. phases - 1; first_phase: -1 if a BATCH kernel needs only targets; else 0 */
  int first_phase, phases;
  /* Tables by node id, each computed by the pass named here; NULL before this pass. */
  bool *whole_batch; /* whole-batch: computed by a batched kernel */
  bool *given;       /* given: an input, target or state that is read from the caller's memory */
  int *not_before;   /* recompute: the first phase in which the node may run */
  Inside *inside;    /* place */
  Home *home;        /* place */
  int *state_of;     /* states: index of the state whose memory the value is computed in; -1: none */
  Storage *storage;  /* store */
  int *output_of;    /* store: the first output that is this value or a view of it; -1: none */
  Node **output;     /* by output: the output's node in the current graph */
  Node **loss;       /* training, per loss: the node that computes the loss of one image: one float, in
                        STORE_ALL */
  Node **target;     /* training: by port, then by part of the annotations: the target, or NULL */
  int *layer, *score, *gradient;  /* inspection: indices of outputs, as in LookGraph */
  int64_t arena_bytes;            /* bytes of values and scratch, as laid out */
  int64_t arena_bound;            /* lower bound: the largest sum of live values and scratch at a kernel; an
                                     operand and a result that overwrites it count once */
  int64_t *scratch;               /* by kernel: offset of the kernel's scratch in the arena */
  int64_t kept_bytes, kept_bound; /* training: size of a record, and its lower bound */
  int64_t all_bytes, all_bound;   /* bytes of STORE_ALL per image, and their lower bound */
  int64_t batch_bytes;
  VEC(ValueOverlap) overlaps; /* found by lir/overlap.c */
  int *last_writer;           /* by node id: the last kernel that writes into the value */
  int64_t recomputed_work,
      recomputed_macs; /* training: cost of rematerialization per image, by recompute_work and in MACs */
  struct Life *life;   /* by node id (store.c) */
} Plan;

Plan *plan_new(Arena *, const Graph *, PlanKind, PlanOptions);
Plan *plan_inference(Arena *, const Graph *, Fusing, int images, int64_t whole_batch);
Plan *plan_training(Arena *, const Graph *, Fusing, int images);
bool plan_batches_conv(const Plan *);    /* whether any convolution is batched */
Plan *plan_look(Arena *, const Graph *); /* the plan of inspection: without fusion; all shown values are
                                            outputs */
/* Tries several plans. Returns the plan with the least work whose values fit into `bytes`
 * (plan_training_needs). If no plan fits, returns the plan that needs the least memory. */
Plan *plan_training_within(Arena *, const Graph *, PlanOptions, int64_t bytes, int64_t shards);
/* bytes: lower bound of the memory for a batch's values, without scratch; over: the bytes above the limit
 * `room`, summed over all kernels. */
typedef struct TrainingNeeds {
  int64_t bytes, over;
} TrainingNeeds;
TrainingNeeds plan_training_needs(Arena *, const Plan *, int64_t shards, int64_t room);
/* Approximate lower bound in bytes for the values of inference, without scratch. */
int64_t plan_inference_least(const Plan *);
void plan_lay_out(Arena *, Plan *,
                  const int64_t *scratch); /* after lowering: sets the offsets of values and of each kernel's
                                              scratch; scratch: by kernel, its bytes */

/* Whether the result of kernel k may overlap the operand. Kernel k must be the last user of the operand and
 * the first writer of the result. Both values must be blocks of the arena, or rows of such blocks. False if
 * the result already overwrites an operand. */
bool plan_may_overlap(const Plan *, int k, const Node *operand);

/* ---- for --emit=graph --after=PASS ---- */
const char *const *pass_names(Arena *);        /* in execution order; NULL-terminated */
bool pass_belongs(const char *name, PlanKind); /* whether the pass runs for plans of this kind */
Plan *plan_after(Arena *, const Graph *, PlanKind, PlanOptions, const char *name); /* the plan after a pass */
/* prints the graph, with the results of the passes so far for each node */
void plan_dump(Text *, const Plan *);
#endif
