/* embed.c: Compiled-in weights, and model files.
 *
 * A small number of weights is printed as arrays in the C text. A larger number of weights is stored in one
 * of four forms: a string in the text; a file next to the C file, included with #embed or with the
 * assembler's .incbin; a temporary file of the backend, included with .incbin; or a separate object. Each
 * form defines one array, NAME_bytes. The array contains the packed model, which has the additional name
 * NAME_trained. In code with NAME_network, the array also contains the weights in PyTorch's layouts, after
 * the packed model, so that training can continue from these weights. Executables of float nets contain
 * only the weights in PyTorch's layouts. */
// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>
#include "emit/module.h"

/* ---- compiled-in data ---- */
bool net_trained(const Net *net) {
  return (net->options->weights || !net->weights) && net->model &&
         (!net->options->program || net->graph->floats);
}
static bool has_initial(const Net *net) {
  return net->options->weights && net->weights && net->model && net->options->network;
}

static int64_t trained_bytes(const Net *net) {
  return net_trained(net) ? layout_model_bytes(net->layout) : 0;
}
static int64_t embedded_bytes(const Net *net) {
  return trained_bytes(net) + (has_initial(net) ? 4 * net->graph->parameters : 0);
}

/* Whether the weights are in the array NAME_bytes, not in arrays of numbers. */
static bool is_bytes(const Net *net) { return embedded_bytes(net) > net->options->embed_text; }

enum { BIG_ENDIAN_HOST = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ };

static void make_little_endian(Elem elem, void *values, int64_t bytes) {
  const int size = elem_bytes(elem);
  unsigned char *at = values;
  for (int64_t i = 0; BIG_ENDIAN_HOST && i + size <= bytes; i += size)
    for (int k = 0; k < size / 2; k++) {
      const unsigned char byte = at[i + k];
      at[i + k] = at[i + size - 1 - k];
      at[i + size - 1 - k] = byte;
    }
}

/* Copies the members of the model to `to` (zeroed memory), one after the other and little-endian. */
static void copy_model(Net *net, unsigned char *to) {
  for (int i = 0; i < net->layout->infer.members.n; i++) {
    const Member *member = net->layout->infer.members.data[i];
    pack_values(net, member, to);
    make_little_endian(member->elem, to, member->bytes);
    to += member->bytes;
  }
}

const void *emit_weights(Net *net, size_t *n) {
  *n = 0;
  if (!embedded_bytes(net) || !is_bytes(net) || net->options->embed == EMBED_TEXT) return NULL;
  *n = (size_t)embedded_bytes(net);
  if (!net_trained(net) && !BIG_ENDIAN_HOST) return net->options->weights;
  unsigned char *bytes = arena_alloc(net->arena, *n);
  if (net_trained(net)) copy_model(net, bytes);
  if (!has_initial(net)) return bytes;
  float *initial = (float *)(void *)(bytes + trained_bytes(net));
  memcpy(initial, net->options->weights, sizeof *initial * (size_t)net->graph->parameters);
  make_little_endian(F32, initial, (int64_t)sizeof *initial * net->graph->parameters);
  return bytes;
}

/* ---- arrays of numbers ---- */
static void put_integers(Text *out, Elem elem, const void *values, int64_t n, const char *indent) {
  const int a_line = elem == I64 ? 4 : elem == I32 ? 8 : 20;
  for (int64_t i = 0; i < n; i++) {
    const int64_t value = elem == I32          ? ((const int32_t *)values)[i]
                          : elem == I64        ? ((const int64_t *)values)[i]
                          : elem == I16        ? ((const int16_t *)values)[i]
                          : elem == U8         ? ((const uint8_t *)values)[i]
                          : elem_is_half(elem) ? ((const uint16_t *)values)[i]
                                               : ((const int8_t *)values)[i];
    if (i % a_line == 0) text_put(out, "%s%s", i ? "\n" : "", indent);
    if (value == INT32_MIN) text_put(out, "-%d - 1", INT32_MAX);
    else text_put(out, "%" PRId64, value);
    text_put(out, i + 1 < n ? (i % a_line == a_line - 1 ? "," : ", ") : "");
  }
  text_put(out, "\n");
}

