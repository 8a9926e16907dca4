/* conv_v3: the net `conv_v3` as C. Made by cnnc; change the program, not this file.
 *
 * This text and the weights in it belong to the author of the net, who may use them in any way, without conditions.
 *
 * net conv_v3: image 12x12x3 f32 -> output 1x1x16
 * -----------------------------------------------------------------------------------------------------------
 * layer            operator        output shape  parameters  multiply-adds  receptive field  activation bytes
 * -----------------------------------------------------------------------------------------------------------
 * conv1            conv            12x12x16             448         62,208              3x3             9,216
 * relu1            relu            12x12x16               0              0              3x3             9,216
 * maxpool1         maxpool         6x6x16                 0              0              4x4             2,304
 * global_avgpool1  global_avgpool  1x1x16                 0              0              all                64
 * -----------------------------------------------------------------------------------------------------------
 * parameters     448 (1,792 bytes)
 * multiply-adds  62,208
 * activations    20,800 bytes
 * workspace      2,304 bytes, the least possible
 */
// SPDX-License-Identifier: MIT-0
#include <stddef.h>
#include <stdint.h>
#if __STDC_HOSTED__ || !defined(__GNUC__)
#include <string.h>
#else // without a C library: the builtins may call functions named memcpy and memset
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#endif

#define CONV_V3_BATCH 1                      /* images per call of infer */
#define CONV_V3_IMAGE_SIZE 432               /* elements of one `image`: 12x12x3, channels last */
#define CONV_V3_IMAGE_HEIGHT 12
#define CONV_V3_IMAGE_WIDTH 12
#define CONV_V3_IMAGE_CHANNELS 3
#define CONV_V3_OUTPUT_SIZE 16               /* elements of one `output`: 1x1x16 */
#define CONV_V3_OUTPUT_HEIGHT 1
#define CONV_V3_OUTPUT_WIDTH 1
#define CONV_V3_OUTPUT_CHANNELS 16
#define CONV_V3_PARAMETERS 448               /* number of floats in the weights */
#define CONV_V3_ALIGNMENT 64                 /* preferred alignment in bytes */
#define CONV_V3_MODEL_BYTES 1824
#define CONV_V3_FILE_BYTES 1888              /* size of a model file */
#define CONV_V3_WORKSPACE_BYTES 2304
#define CONV_V3_TRAINING_BYTES 0

/* Trained parameters in PyTorch's layouts, one after the other without padding. The struct is also an array of CONV_V3_PARAMETERS floats. */
typedef struct conv_v3_weights conv_v3_weights;
struct conv_v3_weights {
  float conv1_weight[16][3][3][3];
  float conv1_bias[16];
};

/* The weights in the order in which the kernels read them. conv_v3_pack fills the struct, and conv_v3_infer only reads it. It may be copied with memcpy. */
typedef struct conv_v3_model conv_v3_model;
struct conv_v3_model {
  float conv1_weight[1][3][3][3][16];
  float conv1_bias[24];
};

/* Memory for activations and scratch. It needs no initialization and keeps nothing between calls; each thread needs its own. */
typedef struct conv_v3_workspace conv_v3_workspace;
struct conv_v3_workspace {
  float arena[576];
};

void conv_v3_pack(conv_v3_model *model, const conv_v3_weights *weights);

/* Opens a model file of cnnc --emit=model in place: `bytes` is the file, read or mapped. NULL if it is for another net or layout, or unaligned. */
const conv_v3_model *conv_v3_open(const void *bytes, size_t size);

/* One image. It cannot fail. */
void conv_v3_infer(const conv_v3_model *model, const float image_values[CONV_V3_BATCH * CONV_V3_IMAGE_SIZE],
                   float output_values[CONV_V3_BATCH * CONV_V3_OUTPUT_SIZE], conv_v3_workspace *workspace);
/* Name of the target in use; compiled for x86-64-v3,x86-64. */
const char *conv_v3_target(void);

/* The sizes in the header must match the structs. */
_Static_assert(sizeof(conv_v3_weights) == CONV_V3_PARAMETERS * sizeof(float), "weights");
_Static_assert(sizeof(conv_v3_model) == CONV_V3_MODEL_BYTES, "model");
_Static_assert(sizeof(conv_v3_workspace) == CONV_V3_WORKSPACE_BYTES, "workspace");

