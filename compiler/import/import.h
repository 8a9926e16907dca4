/* import.h: Interface between the files of import/, which convert an ONNX model, or a float TensorFlow Lite
 * model, to a program. Other folders call only the functions before the section statements.c. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_IMPORT_H
#define CNNC_IMPORT_H
#include "base/table.h"
#include "base/text.h"
#include "base/arrays.h"
#include "import/onnx/onnx.h"
#include "import/common/refusals.h"
#include "graph/graph.h"

/* ---- values and views ---- */
enum { MOST_FACTORS = 8, BATCH = -1 };
/* A part of a value's axis: at index i of the axis, the index of the part is i / inner % size. */
typedef struct Factor {
  int axis;
  int64_t inner, size;
} Factor;
typedef struct Factors {
  int n;
  Factor f[MOST_FACTORS];
} Factors; /* the factors, outermost first; no factor has size 1 */

typedef struct Statement Statement;
typedef struct Product Product; /* products.h */
enum { MOST_PREPARED = 4 };
typedef struct Prepared { /* preprocessing of an input, as in normalize: gain*x + shift, per channel */
  int64_t n;              /* number of gains and shifts; 1: the same for all channels */
  double gain[MOST_PREPARED], shift[MOST_PREPARED];
} Prepared;
typedef struct Value { /* the result of a statement, or an input */
  Shape shape;
  Statement *made; /* NULL: an input */
  const char *name;
  const char *affine; /* layer whose weight and bias can absorb per-channel factors and addends; or NULL */
  Prepared *prepared; /* gains and shifts of the normalize that computed the value from an input, for merging
                         later operators; or NULL */
  const Quant *quant; /* the int8 or int16 quantization with which the value is stored, or NULL */
  const Quant *kept;  /* quantization that the elements have without a conversion, for example after a move
                         (is_move); or NULL */
  Product *product;   /* for a product of two values: a description of the product; otherwise NULL */
  Statement *reader;  /* the value's last user; set by make_frames */
  int reads;
  int64_t regions; /* number of regions of this shape in ONNX's batch dimension; 0: that dimension contains
                      images */
  bool whole;      /* the value's elements are integers */
  bool counts;     /* the value's elements are integers that are not negative */
  bool odd;        /* elements may be infinite or NaN even if all inputs are finite */
} Value;
struct Statement {
  const char *call; /* %1, %2, ...: the operands after the current value; %*: all these operands */
  int nin;
  Value **in, *out;
  const OnnxNode *origin; /* NULL: a statement for an output or for the next value of a state */
};

/* A tensor of the graph, as a view of a value: each dimension of the tensor is a product of factors of the
 * value's axes. A dimension that has more than one element but no factors is broadcast. */
typedef struct View {
  Value *value;
  int rank;
  int64_t size[MOST_DIMS];
  Factors along[MOST_DIMS];
} View;

typedef struct Item { /* the imported form of a tensor: a constant, a view, or neither */
  const Tensor *constant;
  View *view;
  TensorType
      bytes; /* type of the integers if the tensor is between quantization and dequantization; otherwise 0 */
} Item;

/* ---- options and results ---- */
typedef struct ImportShape {
  const char *input;
  int rank;
  int64_t dim[MOST_DIMS];
} ImportShape;
typedef struct ImportSetting { /* an input with a constant value */
  const char *input;
  VEC(double) value; /* the elements; a single number is used for all elements */
} ImportSetting;
typedef struct ImportState {         /* an input whose value is an output of the previous call */
  const char *input, *output, *init; /* init: in the program's syntax, or NULL: zeros */
} ImportState;
typedef struct ModelImport ModelImport;
struct TflProgram;
typedef struct ImportLayout { /* position of the channels among an input's dimensions */
  const char *input;          /* NULL: all inputs that no other ImportLayout names */
  bool last;                  /* [N,H,W,C]; otherwise [N,C,H,W] */
} ImportLayout;
typedef struct ImportOptions {
  const char *net, *rounding; /* rounding: the argument of --rounding; NULL: the default */
  const char *variables;      /* "keep": variables of TensorFlow Lite are states; or NULL */
  bool chw;                   /* the caller's buffers have ONNX's layout */
  VEC(const char *) outputs, bytes;
  VEC(ImportShape) shapes;
  VEC(ImportSetting) settings;
  VEC(ImportState) states;
  VEC(ImportLayout) layouts;
  OnnxLoops loops; /* loops whose number of iterations an earlier import has computed */
  /* --rename: names of layers in the model, and their new names; a name may contain one * */
  VEC(const char *) theirs, ours;
  bool together; /* a first dimension of several elements is a dimension of the value, not the batch */
  bool trial;    /* a trial import: if it fails, no suggestions are made */
  bool (*admits)(const ModelImport *); /* whether the imported program compiles; NULL: not checked */
  bool (*admits_tflite)(Arena *,
                        const struct TflProgram *); /* like `admits`, for a quantized TensorFlow Lite model */
} ImportOptions;

