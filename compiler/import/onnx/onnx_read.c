/* onnx_read.c: Reader of ONNX files. Constants that a file stores as bytes are not copied: they point
 * into the file. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/table.h"
#include "base/text.h"
#include "graph/shape.h"
#include "import/onnx/onnx.h"

#define BEGIN(message) static const WireField message##_fields[] = {
#define INT(message, field, number) {WIRE_INT, number, offsetof(message, field), NULL},
#define FLOAT(message, field, number) {WIRE_FLOAT, number, offsetof(message, field), NULL},
#define TEXT(message, field, number) {WIRE_TEXT, number, offsetof(message, field), NULL},
#define BYTES(message, field, number) {WIRE_BYTES, number, offsetof(message, field), NULL},
#define FIXED4(message, field, number) {WIRE_FIXED4, number, offsetof(message, field), NULL},
#define FIXED8(message, field, number) {WIRE_FIXED8, number, offsetof(message, field), NULL},
#define INTS(message, field, number) {WIRE_INTS, number, offsetof(message, field), NULL},
#define TEXTS(message, field, number) {WIRE_TEXTS, number, offsetof(message, field), NULL},
#define MESSAGE(message, field, number, what) {WIRE_MESSAGE, number, offsetof(message, field), &what##_wire},
#define MESSAGES(message, field, number, what)                                                               \
  {WIRE_MESSAGES, number, offsetof(message, field), &what##_wire},
#define END(message)                                                                                         \
  { WIRE_END, 0, 0, NULL }                                                                                   \
  }                                                                                                          \
  ;                                                                                                          \
  static const WireMessage message##_wire = {#message, sizeof(message), message##_fields};
#include "import/onnx/onnx_schema.def"

const WireMessage *const onnx_model_message = &ModelProto_wire;
const WireMessage *const onnx_graph_message = &GraphProto_wire;

/* ---- files ---- */
/* Files stay mapped until the process ends. */
static const uint8_t *map_file(const char *path, size_t *n, const char **why) {
  const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status) != 0) {
    *why = strerror(errno);
    if (descriptor >= 0) close(descriptor);
    return NULL;
  }
  const uint8_t *bytes = NULL;
  if (!S_ISREG(status.st_mode))
    *why = S_ISDIR(status.st_mode) ? "it is a directory" : "it is not a regular file";
  else if (status.st_size == 0) *why = "it is empty";
  else {
    void *mapped = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (mapped == MAP_FAILED) *why = strerror(errno);
    else bytes = mapped;
    *n = (size_t)status.st_size;
  }
  close(descriptor);
  return bytes;
}

/* ---- constants ---- */
static bool shape_of(Tensor *t, const TensorProto *proto, const char **why) {
  if (proto->dims.n > MOST_DIMS) return *why = "it has more than 8 dimensions", false;
  t->rank = proto->dims.n;
  t->n = 1;
  int64_t all = 1; /* product of all sizes that are not 0: it must be below 2^31 */
  for (int d = 0; d < t->rank; d++) {
    t->dim[d] = proto->dims.data[d];
    if (t->dim[d] < 0 || t->dim[d] > INT32_MAX) return *why = "its shape is wrong", false;
    all *= t->dim[d] ? t->dim[d] : 1;
    if (all > INT32_MAX) return *why = "it has 2^31 or more numbers", false;
    t->n *= t->dim[d];
  }
  return true;
}

static bool leaves_directory(const char *location) {
  if (location[0] == '/' || location[0] == 0 || strchr(location, '\\')) return true;
  for (const char *part = location; part; part = strchr(part, '/') ? strchr(part, '/') + 1 : NULL)
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == 0)) return true;
  return false;
}

/* Whether the path leads to a file in the model's directory, also after following symbolic links. */
static bool is_relative_to_model(const char *model, const char *path) {
#ifdef __wasi__ /* this build has neither symbolic links nor realpath */
  return model && path;
#else
  char directory[PATH_MAX], file[PATH_MAX];
  char *slash = realpath(model, directory) ? strrchr(directory, '/') : NULL;
  const size_t n = slash ? (size_t)(slash - directory) + 1 : 0;
  return n && realpath(path, file) && strncmp(file, directory, n) == 0;
#endif
}

