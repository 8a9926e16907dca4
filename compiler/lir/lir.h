/* lir.h: LIR, the lowered program: the order of nest calls and the address of every byte that they access.
 *
 * lower.c    builds it: nests for every target, and addresses of their buffers
 * overlap.c  finds results that may overlap an operand
 * share.c    finds the data that processes exchange when they share a batch
 * order.c    places barriers between the threads of a team
 * verify.c   verifies it, without the builder's code; a failure is a bug of cnnc
 * live.c     computes the memory that is live during each call
 * layout.h   layout of the generated C: functions, members, names and sizes
 *
 * report/lir_dump.c prints the program (--emit=lir); report/schedule_dump.c prints the schedules of its
 * kernels. The tests interpret lowered programs (tests/harness/machine.c). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROGRAM_H
#define CNNC_PROGRAM_H
#include "kernel/lower.h"

/* ---- memory ---- */
typedef enum SpaceKind {
  SPACE_NONE,
  SPACE_INPUT,   /* the caller's array of an input, for all images of a call */
  SPACE_OUTPUT,  /* the caller's array of an output; inspection: the value in the returned struct */
  SPACE_TARGET,  /* the caller's targets of an output; inspection: the gradient with respect to the output's
                    scores, with which the backward pass begins */
  SPACE_WEIGHTS, /* weights in their natural layout */
  SPACE_MODEL,   /* packed weights; in inference, also the weights in their natural layout */
  SPACE_TABLE,   /* constant tables */
  SPACE_KEYS,    /* the keys of an image's random numbers */
  SPACE_ARENA, /* values of the current image; scratch; one arena per slot (inference) or shard (training) */
  SPACE_KEPT,  /* values that a later phase needs: a record per image of the batch */
  SPACE_ALL,   /* values of all images of a batch, consecutively */
  SPACE_BATCH, /* values that exist once per batch */
  SPACE_GRADIENT, /* the gradients of all weights; one array per shard */
  SPACE_STATE,    /* the caller's state number `index`, for all images of a call; it is kept after the call */
} SpaceKind;
enum { SPACES = SPACE_STATE + 1, SPACE_ALIGNMENT = 64 };

/* bytes: the size of one arena, one record, the whole BATCH, one array of gradients, or one image's part of
 * ALL. bound: a lower bound of this size; with the program's calls in this order, no choice of
 * addresses needs fewer bytes. */
typedef struct Space {
  int64_t bytes, bound;
} Space;

/* A set of bytes of a space. Image n is stored within `bytes` bytes from offset + n * stride on. Pixels are
 * `pitch` bytes apart, and `width` bytes of each pixel belong to the place. For an alias in a concat, `width`
 * is less than `pitch`. */
typedef struct Place {
  SpaceKind space;
  int index; /* number of the INPUT, OUTPUT, TARGET or STATE */
  int64_t offset, stride, bytes, pitch, width;
} Place;

/* ---- calls ---- */
typedef enum CallHow {
  CALL_IMAGE, /* runs for each image; the images of a slot or shard run one after the other */
  CALL_LANES, /* runs for each group of interleaved images, with one image per vector lane */
  CALL_ONCE,  /* runs once for all images, after the per-image calls with the same phase number */
} CallHow;

typedef struct Operand {  /* the argument for a buffer parameter of a nest */
  bool used;              /* false: the buffer is not a parameter */
  const Binding *binding; /* as lower_binding returns it */
  Place place;
  bool repeated; /* a value of SPACE_BATCH is copied to each lane that has an image; other lanes get 0 */
} Operand;

/* A call as it is compiled for one target. */
typedef struct Version {
  Lower *lower;      /* the kernel, lowered to a nest */
  Operand *argument; /* by buffer id of the nest */
  int64_t scratch;   /* bytes of all scratch buffers of the nest */
  bool shared;       /* a team shares the call's parallel loops */
  bool barrier;      /* preceded by a barrier of the team */
} Version;

typedef struct KernelCall {
  const Kernel *kernel;
  CallHow how;
  bool team;            /* the nest was built for a team */
  int64_t scratch_from; /* offset of the scratch in the arena, in bytes */
  Version *version;     /* one per target */
} KernelCall;