/* Prints an array in nested braces, one level per dimension. Returns the number of printed elements. */
static int64_t put_nested(Text *out, Elem elem, const void *values, int rank, const int64_t *dim) {
  int64_t done = 0;
  text_put(out, "{");
  if (rank <= 1) {
    text_put(out, "\n");
    if (elem == F32) put_floats(out, values, dim[0], "    ");
    else put_integers(out, elem, values, dim[0], "    ");
    text_put(out, "  ");
    done = dim[0];
  }
  for (int64_t i = 0; rank > 1 && i < dim[0]; i++) {
    if (i) text_put(out, ", ");
    done += put_nested(out, elem, (const char *)values + done * elem_bytes(elem), rank - 1, dim + 1);
  }
  text_put(out, "}");
  return done;
}

void put_member_values(Text *out, Net *net, const Member *member) {
  void *values = arena_alloc(net->arena, (size_t)member->bytes);
  pack_values(net, member, values);
  put_nested(out, member->elem, values, member->rank, member->dim);
}

static void put_trained_struct(Text *out, Net *net) {
  text_put(out, "_Alignas(%d) const %s %s = {\n", ALIGNMENT, net->own->model, net->own->trained);
  for (int i = 0; i < net->layout->infer.members.n; i++) {
    text_put(out, "  .%s = ", net->layout->infer.members.data[i]->name);
    put_member_values(out, net, net->layout->infer.members.data[i]);
    text_put(out, ",\n");
  }
  if (!net->layout->infer.members.n) text_put(out, "  {0}\n");
  text_put(out, "};\n\n");
}

static void put_initial_array(Text *out, Net *net) {
  text_put(out, "static const float %s[%" PRId64 "] = ", net->own->initial, net->graph->parameters);
  put_nested(out, F32, net->options->weights, 1, &net->graph->parameters);
  text_put(out, ";\n\n");
}

/* ---- bytes in the text ---- */
/* Prints `n` bytes of numbers as string literals, in little-endian order. Compilers parse string literals ten
 * times faster than numbers. Changes `values` on a big-endian host. */
static void put_byte_string(Text *out, Elem elem, void *values, int64_t n) {
  enum { A_LINE = 64 };
  make_little_endian(elem, values, n);
  for (int64_t i = 0; i < n; i++) {
    const unsigned byte = ((const unsigned char *)values)[i];
    if (i % A_LINE == 0) text_put(out, i ? "\"\n  \"" : "  \"");
    const char s[4] = {'\\', (char)('0' + (byte >> 6)), (char)('0' + (byte >> 3 & 7)),
                       (char)('0' + (byte & 7))};
    text_bytes(out, s, sizeof s);
  }
  text_put(out, "\"\n");
}

static void put_text_bytes(Text *out, Net *net) {
  text_put(out, "#ifdef __GNUC__\n#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored "
                "\"-Woverlength-strings\"\n#endif\n");
  text_put(out, "_Alignas(%d) __attribute__((used)) static const char %s[%" PRId64 " + 1] =\n", ALIGNMENT,
           net->own->bytes, embedded_bytes(net));
  for (int i = 0; net_trained(net) && i < net->layout->infer.members.n; i++) {
    const Member *member = net->layout->infer.members.data[i];
    void *values = arena_alloc(net->arena, (size_t)member->bytes);
    pack_values(net, member, values);
    text_put(out, "  /* %s */\n", member->name);
    put_byte_string(out, member->elem, values, member->bytes);
  }
  if (has_initial(net)) text_put(out, "  /* initial weights for further training */\n");
  const size_t initial = sizeof(float) * (size_t)net->graph->parameters;
  if (has_initial(net))
    put_byte_string(out, F32, memcpy(arena_alloc(net->arena, initial), net->options->weights, initial),
                    (int64_t)initial);
  text_put(out, "  ;\n#ifdef __GNUC__\n#pragma GCC diagnostic pop\n#endif\n");
}

/* Defines NAME_trained as an alias of NAME_bytes, because the model is the first part of these bytes. */
static void put_alias(Text *out, const Net *net) {
  if (!net_trained(net)) return;
  text_put(out, "#ifdef __APPLE__\n__asm__(\".globl _%s\\n.set _%s, _%s\");\n#else\n", net->own->trained,
           net->own->trained, net->own->bytes);
  text_put(out, "extern const %s %s __attribute__((alias(\"%s\")));\n#endif\n", net->own->model,
           net->own->trained, net->own->bytes);
}

