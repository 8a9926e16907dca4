/* quantized.c: Fuzz target for int8 weight files: for any file, the compiler lowers the net to a valid
 * program and exports the net to ONNX, or reports an error. Mutations start with valid files (int8_draw.c)
 * and follow the format: they change numbers of arrays, or they change the header and correct its length
 * field. Most other mutations would fail at the first check. */
// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "backend/quantized.h"
#include "emit/emit.h"
#include "export/onnx_out.h"
#include "hosted/weights/archive.h"
#include "passes/plan.h"
#include "lir/lir.h"
#include "quantize/quantize.h"
#include "target/cpu.h"
#include "schedule/tuning.h"
#include "sema/sema.h"
#include "int8_draw.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t room, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t n, size_t room);

/* ---- the nets ---- */
/* The int8 forms of many operators occur in these nets, but not, for example, those of recurrent layers. Some
 * layers have a name whose beginning, such as `table`, selects what int8_draw writes for the layer. */
static const char *const texts[] = {
    "net layers {\n"
    "  input image: 8x8x3 as u8\n"
    "  input real: 8x8x8\n"
    "  a = image -> conv(8, 3x3, pad=same) -> relu\n"
    "  b = a -> depthwise(3x3, pad=same) -> batchnorm -> relu6\n"
    "  c = a -> add(b, real) -> conv(4, 3x3, pad=same)\n"
    "  d = c -> conv_transpose(3, 2x2, stride=2)\n"
    "  e = c -> maxpool(3, stride=1, pad=1) -> avgpool(2) -> flatten -> dense(5) -> softmax\n"
    "  f = a -> subtract(b) -> multiply(a) -> relu\n"
    "  output d as i8, e as class, f as u8\n"
    "}\n",
    "net moves {\n"
    "  input image: 6x4x4 as i8\n"
    "  a = image -> concat(image) -> slice(1..5)\n"
    "  b = a -> tanh(name=\"table1\") -> zero_pad(1) -> conv(4, 3x3)\n"
    "  c = b -> sigmoid -> upsample(2)\n"
    "  d = b -> prelu -> space_to_depth(2) -> global_avgpool(name=\"factor1\")\n"
    "  e = b -> add(a, image) -> elu -> conv(2, 1x1, name=\"kept1\") -> l2norm\n"
    "  f = b -> global_avgpool -> relu -> dense(4, bias=false) -> hard_swish\n"
    "  output c, d as i8, e, f\n"
    "}\n",
    "net wide {\n"
    "  input sound: 12x4\n"
    "  a = conv(4, 3, pad=same, precision=i16) -> relu\n"
    "  b = a -> conv(4, 3, stride=2, pad=1) -> relu6\n"
    "  c = a -> maxpool(2) -> add(b, precision=i16)\n"
    "  f = c -> maxpool(2)\n"
    "  d = c -> avgpool(2) -> multiply(f) -> tanh\n"
    "  e = c -> flatten -> dense(6, precision=f32) -> dense(3) -> log_softmax\n"
    "  output d, e\n"
    "}\n",
};
enum { NETS = sizeof texts / sizeof *texts };
static const char *const roundings[] = {"single", "double", "float"};
static Arena *kept;
static Sources sources;
static const Graph *nets[NETS];
static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  kept = arena_new();
  sources.arena = kept;
  nowhere = fopen("/dev/null", "wb");
  for (int i = 0; i < NETS; i++) {
    Diags *diags = diags_new(kept, &sources);
    const SemaOptions options = {0};
    const Ast *ast = program_of(kept, diags, &sources, "net.cnn", texts[i], strlen(texts[i]), 0, NULL, NULL);
    nets[i] = sema_build(kept, diags, &sources, ast, NULL, 0, &options);
    if (diags_errors(diags) == 0) continue;
    diags_print(diags, stderr, DIAG_TEXT, false);
    abort();
  }
  return 0;
}

/* ---- compiling a file ---- */
static void lower_for(Arena *arena, const Graph *graph, const char *name, bool plain) {
  const Target **target = NEW_ARRAY(arena, const Target *, 2);
  *target = target_find(name);
  Tuning tuning = {.arena = arena};
  const ProgramOptions options = {.ntargets = 1,
                                  .target = target,
                                  .plain = plain,
                                  .batch = 1,
                                  .written = graph,
                                  .tuning = &tuning,
                                  .cycles = cpu_cycles(*target)};
  Plan *plan = plan_inference(arena, graph, plain ? FUSE_NOTHING : FUSE_ALL, 1, 0);
  const char *error = program_verify(arena, program_lower(arena, PROGRAM_INFERENCE, plan, &options));
  if (!error) return;
  fprintf(stderr, "%s, %s: %s\n", graph->name, name, error);
  abort();
}

static void write_model(Arena *arena, Diags *diags, const Graph *graph, Node *const *made,
                        const QuantFile *file) {
  Arrays arrays = {0};
  const Graph *written = quantize_written(arena, graph, made, file, &arrays);
  const OnnxNumbers numbers = {constant_weights(arena, written), &arrays};
  const int errors = diags_errors(diags);
  const OnnxOptions options = {.opset = 17};
  const ModelProto *model = onnx_out(arena, diags, written, &numbers, &options);
  if (!model != (diags_errors(diags) > errors)) abort();
  if (model && onnx_bytes(model) == 0) abort();
}