/* A copy of an output that no call writes directly, made after call `after` (-1: before the first call).
 * Interleaved outputs are deinterleaved. */
typedef struct Copy {
  int output, after;
  const Node *node;
} Copy;

/* Calls first .. first + n - 1. They run for each image or, if `once`, once for all images. Without
 * Program.team, all calls of a phase end before the next phase begins; with it, threads wait only at
 * barriers. */
typedef struct Phase {
  int number, first, n;
  bool once;
  bool barrier; /* preceded by a barrier of the team */
} Phase;

/* Initial values of a state: NAME_reset fills the bytes `from` to `to` - 1 of each image's state with
 * elements equal to `value`. */
typedef struct Fill {
  int state;
  int64_t from, to;
  double value;
} Fill;

/* ---- many images ---- */
typedef struct Batching {
  enum { ONE_BY_ONE, INTERLEAVED, WHOLE_BATCH } how; /* WHOLE_BATCH: inference with batched kernels */
  int lanes;      /* INTERLEAVED: the largest number of lanes of any target; otherwise 1 */
  int64_t images; /* maximum number of images per call or batch */
} Batching;

/* A range of bytes; `to` is the first byte after the range. */
typedef struct Stretch {
  int64_t from, to;
} Stretch;
typedef VEC(Stretch) Stretches;

/* ---- several processes ----
 * Each process computes some shards of a batch, and all batched calls. */

/* Before the phase with index `before`, each process receives the other processes' images of a value in
 * INPUT, TARGET or ALL. Losses are received after the last phase: `before` is the number of phases. The bytes
 * of image n begin at offset + n * stride. */
typedef struct Gather {
  int before;
  SpaceKind space;
  int index;
  int64_t offset, stride;
} Gather;

/* A part of the gradients that processes exchange: the bytes `from` to `to` - 1. The phase with index `after`
 * is the last one that changes them. */
typedef struct Bucket {
  int after;
  int64_t from, to;
} Bucket;

typedef enum ProgramKind { PROGRAM_INFERENCE, PROGRAM_TRAINING, PROGRAM_LOOK } ProgramKind;

typedef struct Program {
  ProgramKind kind;
  const Graph *graph; /* the graph that the program's calls compute */
  int ntargets;
  const Target *const *target; /* the best target first */
  Batching batching;
  bool team;             /* inference: a team of threads shares the calls of an image or, with WHOLE_BATCH, of
                            the batch */
  bool threads;          /* the generated code may use more than one thread */
  int64_t slots, shards; /* slots: maximum number of images, or groups of interleaved images, that run at the
                            same time; shards: number of parts of a batch whose gradients are summed
                            separately */
  Space space[SPACES];
  VEC(KernelCall) calls;
  VEC(Phase) phases;
  int first_phase; /* number of the first phase: -1 if a call that reads only targets runs before the calls
                      for each image; otherwise 0 */
  VEC(Copy) copies;
  VEC(Fill) initial; /* sorted by state, then by byte; NAME_reset writes the values */
  /* Training: gradients to clear before the first call, because calls add to them or no call writes them. A
   * batched call stores the other gradients. */
  Stretches cleared;
  Stretches sums;      /* gradients that each shard sums separately */
  bool processes;      /* training: the shards may be divided among several processes */
  VEC(Gather) gathers; /* gathers and buckets are in the order of phases */
  VEC(Bucket) buckets;
  const Home *home;    /* by node id: the value that contains the node's value */
  Place **value;       /* by target and node id: the place of a node's value */
  Node *const *output; /* by output: the node whose value is the output */
  Node *const
      *loss; /* training: by loss: the node of an image's contribution to the loss, one float in ALL */
  Node *const *target_of; /* training: op_target nodes or NULL; indices: ports, graph_ports() + TruthPart */
  const int *layer, *score, *gradient; /* inspection: indices of outputs, as in LookGraph */
  Nest ***scatter; /* INTERLEAVED: by output and target: the nest that deinterleaves an output */
} Program;

/* Programs of a net; train, look: NULL if not requested. */
typedef struct Programs {
  Program *infer, *train, *look;
} Programs;