typedef struct ImportWeight {
  const char *name;
  const Tensor *tensor;
  int rank;
  int64_t dim[4];
  const void *integers; /* for a layer in int8 or int16: the I8 weights, or the I32 or I64 bias; or NULL */
  Elem elem;            /* element type of `integers` */
  bool excludes;        /* the weight is frozen, and may contain -inf, which excludes positions */
} ImportWeight;
typedef struct Problem {
  const OnnxNode *node; /* NULL: an output */
  int tensor;           /* the output's tensor */
  const char *what, *why;
} Problem;
typedef struct KeptValue { /* an input that is a state of the program; states are the last inputs */
  Value *value;
  const OnnxPort *input, *output;
  const char *init; /* the initial value, as in ImportState */
} KeptValue;
typedef struct ImportOutput {
  const OnnxPort *port;
  Value *value;
  const View *view;
  TensorType bytes; /* the caller's type: TENSOR_UINT8, INT8; other types: floats */
  /* The order of the dimensions, as a comment in the program. ", one dimension last": of five or more
   * dimensions, only dimension 1 (the channels) is moved to the end. "": the usual order, with dimension 1
   * moved to the end, or dimensions 1 and 2 of five or more; or there was no choice. ", in this order":
   * ONNX's order. */
  const char *order;
} ImportOutput;

struct ModelImport {
  Arena *arena;
  Diags *diags;
  Span at; /* the model's file */
  const ImportOptions *options;
  Onnx *onnx;
  Item *item;           /* by tensor */
  int *maker, *readers; /* by tensor. maker: the node that produces the tensor, or -1; readers: number of
                           uses */
  int *reader;          /* by tensor: a node that reads the tensor, or -1 */
  bool *wanted,
      *live; /* wanted: by tensor, whether it is an output; live: by node, whether an output depends on it */
  bool *varies;         /* by tensor: whether the tensor depends on the values of inputs */
  const char **became;  /* by node, for --list: the node's layers, or another result such as "constant"; NULL:
                           not imported */
  const char **refused; /* by node: the reason why the node is not supported, or NULL */
  const OnnxNode *node; /* the current node */
  const char *why;      /* the reason that the last no() set; NULL: none */
  size_t *computed;     /* bytes that may_compute granted in all imports of the file */
  bool huge;            /* the current node's result has more elements than a value may have */
  int64_t batch;
  VEC(Statement *) statements;
  VEC(Value *) inputs;
  VEC(const OnnxPort *) ports; /* the model's port for each input */
  VEC(KeptValue) kept;
  VEC(ImportOutput) outputs;
  VEC(const OnnxNode *) left_out; /* ArgMax nodes at outputs; their operands became the outputs */
  VEC(ImportWeight) weights;
  Arrays scales; /* scales of an int8 model */
  VEC(Problem) problems;
  Table layers, names;
  const char *text; /* the program */
};

/* Imports a model as a program with weights; NULL after errors. */
ModelImport *import_model(Arena *, Diags *, const char *path, Span at, const ImportOptions *);
ModelImport *import_bytes(Arena *, Diags *, const char *path, Span at, const ImportOptions *, const uint8_t *,
                          size_t n);
