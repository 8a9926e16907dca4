/* module.h: a net on its way to C text: every kernel lowered for every target, the packed weights they read,
 * all names. Private to emit/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MODULE_H
#define CNNC_MODULE_H
#include "emit/emit.h"
#include "emit/names.h"
#include "emit/nest.h"
#include "graph/node_text.h"
#include "lir/lir.h"

enum { ALIGNMENT = SPACE_ALIGNMENT, ALIGNED_FLOATS = ALIGNMENT / 4 };

/* A C function made of a nest. Kernels that are the same code, layers of equal shape, share one. */
typedef struct Function {
  const char *text, *name, *comment;
  const char *call; /* what a call begins with: "lenet5_conv1(" */
  const char *code; /* the text under a stand-in for the name */
  const NestKey *key;
  struct Function *next; /* whose key has the same hash */
  bool steady;           /* inference or training calls it */
  int64_t stack;         /* where layers may share it: of all of them, at the most; -1: not known */
  VEC(const char *) also;
  Table told; /* the layers in its comment and in `also` */
} Function;

/* The functions of one target, or those of no target in particular (packing). */
typedef struct Section {
  const Target *target;  /* NULL: packing */
  const char *suffix;    /* of the names of its functions: "_v4"; "" where a file has one target */
  const char *attribute; /* macro of its functions: "LENET5_V4"; "" where none is needed */
  NestPrint print;
  PreludeNeeds needs;
  VEC(Function *) functions;
  Table by_hash;
} Section;

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
  const Function *function;
  const NestKey *nest; /* of the pack */
  uint32_t targets;    /* of a table: bit t: functions of target t read it */
  struct Member *next; /* with the same key, but another pack */
  const float *table;  /* constants */
} Member;

typedef struct Step { /* a call */
  const KernelCall *call;
  const char *name;       /* "stage1_conv1" */
  Function **function;    /* by target */
  const Member ***member; /* by target and buffer: what a buffer of weights or constants is bound to; NULL:
                             natural weights, or something else */
} Step;

typedef struct Part {     /* inference, training, or looking inside */
  const Program *program; /* NULL: not wanted */
  VEC(Step) steps;
  VEC(Member *) members;
  Table member_of;     /* by key */
  const char **value;  /* by node id: the name of the step that makes its value; NULL: none does */
  Names names;         /* of members */
  Function ***outputs; /* by output and target, of interleaved images: what brings an output into the caller's
                          order; else NULL */
} Part;

typedef struct PortNames {
  const char *name, *upper, *target;
  const char *scale, *zero; /* members of an updatable net's model; else NULL */
} PortNames;                /* image, IMAGE; output_target */

struct Net {
  Arena *arena;
  const EmitOptions *options;
  const Graph *graph;
  const Sources *sources;
  const char *name, *upper;  /* lenet5, LENET5 */
  bool model;                /* kernels read weights that are packed */
  bool weights;              /* the caller may pack them: there are parameters in floats */
  Names names;               /* of functions and tables, without the net's */
  Table said;                /* lines of comments on functions */
  Names macros;              /* LENET5_BATCH, LENET5_IMAGE_SIZE */
  PortNames *input, *output; /* output: and behind them the values that losses read */
  const char *truth;         /* the argument of that name */
  Part infer, train, look;
  VEC(Member *) tables;   /* constant tables */
  Table table_of;         /* by key */
  Section pack, *section; /* section: by target */
  const char *barrier;    /* the text is one unit of several: what the others call for BARRIER; else NULL */
};

/* ---- module.c ---- */
int64_t aligned(int64_t floats), floats_in(int64_t bytes);
const Quant *port_quant(const Node *); /* of a port in bytes, or of the value that it is made of; or NULL */
int64_t members_bytes(const Part *);   /* of a struct of them */
int64_t net_model_bytes(const Net *), net_workspace_floats(const Net *);
const char *net_input_type(const Net *, int), *net_output_type(const Net *, int); /* of C: "uint8_t" */
int64_t net_all_floats(const Net *); /* of the workspace: what is read for all images together */
const char *
net_linkage(const Net *); /* "static " in a program, whose libraries may have functions of the same name */
const char *net_target_names(const Net *); /* "x86-64-v4,x86-64-v3,x86-64" */