static void make_net(const cnn_archive *archive, const Graph *net) {
  Arena *arena = arena_new();
  Diags *diags = diags_new(arena, &sources);
  QuantFile *file;
  const bool taken = quantized_take(arena, diags, "net.safetensors", archive, &file);
  if (taken == (diags_errors(diags) > 0)) abort();
  if (taken && file) {
    const QuantizeOptions options = {.made = NEW_ARRAY(arena, Node *, net->nodes.n + 1)};
    Graph *graph = quantize_graph(arena, diags, net, file, &options);
    if (!graph != (diags_errors(diags) > 0)) abort();
    if (graph) {
      constant_weights(arena, graph);
      lower_for(arena, graph, "generic", true);
      lower_for(arena, graph, "x86-64-v4-vnni", false);
      lower_for(arena, graph, "aarch64-dotprod", false);
      lower_for(arena, graph, "armv7e-m", false);
      write_model(arena, diags, graph, options.made, file);
    }
  }
  diags_print(diags, nowhere, DIAG_TEXT, false);
  arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
  cnn_archive archive;
  if (cnn_archive_parse(&archive, "net.safetensors", bytes, n).code == CNN_OK)
    for (int i = 0; i < NETS; i++) make_net(&archive, nets[i]);
  cnn_archive_close(&archive);
  return 0;
}

/* ---- mutations ---- */
static uint64_t state;

static uint64_t draw(uint64_t n) { /* 0 .. n-1 */
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (state >> 33) % n;
}

/* Replaces the bytes with a valid file for one of the nets; returns its size. */
static size_t draw_file(uint8_t *bytes, size_t room, unsigned seed) {
  char path[64];
  snprintf(path, sizeof path, "quantized-%ld.drawn", (long)getpid());
  Arena *arena = arena_new();
  size_t n = 0;
  if (int8_draw(arena, nets[draw(NETS)], path, roundings[draw(3)], seed, draw(2))) {
    FILE *file = fopen(path, "rb");
    if (file) {
      n = fread(bytes, 1, room, file);
      fclose(file);
    }
  }
  remove(path);
  arena_free(arena);
  return n;
}

static void put_float(uint8_t *at) {
  static const float ends[] = {0,        -0.F,    1,        -1,       0x1p-149F, 0x1p-126F,
                               0x1p-60F, 0x1p60F, 0x1p127F, INFINITY, NAN};
  float x;
  memcpy(&x, at, sizeof x);
  if (draw(4)) x = ldexpf(x, (int)draw(65) - 32);
  else x = ends[draw(sizeof ends / sizeof *ends)];
  memcpy(at, &x, sizeof x);
}

static void put_whole(uint8_t *at, size_t width) {
  static const int64_t ends[] = {0,
                                 1,
                                 -1,
                                 127,
                                 -127,
                                 -128,
                                 INT32_MAX,
                                 INT32_MIN,
                                 INT64_MAX,
                                 INT64_MIN,
                                 1 << 30,
                                 -(1 << 30),
                                 INT64_C(1) << 47};
  int64_t x = ends[draw(sizeof ends / sizeof *ends)];
  if (draw(2)) x = (int64_t)(draw(UINT64_C(1) << 31) << 33) >> draw(64);
  for (size_t b = 0; b < width; b++) at[b] = (uint8_t)((uint64_t)x >> (8 * b));
}

/* Changes one number, or all numbers from some index on, in each of up to three arrays. */
static void change_numbers(uint8_t *bytes, size_t n, const cnn_archive *archive) {
  for (uint64_t left = archive->count ? 1 + draw(3) : 0; left > 0; left--) {
    const cnn_tensor *tensor = &archive->tensor[draw((uint64_t)archive->count)];
    const size_t width = (size_t)cnn_dtype_bits(tensor->dtype) / 8, size = (size_t)tensor->size;
    if (size == 0 || width == 0) continue;
    uint8_t *data = bytes + (tensor->data - bytes);
    const size_t first = draw(size), end = draw(4) ? first + 1 : size;
    if (data + size * width > bytes + n) abort();
    for (size_t i = first; i < end; i++)
      if (tensor->dtype == CNN_DTYPE_F32) put_float(data + i * width);
      else put_whole(data + i * width, width);
  }
}

/* Mutates the header with libFuzzer's general mutations, and corrects its length field. Returns the
 * new size of the file. */
static size_t change_header(uint8_t *bytes, size_t n, size_t room, size_t length) {
  const size_t rest = n - 8 - length;
  uint8_t *header = malloc(room), *data = malloc(rest + 1);
  if (header && data) {
    memcpy(header, bytes + 8, length);
    memcpy(data, bytes + 8 + length, rest);
    length = LLVMFuzzerMutate(header, length, room - 8 - rest);
    for (int b = 0; b < 8; b++) bytes[b] = (uint8_t)((uint64_t)length >> (8 * b));
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, rest);
  }
  free(header);
  free(data);
  return 8 + length + rest;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t n, size_t room, unsigned seed) {
  uint64_t length = 0;
  state = seed;
  for (size_t b = 8; b-- > 0 && n >= 8;) length = length << 8 | bytes[b];
  if (n < 8 || length > n - 8 || draw(100) == 0) return draw_file(bytes, room, seed);
  if (draw(4) == 0) return change_header(bytes, n, room, (size_t)length);
  cnn_archive archive;
  if (cnn_archive_parse(&archive, "net.safetensors", bytes, n).code == CNN_OK)
    change_numbers(bytes, n, &archive);
  else n = LLVMFuzzerMutate(bytes, n, room);
  cnn_archive_close(&archive);
  return n;
}
