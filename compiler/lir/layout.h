/* layout.h: Layout of a net's C: functions, struct members, tables, names, memory sizes.
 *
 *   merge.c        merges functions with identical code
 *   merge_sizes.c  if flash is limited, merges functions that differ in numbers only
 *   layout.c       members and tables; equal contents are stored once
 *   naming.c       names of the interface and of the code around the layers; layers cannot use them
 *   units.c        assignment of functions to translation units
 *   footprint.c    sizes of structs, flash, RAM and stack
 *
 * emit/ prints a layout. driver/fit.c changes plans until the layout's sizes are within the limits. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LAYOUT_H
#define CNNC_LAYOUT_H
#include "lir/lir.h"
#include "lir/names.h"
#include "nest/code.h"

enum { ALIGNMENT = SPACE_ALIGNMENT, ALIGNED_FLOATS = ALIGNMENT / 4 };

typedef struct LayoutOptions {
  const char *prefix; /* prefix of C names */
  int64_t batch;
  int ntargets;
  const Target *const *target; /* the best target first */
  bool embedded;               /* weights are compiled in: they need flash, not RAM */
  bool merge;                  /* layers that differ only in numbers share a function */
  /* whether the generated code around the layers uses a name */
  bool (*taken)(const char *name);
} LayoutOptions;

/* A C function: one instance of a nest's function (nest/instance.h), or several instances with identical
 * code. */
typedef struct Code {
  int id;           /* index in Functions.codes */
  const char *name; /* name without the target's suffix */
  const Key *key;
  struct NestFunction *entry; /* the NestFunction whose entry point this function is; or NULL */
} Code;

/* The C function of a nest, with the functions that it calls. Kernels with identical code, such as layers of
 * equal shape, share one NestFunction. */
typedef struct NestFunction {
  int id;                 /* index in Functions.all */
  const char *name, *own; /* "lenet5_conv1_v4", "lenet5_conv1" */
  Nest *nest;
  bool team;            /* a team shares the function's parallel loops */
  const Kernel *kernel; /* the kernel for which the function was created; NULL: the function packs weights or
                           deinterleaves outputs */
  VEC(const Kernel *) also;
  Instances *instances; /* instances of the called functions, each with its `code`; the last instance is the
                           entry point of this NestFunction */
  bool hot;             /* inference or training calls the function */
  int64_t stack;        /* maximum stack in bytes */
  /* for functions that differ only in numbers (merge_similar) */
  struct NestFunction *into; /* the function to call: itself, or the function into which it was merged */
  bool merged;               /* other functions were merged into this function */
  VEC(int64_t) sizes;        /* calls of `into` pass these numbers as the first arguments */
  CodeNumbers numbers;       /* the numbers in the function's code, and the parameters that replace them */
} NestFunction;

/* The functions of one target, or the packing functions, which do not depend on the target. */
typedef struct Functions {
  const Target *target; /* NULL: packing functions */
  const char *suffix;   /* name suffix: "_v4"; "" if the C has one target; "_pack" */
  VEC(NestFunction *) all;
  VEC(Code *) codes;
  KeyTable code_of;
} Functions;

/* A constant table; or an array of weights or other constants in the struct of the model (inference), of
 * training or of inspection. */
typedef struct Member {
  const char *name, *key; /* key: buffers share a member only if their keys are equal */
  int rank;
  const int64_t *dim;
  Elem elem;
  int64_t bytes;
  const Weight *copy; /* if not NULL, the contents are a copy of this weight in its natural layout */
  const Pack *pack;   /* if not NULL, the contents are the pack's constants, or the result of its nest */
  const NestFunction *function;
  const Key *nest;     /* key of the pack's nest */
  uint32_t targets;    /* for tables: bit t is set if functions of target t read it; 0: not recorded */
  struct Member *next; /* the next member with the same key but another pack */
  const float *table;  /* if not NULL, the constants of a table */
} Member;

typedef struct Step { /* a call */
  const KernelCall *call;
  const char *name;        /* "stage1_conv1" */
  NestFunction **function; /* by target: the function of the layer; calls go to its `into` */
  const Member ***member;  /* by target and buffer: the member with the buffer's data, or NULL */
} Step;

typedef struct Part {     /* inference, training, or inspection */
  const Program *program; /* NULL: not requested */
  VEC(Step) steps;
  VEC(Member *) members;
  Table member_of;         /* by key: the first of the list (Member.next) of members with this key */
  const char **value;      /* by node id: the name of the step that computes the node's value; or NULL */
  Names names;             /* names of members */
  NestFunction ***outputs; /* by output and target: the function that deinterleaves an output; NULL without
                              interleaving */
} Part;