/* ---- frame.c: functions that call kernels ---- */
typedef enum FrameKind {
  FRAME_INFER,    /* one image, or as many as lie side by side; in a plan by phases `n` of the call */
  FRAME_TOGETHER, /* all images of a call */
  FRAME_SAMPLE,   /* training: what they add */
  FRAME_BATCH,    /* training: what is computed from all images */
  FRAME_LOOK,     /* looking inside: one image, all values kept */
} FrameKind;
typedef struct Parameter {
  const char *name, *declared; /* "n", "int64_t n" */
} Parameter;
typedef VEC(Parameter) Parameters;
typedef struct Frame { /* local variables are declared as the calls need them */
  Net *net;
  const Part *part;
  int target;
  FrameKind kind;
  int images; /* that the functions called work on: 1, or the target's lanes, of which `count` count */
  Text locals, calls;
  Table local; /* by what is wanted, and its value: the name */
  Names names;
  Parameters parameters;
  Table mentioned; /* the names of parameters, and of what else is there, that the text has */
  bool keys;       /* the image's random numbers are needed */
} Frame;
void add_parameter(Arena *, Parameters *, const char *name, const char *declared);
const char *parameters_text(Arena *, const Parameters *);
Frame frame_begin(Net *, const Part *, int target, FrameKind, const Parameters *);
void frame_own(Frame *, const char *name);         /* a variable that the caller declares itself */
const char *frame_name(Frame *, const char *name); /* the name, which is mentioned now */
void frame_call(Frame *, const Step *, const char *indent);
const char *frame_value(Frame *, const Node *); /* an expression for where a value lies */
void frame_outputs(Frame *, const Step *, const char *(*to)(Frame *, int output),
                   bool optional); /* images side by side: the outputs that the step has made go to the
                                      caller; optional: unless the pointer is NULL */
bool frame_mentions(const Frame *, const char *name);
void frame_unused(Text *, const Frame *); /* "(void)name;" for each parameter that is not mentioned */
void frame_end(Text *, Frame *);          /* the body of the function */

const char *array_argument(Arena *, const Nest *, int buffer, const char *array, int rank,
                           const int64_t *dim);
void list_add(Text *list, const char *item); /* with commas between */
void put_signature(Text *, const char *head, const char *list,
                   const char *tail); /* "head(list)tail", the list on several lines where it is long */
const char *infer_parameters(Net *, bool some); /* of NAME_infer, NAME_infer_some */
const char *gradients_parameters(Net *);

/* ---- the parts of the file ---- */
void put_banner(Text *, Net *, bool header);        /* net.c: the comment at the top */
void put_network_types(Text *, const Net *);        /* header.c */
void put_declarations(Text *, Net *);               /* header.c: what a header declares */
void put_functions(Text *, Net *, const Section *); /* net.c: the functions of a section */
void put_includes(Text *);                          /* net.c: memcpy and memset, with a C library or not */
void put_section_begin(Text *, const Net *, const Section *);
void put_section_end(Text *, const Net *, const Section *);
PreludeNeeds net_needs(const Net *); /* net.c: of the whole file */
void alike_prepare(Nest *);          /* alike.c: before it is printed */
void alike_share(Net *, Section *);  /* its functions that differ in numbers alone become one */
/* same.c: the text of a nest's function, in which functions that `parts` has (by text) are called and not
 * printed again; the others are added to `parts`. */
const char *same_share(Arena *, Table *parts, const char *function);
void put_declared(Text *, const Function *); /* units.c: of a function in another unit */
void put_barrier(Text *, const Net *);
void put_pack(Text *, Net *); /* pack.c: tables, packing */
void put_packing(Text *, Net *, const Part *, const char *to);
bool packing_shared(const Net *); /* a team packs the weights of a training step */
void put_shared_packing(Text *, Net *);
void pack_values(Net *, const Member *, void *to); /* what it is for the weights that are compiled in */
void put_embedded(Text *, Net *);                  /* embed.c: NAME_trained, the weights to train on from */
void put_member_values(Text *, Net *, const Member *);
void put_open(Text *, Net *);
const char *initial_weights(Net *); /* an expression for the weights to train on from, or NULL */
int64_t model_file_bytes(const Net *);
void put_infer(Text *, Net *, int target); /* infer.c */
void put_infer_entries(Text *, Net *);
void put_dispatch(Text *, Net *); /* dispatch.c: NAME_target, the level of the CPU */
void put_dispatched(Text *, Net *, const char *result, const char *function, const char *arguments);
void put_init(Text *, Net *);         /* init.c */
void put_batch_struct(Text *, Net *); /* train.c */
void put_gradients(Text *, Net *, int target);
void put_gradients_entry(Text *, Net *);
bool phases_apart(const Net *); /* the phases of a training step are functions that are never inlined */
void put_training_struct(Text *, Net *);
bool truth_read(const Net *); /* is there a NAME_truth? */
void put_truth_struct(Text *, Net *);
int64_t training_floats(const Net *);
void put_look_struct(Text *, Net *); /* look.c */
void put_look(Text *, Net *, int target);
void put_look_entries(Text *, Net *);
void put_look_tables(Text *, Net *);
int64_t look_place(const Part *, int output);
void put_network(Text *, Net *); /* network.c */
void put_main(Text *, Net *);
#endif
