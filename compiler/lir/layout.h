/* layout.h: what the C of a net is made of, before a line of it is printed: its functions, the members of its
 * structs and its tables, all names, and the memory that they need.
 *
 *     merge.c      functions: what is the same code is there once
 *     merge_sizes.c  and, where flash is short, what differs in numbers alone
 *     layout.c     members and tables: what holds the same is there once
 *     naming.c     names of the interface and of the fixed text, which layers cannot have
 *     units.c      which functions stand in which translation unit
 *     footprint.c  bytes of structs, of flash and RAM, of stack
 * emit/ prints a layout; driver/fit.c changes plans until its sizes fit. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LAYOUT_H
#define CNNC_LAYOUT_H
#include "lir/lir.h"
#include "lir/names.h"
#include "nest/code.h"

enum { ALIGNMENT = SPACE_ALIGNMENT, ALIGNED_FLOATS = ALIGNMENT / 4 };

typedef struct LayoutOptions {
  const char *prefix; /* of C names */
  int64_t batch;
  int ntargets;
  const Target *const *target; /* best first */
  bool embedded;               /* there are weights to compile in: they need flash, and no RAM */
  bool merge;                  /* little flash: layers that differ in numbers alone share a function */
  /* what the text around the layers has */
  bool (*taken)(const char *name);
} LayoutOptions;

/* A C function: an instance of a nest's functions (nest/instance.h), or several that are the same code. */
typedef struct Code {
  int id;           /* its place among those of its target */
  const char *name; /* without the target's suffix */
  const Key *key;
  struct NestFunction *entry; /* of which it is the one that is called from outside; NULL: of none */
} Code;

/* A C function made of a nest, with those that it calls. Kernels that are the same code, layers of equal
 * shape, share one. */
typedef struct NestFunction {
  int id;                 /* its place among those of its target */
  const char *name, *own; /* "lenet5_conv1_v4", "lenet5_conv1" */
  Nest *nest;
  bool team;            /* a team shares its parallel loops */
  const Kernel *kernel; /* that it was made for; NULL: it packs weights, or brings outputs into order */
  VEC(const Kernel *) also;
  Instances *instances; /* by their `code`; the last one is the function itself */
  bool steady;          /* inference or training calls it */
  int64_t stack;        /* bytes, at the most; -1: not known */
  /* Functions that differ in numbers alone, merged. */
  struct NestFunction *into; /* the one that is called: itself, or another */
  bool merged;               /* others are called by its name, too */
  VEC(int64_t) sizes;        /* the numbers with which that is called, its first parameters */
  CodeNumbers numbers;       /* of that one: in its code, and which parameters take their place */
} NestFunction;

/* The functions of one target, or those of no target in particular (packing). */
typedef struct Functions {
  const Target *target; /* NULL: packing */
  const char *suffix;   /* of their names: "_v4"; "" where a file has one target */
  VEC(NestFunction *) all;
  VEC(Code *) codes;
  KeyTable code_of;
} Functions;

/* Weights in the order in which kernels read them: a member of the model (inference) or of the training
 * struct; or, made of no weights, a constant table. */
typedef struct Member {
  const char *name, *key; /* key: equal where the same is in it */
  int rank;
  const int64_t *dim;
  Elem elem;
  int64_t bytes;
  const Weight *copy; /* the natural weight as it is, or */
  const Pack *pack;   /* what its nest makes of the natural weights (of none: constants), by `function`, or */
  const NestFunction *function;
  const Key *nest;     /* of the pack */
  uint32_t targets;    /* of a table: bit t: functions of target t read it */
  struct Member *next; /* with the same key, but another pack */
  const float *table;  /* constants */
} Member;

typedef struct Step { /* a call */
  const KernelCall *call;
  const char *name;        /* "stage1_conv1" */
  NestFunction **function; /* by target */
  const Member ***member;  /* by target and buffer: what a buffer of weights or constants is bound to; NULL:
                              natural weights, or something else */
} Step;

typedef struct Part {     /* inference, training, or looking inside */
  const Program *program; /* NULL: not wanted */
  VEC(Step) steps;
  VEC(Member *) members;
  Table member_of;         /* by key */
  const char **value;      /* by node id: the name of the step that makes its value; NULL: none does */
  Names names;             /* of members */
  NestFunction ***outputs; /* by output and target, of interleaved images: what brings an output into the
                          caller's order; else NULL */
} Part;

/* own_names.def: "lenet5_infer"; "LENET5_BATCH"; "LENET5_IMAGE_SIZE" */
typedef struct OwnNames {
#define OWN(name) const char *name;
#include "lir/own_names.def"
} OwnNames;
typedef struct OwnMacros {
#define OWN_MACRO(name) const char *name;
#include "lir/own_names.def"
} OwnMacros;
typedef struct PortMacros {
#define PORT_MACRO(name) const char *name;
#include "lir/own_names.def"
} PortMacros;