/* Names from own_names.def, such as "lenet5_infer", "LENET5_BATCH" and "LENET5_IMAGE_SIZE". */
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
  const char *step;         /* the name of a macro such as LENET5_STEP_IMAGE */
  const char *scale, *zero; /* names of the model's members with the port's scale and zero point, in an
                               updatable net; or NULL */
} PortNames;                /* example: name is image_values, upper is IMAGE; for an output,
                               target is output_target */

typedef struct StateNames {
  const char *name; /* name of the state's member in the state struct */
  const char *parameter;
} StateNames;

typedef struct Layout {
  Arena *arena;
  LayoutOptions options;
  const Graph *graph;
  const char *upper; /* LENET5 */
  bool model;        /* the net has a model struct, because it has weights or other constants */
  bool weights;      /* the net has float parameters, which the caller may pack */
  Names names;       /* names of functions and tables, without the net's prefix */
  Names macros;      /* names of macros, such as LENET5_BATCH and LENET5_IMAGE_SIZE */
  OwnNames own;
  OwnMacros macro;
  PortNames *input, *output; /* output: by graph_port index; values that are no output have only `target` */
  StateNames *state;         /* one per state */
  Part infer, train, look;
  VEC(Member *) tables;     /* constant tables */
  Table table_of;           /* by key, like Part.member_of */
  Functions pack, *targets; /* targets: indexed by target */
} Layout;

Layout *layout_new(Arena *, const Graph *, const Programs *, const LayoutOptions *);
void layout_name(Layout *, const Programs *); /* must be called before functions are named; in naming.c */
/* Scale and zero point of a port or, if it has none, of its first operand; or NULL. */
const Quant *port_quant(const Node *);

/* ---- merge.c, merge_sizes.c ---- */
/* The function of a nest: an existing function with identical code, or a new one called `name`. team: a team
 * shares the parallel loops. */
NestFunction *merge_equal(Arena *, Functions *, Nest *, bool team, const char *name, const Kernel *);
/* Merges functions of a target that differ in numbers only. These numbers become parameters. All arrays of
 * the functions' nests must be flat (Buf.flat). No function may be added afterwards. */
void merge_similar(Arena *, Functions *);

/* ---- units.c ---- */
/* Purpose of the functions of a unit; it determines their optimization level. */
typedef enum UnitUse {
  USE_HOT,     /* inference and training */
  USE_PACKING, /* packing functions, which take little time: unrolling would only cost compile time */
  USE_COLD,    /* inspection commands */
} UnitUse;
typedef struct Unit {
  int target; /* -1: packing functions */
  UnitUse use;
  VEC(const NestFunction *) functions;
} Unit;
typedef VEC(Unit) Units;
/* The translation units after the first one, which calls their functions. Little code needs only the first
 * unit. */
Units layout_units(const Layout *);

/* ---- sizes ---- */
typedef struct NetSizes {
  int64_t model_bytes, workspace_bytes, workspace_bound, training_bytes, training_bound, shards, state_bytes;
} NetSizes; /* workspace_bound, training_bound: lower bounds of workspace_bytes and training_bytes for these
               kernels in this order, with any choice of addresses */
NetSizes layout_sizes(const Layout *);
int64_t aligned(int64_t floats), floats_in(int64_t bytes);
int64_t members_bytes(const Part *); /* size of a struct with these members */
int64_t layout_model_bytes(const Layout *);
int64_t layout_state_bytes(const Layout *); /* size of the state struct for all images; 0 without states and
                                               streams */
int64_t layout_all_floats(const Layout *);  /* floats of SPACE_ALL, for all images */
int64_t layout_slot_floats(const Layout *);
/* Number of floats of a space in the training struct: of one arena, or of the whole KEPT, ALL or BATCH. */
int64_t layout_training_floats(const Layout *, SpaceKind);

/* Memory that inference needs, in bytes, not counting code. */
typedef struct LayerFootprint {
  const char *name; /* name of the layer's function, without the net's prefix */
  int64_t flash;    /* bytes of the constants that this layer reads and no earlier layer reads */
  int64_t ram;      /* arena bytes that are live while the layer runs */
  int64_t stack;    /* stack of the layer's function */
} LayerFootprint;
typedef struct Footprint {
  int64_t flash, tables, labels; /* flash: compiled-in weights, tables, labels */
  int64_t model;                 /* RAM for weights that are not compiled in */
  int64_t workspace;
  int64_t state; /* RAM for states, which must be preserved between calls */
  int64_t stack; /* stack of NAME_infer with an optimizing compiler; -1: not a board */
  int64_t ram;   /* model + workspace + state + stack of a board */
  int n;         /* number of layers; layer[] is in the order of the calls */
  LayerFootprint *layer;
} Footprint;
Footprint layout_footprint(const Layout *);
bool layout_is_board(
    const Layout *); /* whether all targets are microcontrollers with known instruction costs */
#endif