/* Imports a graph in memory, like import_model; NULL: the error was already reported. */
ModelImport *import_graph(Arena *, Diags *, Span at, const ImportOptions *, Onnx *);
/* One line per node: its shape, and its layers or the reason why there are none. *whole: whether all nodes
 * and outputs were imported. NULL after an error. */
const char *import_list_graph(Arena *, Diags *, Span at, const ImportOptions *, Onnx *, bool *whole);
const char *import_list(Arena *, Diags *, const char *path, Span at, const ImportOptions *, bool *whole);
bool import_save_weights(const ModelImport *,
                         const char *path); /* writes a .safetensors file; false: errno has the reason */

/* ---- statements.c ---- */
void *no(ModelImport *, const char *why, ...)
    __attribute__((format(printf, 2, 3))); /* sets the reason; returns NULL */
const Tensor *constant_of(const ModelImport *, const OnnxNode *, int input); /* or NULL */
View *view_of(ModelImport *, const OnnxNode *, int input);                   /* NULL after no() */
OnnxNode *node_reading(const ModelImport *, int tensor); /* a node that reads the tensor, or NULL */
bool given(const OnnxNode *, int input);                 /* the input is not omitted */
Value *emit(ModelImport *, int nin, Value *const *in, Shape, const char *call, ...)
    __attribute__((format(printf, 5, 6)));
Value *emit_one(ModelImport *, Value *, Shape, const char *call, ...) __attribute__((format(printf, 4, 5)));
void value_of_regions(ModelImport *, Value *, int64_t regions); /* sets Value.regions */
View *map_view(ModelImport *, const View *, const char *call, ...) __attribute__((format(printf, 3, 4)));
/* Whether the user of this tensor is the only user of the value: each tensor from the value's producer to
 * this tensor has one user. */
bool read_once(const ModelImport *, int tensor, const Value *);
const char *number_text(Arena *, double); /* the number in the program's syntax */
#define LARGEST_BOUND 3.4e38              /* a larger or infinite bound has no effect */

/* Imports as much of a model as possible, and records the problems; NULL after errors. import_again repeats
 * the import with other options. */
ModelImport *import_try(Arena *, Diags *, Span at, const ImportOptions *, Onnx *);
ModelImport *import_again(const ModelImport *, Diags *, const ImportOptions *);
ModelImport *import_together(ModelImport *); /* refusals.c */
ModelImport *import_unrolled(ModelImport *); /* refusals.c */
bool import_finish(ModelImport *);           /* completes the program; false after an error */

/* ---- branches.c ---- */
typedef enum BranchState {
  BRANCH_TAKEN, /* also for nodes outside of branches, and in branches of an If whose condition depends on
                   inputs */
  BRANCH_LEFT_OUT,
  BRANCH_UNKNOWN /* the condition depends on an earlier problem */
} BranchState;
BranchState branch_of(const ModelImport *, const OnnxNode *);
bool always_computed(const ModelImport *,
                     int tensor); /* whether all branches that contain the tensor are known to be taken */
bool reads_input(const ModelImport *, const OnnxNode *,
                 int input); /* false: the input is a result of the branch that this If does not take */
/* Returns whether a node is an If. The results of an If become the results of the taken branch. If the
 * condition depends on inputs, the results become a selection between the results of both branches. After a
 * failure, `why` has the reason. */
bool import_if(ModelImport *, const OnnxNode *);
void fold_conditions(ModelImport *); /* computes the conditions that only depend on constants */

/* ---- refusals.c ---- */
/* The reason why a node is not supported, whatever its operands are; NULL: it may be supported. */
const char *never_imported(const ModelImport *, const OnnxNode *);
void report_problems(ModelImport *);
/* Called if an input cannot be imported: reports the nodes for which never_imported has a reason. */
void report_never_imported(ModelImport *);
void add_problem(ModelImport *, const OnnxNode *); /* records a node and the reason in `why` */
void find_varying(ModelImport *, const OnnxPort *const *,
                  int n); /* finds the tensors that depend on the given inputs */

