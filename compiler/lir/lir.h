/* lir.h: the lowered program: which calls of which nests run in which order, and where every byte that
 * they touch lies. All that is decided about a net stands here; emit/ prints it and decides nothing.
 *
 *     lower.c    makes it: from a plan, nests for every target and the places of their buffers
 *     overlap.c  which results may lie over an operand
 *     share.c    what processes that share a batch exchange, and when
 *     order.c    finds where the threads of a team must wait for each other
 *     verify.c   checks it, and knows nothing of how it was made; a mistake is a bug of cnnc: exit 3
 *     live.c     says how much memory each call needs
 *     layout.h   functions, members, names and sizes of its C
 * report/lir_dump.c shows it (--emit=lir), report/schedule_dump.c how its kernels were scheduled.
 *
 * The tests interpret it (tests/harness/machine.c). */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_PROGRAM_H
#define CNNC_PROGRAM_H
#include "kernel/lower.h"

/* ---- memory ---- */
typedef enum SpaceKind {
  SPACE_NONE,
  SPACE_INPUT,   /* the caller's array of an input, of all images of a call */
  SPACE_OUTPUT,  /* the caller's array of an output; looking inside: the value in the struct that is shown */
  SPACE_TARGET,  /* the caller's targets of an output; looking inside: the weights of its scores */
  SPACE_WEIGHTS, /* weights in their natural layout */
  SPACE_MODEL,   /* weights in the order in which a kernel reads them */
  SPACE_TABLE,   /* constants */
  SPACE_KEYS,    /* the keys of an image's random numbers */
  SPACE_ARENA,   /* values and scratch of the image at work; one for each slot (inference) or shard (training)
                  */
  SPACE_KEPT,    /* a record for each image of the batch: what a later phase needs */
  SPACE_ALL,     /* values of all images of a batch, one image after the other */
  SPACE_BATCH,   /* values that there is one of for a batch */
  SPACE_GRADIENT, /* the gradients of all weights; one for each shard */
  SPACE_STATE,    /* the caller's state `index`, of all images of a call: it outlives the call */
} SpaceKind;
enum { SPACES = SPACE_STATE + 1, SPACE_ALIGNMENT = 64 };

/* bytes: of one arena, of a record, of an image's part of ALL, of BATCH, as laid out; bound: the least
 * possible for these calls in this order. */
typedef struct Space {
  int64_t bytes, bound;
} Space;

/* Bytes of a space. Those of image n begin at offset + n * stride. Its pixels are `pitch` bytes apart, of
 * which `width` belong to it: less than the pitch in a part of a joined value. */
typedef struct Place {
  SpaceKind space;
  int index; /* INPUT, OUTPUT, TARGET, STATE: of which */
  int64_t offset, stride, bytes, pitch, width;
} Place;

/* ---- calls ---- */
typedef enum CallHow {
  CALL_IMAGE, /* for each image, one after the other */
  CALL_LANES, /* for each group of interleaved images, an image a lane of a vector */
  CALL_ONCE,  /* once for all images, when those of its phase are through */
} CallHow;

typedef struct Operand {  /* a buffer of the nest that its function has as a parameter */
  bool used;              /* false: it is none */
  const Binding *binding; /* what it stands for */
  Place place;
  bool repeated; /* a value of BATCH in each lane, 0 in those that do not count */
} Operand;

/* A call as it is compiled for one target. */
typedef struct Version {
  Lower *lower;      /* its nest */
  Operand *argument; /* by buffer id of the nest */
  int64_t scratch;   /* bytes, all buffers of it */
  bool shared;       /* the threads of a team share its parallel loops; else the first of them runs it */
  bool barrier;      /* before it the threads of the team wait for each other */
} Version;

typedef struct KernelCall {
  const Kernel *kernel;
  CallHow how;
  bool team;            /* the nest was made for a team */
  int64_t scratch_from; /* bytes, in the arena */
  Version *version;     /* by target */
} KernelCall;

/* An output that no call writes for the caller is copied after call `after`, -1: before the first; of
 * interleaved images, brought into the caller's order. */
typedef struct Copy {
  int output, after;
  const Node *node;
} Copy;

/* Calls first .. first + n - 1: run for each image, or once. All of a phase are through before the next
 * begins. */
typedef struct Phase {
  int number, first, n;
  bool once;
  bool barrier; /* before it the threads of the team wait for each other */
} Phase;

/* Before the first call: bytes from .. to of a state, of each image, are elements of this number. */
typedef struct Fill {
  int state;
  int64_t from, to;
  double value;
} Fill;

/* ---- many images ---- */
typedef struct Batching {
  enum { ONE_BY_ONE, INTERLEAVED, WHOLE_BATCH } how; /* WHOLE_BATCH: some kernels are */
  int lanes;                                         /* INTERLEAVED: the widest target's; else 1 */
  int64_t images;                                    /* of a call, at most */
} Batching;

/* Bytes from .. to. */
typedef struct Stretch {
  int64_t from, to;
} Stretch;
typedef VEC(Stretch) Stretches;

/* ---- several processes ----
 * They share the shards of a batch; calls for all images are run by each of them. */

/* Before this phase (or, behind the last, for the loss) each process gets the others' images of a value of
 * INPUT, TARGET or ALL: those of image n begin at offset + n * stride. */
typedef struct Gather {
  int before;
  SpaceKind space;
  int index;
  int64_t offset, stride;
} Gather;

/* When this phase is through, the sums of these gradients are complete, bytes from .. to. */
typedef struct Bucket {
  int after;
  int64_t from, to;
} Bucket;