static bool external_number(const char *text, size_t *number) {
  char *end;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  *number = (size_t)value;
  return *text >= '0' && *text <= '9' && *end == 0 && errno == 0;
}

static bool external_data(Arena *arena, const TensorProto *proto, const char *model, size_t wanted,
                          const uint8_t **data, const char **why) {
  const char *location = "";
  size_t offset = 0, length = wanted, n = 0;
  for (int i = 0; i < proto->external_data.n; i++) {
    const StringStringEntryProto *entry = proto->external_data.data[i];
    const bool where = strcmp(entry->key, "offset") == 0, size = strcmp(entry->key, "length") == 0;
    if (strcmp(entry->key, "location") == 0) location = entry->value;
    else if ((where || size) && !external_number(entry->value, where ? &offset : &length))
      return *why = where ? "the offset of its external data is not a number"
                          : "the length of its external data is not a number",
             false;
  }
  if (leaves_directory(location)) {
    *why = arena_printf(arena, "its external data, '%s', is not in the folder of the model", location);
    return false;
  }
  const char *path = file_beside(arena, model, location), *reason = NULL;
  if (file_exists(path) && !is_relative_to_model(model, path)) {
    *why = arena_printf(arena, "its external data, '%s', is not in the folder of the model", location);
    return false;
  }
  const uint8_t *bytes = map_file(path, &n, &reason);
  if (!bytes)
    return *why = arena_printf(arena, "cannot read its external data '%s': %s", path, reason), false;
  if (length != wanted)
    return *why = arena_printf(arena, "its external data has %zu bytes, but its shape needs %zu", length,
                               wanted),
           false;
  if (offset > n || wanted > n - offset)
    return *why = arena_printf(arena, "its external data '%s' is too short", path), false;
  *data = bytes + offset;
  return true;
}

static Tensor *typed_data(Arena *arena, Tensor *t, const TensorProto *proto, const char **why) {
  const WireInts *ints = t->type == TENSOR_INT64                                ? &proto->int64_data
                         : t->type == TENSOR_UINT64 || t->type == TENSOR_UINT32 ? &proto->uint64_data
                                                                                : &proto->int32_data;
  const int width = tensor_width(t->type);
  const WireBytes *fixed = t->type == TENSOR_FLOAT    ? &proto->float_data
                           : t->type == TENSOR_DOUBLE ? &proto->double_data
                                                      : NULL;
  const bool enough = fixed ? fixed->n == (size_t)t->n * (size_t)width : ints->n == t->n;
  if (!enough) return *why = "its number of elements does not match its shape", NULL;
  if (fixed) return t->data = fixed->at, t;
  uint8_t *data = arena_alloc(arena, (size_t)t->n * (size_t)width + 1);
  for (int64_t i = 0; i < t->n; i++)
    for (int b = 0; b < width; b++) data[i * width + b] = (uint8_t)((uint64_t)ints->data[i] >> (8 * b));
  return t->data = data, t;
}

Tensor *onnx_constant(Arena *arena, const TensorProto *proto, const char *path, const char **why) {
  Tensor *t = NEW(arena, Tensor);
  t->type = (TensorType)proto->data_type;
  if (!shape_of(t, proto, why)) return NULL;
  const int width = proto->data_type > 0 && proto->data_type <= 16 ? tensor_width(t->type) : 0;
  if (width == 0) return *why = "its type is not supported", NULL;
  const size_t wanted = (size_t)t->n * (size_t)width;
  if (proto->data_location == 1) return external_data(arena, proto, path, wanted, &t->data, why) ? t : NULL;
  if (t->n == 0) return t->data = (const uint8_t *)"", t;
  if (proto->raw_data.n == 0) return typed_data(arena, t, proto, why);
  if (proto->raw_data.n != wanted) return *why = "its number of bytes does not match its shape", NULL;
  return t->data = proto->raw_data.at, t;
}