typedef struct PortNames {
  const char *name, *upper, *target;
  PortMacros macro;
  const char *step;         /* a macro: LENET5_STEP_IMAGE */
  const char *scale, *zero; /* members of an updatable net's model; else NULL */
} PortNames;                /* image, IMAGE; output_target */

typedef struct StateNames {
  const char *name; /* of its member */
  const char *parameter;
} StateNames;

typedef struct Layout {
  Arena *arena;
  LayoutOptions options;
  const Graph *graph;
  const char *upper; /* LENET5 */
  bool model;        /* kernels read weights that are packed */
  bool weights;      /* the caller may pack them: there are parameters in floats */
  Names names;       /* of functions and tables, without the net's */
  Names macros;      /* LENET5_BATCH, LENET5_IMAGE_SIZE */
  Names locals;      /* of functions that take ports: these, their other parameters and variables */
  OwnNames own;
  OwnMacros macro;
  PortNames *input, *output; /* output: and behind them the values that losses read */
  StateNames *state;         /* by state */
  const char *truth;         /* the argument of that name */
  Part infer, train, look;
  VEC(Member *) tables;     /* constant tables */
  Table table_of;           /* by key */
  Functions pack, *targets; /* targets: by target */
} Layout;

Layout *layout_new(Arena *, const Graph *, const Programs *, const LayoutOptions *);
void layout_name(Layout *, const Programs *); /* naming.c: before its functions are named */
const char *layout_identifier(const Layout *, const char *name); /* "stage1.conv1" -> "stage1_conv1" */
const Quant *port_quant(const Node *); /* of a port in bytes, or of the value that it is made of */

/* ---- merge.c, merge_sizes.c ---- */
/* The function for a nest: an existing one, or a new one with that name. team: its parallel loops are shared
 * out. */
NestFunction *merge_equal(Arena *, Functions *, Nest *, bool team, const char *name, const Kernel *);
/* Functions of a target that differ in numbers alone become one, with these as parameters. Arrays of their
 * nests are flat (Buf.flat), and no function is added afterwards. */
void merge_similar(Arena *, Functions *);

/* ---- units.c ---- */
/* Who calls the functions of a unit. */
typedef enum UnitUse {
  USE_STEADY,  /* inference and training */
  USE_PACKING, /* once a step: compilers take long to unroll copies, and gain nothing */
  USE_SELDOM,  /* functions that show inner values */
} UnitUse;
typedef struct Unit {
  int target; /* -1: packing */
  UnitUse use;
  VEC(const NestFunction *) functions;
} Unit;
typedef VEC(Unit) Units;
Units layout_units(const Layout *); /* beside the first, which calls them; none: one unit is enough */

/* ---- sizes ---- */
typedef struct NetSizes {
  int64_t model_bytes, workspace_bytes, workspace_bound, training_bytes, training_bound, shards, state_bytes;
} NetSizes; /* bound: the least possible for these kernels in this order */
NetSizes layout_sizes(const Layout *);
int64_t aligned(int64_t floats), floats_in(int64_t bytes);
int64_t members_bytes(const Part *); /* of a struct of them */
int64_t layout_model_bytes(const Layout *);
int64_t layout_state_bytes(const Layout *); /* of a struct of all images; 0 without states */
int64_t layout_all_floats(const Layout *);  /* of the workspace: what is read for all images together */
int64_t layout_slot_floats(const Layout *);
/* Of the training struct: of an arena; of all images of a batch, but BATCH: there is one. */
int64_t layout_training_floats(const Layout *, SpaceKind);

/* What inference takes of a board. Code is in none of it. */
typedef struct LayerFootprint {
  const char *name; /* of its function, without the net's */
  int64_t flash;    /* constants that no layer before it reads */
  int64_t ram;      /* of the arena, while it runs */
  int64_t stack;    /* of its function; -1: not known */
} LayerFootprint;
typedef struct Footprint {
  int64_t flash, tables, labels; /* flash: weights, tables, labels */
  int64_t model;                 /* of RAM: weights that are not compiled in */
  int64_t workspace;
  int64_t state; /* what is kept between calls */
  int64_t stack; /* of NAME_infer, by a compiler that optimizes; -1: not known, or not looked at: no board */
  int64_t ram;   /* of model, workspace, state and stack */
  int n;         /* layers, in the order of their calls */
  LayerFootprint *layer;
} Footprint;
Footprint layout_footprint(const Layout *);
bool layout_is_board(const Layout *); /* all targets are, and it is known what their instructions take */
#endif