/* ---- bytes in other files ---- */
static const char elsewhere_text[] = "is not the file that was written together with this C file";

static void put_embed(Text *out, Net *net) {
  const char *file = net->options->embed_file;
  text_put(out, "#ifdef __clang__\n#pragma clang diagnostic push\n#pragma clang diagnostic ignored "
                "\"-Wc23-extensions\"\n#else\n");
  text_put(out, "#pragma GCC diagnostic push\n#pragma GCC diagnostic ignored \"-Wpedantic\"\n#endif\n");
  text_put(out, "_Alignas(%d) __attribute__((used)) static const unsigned char %s[] = {\n#embed \"%s\"\n};\n",
           ALIGNMENT, net->own->bytes, file);
  text_put(out,
           "#ifdef __clang__\n#pragma clang diagnostic pop\n#else\n#pragma GCC diagnostic pop\n#endif\n");
  text_put(out, "_Static_assert(sizeof %s == %" PRId64 ", \"%s %s\");\n", net->own->bytes,
           embedded_bytes(net), file, elsewhere_text);
  put_alias(out, net);
}

static void put_symbols(Text *out, const Net *net, char mark) {
  text_put(out, "  \".hidden %s\\n\"\n", net->own->bytes);
  text_put(out, "  \".type %s, %cobject\\n.size %s, %" PRId64 "\\n\"\n", net->own->bytes, mark,
           net->own->bytes, embedded_bytes(net));
  if (net_trained(net))
    text_put(out, "  \".type %s, %cobject\\n.size %s, %" PRId64 "\\n\"\n", net->own->trained, mark,
             net->own->trained, trained_bytes(net));
}

/* Defines the symbols in assembly: .incbin copies the file, so that the C compiler does not parse it. */
static void put_incbin(Text *out, Net *net, const char *file) {
  const char *name = net->name;
  text_put(out, "#ifdef __APPLE__\n#define %s \"_%s_\"\n#else\n#define %s \"%s_\"\n#endif\n__asm__(\n",
           net->macro->SYMBOL, name, net->macro->SYMBOL, name);
  text_put(out, "#if defined(__APPLE__)\n  \".section __TEXT,__const\\n.private_extern _%s\\n\"\n",
           net->own->bytes);
  text_put(out, "#elif defined(__wasm__)\n  \".section .rodata.%s,\\\"\\\",@\\n\"\n", net->own->bytes);
  put_symbols(out, net, '@');
  text_put(out, "#elif defined(__ELF__)\n  \".section .rodata\\n\"\n");
  put_symbols(out, net, '%');
  text_put(out, "#else\n  \".section .rdata,\\\"dr\\\"\\n\"\n");
  text_put(out, "#endif\n  \".p2align 6\\n.globl \" %s \"bytes\\n\" %s \"bytes:\\n\"\n", net->macro->SYMBOL,
           net->macro->SYMBOL);
  if (net_trained(net))
    text_put(out, "  \".globl \" %s \"trained\\n\" %s \"trained:\\n\"\n", net->macro->SYMBOL,
             net->macro->SYMBOL);
  text_put(out, "  \"1: .incbin \\\"%s\\\"\\n2:\\n\"\n", file);
  text_put(out, "  \".if 2b - 1b - %" PRId64 "\\n.error \\\"%s %s\\\"\\n.endif\\n\"\n", embedded_bytes(net),
           file, elsewhere_text);
  text_put(out, "#ifdef __ELF__\n  \".previous\\n\"\n#else\n  \".text\\n\"\n#endif\n);\n");
}

static void put_declaration(Text *out, const Net *net) {
  if (!has_initial(net)) return;
  text_put(out,
           "#ifdef __ELF__\n__attribute__((visibility(\"hidden\")))\n#endif\nextern const unsigned char "
           "%s[%" PRId64 "];\n",
           net->own->bytes, embedded_bytes(net));
}

static void put_beside(Text *out, Net *net) {
  const char *file = net->options->embed_file;
  text_put(out,
           "/* %s is next to this file. Compilers without #embed search for it in the current directory and "
           "the directories of -I. */\n",
           file);
  text_put(out, "#ifdef __has_embed\n#if __has_embed(\"%s\") == 1\n#define %s\n#endif\n#endif\n", file,
           net->macro->EMBED);
  text_put(out, "#ifdef %s\n", net->macro->EMBED);
  put_embed(out, net);
  text_put(out, "#else\n");
  put_incbin(out, net, file);
  put_declaration(out, net);
  text_put(out, "#endif\n");
}

