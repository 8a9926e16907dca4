/* dense_O0: the net `dense_O0` as C. Made by cnnc; change the program, not this file.
 *
 * This text and the weights in it belong to the author of the net, who may use them in any way, without conditions.
 *
 * net dense_O0: x 4 f32 -> output 2
 * --------------------------------------------------------------------------------------------
 * layer   operator  output shape  parameters  multiply-adds  receptive field  activation bytes
 * --------------------------------------------------------------------------------------------
 * dense1  dense     3                     15             12              all                12
 * relu1   relu      3                      0              0              all                12
 * dense2  dense     2                      8              6              all                 8
 * --------------------------------------------------------------------------------------------
 * parameters     23 (92 bytes)
 * multiply-adds  18
 * activations    32 bytes
 * workspace      64 bytes, the least possible
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

#define DENSE_O0_BATCH 1                     /* images per call of infer */
#define DENSE_O0_X_SIZE 4                    /* elements of one `x`: 4 */
#define DENSE_O0_OUTPUT_SIZE 2               /* elements of one `output`: 2 */
#define DENSE_O0_PARAMETERS 23               /* number of floats in the weights */
#define DENSE_O0_ALIGNMENT 64                /* preferred alignment in bytes */
#define DENSE_O0_MODEL_BYTES 92
#define DENSE_O0_FILE_BYTES 156              /* size of a model file */
#define DENSE_O0_WORKSPACE_BYTES 64
#define DENSE_O0_TRAINING_BYTES 0

/* Trained parameters in PyTorch's layouts, one after the other without padding. The struct is also an array of DENSE_O0_PARAMETERS floats. */
typedef struct dense_O0_weights dense_O0_weights;
struct dense_O0_weights {
  float dense1_weight[3][4];
  float dense1_bias[3];
  float dense2_weight[2][3];
  float dense2_bias[2];
};

/* The weights in the order in which the kernels read them. dense_O0_pack fills the struct, and dense_O0_infer only reads it. It may be copied with memcpy. */
typedef struct dense_O0_model dense_O0_model;
struct dense_O0_model {
  float dense1_weight[3][4];
  float dense1_bias[3];
  float dense2_weight[2][3];
  float dense2_bias[2];
};

/* Memory for activations and scratch. It needs no initialization and keeps nothing between calls; each thread needs its own. */
typedef struct dense_O0_workspace dense_O0_workspace;
struct dense_O0_workspace {
  float arena[16];
};

void dense_O0_pack(dense_O0_model *model, const dense_O0_weights *weights);

/* Opens a model file of cnnc --emit=model in place: `bytes` is the file, read or mapped. NULL if it is for another net or layout, or unaligned. */
const dense_O0_model *dense_O0_open(const void *bytes, size_t size);

/* One image. It cannot fail. */
void dense_O0_infer(const dense_O0_model *model, const float x_values[DENSE_O0_BATCH * DENSE_O0_X_SIZE],
                    float output_values[DENSE_O0_BATCH * DENSE_O0_OUTPUT_SIZE], dense_O0_workspace *workspace);
/* Name of the target in use; compiled for generic. */
const char *dense_O0_target(void);

