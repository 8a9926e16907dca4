/* module.h: State of the C printer, and functions that its files share. Private to emit/. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_MODULE_H
#define CNNC_MODULE_H
#include "emit/emit.h"
#include "emit/literals.h"
#include "emit/nest.h"
#include "graph/node_text.h"
#include "lir/layout.h"

typedef struct PoolNames PoolNames;
/* The text of a function, without the functions that it calls. */
typedef struct Printed {
  const NestFunction *function;
  const char *comment;
  Words heading;
  const NestText *text;
  VEC(const char *) also;
} Printed;

/* The functions of one target, or the packing functions, which do not depend on the target. */
typedef struct Section {
  const Target *target;  /* NULL: packing */
  const char *suffix;    /* suffix of the function names: "_v4", "_pack"; "": only target */
  const char *attribute; /* macro before the functions: "LENET5_V4"; "" if none is needed */
  NestPrint print;
  PreludeNeeds needs;
  VEC(Printed *) functions;
  Printed *printed; /* indexed by function id */
  NestText *code;   /* indexed by the id of a Code */
  int codes;
} Section;

struct Net {
  Arena *arena;
  Layout *layout;
  const EmitOptions *options;
  const Graph *graph;
  const Sources *sources;
  const char *name, *upper; /* lenet5, LENET5 */
  const OwnNames *own;      /* the members from `own` to `output` are copied from the layout */
  const OwnMacros *macro;
  bool model, weights;
  const PortNames *input, *output;
  Table printed_lines;    /* lines of function comments that were already printed */
  Section pack, *section; /* section: indexed by target */
  const char *barrier;    /* if the text is split into several units: the function that the other units call
                             for BARRIER; otherwise NULL */
  PoolNames *pool;        /* pool.h; NULL: there is no pool */
};
/* The names of the pool, or NULL. */
#ifdef __wasi__ /* the browser build has no threads */
static inline PoolNames *net_pool(const Net *net) { return (void)net, NULL; }
#else
static inline PoolNames *net_pool(const Net *net) { return net->pool; }
#endif
/* Whether several processes may divide the training batch. */
#ifdef __wasi__ /* the browser build builds no executables */
static inline bool net_processes(const Net *net) { return (void)net, false; }
#else
static inline bool net_processes(const Net *net) {
  return net->layout->train.program && net->layout->train.program->processes;
}
#endif

/* ---- module.c ---- */
const char *net_input_type(const Net *, int), *net_output_type(const Net *, int); /* the C type: "uint8_t" */
/* "static " in an executable, because libraries that it links may have functions of the same name; otherwise
 * "". */
const char *net_linkage(const Net *);
const char *net_target_names(const Net *); /* "x86-64-v4,x86-64-v3,x86-64" */

/* ---- frame.c: functions that call kernels ---- */
typedef enum FrameKind {
  FRAME_INFER, /* inference: one image, or a group of interleaved images; in a plan with phases, image `n` of
                  the call */
  FRAME_TOGETHER, /* inference: all images of a call */
  FRAME_SAMPLE,   /* training: one image, or a group of interleaved images, adds to the gradients */
  FRAME_BATCH,    /* training: values computed from all images */
  FRAME_LOOK,     /* inspection: one image, for which all values are kept */
} FrameKind;
typedef struct Parameter {
  const char *name, *declared; /* "n", "int64_t n" */
  const char *cast;            /* for a pool, which passes each argument as a uintptr_t: the type to which the
                                  uintptr_t is cast */
} Parameter;
typedef VEC(Parameter) Parameters;
typedef struct Frame { /* the body of a function; local variables are declared when a call needs them */
  Net *net;
  const Part *part;
  int target;
  FrameKind kind;
  int images; /* images per call of a kernel: 1, or one per lane. Only the first `count` lanes have different
                 images */
  Text locals, calls;
  Table local; /* names of local variables; the keys are "wanted name = value" */
  Names names;
  Parameters parameters;
  Table mentioned; /* names that the text contains */
  bool keys;       /* whether the text uses the image's random numbers */
  Text before;     /* definitions of functions that the text calls */
} Frame;
void add_parameter(Arena *, Parameters *, const char *name, const char *declared); /* adds a pointer */
void add_number(Arena *, Parameters *, const char *name, const char *declared);    /* adds an int32_t */
const char *parameters_text(Arena *, const Parameters *);
Frame frame_begin(Net *, const Part *, int target, FrameKind, const Parameters *);
const char *frame_name(Frame *, const char *name); /* returns the name and marks it as used */
void frame_call(Frame *, const Step *, const char *indent);
const char *sample_size(Net *,
                        const char *size); /* number of elements of an input or output in a training sample */