void emit_weights_object(Text *out, Net *net) { put_incbin(out, net, net->options->embed_file); }

/* ---- in the C file ---- */
static void put_byte_order(Text *out) {
  text_put(out, "#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n#error \"these "
                "weights are little-endian floats\"\n#endif\n");
}

void put_embedded(Text *out, Net *net) {
  if (!embedded_bytes(net)) return;
  text_put(out, "/* ---- weights that are compiled in ---- */\n\n");
  if (!is_bytes(net)) {
    if (net_trained(net)) put_trained_struct(out, net);
    if (has_initial(net)) put_initial_array(out, net);
    return;
  }
  put_byte_order(out);
  switch (net->options->embed) {
  case EMBED_TEXT:
    put_text_bytes(out, net);
    put_alias(out, net);
    break;
  case EMBED_BESIDE: put_beside(out, net); break;
  case EMBED_BACKEND:
    put_incbin(out, net, net->options->embed_file);
    put_declaration(out, net);
    break;
  case EMBED_OBJECT: put_declaration(out, net); break;
  }
  text_put(out, "\n");
}

const char *initial_weights(Net *net) {
  if (!has_initial(net)) return NULL;
  if (!is_bytes(net)) return net->own->initial;
  const int64_t start = trained_bytes(net);
  return arena_printf(net->arena,
                      start ? "(const float *)(const void *)(%s + %" PRId64 ")"
                            : "(const float *)(const void *)%s",
                      net->own->bytes, start);
}

/* ---- models in files ---- */
/* The header of a model file, as little-endian 64-bit numbers: "cnnmodel", the version of the format, the
 * number of bytes that follow the header, a fingerprint of the model's layout and of the code that reads the
 * model, and zeros. */
enum { MARK_WORDS = 8, MODEL_VERSION = 1 };

static const uint64_t prime = UINT64_C(0x100000001b3);

static uint64_t hashed(uint64_t hash, const char *text) { /* FNV-1a over the text and its final zero byte */
  do hash = (hash ^ (unsigned char)*text) * prime;
  while (*text++);
  return hash;
}

/* Hashes the eight bytes of a number. Usually all bytes except the lowest are zero; then one multiplication
 * is enough. */
static uint64_t hashed_number(uint64_t hash, uint64_t number) {
  if (number <= UINT8_MAX)
    return (hash ^ number) * (prime * prime * prime * prime * prime * prime * prime * prime);
  for (int i = 0; i < 64; i += 8) hash = (hash ^ (number >> i & UINT8_MAX)) * prime;
  return hash;
}

static uint64_t hashed_key(uint64_t hash, const Key *key) {
  for (int i = 0; i < key->words.n; i++) hash = hashed_number(hash, (uint64_t)key->words.data[i]);
  return hash;
}

static uint64_t hashed_nest(uint64_t hash, const Nest *nest) {
  Arena *scratch = arena_new();
  hash = hashed_key(hash, nest_key(scratch, nest, false));
  arena_free(scratch);
  return hash;
}

/* Hashes a call: all numbers in the kernel's code, and the values, members and constants that the call reads
 * and writes. */
static uint64_t hashed_call(uint64_t hash, const Step *step, int target) {
  const Version *version = &step->call->version[target];
  const Nest *nest = version->lower->b;
  hash = hashed_nest(hash, nest);
  for (int i = 0; i < nest->nbufs; i++) {
    const Member *member = step->member[target][i];
    const Binding *binding = version->argument[i].binding;
    if (!version->argument[i].used) continue;
    hash = hashed_number(hash, (uint64_t)binding->kind);
    if (binding->node) hash = hashed_number(hash, (uint64_t)binding->node->id);
    if (!member) continue;
    hash = hashed(hash, member->table ? member->key : member->name);
    if (member->nest && !member->function) hash = hashed_key(hash, member->nest);
  }
  return hash;
}

/* Hashes the scale and the zero point that NAME.h declares. */
static uint64_t hashed_scale(uint64_t hash, const Node *port) {
  uint32_t scale = 0;
  if (port->quant) memcpy(&scale, &port->quant->scale, sizeof scale);
  return hashed_number(hashed_number(hash, scale), port->quant ? (uint64_t)port->quant->zero : 0);
}