// Turns -ffast-math off for this file: operations are not reordered.
#if defined(__clang__) && defined(__FAST_MATH__)
#pragma float_control(precise, on, push)
#elif defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#ifdef __FAST_MATH__
#pragma GCC optimize("no-fast-math")
#endif
#endif

// Products and sums become fused multiply-adds if the CPU has them; copy loops are not replaced by calls.
#if defined(__clang__)
#pragma clang fp contract(fast)
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=fast", "no-tree-loop-distribute-patterns")
#endif

#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline, unused))
#define KERNEL static __attribute__((noinline))
#define PIN(position) __asm__ volatile("" : "+r"(position)) // adds no instruction; loads at this position are neither merged with other loads nor moved out of loops
#else
#define INLINE static inline
#define KERNEL static
#define PIN(position) ((void)0)
#endif
#ifdef CONV_V3_FLUSH_DENORMALS // functions of the interface treat subnormal floats as zeros
// Whether the CPU treats subnormal floats as zeros. ADOPT takes this over from another mode, and restores the thread's own mode at the end of the block.
#if defined(__GNUC__) && defined(__SSE__) && !defined(__TINYC__)
enum { conv_v3_fp_zeros = 0x8040 }; // FTZ and DAZ
INLINE uint32_t conv_v3_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
  return mode;
}
INLINE void conv_v3_fp_set(uint32_t mode) {
  __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
}
#elif defined(__GNUC__) && defined(__aarch64__)
enum { conv_v3_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t conv_v3_fp_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
  return (uint32_t)mode;
}
INLINE void conv_v3_fp_set(uint32_t mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory");
}
#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)
enum { conv_v3_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t conv_v3_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(mode) : : "memory");
  return mode;
}
INLINE void conv_v3_fp_set(uint32_t mode) {
  __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory");
}
#else // the CPU has no such mode
enum { conv_v3_fp_zeros = 0 };
INLINE uint32_t conv_v3_fp_mode(void) { return 0; }
INLINE void conv_v3_fp_set(uint32_t mode) { (void)mode; }
#endif
INLINE uint32_t conv_v3_fp_adopt(uint32_t wanted) {
  const uint32_t own = conv_v3_fp_mode();
  if ((own ^ wanted) & conv_v3_fp_zeros) conv_v3_fp_set((own & ~(uint32_t)conv_v3_fp_zeros) | (wanted & conv_v3_fp_zeros));
  return own;
}
INLINE void conv_v3_fp_restore(const uint32_t *own) {
  if ((conv_v3_fp_mode() ^ *own) & conv_v3_fp_zeros) conv_v3_fp_set(*own);
}
#ifdef __GNUC__
#define ADOPT(own, mode) const uint32_t own __attribute__((cleanup(conv_v3_fp_restore), unused)) = conv_v3_fp_adopt(mode)
#else
#define ADOPT(own, mode) ((void)(mode))
#endif
#define FLUSH_DENORMALS ADOPT(fp_caller, conv_v3_fp_zeros);
#else
#define FLUSH_DENORMALS
#endif
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 128")
#else
#define UNROLL
#endif
// Vectors (extensions of GCC and Clang). Types that end in u need not be aligned.
#if !(defined(__GNUC__) || defined(__clang__)) || defined(__TINYC__)
#error "this compiler has no vector extensions: generate the C with cnnc --target=generic"
#endif
typedef float conv_v3_v4 __attribute__((vector_size(16)));
#define v4 conv_v3_v4
typedef float conv_v3_v4u __attribute__((vector_size(16), aligned(4), may_alias));
#define v4u conv_v3_v4u
typedef int32_t conv_v3_v4i __attribute__((vector_size(16)));
#define v4i conv_v3_v4i
typedef float conv_v3_v8 __attribute__((vector_size(32)));
#define v8 conv_v3_v8
typedef float conv_v3_v8u __attribute__((vector_size(32), aligned(4), may_alias));
#define v8u conv_v3_v8u
typedef int32_t conv_v3_v8i __attribute__((vector_size(32)));
#define v8i conv_v3_v8i
#define LOAD(type, element) ((type)*(const type##u *)&(element)) // the vector that begins at an element
#define AT(type, element) (*(type##u *)&(element))              // the same, as the target of a store

/* ---- weights ---- */