/* The sizes in the header must match the structs. */
_Static_assert(sizeof(dense_O0_weights) == DENSE_O0_PARAMETERS * sizeof(float), "weights");
_Static_assert(sizeof(dense_O0_model) == DENSE_O0_MODEL_BYTES, "model");
_Static_assert(sizeof(dense_O0_workspace) == DENSE_O0_WORKSPACE_BYTES, "workspace");

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
#else
#define INLINE static inline
#define KERNEL static
#endif
#ifdef DENSE_O0_FLUSH_DENORMALS // functions of the interface treat subnormal floats as zeros
// Whether the CPU treats subnormal floats as zeros. ADOPT takes this over from another mode, and restores the thread's own mode at the end of the block.
#if defined(__GNUC__) && defined(__SSE__) && !defined(__TINYC__)
enum { dense_O0_fp_zeros = 0x8040 }; // FTZ and DAZ
INLINE uint32_t dense_O0_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
  return mode;
}
INLINE void dense_O0_fp_set(uint32_t mode) {
  __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
}
#elif defined(__GNUC__) && defined(__aarch64__)
enum { dense_O0_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t dense_O0_fp_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
  return (uint32_t)mode;
}
INLINE void dense_O0_fp_set(uint32_t mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory");
}
#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)
enum { dense_O0_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t dense_O0_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(mode) : : "memory");
  return mode;
}
INLINE void dense_O0_fp_set(uint32_t mode) {
  __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory");
}
#else // the CPU has no such mode
enum { dense_O0_fp_zeros = 0 };
INLINE uint32_t dense_O0_fp_mode(void) { return 0; }
INLINE void dense_O0_fp_set(uint32_t mode) { (void)mode; }
#endif
INLINE uint32_t dense_O0_fp_adopt(uint32_t wanted) {
  const uint32_t own = dense_O0_fp_mode();
  if ((own ^ wanted) & dense_O0_fp_zeros) dense_O0_fp_set((own & ~(uint32_t)dense_O0_fp_zeros) | (wanted & dense_O0_fp_zeros));
  return own;
}
INLINE void dense_O0_fp_restore(const uint32_t *own) {
  if ((dense_O0_fp_mode() ^ *own) & dense_O0_fp_zeros) dense_O0_fp_set(*own);
}
#ifdef __GNUC__
#define ADOPT(own, mode) const uint32_t own __attribute__((cleanup(dense_O0_fp_restore), unused)) = dense_O0_fp_adopt(mode)
#else
#define ADOPT(own, mode) ((void)(mode))
#endif
#define FLUSH_DENORMALS ADOPT(fp_caller, dense_O0_fp_zeros);
#else
#define FLUSH_DENORMALS
#endif

/* ---- weights ---- */

// weight of dense1, packed
//   out    [3][4]  output
//   weight [3][4]  input
KERNEL void dense_O0_dense1_weight_pack(float (*restrict out)[4], const float (*restrict weight)[4]) {
  for (int u = 0; u < 3; u++)
    for (int i = 0; i < 4; i++)
      out[u][i] = weight[u][i];
}

// bias of dense1, packed
//   out  [3]  output
//   bias [3]  input
KERNEL void dense_O0_dense1_bias_pack(float *restrict out, const float *restrict bias) {
  for (int u = 0; u < 3; u++)
    out[u] = bias[u];
}

// weight of dense2, packed
//   out    [2][3]  output
//   weight [2][3]  input
KERNEL void dense_O0_dense2_weight_pack(float (*restrict out)[3], const float (*restrict weight)[3]) {
  for (int u = 0; u < 2; u++)
    for (int i = 0; i < 3; i++)
      out[u][i] = weight[u][i];
}

// bias of dense2, packed
//   out  [2]  output
//   bias [2]  input
KERNEL void dense_O0_dense2_bias_pack(float *restrict out, const float *restrict bias) {
  for (int u = 0; u < 2; u++)
    out[u] = bias[u];
}

// Replaces subnormal weights by 0: many CPUs are slow on them.
static void dense_O0_clear_floats(float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (x[i] > -0x1p-126f && x[i] < 0x1p-126f) x[i] *= 0.f; // keeps the sign
}

void dense_O0_pack(dense_O0_model *model, const dense_O0_weights *weights) {
  dense_O0_dense1_weight_pack(model->dense1_weight, weights->dense1_weight);
  dense_O0_dense1_bias_pack(model->dense1_bias, weights->dense1_bias);
  dense_O0_dense2_weight_pack(model->dense2_weight, weights->dense2_weight);
  dense_O0_dense2_bias_pack(model->dense2_bias, weights->dense2_bias);
  dense_O0_clear_floats((float *)model->dense1_weight, 12);
  dense_O0_clear_floats((float *)model->dense1_bias, 3);
  dense_O0_clear_floats((float *)model->dense2_weight, 6);
  dense_O0_clear_floats((float *)model->dense2_bias, 2);
}