/* ---- inputs.c, state_hints.c, ops_recurrent.c, channel_axis.c ---- */
bool set_inputs(ModelImport *);           /* inputs of --set become constants; false after errors */
bool add_inputs(ModelImport *);           /* false after errors were reported */
void report_state_hints(ModelImport *im); /* reports inputs that look like states, if there is no --state */
/* Finds recurrent layers whose initial and final states are exactly the states that --state names. These
 * layers are imported with keep=true. */
void find_kept_layers(ModelImport *);
int channels_of_input(const ModelImport *, const OnnxPort *); /* the channel dimension, or NO_CHANNELS */
/* whether the input's channel dimension is before the positions */
bool input_has_planes(const OnnxPort *);

/* ---- onnx_names.c ---- */
/* Whether all options for inputs, such as --shape, name inputs of the model. Reports an error if not. */
bool names_of_inputs_known(const ModelImport *);
/* A new layer name, from the name of the node's module or operator. input: index of the input that is the
 * weight; -1: no weight. */
const char *layer_of(ModelImport *, const OnnxNode *, int input);
/* A new layer name, from the name of the constant input. */
const char *layer_of_constant(ModelImport *, const OnnxNode *, int input);
/* A new layer name: `name` after --rename, in the program's syntax; with a number if another layer has this
 * name. */
const char *layer_called(ModelImport *, const char *name);
/* No layer gets this name: a state is a layer with its own name. */
void reserve_layer_name(ModelImport *, const char *name);
const char *identifier(ModelImport *, const char *);
/* A new name for an input or output: the model's name or, if that name has no letters, `otherwise`. */
const char *port_name(ModelImport *, const OnnxPort *, const char *otherwise);
/* The module of a node in a PyTorch model, "" for the model itself; NULL: unknown. */
const char *node_module(ModelImport *, const OnnxNode *);
void put_weight(ModelImport *, const char *layer, const char *member, const Tensor *, int rank,
                const int64_t *dim);
/* Like put_weight, for a frozen weight that may contain -inf. */
void put_mask(ModelImport *, const char *layer, const char *member, const Tensor *, int rank,
              const int64_t *dim);
/* Whether the weights from number `first` on contain only numbers that the compiler accepts. False after
 * no(). */
bool weights_are_finite(ModelImport *, int first);
/* adds all elements of a tensor as a vector */
void put_vector(ModelImport *, const char *layer, const char *member, const Tensor *);
ImportWeight *weight_named(ModelImport *, const char *layer, const char *member);

/* ---- view.c ---- */
void factors_push(Factors *, Factor);
Factors factors_one(int axis, int64_t inner, int64_t size);
int64_t factors_size(const Factors *);
bool factors_equal(const Factors *, const Factors *);
bool factors_whole(const Factors *, const Value *, int axis); /* whether the factors are this whole axis */
bool factors_batch(const Factors *);                          /* whether the batch is among the factors */
View *view_new(ModelImport *, Value *, int rank);             /* a view whose dimensions have size 1 */
View *view_copy(ModelImport *, const View *, Value *);
/* Repeats the value along the view's broadcast dimensions; NULL after no(). */
View *view_repeated(ModelImport *, const View *);
/* If the value is a concat of *times copies of another value, and these copies are the innermost part of
 * dimension d: the view of that other value, without the copies. Otherwise NULL. */
View *view_unrepeated(ModelImport *, const View *, int d, int64_t *times);
View *view_standard(ModelImport *, Value *, const View *like,
                    int rank);          /* a view with the dimensions n, c, positions; n as in `like` */
void view_set(View *, int d, int axis); /* maps dimension d to that axis */
View *view_reshape(ModelImport *, const View *, int rank, const int64_t *size);
View *view_permute(ModelImport *, const View *, const int *from, int rank);
View *view_without(ModelImport *, const View *, const bool *drop);
/* Splits the channels: the innermost n remain channels, the others become positions. NULL: not possible. */
View *view_split_channels(ModelImport *, const View *, int64_t n);
/* Reshapes the value so that dimension d, which is a part of an axis, is a whole axis of positions. NULL: not
 * possible. */