/* The position in the dense constant for number i of the sparse constant; it may be outside the constant. The
 * index of a number is one integer, or one integer per dimension. */
static int64_t dense_place(const Tensor *t, const Tensor *index, int64_t i) {
  if (index->rank < 2) return tensor_integer(index, i);
  int64_t at = 0;
  for (int d = 0; d < t->rank; d++) {
    const int64_t own = tensor_integer(index, i * t->rank + d);
    if (own < 0 || own >= t->dim[d]) return -1;
    at = at * t->dim[d] + own;
  }
  return at;
}

Tensor *onnx_sparse(Arena *arena, const SparseTensorProto *proto, const char *path, size_t *room,
                    const char **why) {
  const TensorProto shape = {.dims = proto->dims, .name = ""};
  Tensor given = {0};
  if (!proto->values || !proto->indices) return *why = "it has no values or no indices", NULL;
  const Tensor *value = onnx_constant(arena, proto->values, path, why);
  const Tensor *index = value ? onnx_constant(arena, proto->indices, path, why) : NULL;
  if (!index || !shape_of(&given, &shape, why)) return NULL;
  if (index->n != value->n * (index->rank < 2 ? 1 : given.rank))
    return *why = "its indices are invalid", NULL;
  const size_t bytes = sizeof(double) * (size_t)given.n; /* no element type is wider than double */
  if (bytes > *room) return *why = "it is too large", NULL;
  *room -= bytes;
  Tensor *t = tensor_new(arena, value->type, given.rank, given.dim);
  for (int64_t i = 0; i < t->n; i++) tensor_put(t, i, 0);
  for (int64_t i = 0; i < value->n; i++) {
    const int64_t at = dense_place(t, index, i);
    if (at < 0 || at >= t->n) return *why = "its indices are invalid", NULL;
    tensor_put(t, at, tensor_number(value, i));
  }
  return t;
}

/* ---- the graph ---- */
typedef struct Reader {
  Onnx *onnx;
  Table names; /* by tensor name: the tensor's number */
  VEC(const char *) tensors;
} Reader;

static int value_number(Reader *r, const char *name) {
  if (!*name) return 0;
  int *known = table_find(&r->names, name);
  if (known) return *known;
  known = NEW(r->onnx->arena, int);
  *known = r->tensors.n;
  table_set(r->onnx->arena, &r->names, name, known);
  vec_push(r->onnx->arena, r->tensors, name);
  return *known;
}

static int *value_numbers(Reader *r, const WireTexts *names) {
  int *list = NEW_ARRAY(r->onnx->arena, int, names->n + 1);
  for (int i = 0; i < names->n; i++) list[i] = value_number(r, names->data[i]);
  return list;
}

static void read_nodes(Reader *r, const WireList *nodes) {
  Onnx *o = r->onnx;
  o->nnodes = nodes->n;
  o->node = NEW_ARRAY(o->arena, OnnxNode, o->nnodes + 1);
  for (int i = 0; i < o->nnodes; i++) {
    const NodeProto *proto = nodes->data[i];
    o->node[i] = (OnnxNode){.op = *onnx_domain(proto->domain)
                                      ? arena_printf(o->arena, "%s::%s", proto->domain, proto->op_type)
                                      : proto->op_type,
                            .name = proto->name,
                            .index = i,
                            .nin = proto->input.n,
                            .nout = proto->output.n,
                            .in = value_numbers(r, &proto->input),
                            .out = value_numbers(r, &proto->output),
                            .guard = (int)proto->guard,
                            .attribute = proto->attribute,
                            .metadata = proto->metadata_props};
  }
}