// weight of conv1, packed
//   out    [1][3][3][3][16]  output
//   weight [16][3][3][3]  input
KERNEL void conv_v3_conv1_weight_pack(float (*restrict out)[3][3][3][16], const float (*restrict weight)[3][3][3]) {
  for (int ky = 0; ky < 3; ky++)
    for (int kx = 0; kx < 3; kx++)
      for (int c = 0; c < 3; c++)
        for (int f = 0; f < 16; f++)
          out[0][ky][kx][c][f] = weight[f][c][ky][kx];
}

// bias of conv1, packed
//   out  [24]  output
//   bias [16]  input
KERNEL void conv_v3_conv1_bias_pack(float *restrict out, const float *restrict bias) {
  for (int c = 0; c < 16; c++)
    out[c] = bias[c];
  for (int c = 16; c < 24; c++)
    out[c] = 0.f;
}

// Replaces subnormal weights by 0: many CPUs are slow on them.
static void conv_v3_clear_floats(float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (x[i] > -0x1p-126f && x[i] < 0x1p-126f) x[i] *= 0.f; // keeps the sign
}

void conv_v3_pack(conv_v3_model *model, const conv_v3_weights *weights) {
  conv_v3_conv1_weight_pack(model->conv1_weight, weights->conv1_weight);
  conv_v3_conv1_bias_pack(model->conv1_bias, weights->conv1_bias);
  conv_v3_clear_floats((float *)model->conv1_weight, 432);
  conv_v3_clear_floats((float *)model->conv1_bias, 24);
}

/* ---- a model in a file or in flash ---- */

// Header of a model: "cnnmodel", format version, number of bytes that follow,
// and a fingerprint of their layout and of this code.
static const uint64_t conv_v3_mark[8] = {UINT64_C(0x6c65646f6d6e6e63), 1, CONV_V3_MODEL_BYTES, UINT64_C(0x8818147c29cb6751)};

const conv_v3_model *conv_v3_open(const void *bytes, size_t size) {
  const char *start = bytes;
  if (start == NULL || size != CONV_V3_FILE_BYTES || (uintptr_t)start % _Alignof(conv_v3_model) != 0) return NULL;
  for (int i = 0; i < 8; i++) {
    uint64_t word;
    memcpy(&word, start + 8 * i, sizeof word);
    if (word != conv_v3_mark[i]) return NULL;
  }
  return (const conv_v3_model *)(const void *)(start + sizeof conv_v3_mark);
}

/* ---- x86-64 ---- */

INLINE v4 conv_v3_select_x4_v1(v4i mask, v4 a, v4 b) { return (v4)((mask & (v4i)a) | (~mask & (v4i)b)); }
INLINE v4 conv_v3_max_x4_v1(v4 a, v4 b) { return conv_v3_select_x4_v1(a > b, a, b); }
INLINE v4 conv_v3_max_nan_x4_v1(v4 a, v4 b) { return (v4)((v4i)conv_v3_max_x4_v1(a, b) | (a != a)); } // all bits set: NaN