View *view_with_axis(ModelImport *, const View *, int d);
/* A value whose positions are the dimensions `pos` of a view, in this order, and whose channels are the
 * dimensions `chan`; with any_order the positions may be permuted first. NULL after no(). */
Value *lay(ModelImport *, const View *, int nchan, const int *chan, int npos, int *pos, bool any_order);
/* Lays out a value with dimension `axis` as channels. The positions are all other dimensions except the batch
 * and broadcast dimensions, in any order; `pos` receives them. If there are more than two positions, and the
 * value already has this layout, pos[0] is AS_IT_LIES instead, which only view_laid accepts. */
enum { AS_IT_LIES = -1 };
Value *lay_channels(ModelImport *, const View *, int axis, int *npos, int pos[MOST_DIMS]);
/* Whether the value's elements are in memory in the order of these dimensions. */
bool in_memory_order(const View *, int n, const int *dims);
Value *lay_standard(ModelImport *, const View *);
/* The value with its elements in memory in the order of these dimensions; the value itself if they already
 * have this order. */
Value *lay_in_order(ModelImport *, const View *, int n, const int *dims);
Value *reshaped(ModelImport *, Value *,
                Shape); /* a value with this shape and the same elements in the same order */
/* Keeps only the first `statements` statements. */
void take_back(ModelImport *, int statements);
/* The view of the result of an operator whose operand lay_channels has laid out with these dimensions. */
View *view_laid(ModelImport *, const View *like, Value *, int chan, int npos, const int *pos);

/* ---- broadcast.c ---- */
/* The constant operand of a node. Before operator set 7, broadcast=1 and axis= align this operand with
 * dimensions of the first operand. To align the constant, this function appends dimensions of size 1 to the
 * constant's shape. NULL: the operand is not constant, or after no(). */
const Tensor *constant_beside(ModelImport *, const OnnxNode *, int input, const View *);
/* Aligns the second operand as constant_beside does, but the operand may be a constant or a computed value.
 * The dimensions of size 1 are appended to the operand's Item. False after no(). */
bool place_operand(ModelImport *, const OnnxNode *, Item *);

/* ---- permute.c ---- */
/* A value with the same elements, in the order of these factors. NULL: the factors do not cover each element
 * of the value once. */
Value *permuted(ModelImport *, Value *, const Factors *);

/* ---- constant_values.c ---- */
/* A mask adds this number, or a smaller number, to the scores that it hides. */
#define EXCLUDED (-1e8)
/* Emits a constant. It is named `name` if node is NULL; otherwise it is named after the node's constant or,
 * if that constant has no name, after the node. A constant with a number of EXCLUDED or less is a mask: it is
 * frozen and may contain -inf. NULL after no(): the constant contains NaN or +inf. */
Value *constant_statement(ModelImport *, const OnnxNode *, int input, const char *name, Shape, const Tensor *,
                          bool frozen);
/* A constant as a value in the layout of the other operand, `beside`: with the full shape of that operand's
 * value, or with one channel. NULL after no(). */
Value *constant_operand(ModelImport *, const OnnxNode *, int input, const Tensor *, const View *beside);
/* A constant vector of n numbers that the importer computed; NULL after no(). */
Value *constant_vector(ModelImport *, const OnnxNode *, int input, int64_t n, const double *, bool frozen);
/* A constant as a value of one to three dimensions. If the constant has several dimensions, a first dimension
 * of size 1 is dropped. NULL after no(). */
View *constant_alone(ModelImport *, const OnnxNode *, int input, const Tensor *);
/* An operand of the node as a view. A constant is converted with constant_alone. */
View *value_or_constant(ModelImport *, const OnnxNode *, int input);
/* A constant in the layout of `like`, for a concat with `like`: the sizes may differ. NULL after no(). */
View *constant_view(ModelImport *, const OnnxNode *, int input, const Tensor *, const View *like);

/* ---- ops_einsum.c ---- */
/* Imports a MatMul whose input number `constant` is a constant. This input is the first one, or has more than
 * two dimensions. */
View *import_matrices(ModelImport *, const OnnxNode *, int constant);