const char *frame_value(Frame *, const Node *); /* an expression for the address of a value */
/* For interleaved images: prints code that copies the outputs of the step to the caller. to: returns the
 * destination of an output. optional: the code copies an output only if the caller's pointer is not NULL. */
void frame_outputs(Frame *, const Step *, const char *(*to)(Frame *, int output), bool optional);
bool frame_mentions(const Frame *, const char *name);
void frame_unused(Text *, const Frame *); /* "(void)name;" for each unused parameter */
void frame_end(Text *, Frame *);          /* prints the body of the function */

const char *array_argument(Arena *, const Nest *, int buffer, const char *array, int rank,
                           const int64_t *dim);
/* An expression for a weight that is a member of `holder`, or for some rows of such a weight. The result can
 * be passed to array_argument as `array`. */
const char *weight_text(Net *, const char *holder, const Weight *);
void list_add(Text *list, const char *item); /* puts commas between the items */
void put_signature(Text *, const char *head, const Parameters *,
                   const char *tail);          /* "head(list)tail", with line breaks in a long list */
Parameters infer_parameters(Net *, bool some); /* some: with `count`, as in NAME_infer_some */
Parameters gradients_parameters(Net *);

/* ---- state.c: nets with state (put_define: header.c) ---- */
bool net_steps(const Net *); /* whether the net has states, or was compiled with --stream or --slide */
const char *infer_name(const Net *); /* NAME_infer, or NAME_step */
void put_define(Text *, const Net *, const char *name, int64_t value, const char *comment);
void put_state_struct(Text *, Net *);
void put_state_numbers(Text *, Net *);
void put_state_declarations(Text *, Net *);
void put_state_functions(Text *, Net *);

/* ---- the parts of the file ---- */
void put_banner(Text *, Net *, bool header);        /* net.c: the comment at the top of a file */
void put_network_types(Text *, const Net *);        /* header.c */
void put_declarations(Text *, Net *);               /* header.c: declarations for a header or single file */
void put_functions(Text *, Net *, const Section *); /* net.c: the functions of a section */
void put_includes(Text *);                          /* net.c: string.h, or macros for memcpy and memset */
void put_section_begin(Text *, const Net *, const Section *);
void put_section_end(Text *, const Net *, const Section *);
void put_flush(Text *, const Net *); /* begins a function of the interface */
PreludeNeeds net_needs(const Net *); /* net.c: the parts of the prelude that the whole file needs */
/* module.c: prints the functions that a function calls, except those already in `done`, and marks them in
 * `done`. `done` is indexed by the id of a function's Code. */
void put_called(Text *, const Section *, const Printed *, bool *done);
/* units.c: prints the declaration of a function in another unit */
void put_declared(Text *, const Printed *);
void put_hidden(Text *, const char *head, const char *name);
void put_barrier(Text *, const Net *);
void put_pack(Text *, Net *); /* pack.c: prints tables and packing functions */
void put_packing(Text *, Net *, const Part *, const char *to);
bool packing_shared(const Net *); /* whether a team packs the weights of a training step */
void put_shared_packing(Text *, Net *);
/* The function that replaces subnormal packed weights of this type; NULL: not needed. */
const char *pack_clears(const Net *, Elem);
void pack_values(Net *, const Member *, void *to); /* the packed values of the compiled-in weights */
bool net_trained(const Net *);                     /* embed.c: whether the file has NAME_trained */
void put_embedded(Text *, Net *);                  /* NAME_trained, and the weights for further training */
void put_member_values(Text *, Net *, const Member *);
void put_open(Text *, Net *);
const char *initial_weights(Net *); /* an expression for the weights from which training continues, or NULL */
int64_t model_file_bytes(const Net *);
void put_infer(Text *, Net *, int target); /* infer.c */
void put_infer_entries(Text *, Net *);
void put_dispatch(Text *, Net *); /* dispatch.c: NAME_target, and code that finds the CPU's best target */
void put_dispatched(Text *, Net *, const char *result, const char *function, const char *arguments);
void put_init(Text *, Net *);         /* init.c */
void put_batch_struct(Text *, Net *); /* train.c */
void put_gradients(Text *, Net *, int target);
void put_gradients_entry(Text *, Net *);
/* Whether the phases of a training step are functions that are never inlined. */
bool phases_apart(const Net *);
void put_training_struct(Text *, Net *);
bool truth_read(const Net *); /* whether the file has the struct NAME_truth */
void put_truth_struct(Text *, Net *);
void put_look_struct(Text *, Net *); /* look.c */
void put_look(Text *, Net *, int target);
void put_look_entries(Text *, Net *);
void put_look_tables(Text *, Net *);
int64_t look_value_offset(const Part *, int output);
void put_network(Text *, Net *); /* network.c */
void put_main(Text *, Net *);
#endif