/* Hashes the calls of all kernels and the scales of the ports, so that a model file for other code is
 * rejected. */
static uint64_t hashed_code(uint64_t hash, const Net *net) {
  for (int s = 0; s < net->layout->infer.steps.n; s++)
    for (int t = 0; t < net->layout->options.ntargets; t++)
      hash = hashed_call(hash, &net->layout->infer.steps.data[s], t);
  if (net->graph->updatable) return hash; /* the scales are in the model */
  for (int i = 0; i < net->graph->inputs.n; i++) hash = hashed_scale(hash, net->graph->inputs.data[i].node);
  for (int o = 0; o < net->graph->outputs.n; o++) hash = hashed_scale(hash, net->graph->outputs.data[o].node);
  return hash;
}

static uint64_t fingerprint(const Net *net) {
  uint64_t hash = hashed(UINT64_C(0xcbf29ce484222325), net->graph->name);
  for (int i = 0; i < net->graph->weights.n; i++) {
    const Weight *weight = net->graph->weights.data[i];
    hash = hashed(hash, weight->name);
    for (int d = 0; d < weight->rank; d++)
      hash = hashed(hash, arena_printf(net->arena, "%" PRId64, weight->dim[d]));
  }
  for (int i = 0; i < net->layout->infer.members.n; i++) {
    const Member *member = net->layout->infer.members.data[i];
    hash = hashed(hashed(hash, member->name), member->key);      /* equal contents have equal keys */
    if (member->function) hash = hashed_key(hash, member->nest); /* the code that packs the weights */
    for (int d = 0; d < member->rank; d++)
      hash = hashed(hash, arena_printf(net->arena, "%" PRId64, member->dim[d]));
  }
  return hashed_code(hash, net);
}

static void model_mark(const Net *net, uint64_t mark[MARK_WORDS]) {
  memcpy(mark,
         (const uint64_t[MARK_WORDS]){UINT64_C(0x6c65646f6d6e6e63), MODEL_VERSION,
                                      (uint64_t)layout_model_bytes(net->layout), fingerprint(net)},
         sizeof(uint64_t[MARK_WORDS]));
}

int64_t model_file_bytes(const Net *net) {
  return (int64_t)sizeof(uint64_t[MARK_WORDS]) + layout_model_bytes(net->layout);
}

const void *emit_model(Net *net, size_t *n) {
  uint64_t mark[MARK_WORDS];
  model_mark(net, mark);
  *n = (size_t)model_file_bytes(net);
  unsigned char *bytes = arena_alloc(net->arena, *n);
  for (int i = 0; i < (int)sizeof mark; i++) bytes[i] = (unsigned char)(mark[i / 8] >> (8 * (i % 8)));
  copy_model(net, bytes + sizeof mark);
  return bytes;
}

void put_open(Text *out, Net *net) {
  if (!net->model || net->options->program) return;
  uint64_t mark[MARK_WORDS];
  model_mark(net, mark);
  text_put(out, "/* ---- a model in a file or in flash ---- */\n\n// Header of a model: \"cnnmodel\", format "
                "version, number of bytes that follow,\n// and a fingerprint of their layout and of this "
                "code.\n");
  text_put(out,
           "static const uint64_t %s[%d] = {UINT64_C(0x%" PRIx64 "), %" PRIu64 ", %s, UINT64_C(0x%016" PRIx64
           ")};\n\n",
           net->own->mark, MARK_WORDS, mark[0], mark[1], net->macro->MODEL_BYTES, mark[3]);
  text_put(out, "const %s *%s(const void *bytes, size_t size) {\n", net->own->model, net->own->open);
  text_put(out, "  const char *start = bytes;\n");
  text_put(out,
           "  if (start == NULL || size != %s || (uintptr_t)start %% _Alignof(%s) != 0) "
           "return NULL;\n",
           net->macro->FILE_BYTES, net->own->model);
  text_put(out,
           "  for (int i = 0; i < %d; i++) {\n    uint64_t word;\n    memcpy(&word, start + 8 * i, sizeof "
           "word);\n    if (word != %s[i]) return NULL;\n  }\n",
           MARK_WORDS, net->own->mark);
  text_put(out, "  return (const %s *)(const void *)(start + sizeof %s);\n}\n\n", net->own->model,
           net->own->mark);
}