/* ---- ops_product.c ---- */
View *import_two_matrices(ModelImport *, const OnnxNode *); /* MatMul and Gemm of two computed values */
View *import_two_gemm(ModelImport *, const OnnxNode *);

/* ---- view_parts.c ---- */
/* Exchanges `first` and `second` in [before][first][second][after] with an operator that splits or joins
 * heads; NULL: not possible. */
Value *exchanged_as_heads(ModelImport *, Value *, int64_t before, int64_t first, int64_t second,
                          int64_t after);
/* Converts an image to windows, or windows to an image, if this conversion gives the requested positions and
 * channels (see `lay`). Otherwise NULL. */
Value *moved_as_windows(ModelImport *, Value *, int npos, const Factors *pos, const Factors *c);
/* If the value is an image that was joined from windows and then rolled: the result of a join_windows with
 * shift=, which replaces the rolls. Otherwise the value itself. */
Value *join_windows_shifted(ModelImport *, Value *rolled);
/* Combines two values; the smaller one is broadcast over several rows of the larger one. NULL: not
 * possible. */
View *combined_by_rows(ModelImport *, const View *large, const View *small, const char *word);
/* Combines two values; the smaller one is broadcast over parts of the larger one's channels, which become
 * heads. NULL: not possible. */
View *combined_by_heads(ModelImport *, const View *large, const View *small, const char *word);
/* Combines two values after repeating the smaller one to the size and order of the larger one; NULL: not
 * possible. */
View *combined_repeated(ModelImport *, const View *large, const View *small, const char *word);
/* Applies an operator along dimension d. NULL: not possible. */
View *mapped_along_axis(ModelImport *, const View *, int d, const char *word, const char *arguments);

/* ---- ops_part.c ---- */
/* The same tensor, laid out so that its dimensions are whole axes of a value, with the same channels. NULL:
 * not possible. */
const View *view_with_channels(ModelImport *, const View *);
/* Indices low, low + step ... below `high` of dimension d; NULL after no(). */
View *cut_axis(ModelImport *, const View *, int d, int64_t low, int64_t high, int64_t step);

/* ---- ops_shape.c ---- */
Value *join_values(ModelImport *, int n, Value **in, int axis); /* joins values along this axis */
/* Multiplies the channels of each position by a frozen matrix [units][channels]. */
Value *frozen_product(ModelImport *, const OnnxNode *, Value *, const Tensor *);

/* ---- ops_combine.c ---- */
/* Two values combined by an operator of the language; `alone`: the first value has no other user. */
View *two_values(ModelImport *, const View *x, bool alone, const View *y, const char *word);

/* Combines a constant, which is an input of the node, with the given value. */
View *beside_constant(ModelImport *, const OnnxNode *, int input, const View *, const Tensor *,
                      const char *word);

/* ---- ops_index.c ---- */
bool result_is_used(const ModelImport *, const OnnxNode *, int out);
/* If the table is a reshape of an image or vector, that image or vector; otherwise the table. gather and
 * attention also accept images and vectors. */
Value *as_pixels(Value *table);
View *gather_computed(ModelImport *, const OnnxNode *); /* Gather with a computed index */
/* For a Concat of image numbers and indices that GatherND reads: the tensor of the indices. 0: the node is
 * not such a Concat. */
int index_of_pairs(const ModelImport *, const OnnxNode *);
/* whether the tensor is only used as the index of one Gather, GatherElements or GatherND, possibly after
 * nodes such as Reshape, Cast and Clip */
bool only_chooses(const ModelImport *, int tensor);
/* Imports x == (0, 1, ... n-1) as one_hot, along a dimension where x has one element. NULL: the constant or x
 * does not have this form. */
View *equal_to_range(ModelImport *, const View *x, const Tensor *);

/* ---- ops_map.c ---- */
View *import_truncated(ModelImport *, const View *, TensorType to); /* rounds towards 0, as in C */

/* ---- ops_elements.c ---- */
/* GatherElements and GatherND with constant indices. */
View *elements_by_constant(ModelImport *, const OnnxNode *, const Tensor *);
View *parts_by_constant(ModelImport *, const OnnxNode *, const Tensor *);