// conv1, line 4: conv(16, 3x3, pad=same)
//     out[y][x][f] = bias[f] + sum over ky, kx, c of in[y*S + ky*D - P][x*S + kx*D - P][c] * weight[f][c][ky][kx]
// relu1, line 4: relu
//     y = max(x, 0)
// maxpool1, line 5: maxpool(2)
//     y = max over the window of x; elements in the padding are minus infinity
// conv + relu + maxpool: 12x12x3 -> 6x6x16; tiles of 3 pixels x 1 vectors of 4 channels
//   in     [12][12][3]  input
//   out    [6][6][16]  output
//   weight [1][3][3][3][16]  weights
//   bias   [24]  weights
INLINE void conv_v3_conv1_tile_3x1_body_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int x0, int panel, int c0, int f0, int h,
    const int left, const int right, const int edge) {
  v4 a[1][12][1];
  UNROLL for (int q = 0; q < 6; q++)
    a[0][q][0] = LOAD(v4, bias[f0]);
  UNROLL for (int q = 0; q < 6; q++)
    a[0][q + 6][0] = LOAD(v4, bias[f0]);
  for (int ty = 0; ty < 3; ty++)
    UNROLL for (int tx = 0; tx < 3; tx++) {
      ptrdiff_t i = (2*y + ty - 1)*36 + (2*x0 + tx - 1)*3 + c0;
      PIN(i);
      UNROLL for (int c = 0; c < 3; c++) {
        const v4 w0 = LOAD(v4, weight[panel][ty][tx][c][h]);
        if (!edge || (0 <= 2*y + ty - 1 && 2*y + ty - 1 < 12))
          UNROLL for (int q = 0; q < 6; q++)
            if (!left || 2*x0 + tx + q - 1 >= 0)
              if (!right || 2*x0 + tx + q - 1 < 12)
                a[0][q][0] += in[i + c + 3*q] * w0;
        if (!edge || (0 <= 2*y + ty && 2*y + ty < 12))
          UNROLL for (int q = 0; q < 6; q++)
            if (!left || 2*x0 + tx + q - 1 >= 0)
              if (!right || 2*x0 + tx + q - 1 < 12)
                a[0][q + 6][0] += in[i + c + 3*q + 36] * w0;
      }
    }
  UNROLL for (int p = 0; p < 3; p++)
    AT(v4, out[y][x0 + p][f0]) = conv_v3_max_nan_x4_v1(conv_v3_max_nan_x4_v1(conv_v3_max_nan_x4_v1(conv_v3_max_x4_v1((v4){0}, a[0][2*p][0]), conv_v3_max_x4_v1((v4){0}, a[0][2*p + 1][0])), conv_v3_max_x4_v1((v4){0}, a[0][2*p + 6][0])), conv_v3_max_x4_v1((v4){0}, a[0][2*p + 7][0]));
}

KERNEL void conv_v3_conv1_tile_3x1_left_edge_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v1(in, out, weight, bias, /*y*/0, /*x0*/0, /*panel*/0, /*c0*/0, f0, h, /*left*/1, /*right*/0, /*edge*/1);
}

KERNEL void conv_v3_conv1_tile_3x1_right_edge_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v1(in, out, weight, bias, /*y*/0, /*x0*/3, /*panel*/0, /*c0*/0, f0, h, /*left*/0, /*right*/1, /*edge*/1);
}

INLINE void conv_v3_conv1_row_1_edge_v1(const float *restrict in, float (*restrict out)[6][16], const float (*restrict weight)[3][3][3][16],
    const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_left_edge_v1(in, out, weight, bias, f0, h);
  conv_v3_conv1_tile_3x1_right_edge_v1(in, out, weight, bias, f0, h);
}

KERNEL void conv_v3_conv1_tile_3x1_left_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v1(in, out, weight, bias, y, /*x0*/0, /*panel*/0, /*c0*/0, f0, h, /*left*/1, /*right*/0, /*edge*/0);
}

KERNEL void conv_v3_conv1_tile_3x1_right_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v1(in, out, weight, bias, y, /*x0*/3, /*panel*/0, /*c0*/0, f0, h, /*left*/0, /*right*/1, /*edge*/0);
}

INLINE void conv_v3_conv1_row_1_v1(const float *restrict in, float (*restrict out)[6][16], const float (*restrict weight)[3][3][3][16],
    const float *restrict bias, int y, int f0, int h) {
  conv_v3_conv1_tile_3x1_left_v1(in, out, weight, bias, y, f0, h);
  conv_v3_conv1_tile_3x1_right_v1(in, out, weight, bias, y, f0, h);
}

KERNEL void conv_v3_conv1_tile_3x1_left_edge_2_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v1(in, out, weight, bias, /*y*/5, /*x0*/0, /*panel*/0, /*c0*/0, f0, h, /*left*/1, /*right*/0, /*edge*/1);
}

KERNEL void conv_v3_conv1_tile_3x1_right_edge_2_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v1(in, out, weight, bias, /*y*/5, /*x0*/3, /*panel*/0, /*c0*/0, f0, h, /*left*/0, /*right*/1, /*edge*/1);
}

INLINE void conv_v3_conv1_row_1_edge_2_v1(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_left_edge_2_v1(in, out, weight, bias, f0, h);
  conv_v3_conv1_tile_3x1_right_edge_2_v1(in, out, weight, bias, f0, h);
}