typedef enum ProgramKind { PROGRAM_INFERENCE, PROGRAM_TRAINING, PROGRAM_LOOK } ProgramKind;

typedef struct Program {
  ProgramKind kind;
  const Graph *graph; /* what its calls compute */
  int ntargets;
  const Target *const *target; /* best first */
  Batching batching;
  bool team;             /* inference: the calls of an image are the work of a team of threads */
  bool threads;          /* there are threads at all */
  int64_t slots, shards; /* images at work at the same time; parts of a batch that are summed on their own */
  Space space[SPACES];
  VEC(KernelCall) calls;
  VEC(Phase) phases;
  int first_phase; /* the number of the first: -1 where a call before all images reads targets alone */
  VEC(Copy) copies;
  VEC(Fill) initial; /* by state, then from its first byte to its last: what reset writes */
  /* Training: gradients that are zeros before the first call, which are those that calls add to, and those
   * that none touches; others are stored by the one call for all images that makes them. */
  Stretches cleared;
  Stretches sums;      /* gradients that every shard has its own sum of */
  bool processes;      /* training: several may share the shards */
  VEC(Gather) gathers; /* in the order of phases, as are the buckets */
  VEC(Bucket) buckets;
  const Home *home;       /* by node id: the value in which a node's value lies */
  Place **value;          /* by target and node id: where a node's value lies */
  Node *const *output;    /* by output: the node whose value it is */
  Node *const *loss;      /* training: by loss, an image's share of it: ALL, one float */
  Node *const *target_of; /* training: by port (graph_port), then part of the truth: its op_target, or NULL */
  const int *layer, *score, *gradient; /* looking inside: indices of outputs, as in LookGraph */
  Nest ***scatter; /* INTERLEAVED: by output and target: what brings an output into the caller's order */
} Program;

/* Of a net; train, look: NULL where they are not wanted. */
typedef struct Programs {
  Program *infer, *train, *look;
} Programs;

typedef struct ProgramOptions {
  int ntargets;
  const Target *const *target;
  bool openmp, plain, exact; /* exact: no algorithm that rounds differently */
  int sums;                  /* plain: of a loop over inputs, at most; 0: one */
  bool little_ram;           /* results may lie over operands, wherever that is proved */
  int64_t batch;        /* inference: images of a call; training and looking inside: of a batch, at most */
  int64_t shards;       /* 0: as it is best */
  int64_t processes;    /* training: so many may share the shards of a batch; 0: one */
  const Graph *written; /* the net as it is written */
  struct Tuning *tuning;
  const CpuCycles *cycles;  /* of the board's CPU; NULL: those of the targets */
  const Small *small;       /* by root's id; NULL: no weights have to be */
  struct KeptKernels *kept; /* what was lowered before, of a net that is fitted; NULL: nothing is kept */
  /* what tests ask for */
  bool team;            /* a team whatever the work is */
  int layout_lanes;     /* weights are packed for vectors of so many; 0: for those of the widest target */
  int64_t weight_bytes; /* of the net that schedules are chosen for; 0: of this one */
} ProgramOptions;

/* kept.c: kernels of earlier lowerings of a net, which are taken as they are. Of each kind of program only
 * the one lowered last is right from then on: it shares its nests with those before it. */
typedef struct KeptKernels KeptKernels;
KeptKernels *kept_new(Arena *);
void kept_begin(KeptKernels *, ProgramKind, const Graph *); /* a program of that graph is lowered */
/* As schedule_kernel. */
Lower *kept_kernel(KeptKernels *, Arena *, const Kernel *, const Target *, const LowerOptions *);

struct Plan;
/* Lowers each kernel for each target, lays the plan out and orders the calls. A result that cannot be written
 * over its operand on one target is not on any: kernel->over is set to NULL. */
Program *program_lower(Arena *, ProgramKind, struct Plan *, const ProgramOptions *);
void program_overlaps(Arena *, const Program *, struct Plan *, const ProgramOptions *); /* before places */
void program_mark_overlaps(Program *, const struct Plan *);                             /* behind them */
void program_share(Program *, Arena *, const Graph *written); /* gathers and buckets */
void program_order(Program *, Arena *);                       /* sets `barrier` of phases and versions */

/* What is wrong; NULL: nothing. Every byte that is read was written before, by the same image, and still
 * holds the value that is wanted; what crosses phases outlives them; calls that no barrier parts do not touch
 * what the other one writes; every space is as large as what is in it. */
const char *program_verify(Arena *, const Program *);
void program_dump(Text *, const Program *);
void program_nests(Text *, const Programs *); /* --emit=nests */
/* --emit=schedule: for each kernel, which schedules there were and why one was taken. */
void program_schedules(Text *, const Programs *, const ProgramOptions *, const Sources *);

int program_lanes(const Program *, int target); /* images of a call of a nest: 1, or the target's lanes */
int64_t program_room(const Program *,
                     SpaceKind); /* bytes of a space; one that C has an array of is never empty */
bool program_meet(const Place *, const Place *);  /* do they share a byte, for the same image? */
bool program_counts(const Program *);             /* a call takes a number of images */
bool program_writes(const Program *, int output); /* do calls write it where it belongs? Else it is copied */
/* Sums of shards from .. to - 1 are those of from .. middle - 1, and of middle .. to - 1: pairs, pairs of
 * pairs. */
int64_t program_sum_middle(int64_t from, int64_t to);
const char *space_name(SpaceKind);
/* By call: the bytes of an arena that hold something while it runs. */
void program_live(Arena *, const Program *, int target, int64_t *bytes);
#endif