/* ---- ops_choice.c ---- */
bool is_truth(const ModelImport *, int tensor);
/* If a tensor is only used by a softmax, possibly after moves and sums: this softmax; otherwise NULL. */
const OnnxNode *softmax_after(const ModelImport *, int tensor);
View *truth_of(ModelImport *, const View *);      /* 1 where the view is not 0, otherwise 0 */
View *differing(ModelImport *, const OnnxNode *); /* 1 where the node's two inputs differ, otherwise 0 */
void import_choice(ModelImport *, const OnnxNode *branch); /* an If with a computed condition; calls no() if
                                                              unsupported */

/* ---- forms_rotary.c ---- */
/* If the last statements compute a rotary embedding: the result of one rotary that replaces them; otherwise
 * the given result. */
View *rotary_of(ModelImport *, View *);

/* ---- ops_norm.c ---- */
/* Checks what forms_norm.c assumed about a matched norm or softmax: the reductions cover all of x along this
 * axis, and their results are broadcast only along this axis. The inputs from `first` on are the shapes of
 * these broadcasts. False after no(). */
bool reduced_along(ModelImport *, const OnnxNode *, const View *x, int64_t axis, int first);

/* ---- ops_reduce.c ---- */
/* The dimensions that a node reduces, from an input or an attribute. Without a list: all dimensions, or none
 * if noop_with_empty_axes is set. False after no(). */
bool reduced_axes(ModelImport *, const OnnxNode *, int input, int rank, bool *over);

/* ---- qdq.c, int8_layers.c: int8 models ---- */
int64_t quant_shift(TensorType); /* the program's i8 or i16 number minus the model's number of this type */
const Quant *quant_of(const Value *);       /* the quantization with which the value is stored, or NULL */
const Quant *quant_kept(const Statement *); /* the quantization of the operand, if the statement is a move
                                               whose result keeps it; or NULL */
Value *same_value(ModelImport *, Value *);  /* a copy of the value, by a separate statement */
/* type of an integer input that is dequantized, or returned as integers; or 0 */
TensorType port_bytes(const ModelImport *, const OnnxPort *);
/* For a node on integers: checks that its statements do not change the integers, so that its results are
 * integers, too. False after no(). */
bool keeps_bytes(ModelImport *, const OnnxNode *, int statements);
void quantize_once(ModelImport *); /* replaces the second of two equal quantizations of one tensor by the
                                      result of the first */
/* whether the result's elements are elements of the operands, or zeros of a padding */
bool is_move(const Statement *);
/* Finds the layers computed in int8 or int16, and their arrays. */
void make_frames(ModelImport *);

/* ---- fold.c, forms.c, program_text.c ---- */
bool fold(ModelImport *,
          const OnnxNode *); /* computes the results if they are constants; returns whether they are */
/* Whether this number of bytes may be created or read to compute constants. False after no(). */
bool may_compute(ModelImport *, size_t bytes);
/* A constant of zeros, which the caller fills in. Constants of other sizes than those in the file must be
 * created with this function, which limits their total size. NULL after no(): the type or a size is invalid,
 * or all constants together need too many bytes. */
Tensor *constant_new(ModelImport *, TensorType, int rank, const int64_t *dim);
void canonical(ModelImport *); /* folds Constant nodes, and replaces decomposed operators by one operator */
const char *program_text(ModelImport *);

typedef View *ImportOperator(ModelImport *, const OnnxNode *);
typedef struct OnnxOperator {
  const char *name;
  ImportOperator *import;
  const char *word;
} OnnxOperator;
extern const OnnxOperator onnx_operators[]; /* onnx_ops.def; the last row has no name */
const OnnxOperator *onnx_operator(const char *name);
#define TRUTH "a computed boolean"
#define ATTENTION "a product of two values (attention)"
#define OP(name, function, word) ImportOperator function;
#define ML(name, function, word) ImportOperator function;
#define MS(name, function, word) ImportOperator function;
#include "import/onnx/onnx_ops.def"
#undef OP
#undef ML
#undef MS
#endif