static void conv_v3_conv1_v1(const float *restrict in, float (*restrict out)[6][16], const float (*restrict weight)[3][3][3][16],
    const float *restrict bias) {
  for (int h = 0; h < 4; h++)
    conv_v3_conv1_row_1_edge_v1(in, out, weight, bias, 4*h, 4*h);
  for (int y_ = 1; y_ < 5; y_++)
    for (int h = 0; h < 4; h++)
      conv_v3_conv1_row_1_v1(in, out, weight, bias, y_, 4*h, 4*h);
  for (int h = 0; h < 4; h++)
    conv_v3_conv1_row_1_edge_2_v1(in, out, weight, bias, 4*h, 4*h);
}

// global_avgpool1, line 6: global_avgpool
//     y[c] = mean over all pixels of x[c]
// global_avgpool: 6x6x16 -> 1x1x16
//   in  [6][6][16]  input
//   out [1][1][16]  output
static void conv_v3_global_avgpool1_v1(const float (*restrict in)[6][16], float (*restrict out)[1][16]) {
  for (int v = 0; v < 4; v++) {
    v4 sum;
    sum = (v4){0};
    for (int ky = 0; ky < 6; ky++)
      for (int kx = 0; kx < 6; kx++)
        sum = sum + LOAD(v4, in[ky][kx][4*v]);
    AT(v4, out[0][0][4*v]) = sum * 0.027777778f;
  }
}

/* One image. Activations share one arena: the memory of dead values is reused. */
static void conv_v3_run_v1(const conv_v3_model *model, const void *image_values, void *output_values, float *arena) {
  void *const conv1_values = arena; /* 6x6x16 */

  conv_v3_conv1_v1(image_values, conv1_values, model->conv1_weight, model->conv1_bias);
  conv_v3_global_avgpool1_v1(conv1_values, output_values);
}

/* ---- x86-64-v3: comments state only differences from the functions above ---- */

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define CONV_V3_V3 __attribute__((target("avx2,fma")))

INLINE CONV_V3_V3 v8 conv_v3_select_x8_v3(v8i mask, v8 a, v8 b) { return (v8)((mask & (v8i)a) | (~mask & (v8i)b)); }
INLINE CONV_V3_V3 v8 conv_v3_max_x8_v3(v8 a, v8 b) { return conv_v3_select_x8_v3(a > b, a, b); }
INLINE CONV_V3_V3 v8 conv_v3_max_nan_x8_v3(v8 a, v8 b) { return (v8)((v8i)conv_v3_max_x8_v3(a, b) | (a != a)); } // all bits set: NaN

// conv + relu + maxpool: 12x12x3 -> 6x6x16; tiles of 3 pixels x 1 vectors of 8 channels
INLINE CONV_V3_V3 void conv_v3_conv1_tile_3x1_body_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int x0, int panel, int c0, int f0, int h,
    const int left, const int right, const int edge) {
  v8 a[1][12][1];
  UNROLL for (int q = 0; q < 6; q++)
    a[0][q][0] = LOAD(v8, bias[f0]);
  UNROLL for (int q = 0; q < 6; q++)
    a[0][q + 6][0] = LOAD(v8, bias[f0]);
  for (int ty = 0; ty < 3; ty++)
    UNROLL for (int tx = 0; tx < 3; tx++) {
      ptrdiff_t i = (2*y + ty - 1)*36 + (2*x0 + tx - 1)*3 + c0;
      PIN(i);
      UNROLL for (int c = 0; c < 3; c++) {
        const v8 w0 = LOAD(v8, weight[panel][ty][tx][c][h]);
        if (!edge || (0 <= 2*y + ty - 1 && 2*y + ty - 1 < 12))
          UNROLL for (int q = 0; q < 6; q++)
            if (!left || 2*x0 + tx + q - 1 >= 0)
              if (!right || 2*x0 + tx + q - 1 < 12)
                a[0][q][0] += in[i + c + 3*q] * w0;
        if (!edge || (0 <= 2*y + ty && 2*y + ty < 12))
          UNROLL for (int q = 0; q < 6; q++)
            if (!left || 2*x0 + tx + q - 1 >= 0)
              if (!right || 2*x0 + tx + q - 1 < 12)
                a[0][q + 6][0] += in[i + c + 3*q + 36] * w0;
      }
    }
  UNROLL for (int p = 0; p < 3; p++)
    AT(v8, out[y][x0 + p][f0]) = conv_v3_max_nan_x8_v3(conv_v3_max_nan_x8_v3(conv_v3_max_nan_x8_v3(conv_v3_max_x8_v3((v8){0}, a[0][2*p][0]), conv_v3_max_x8_v3((v8){0}, a[0][2*p + 1][0])), conv_v3_max_x8_v3((v8){0}, a[0][2*p + 6][0])), conv_v3_max_x8_v3((v8){0}, a[0][2*p + 7][0]));
}