static OnnxPort *read_ports(Reader *r, const WireList *list, int *n) {
  Onnx *o = r->onnx;
  OnnxPort *ports = NEW_ARRAY(o->arena, OnnxPort, list->n + 1);
  *n = 0;
  for (int i = 0; i < list->n; i++) {
    const ValueInfoProto *value = list->data[i];
    OnnxPort *port = &ports[*n];
    *port = (OnnxPort){.name = value->name, .tensor = value_number(r, value->name), .rank = -1};
    if (port->tensor == 0) continue;
    const TypeProtoTensor *type = value->type ? value->type->tensor_type : NULL;
    if (type && type->elem_type > 0 && type->elem_type <= 16) port->type = (TensorType)type->elem_type;
    if (type && type->shape && type->shape->dim.n <= MOST_DIMS) {
      port->rank = type->shape->dim.n;
      for (int d = 0; d < port->rank; d++) {
        const TensorShapeProtoDimension *dim = type->shape->dim.data[d];
        port->dim[d] = dim->dim_value > 0 && dim->dim_value <= INT32_MAX ? dim->dim_value : 0;
        port->symbol[d] = isalpha((unsigned char)*dim->dim_param) ? dim->dim_param : NULL;
      }
    }
    ++*n;
  }
  return ports;
}

static bool read_constants(Reader *r, const OnnxFlat *flat, Diags *diags, Span at) {
  Onnx *o = r->onnx;
  int *number = value_numbers(r, &flat->names);
  o->constant = NEW_ARRAY(o->arena, Tensor *, r->tensors.n + 1);
  for (int i = 0; i < flat->constants.n; i++) {
    const TensorProto *proto = flat->constants.data[i];
    const char *why = NULL;
    Tensor *t = onnx_constant(o->arena, proto, o->path, &why);
    if (t) t->name = proto->name;
    else if (proto->data_type != TENSOR_STRING) {
      diag_report(diags, DIAG_import_weights, at, NULL, "the constant '%s' cannot be read: %s", proto->name,
                  why);
      return false;
    }
    o->constant[number[i]] = t;
  }
  return true;
}

static void read_guards(Reader *r, const OnnxFlat *flat) {
  Onnx *o = r->onnx;
  o->nguards = flat->guards.n;
  o->guard = flat->guards.data;
  for (int i = 1; i < o->nguards; i++) o->guard[i].condition = value_number(r, o->guard[i].name);
  o->conditions = flat->conditions;
  for (int i = 0; i < o->conditions.n; i++) {
    OnnxCondition *c = &o->conditions.data[i];
    c->tensor = value_number(r, c->name);
    c->results = value_numbers(r, &c->outputs);
  }
}

/* The version of the operators that the model uses. Reports a version that is unknown to cnnc. */
static int opset_of(const ModelProto *model, Diags *diags, Span at) {
  enum { NEWEST = 25 };
  int64_t opset = 1;
  for (int i = 0; i < model->opset_import.n; i++) {
    const OperatorSetIdProto *set = model->opset_import.data[i];
    if (!*onnx_domain(set->domain) && set->version > opset) opset = set->version;
  }
  if (opset <= NEWEST) return (int)opset;
  diag_help(diag_report(diags, DIAG_import_opset, at, NULL,
                        "the model has opset %lld, but cnnc knows opsets up to %d", (long long)opset, NEWEST),
            "export the model with an opset from 7 to %d", NEWEST);
  return NEWEST;
}

static Onnx *bad_file(Diags *diags, Span at, const char *why) {
  diag_report(diags, DIAG_import_file, at, NULL, "this model cannot be read: %s", why);
  return NULL;
}

/* Functions that follow a value to its origin assume that each tensor has one producer; with two producers, a
 * value could depend on itself. */
const char *onnx_made_twice(const Onnx *o) {
  bool *made = NEW_ARRAY(o->arena, bool, o->ntensors);
  for (int t = 0; t < o->ntensors; t++) made[t] = o->constant[t] != NULL;
  for (int i = 0; i < o->ninputs; i++) made[o->input[i].tensor] = true;
  for (int i = 0; i < o->nnodes; i++)
    for (int k = 0; k < o->node[i].nout; k++) {
      const int t = o->node[i].out[k];
      if (t && made[t]) return o->tensor[t];
      made[t] = true;
    }
  return NULL;
}