/* ---- a model in a file or in flash ---- */

// Header of a model: "cnnmodel", format version, number of bytes that follow,
// and a fingerprint of their layout and of this code.
static const uint64_t dense_O0_mark[8] = {UINT64_C(0x6c65646f6d6e6e63), 1, DENSE_O0_MODEL_BYTES, UINT64_C(0xff0cf657e361acdd)};

const dense_O0_model *dense_O0_open(const void *bytes, size_t size) {
  const char *start = bytes;
  if (start == NULL || size != DENSE_O0_FILE_BYTES || (uintptr_t)start % _Alignof(dense_O0_model) != 0) return NULL;
  for (int i = 0; i < 8; i++) {
    uint64_t word;
    memcpy(&word, start + 8 * i, sizeof word);
    if (word != dense_O0_mark[i]) return NULL;
  }
  return (const dense_O0_model *)(const void *)(start + sizeof dense_O0_mark);
}

/* ---- generic ---- */

INLINE float dense_O0_max_x1(float a, float b) { return a > b ? a : b; }

// dense1, line 5: dense(3)
//     out[u] = bias[u] + sum over i of weight[u][i] * in[i]
// dense: 4 -> 3
//   in     [1][1][4]  input
//   out    [1][1][3]  output
//   weight [3][4]  weights
//   bias   [3]  weights
static void dense_O0_dense1(const float (*restrict in)[1][4], float (*restrict out)[1][3], const float (*restrict weight)[4],
    const float *restrict bias) {
  for (int u = 0; u < 3; u++) {
    float sum;
    sum = bias[u];
    for (int i = 0; i < 4; i++)
      sum += in[0][0][i] * weight[u][i];
    out[0][0][u] = sum;
  }
}

// relu1, line 5: relu
//     y = max(x, 0)
// relu: 3 -> 3
//   out [1][1][3]  input and output
static void dense_O0_relu1(float (*restrict out)[1][3]) {
  for (int c = 0; c < 3; c++)
    out[0][0][c] = dense_O0_max_x1(0.f, out[0][0][c]);
}

// dense2, line 6: dense(2)
// dense: 3 -> 2
//   in     [1][1][3]  input
//   out    [1][1][2]  output
//   weight [2][3]  weights
//   bias   [2]  weights
static void dense_O0_dense2(const float (*restrict in)[1][3], float (*restrict out)[1][2], const float (*restrict weight)[3],
    const float *restrict bias) {
  for (int u = 0; u < 2; u++) {
    float sum;
    sum = bias[u];
    for (int i = 0; i < 3; i++)
      sum += in[0][0][i] * weight[u][i];
    out[0][0][u] = sum;
  }
}

/* One image. Activations share one arena: the memory of dead values is reused. */
static void dense_O0_run(const dense_O0_model *model, const void *x_values, void *output_values, float *arena) {
  void *const dense1_values = arena; /* 3 */
  void *const relu1_values = arena; /* 3 */

  dense_O0_dense1((const float (*)[1][4])(uintptr_t)x_values, dense1_values, model->dense1_weight, model->dense1_bias);
  dense_O0_relu1(relu1_values);
  dense_O0_dense2(relu1_values, output_values, model->dense2_weight, model->dense2_bias);
}

const char *dense_O0_target(void) { return "generic"; }

void dense_O0_infer(const dense_O0_model *model, const float x_values[DENSE_O0_BATCH * DENSE_O0_X_SIZE],
                    float output_values[DENSE_O0_BATCH * DENSE_O0_OUTPUT_SIZE], dense_O0_workspace *workspace) {
  FLUSH_DENORMALS
  dense_O0_run(model, x_values, output_values, workspace->arena);
}

/* ---- the end: this file does not affect later code of the same translation unit ---- */

#undef INLINE
#undef KERNEL
#undef FLUSH_DENORMALS
#undef ADOPT
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