KERNEL CONV_V3_V3 void conv_v3_conv1_tile_3x1_left_edge_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v3(in, out, weight, bias, /*y*/0, /*x0*/0, /*panel*/0, /*c0*/0, f0, h, /*left*/1, /*right*/0, /*edge*/1);
}

KERNEL CONV_V3_V3 void conv_v3_conv1_tile_3x1_right_edge_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v3(in, out, weight, bias, /*y*/0, /*x0*/3, /*panel*/0, /*c0*/0, f0, h, /*left*/0, /*right*/1, /*edge*/1);
}

INLINE CONV_V3_V3 void conv_v3_conv1_row_1_edge_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_left_edge_v3(in, out, weight, bias, f0, h);
  conv_v3_conv1_tile_3x1_right_edge_v3(in, out, weight, bias, f0, h);
}

KERNEL CONV_V3_V3 void conv_v3_conv1_tile_3x1_left_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v3(in, out, weight, bias, y, /*x0*/0, /*panel*/0, /*c0*/0, f0, h, /*left*/1, /*right*/0, /*edge*/0);
}

KERNEL CONV_V3_V3 void conv_v3_conv1_tile_3x1_right_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v3(in, out, weight, bias, y, /*x0*/3, /*panel*/0, /*c0*/0, f0, h, /*left*/0, /*right*/1, /*edge*/0);
}

INLINE CONV_V3_V3 void conv_v3_conv1_row_1_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int y, int f0, int h) {
  conv_v3_conv1_tile_3x1_left_v3(in, out, weight, bias, y, f0, h);
  conv_v3_conv1_tile_3x1_right_v3(in, out, weight, bias, y, f0, h);
}

KERNEL CONV_V3_V3 void conv_v3_conv1_tile_3x1_left_edge_2_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v3(in, out, weight, bias, /*y*/5, /*x0*/0, /*panel*/0, /*c0*/0, f0, h, /*left*/1, /*right*/0, /*edge*/1);
}

KERNEL CONV_V3_V3 void conv_v3_conv1_tile_3x1_right_edge_2_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_body_v3(in, out, weight, bias, /*y*/5, /*x0*/3, /*panel*/0, /*c0*/0, f0, h, /*left*/0, /*right*/1, /*edge*/1);
}

INLINE CONV_V3_V3 void conv_v3_conv1_row_1_edge_2_v3(const float *restrict in, float (*restrict out)[6][16],
    const float (*restrict weight)[3][3][3][16], const float *restrict bias, int f0, int h) {
  conv_v3_conv1_tile_3x1_left_edge_2_v3(in, out, weight, bias, f0, h);
  conv_v3_conv1_tile_3x1_right_edge_2_v3(in, out, weight, bias, f0, h);
}

static CONV_V3_V3 void conv_v3_conv1_v3(const float *restrict in, float (*restrict out)[6][16], const float (*restrict weight)[3][3][3][16],
    const float *restrict bias) {
  for (int h = 0; h < 2; h++)
    conv_v3_conv1_row_1_edge_v3(in, out, weight, bias, 8*h, 8*h);
  for (int y_ = 1; y_ < 5; y_++)
    for (int h = 0; h < 2; h++)
      conv_v3_conv1_row_1_v3(in, out, weight, bias, y_, 8*h, 8*h);
  for (int h = 0; h < 2; h++)
    conv_v3_conv1_row_1_edge_2_v3(in, out, weight, bias, 8*h, 8*h);
}

static CONV_V3_V3 void conv_v3_global_avgpool1_v3(const float (*restrict in)[6][16], float (*restrict out)[1][16]) {
  for (int v = 0; v < 2; v++) {
    v8 sum;
    sum = (v8){0};
    for (int ky = 0; ky < 6; ky++)
      for (int kx = 0; kx < 6; kx++)
        sum = sum + LOAD(v8, in[ky][kx][8*v]);
    AT(v8, out[0][0][8*v]) = sum * 0.027777778f;
  }
}