/* Writes numbers in the program's syntax: one number or a list. NULL: the text has no numbers, too many
 * numbers, or anything else. */
static const char *numbers_text(Arena *arena, const char *text) {
  Text list = {.arena = arena};
  int n = 0;
  for (char *end; *text; text = end, n++) {
    const double value = strtod(text, &end);
    if (end == text || !isfinite(value) || n == SHAPE_MOST_ELEMENTS) return NULL;
    text_put(&list, "%s%.9g", n ? ", " : "", value);
    while (*end == ' ') end++;
  }
  return n > 1 ? arena_printf(arena, "[%s]", list.s) : list.s;
}

static void read_state_entries(Onnx *o, const WireList *metadata) {
  const size_t n = strlen(ONNX_STATE_KEY);
  for (int i = 0; i < metadata->n; i++) {
    const StringStringEntryProto *entry = metadata->data[i];
    if (strncmp(entry->key, ONNX_STATE_KEY, n) != 0) continue;
    const char *equals = strchr(entry->value, '=');
    const size_t length = equals ? (size_t)(equals - entry->value) : strlen(entry->value);
    const OnnxState state = {entry->key + n, arena_copy(o->arena, entry->value, length),
                             equals ? numbers_text(o->arena, equals + 1) : NULL};
    if (onnx_tensor(o, state.input) && onnx_tensor(o, state.output)) vec_push(o->arena, o->states, state);
  }
}

Onnx *onnx_read(Arena *arena, Diags *diags, const char *path, Span at, const OnnxLoops *loops,
                const uint8_t *bytes, size_t n) {
  Wire wire = {.arena = arena};
  const ModelProto *model = wire_read(&wire, &ModelProto_wire, bytes, n);
  if (!model) return bad_file(diags, at, wire.why);
  const GraphProto *graph = model->graph;
  if (!graph) return bad_file(diags, at, "it has no graph");
  OnnxFlat flat;
  if (!onnx_inline(&wire, model, loops, n, &flat)) return bad_file(diags, at, flat.why);
  const int dynamic = onnx_dynamic(arena, graph, &flat);
  if (dynamic)
    diag_report(diags, DIAG_import_rounding, at, NULL, "%d dynamically quantized node%s %s computed in float",
                dynamic, dynamic == 1 ? "" : "s", dynamic == 1 ? "is" : "are");
  onnx_frames(arena, &flat.nodes);
  onnx_tables(arena, &flat);
  onnx_fused(arena, &flat.nodes);
  Onnx *o = NEW(arena, Onnx);
  *o = (Onnx){.arena = arena, .path = path, .file = bytes, .bytes = n, .opset = opset_of(model, diags, at)};
  o->producer = model->producer_name;
  o->version = model->producer_version;
  Reader r = {.onnx = o};
  vec_push(arena, r.tensors, "");
  read_nodes(&r, &flat.nodes);
  read_guards(&r, &flat);
  o->input = read_ports(&r, &graph->input, &o->ninputs);
  o->output = read_ports(&r, &graph->output, &o->noutputs);
  if (!read_constants(&r, &flat, diags, at)) return NULL;
  o->tensor = r.tensors.data;
  o->ntensors = r.tensors.n;
  read_state_entries(o, &model->metadata_props);
  const char *twice = onnx_made_twice(o);
  if (twice) return bad_file(diags, at, arena_printf(arena, "'%s' is defined twice", twice));
  const OnnxNode *circular = onnx_sort(o);
  if (circular)
    return bad_file(
        diags, at,
        arena_printf(arena, "%s '%s' depends on its own result", circular->op, onnx_name(o, circular)));
  return o;
}

Onnx *onnx_open(Arena *arena, Diags *diags, const char *path, Span at) {
  size_t n = 0;
  const char *why = NULL;
  const uint8_t *bytes = map_file(path, &n, &why);
  if (bytes) return onnx_read(arena, diags, path, at, NULL, bytes, n);
  diag_report(diags, DIAG_import_file, at, NULL, "cannot be read: %s", why);
  return NULL;
}