typedef struct ProgramOptions {
  int ntargets;
  const Target *const *target;
  bool threads, plain, exact; /* exact: no algorithm that rounds differently, such as Winograd */
  int sums;        /* reference nests: maximum number of accumulators per reduction loop; 0 means 1 */
  bool little_ram; /* results may overlap dead operands if this is proved to be correct */
  int64_t batch;   /* maximum number of images: per call in inference, per batch in training and inspection */
  int64_t shards;  /* 0: chosen automatically */
  int64_t processes;    /* training: number of processes for which there must be enough shards; 0: processes
                           cannot share the batch */
  const Graph *written; /* the graph as written */
  struct Tuning *tuning;
  const CpuCycles *cycles;   /* instruction costs of the microcontroller's CPU; NULL: those of the targets */
  const Small *small;        /* by id of a kernel's root: size class of the kernel's constants; NULL:
                                SMALL_NOT */
  struct KernelCache *cache; /* kernels of earlier lowerings, while a net is fitted to a memory limit; NULL:
                                no cache */
  /* for tests */
  bool team;            /* uses a team regardless of the amount of work */
  int layout_lanes;     /* number of lanes for which weights are packed; 0: the most of any target */
  int64_t weight_bytes; /* size of the weights that the choice of schedules assumes; 0: the size of this net's
                           weights */
} ProgramOptions;

/* Cache of kernels from earlier lowerings of a net. The programs of one kind share nests, so only the last
 * lowered program of each kind remains valid. */
typedef struct KernelCache KernelCache;
KernelCache *kernel_cache_new(Arena *);
void kernel_cache_begin(KernelCache *, ProgramKind,
                        const Graph *); /* must be called before kernels of that graph are looked up */
/* Returns a kernel from the cache, or lowers it with schedule_kernel. */
Lower *kernel_cache_get(KernelCache *, Arena *, const Kernel *, const Target *, const LowerOptions *);

struct Plan;
/* Lowers each kernel for each target, assigns addresses and places barriers. If a result cannot overwrite its
 * operand on one target, kernel->over is set to NULL, for all targets. */
Program *program_lower(Arena *, ProgramKind, struct Plan *, const ProgramOptions *);
void program_overlaps(
    Arena *, const Program *, struct Plan *,
    const ProgramOptions *); /* must be called before places are assigned; sets plan->overlaps */
void program_mark_overlaps(Program *,
                           const struct Plan *); /* marks buffers that overlap in the final layout */
void program_share(Program *, Arena *, const Graph *written); /* sets gathers and buckets */
void program_order(Program *, Arena *);                       /* sets `barrier` of phases and versions */

/* Returns the first error that is found; NULL: no error. The main rules: A computed value is read only from
 * bytes that contain it, for the images of the call. Values that later phases read are kept until those
 * phases. Calls that may run on different threads, without a barrier between them, do not access each other's
 * results. Every space is large enough. */
const char *program_verify(Arena *, const Program *);
void program_dump(Text *, const Program *);
void program_nests(Text *, const Programs *); /* --emit=nests */
/* --emit=schedule: for each kernel, its schedules and the reason for the chosen one. */
void program_schedules(Text *, const Programs *, const ProgramOptions *, const Sources *);

/* Images per call of a per-image nest: 1, or the target's lanes if images are interleaved. */
int program_lanes(const Program *, int target);
/* The number of bytes to reserve for a space: not 0, because a C array cannot be empty. */
int64_t program_room(const Program *, SpaceKind);
bool program_meet(const Place *, const Place *); /* whether two places share a byte, for the same image */
bool program_counts(const Program *);            /* whether the generated inference function has the number of
                                                    images as an argument */
bool program_writes(const Program *,
                    int output); /* whether calls write an output directly; otherwise it is copied */
/* The gradients of shards are summed as a binary tree. Returns the first shard of the right half of the
 * subtree with the shards `from` to `to` - 1. */
int64_t program_sum_middle(int64_t from, int64_t to);
const char *space_name(SpaceKind);
/* Sets bytes[c], for each call c, to the number of arena bytes that are live while the call runs. */
void program_live(Arena *, const Program *, int target, int64_t *bytes);
#endif