/* One image. Activations share one arena: the memory of dead values is reused. */
static void conv_v3_run_v3(const conv_v3_model *model, const void *image_values, void *output_values, float *arena) {
  void *const conv1_values = arena; /* 6x6x16 */

  conv_v3_conv1_v3(image_values, conv1_values, model->conv1_weight, model->conv1_bias);
  conv_v3_global_avgpool1_v3(conv1_values, output_values);
}

#endif

/* ---- which of the targets runs ---- */

#ifdef CONV_V3_FORCE_TARGET
/* -DCONV_V3_FORCE_TARGET=x86-64: the name may be quoted; _ matches -. */
#define CONV_V3_TEXT(x) CONV_V3_TEXT_(x)
#define CONV_V3_TEXT_(x) #x
static int conv_v3_forced(const char *target) {
  const char *s = CONV_V3_TEXT(CONV_V3_FORCE_TARGET);
  while (*s == '"') s++;
  while (*target && (*s == *target || (*s == '_' && *target == '-'))) s++, target++;
  return !*target && (!*s || *s == '"');
}
static int conv_v3_level(void) {
#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
  if (conv_v3_forced("x86-64-v3")) return 1;
#endif
  return 0;
}
#elif (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
/* AVX features of the CPU and the system: 1: AVX2 and FMA; 2: AVX-512 F, BW, DQ and VL, too. */
static int conv_v3_avx(void) {
  uint32_t leaf = 0, b, c = 0, d, saved;
  __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
  if (leaf < 7) return 0;
  leaf = 1, c = 0;
  __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
  if (!(c >> 27 & 1)) return 0; /* xgetbv reads which registers the system saves */
  const uint32_t fma = c >> 12 & 1;
  c = 0;
  __asm__ volatile("xgetbv" : "=a"(saved), "=d"(d) : "c"(c));
  leaf = 7, c = 0;
  __asm__ volatile("cpuid" : "+a"(leaf), "=b"(b), "+c"(c), "=d"(d));
  if (!fma || !(b >> 5 & 1) || (saved & 0x06) != 0x06) return 0;
  return (b & 0xc0030000u) == 0xc0030000u && (saved & 0xe6) == 0xe6 ? 2 : 1;
}
static int conv_v3_level(void) {
  static int known; /* 1 + level; 0: not looked up yet. Every thread finds the same number, so it does not matter which one stores it. */
  int level = __atomic_load_n(&known, __ATOMIC_RELAXED) - 1;
  if (level >= 0) return level;
  level = 0;
  const int avx = conv_v3_avx();
  if (avx >= 1) level = 1;
  __atomic_store_n(&known, level + 1, __ATOMIC_RELAXED);
  return level;
}
#else
static int conv_v3_level(void) { return 0; }
#endif

const char *conv_v3_target(void) {
  static const char *const name[] = {"x86-64", "x86-64-v3"};
  return name[conv_v3_level()];
}

static void conv_v3_run(const conv_v3_model *model, const void *image_values, void *output_values, float *arena) {
  switch (conv_v3_level()) {
#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
  case 1: conv_v3_run_v3(model, image_values, output_values, arena); return;
#endif
  default: conv_v3_run_v1(model, image_values, output_values, arena); return;
  }
}

void conv_v3_infer(const conv_v3_model *model, const float image_values[CONV_V3_BATCH * CONV_V3_IMAGE_SIZE],
                   float output_values[CONV_V3_BATCH * CONV_V3_OUTPUT_SIZE], conv_v3_workspace *workspace) {
  FLUSH_DENORMALS
  conv_v3_run(model, image_values, output_values, workspace->arena);
}

/* ---- the end: this file does not affect later code of the same translation unit ---- */

#undef INLINE
#undef KERNEL
#undef PIN
#undef UNROLL
#undef FLUSH_DENORMALS
#undef ADOPT
#undef LOAD
#undef AT
#undef v4
#undef v4u
#undef v4i
#undef v8
#undef v8u
#undef v8i
#if defined(__clang__)
#pragma STDC FP_CONTRACT DEFAULT
#elif defined(__GNUC__)
#pragma GCC pop_options
#endif
#if defined(__clang__) && defined(__FAST_MATH__)
#pragma float_control(pop)
#endif
#if !__STDC_HOSTED__ && defined(__GNUC__)
#undef memcpy
#undef memset
#endif