int onnx_tensor(const Onnx *o, const char *name) {
  for (int i = 1; i < o->ntensors; i++)
    if (strcmp(o->tensor[i], name) == 0) return i;
  return 0;
}

int onnx_needs(const Onnx *o, const OnnxNode *node, int k) {
  if (k < node->nin) return node->in[k];
  int guard = node->guard;
  for (k -= node->nin; k > 0 && guard; k--) guard = o->guard[guard].outer;
  return guard ? o->guard[guard].condition : -1;
}

const char *onnx_name(const Onnx *o, const OnnxNode *node) {
  if (*node->name) return node->name;
  return node->nout ? o->tensor[node->out[0]] : "";
}

const char *onnx_kind(const OnnxNode *node) { return node->kind ? node->kind : node->op; }

int onnx_count_operators(const Onnx *o, const bool *among) {
  const char *before = NULL; /* the nodes of one TensorFlow Lite operator are consecutive */
  int n = 0;
  for (int i = 0; i < o->nnodes; i++) {
    if (!among[i]) continue;
    n += !before || o->node[i].title != before;
    before = o->node[i].title;
  }
  return n;
}

const char *onnx_title(const Onnx *o, const OnnxNode *node) {
  return node->title ? node->title : arena_printf(o->arena, "%s '%s'", node->op, onnx_name(o, node));
}

const char *onnx_metadata(const OnnxNode *node, const char *key) {
  for (int i = 0; i < node->metadata.n; i++) {
    const StringStringEntryProto *entry = node->metadata.data[i];
    if (strcmp(entry->key, key) == 0) return entry->value;
  }
  return "";
}

/* ---- attributes ---- */
const AttributeProto *onnx_attribute_named(const WireList *list, const char *name) {
  for (int i = list->n - 1; i >= 0; i--)
    if (strcmp(((const AttributeProto *)list->data[i])->name, name) == 0) return list->data[i];
  return NULL;
}

const AttributeProto *onnx_attribute(const OnnxNode *node, const char *name) {
  return onnx_attribute_named(&node->attribute, name);
}

int64_t onnx_int(const OnnxNode *node, const char *name, int64_t otherwise) {
  const AttributeProto *attribute = onnx_attribute(node, name);
  return attribute ? attribute->i : otherwise;
}

double onnx_float(const OnnxNode *node, const char *name, double otherwise) {
  const AttributeProto *attribute = onnx_attribute(node, name);
  return attribute ? (double)attribute->f : otherwise;
}

const char *onnx_text(const OnnxNode *node, const char *name, const char *otherwise) {
  const AttributeProto *attribute = onnx_attribute(node, name);
  return attribute && *attribute->s ? attribute->s : otherwise;
}

const WireInts *onnx_ints(const OnnxNode *node, const char *name) {
  const AttributeProto *attribute = onnx_attribute(node, name);
  return attribute ? &attribute->ints : NULL;
}

static AttributeProto *set(Arena *arena, OnnxNode *node, const char *name) {
  AttributeProto *attribute = NEW(arena, AttributeProto);
  attribute->name = name;
  attribute->s = "";
  WireList copy = {0}; /* a copy: the node may share the list with another node */
  for (int i = 0; i < node->attribute.n; i++) vec_push(arena, copy, node->attribute.data[i]);
  vec_push(arena, copy, attribute);
  node->attribute = copy;
  return attribute;
}

void onnx_set_int(Arena *arena, OnnxNode *node, const char *name, int64_t value) {
  set(arena, node, name)->i = value;
}

void onnx_set_ints(Arena *arena, OnnxNode *node, const char *name, int n, const int64_t *value) {
  AttributeProto *attribute = set(arena, node, name);
  for (int i = 0; i < n; i++) vec_push(arena, attribute->ints, value[i]);
}

void onnx_set_float(Arena *arena, OnnxNode *node, const char *name, double value) {
  set(arena, node, name)->f = (float)value;
}

void onnx_set_text(Arena *arena, OnnxNode *node, const char *name, const char *value) {
  set(arena, node, name)->s = value;
}
