/* team: the net `team` as C. Made by cnnc; change the program, not this file.
 *
 * This text and the weights in it belong to the author of the net, who may use them in any way, without conditions.
 *
 * net team: x 28x28x16 f32 -> b 28x28x24, c 5
 * -------------------------------------------------------------------------------------------------------------
 * layer              operator        output shape  parameters  multiply-adds  receptive field  activation bytes
 * -------------------------------------------------------------------------------------------------------------
 * a                  conv            28x28x16             272        200,704              1x1            50,176
 * relu1              relu            28x28x16               0              0              1x1            50,176
 * b                  conv            28x28x24             408        301,056              1x1            75,264
 * c.conv1            conv            28x28x16           2,320      1,806,336              3x3            50,176
 * c.global_avgpool1  global_avgpool  1x1x16                 0              0              all                64
 * c.dense1           dense           5                     85             80              all                20
 * c.softmax1         softmax         5                      0              0              all                20
 * -------------------------------------------------------------------------------------------------------------
 * parameters     3,085 (12,340 bytes)
 * multiply-adds  2,308,176
 * activations    225,896 bytes
 * workspace      100,352 bytes, the least possible
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

#define TEAM_BATCH 1                         /* images per call of infer */
#define TEAM_X_SIZE 12544                    /* elements of one `x`: 28x28x16, channels last */
#define TEAM_X_HEIGHT 28
#define TEAM_X_WIDTH 28
#define TEAM_X_CHANNELS 16
#define TEAM_B_SIZE 18816                    /* elements of one `b`: 28x28x24 */
#define TEAM_B_HEIGHT 28
#define TEAM_B_WIDTH 28
#define TEAM_B_CHANNELS 24
#define TEAM_C_SIZE 5                        /* elements of one `c`: 5 */
#define TEAM_PARAMETERS 3085                 /* number of floats in the weights */
#define TEAM_ALIGNMENT 64                    /* preferred alignment in bytes */
#define TEAM_MODEL_BYTES 12640
#define TEAM_FILE_BYTES 12704                /* size of a model file */
#define TEAM_WORKSPACE_BYTES 100352
#define TEAM_TRAINING_BYTES 0

/* Trained parameters in PyTorch's layouts, one after the other without padding. The struct is also an array of TEAM_PARAMETERS floats. */
typedef struct team_weights team_weights;
struct team_weights {
  float a_weight[16][16][1][1];
  float a_bias[16];
  float b_weight[24][16][1][1];
  float b_bias[24];
  float c_conv1_weight[16][16][3][3];
  float c_conv1_bias[16];
  float c_dense1_weight[5][16];
  float c_dense1_bias[5];
};

/* The weights in the order in which the kernels read them. team_pack fills the struct, and team_infer only reads it. It may be copied with memcpy. */
typedef struct team_model team_model;
struct team_model {
  float a_weight[1][1][1][16][16];
  float b_weight[1][1][1][16][16];
  float b_weight_rest[1][1][1][16][8];
  float b_bias[32];
  float c_conv1_weight[1][3][3][16][16];
  float c_dense1_weight[1][16][8];
  float a_bias[24];
  float c_conv1_bias[24];
  float c_dense1_bias[8];
};

/* Memory for activations and scratch. It needs no initialization and keeps nothing between calls; each thread needs its own. */
typedef struct team_workspace team_workspace;
struct team_workspace {
  float arena[25088];
};

void team_pack(team_model *model, const team_weights *weights);

/* Opens a model file of cnnc --emit=model in place: `bytes` is the file, read or mapped. NULL if it is for another net or layout, or unaligned. */
const team_model *team_open(const void *bytes, size_t size);

/* One image. It cannot fail. */
void team_infer(const team_model *model, const float x_values[TEAM_BATCH * TEAM_X_SIZE], float b_values[TEAM_BATCH * TEAM_B_SIZE],
                float c_values[TEAM_BATCH * TEAM_C_SIZE], team_workspace *workspace);
/* Name of the target in use; compiled for x86-64-v3. */
const char *team_target(void);

/* The sizes in the header must match the structs. */
_Static_assert(sizeof(team_weights) == TEAM_PARAMETERS * sizeof(float), "weights");
_Static_assert(sizeof(team_model) == TEAM_MODEL_BYTES, "model");
_Static_assert(sizeof(team_workspace) == TEAM_WORKSPACE_BYTES, "workspace");

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
// Whether the CPU treats subnormal floats as zeros. ADOPT takes this over from another mode, and restores the thread's own mode at the end of the block.
#if defined(__GNUC__) && defined(__SSE__) && !defined(__TINYC__)
enum { team_fp_zeros = 0x8040 }; // FTZ and DAZ
INLINE uint32_t team_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("stmxcsr %0" : "=m"(mode) : : "memory");
  return mode;
}
INLINE void team_fp_set(uint32_t mode) {
  __asm__ volatile("ldmxcsr %0" : : "m"(mode) : "memory");
}
#elif defined(__GNUC__) && defined(__aarch64__)
enum { team_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t team_fp_mode(void) {
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode) : : "memory");
  return (uint32_t)mode;
}
INLINE void team_fp_set(uint32_t mode) {
  __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory");
}
#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)
enum { team_fp_zeros = 1 << 24 }; // FZ
INLINE uint32_t team_fp_mode(void) {
  uint32_t mode;
  __asm__ volatile("vmrs %0, fpscr" : "=r"(mode) : : "memory");
  return mode;
}
INLINE void team_fp_set(uint32_t mode) {
  __asm__ volatile("vmsr fpscr, %0" : : "r"(mode) : "memory");
}
#else // the CPU has no such mode
enum { team_fp_zeros = 0 };
INLINE uint32_t team_fp_mode(void) { return 0; }
INLINE void team_fp_set(uint32_t mode) { (void)mode; }
#endif
INLINE uint32_t team_fp_adopt(uint32_t wanted) {
  const uint32_t own = team_fp_mode();
  if ((own ^ wanted) & team_fp_zeros) team_fp_set((own & ~(uint32_t)team_fp_zeros) | (wanted & team_fp_zeros));
  return own;
}
INLINE void team_fp_restore(const uint32_t *own) {
  if ((team_fp_mode() ^ *own) & team_fp_zeros) team_fp_set(*own);
}
#ifdef __GNUC__
#define ADOPT(own, mode) const uint32_t own __attribute__((cleanup(team_fp_restore), unused)) = team_fp_adopt(mode)
#else
#define ADOPT(own, mode) ((void)(mode))
#endif
#ifdef TEAM_FLUSH_DENORMALS // functions of the interface treat subnormal floats as zeros
#define FLUSH_DENORMALS ADOPT(fp_caller, team_fp_zeros);
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
#if defined(__clang__)
#define ROLL _Pragma("clang loop unroll(disable) vectorize(disable)")
#elif defined(__GNUC__)
#define ROLL _Pragma("GCC unroll 1")
#else
#define ROLL
#endif
// A net runs on a team of threads. Each thread runs its share of the iterations of a loop (SHARE). Before a loop that reads results of other threads, all threads wait.
#ifdef _OPENMP
#include <omp.h>
#define TEAM(call) { const uint32_t fp_mode = team_fp_mode(); _Pragma("omp parallel") { ADOPT(fp_own, fp_mode); call; } }
#define TEAM_LOOP { const uint32_t fp_mode = team_fp_mode(); _Pragma("omp parallel") { ADOPT(fp_own, fp_mode); _Pragma("omp for schedule(static)")
#define TEAM_LOOP_END } }
#define THREAD omp_get_thread_num()
#define THREADS omp_get_num_threads()
#define BARRIER() _Pragma("omp barrier")
#else
#define TEAM(call) call
#define TEAM_LOOP
#define TEAM_LOOP_END
#define THREAD 0
#define THREADS 1
#define BARRIER() ((void)0)
#endif
#define SHARE(from, to, thread) ((from) + (int)((int64_t)((to) - (from)) * (thread) / threads)) // first iteration of a thread
// Vectors (extensions of GCC and Clang). Types that end in u need not be aligned.
#if !(defined(__GNUC__) || defined(__clang__)) || defined(__TINYC__)
#error "this compiler has no vector extensions: generate the C with cnnc --target=generic"
#endif
typedef float team_v4 __attribute__((vector_size(16)));
#define v4 team_v4
typedef float team_v4u __attribute__((vector_size(16), aligned(4), may_alias));
#define v4u team_v4u
typedef int32_t team_v4i __attribute__((vector_size(16)));
#define v4i team_v4i
typedef float team_v8 __attribute__((vector_size(32)));
#define v8 team_v8
typedef float team_v8u __attribute__((vector_size(32), aligned(4), may_alias));
#define v8u team_v8u
typedef int32_t team_v8i __attribute__((vector_size(32)));
#define v8i team_v8i
typedef uint32_t team_v8n __attribute__((vector_size(32)));
#define v8n team_v8n
#define LOAD(type, element) ((type)*(const type##u *)&(element)) // the vector that begins at an element
#define AT(type, element) (*(type##u *)&(element))              // the same, as the target of a store

/* ---- weights ---- */

// weight of a, packed
//   out    [1][1][1][16][16]  output
//   weight [16][16][1][1]  input
KERNEL void team_a_weight_pack(float (*restrict out)[1][1][16][16], const float (*restrict weight)[16][1][1]) {
  for (int c = 0; c < 16; c++)
    ROLL for (int f = 0; f < 16; f++)
      out[0][0][0][c][f] = weight[f][c][0][0];
}

// bias of a, packed
//   out  [24]  output
//   bias [16]  input
KERNEL void team_a_bias_pack(float *restrict out, const float *restrict bias) {
  for (int c = 0; c < 16; c++)
    out[c] = bias[c];
  for (int c = 16; c < 24; c++)
    out[c] = 0.f;
}

// weight_rest of b, packed
//   out    [1][1][1][16][8]  output
//   weight [24][16][1][1]  input
KERNEL void team_b_weight_rest_pack(float (*restrict out)[1][1][16][8], const float (*restrict weight)[16][1][1]) {
  for (int c = 0; c < 16; c++)
    for (int f = 0; f < 8; f++)
      out[0][0][0][c][f] = weight[f + 16][c][0][0];
}

// bias of b, packed
//   out  [32]  output
//   bias [24]  input
KERNEL void team_b_bias_pack(float *restrict out, const float *restrict bias) {
  for (int c = 0; c < 24; c++)
    out[c] = bias[c];
  for (int c = 24; c < 32; c++)
    out[c] = 0.f;
}

// weight of c.conv1, packed
//   out    [1][3][3][16][16]  output
//   weight [16][16][3][3]  input
KERNEL void team_c_conv1_weight_pack(float (*restrict out)[3][3][16][16], const float (*restrict weight)[16][3][3]) {
  for (int ky = 0; ky < 3; ky++)
    for (int kx = 0; kx < 3; kx++)
      for (int c = 0; c < 16; c++)
        ROLL for (int f = 0; f < 16; f++)
          out[0][ky][kx][c][f] = weight[f][c][ky][kx];
}

// weight of c.dense1, packed
//   out    [1][16][8]  output
//   weight [5][16]  input
KERNEL void team_c_dense1_weight_pack(float (*restrict out)[16][8], const float (*restrict weight)[16]) {
  for (int i = 0; i < 16; i++) {
    for (int n = 0; n < 5; n++)
      out[0][i][n] = weight[n][i];
    for (int n = 5; n < 8; n++)
      out[0][i][n] = 0.f;
  }
}

// bias of c.dense1, packed
//   out  [8]  output
//   bias [5]  input
KERNEL void team_c_dense1_bias_pack(float *restrict out, const float *restrict bias) {
  for (int u = 0; u < 5; u++)
    out[u] = bias[u];
  for (int u = 5; u < 8; u++)
    out[u] = 0.f;
}

// Replaces subnormal weights by 0: many CPUs are slow on them.
static void team_clear_floats(float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (x[i] > -0x1p-126f && x[i] < 0x1p-126f) x[i] *= 0.f; // keeps the sign
}

void team_pack(team_model *model, const team_weights *weights) {
  team_a_weight_pack(model->a_weight, weights->a_weight);
  team_a_weight_pack(model->b_weight, weights->b_weight);
  team_b_weight_rest_pack(model->b_weight_rest, weights->b_weight);
  team_b_bias_pack(model->b_bias, weights->b_bias);
  team_c_conv1_weight_pack(model->c_conv1_weight, weights->c_conv1_weight);
  team_c_dense1_weight_pack(model->c_dense1_weight, weights->c_dense1_weight);
  team_a_bias_pack(model->a_bias, weights->a_bias);
  team_a_bias_pack(model->c_conv1_bias, weights->c_conv1_bias);
  team_c_dense1_bias_pack(model->c_dense1_bias, weights->c_dense1_bias);
  team_clear_floats((float *)model->a_weight, 256);
  team_clear_floats((float *)model->b_weight, 256);
  team_clear_floats((float *)model->b_weight_rest, 128);
  team_clear_floats((float *)model->b_bias, 32);
  team_clear_floats((float *)model->c_conv1_weight, 2304);
  team_clear_floats((float *)model->c_dense1_weight, 128);
  team_clear_floats((float *)model->a_bias, 24);
  team_clear_floats((float *)model->c_conv1_bias, 24);
  team_clear_floats((float *)model->c_dense1_bias, 8);
}

/* ---- a model in a file or in flash ---- */

// Header of a model: "cnnmodel", format version, number of bytes that follow,
// and a fingerprint of their layout and of this code.
static const uint64_t team_mark[8] = {UINT64_C(0x6c65646f6d6e6e63), 1, TEAM_MODEL_BYTES, UINT64_C(0xf2ed2478441a0a0f)};

const team_model *team_open(const void *bytes, size_t size) {
  const char *start = bytes;
  if (start == NULL || size != TEAM_FILE_BYTES || (uintptr_t)start % _Alignof(team_model) != 0) return NULL;
  for (int i = 0; i < 8; i++) {
    uint64_t word;
    memcpy(&word, start + 8 * i, sizeof word);
    if (word != team_mark[i]) return NULL;
  }
  return (const team_model *)(const void *)(start + sizeof team_mark);
}

/* ---- x86-64-v3 ---- */

#if (defined(__x86_64__) || defined(_M_X64)) && (defined(__GNUC__) || defined(__clang__))
#define TEAM_V3 __attribute__((target("avx2,fma")))
#else
#define TEAM_V3
#endif

INLINE TEAM_V3 v8n team_bits_x8(v8 x) { return (v8n)x; }
INLINE TEAM_V3 v8 team_float_of_x8(v8n u) { return (v8)u; }
INLINE TEAM_V3 v8 team_splat_x8(float x) { return x - (v8){0}; }
INLINE TEAM_V3 v4 team_select_x4(v4i mask, v4 a, v4 b) { return (v4)((mask & (v4i)a) | (~mask & (v4i)b)); }
INLINE TEAM_V3 v8 team_select_x8(v8i mask, v8 a, v8 b) { return (v8)((mask & (v8i)a) | (~mask & (v8i)b)); }
INLINE TEAM_V3 float team_max_x1(float a, float b) { return a > b ? a : b; }
INLINE TEAM_V3 v4 team_max_x4(v4 a, v4 b) { return team_select_x4(a > b, a, b); }
INLINE TEAM_V3 v8 team_max_x8(v8 a, v8 b) { return team_select_x8(a > b, a, b); }
// e to the power x, within 1.1 ulp, but at least the smallest normal number: 2^n times a polynomial in r, with x = n*log(2) + r. 2^n is multiplied in two steps, because 2^128 is not a float.
INLINE TEAM_V3 v8 team_exp_x8(v8 x) {
  const v8 top = team_select_x8(x > ((v8){0} + 89.f), ((v8){0} + 89.f), x), c = team_select_x8(top < ((v8){0} + -87.33654f), ((v8){0} + -87.33654f), top);
  const v8 shifted = c * 1.44269504f + 12583166.f, n = shifted - 12583166.f; // 1.5 * 2^23 + 254: the sum's last bits are n + 254
  const v8 r = (c - n * 0.693359375f) + n * 2.12194440e-4f;
  v8 p = r * 1.38438714e-3f + 8.36954918e-3f;
  p = p * r + 4.16680612e-2f;
  p = p * r + 1.66665137e-1f;
  p = p * r + 4.99999940e-1f;
  p = p * (r * r) + r + 1.f;
  const v8n e = team_bits_x8(shifted), half = e >> 1;
  return p * team_float_of_x8(half << 23) * team_float_of_x8((e - half) << 23);
}
INLINE TEAM_V3 float team_sum_x4(v4 a) {
  return (a[0] + a[2]) + (a[1] + a[3]);
}
INLINE TEAM_V3 float team_sum_x8(v8 a) {
  const v4 low = __builtin_shufflevector(a, a, 0, 1, 2, 3), high = __builtin_shufflevector(a, a, 4, 5, 6, 7);
  return team_sum_x4(low + high);
}
INLINE TEAM_V3 float team_highest_x4(v4 a) {
  return team_max_x1(team_max_x1(a[0], a[2]), team_max_x1(a[1], a[3]));
}
// The first n elements at p, then zeros.
INLINE TEAM_V3 v8 team_load_part_x8(const float *p, int n) {
  v8 v = {0};
  UNROLL for (int i = 0; i < (int)(sizeof v / sizeof *p); i++)
    if (i < n) v[i] = p[i];
  return v;
}
INLINE TEAM_V3 void team_store_part_x8(float *p, v8 v, int n) {
  UNROLL for (int i = 0; i < (int)(sizeof v / sizeof *p); i++)
    if (i < n) p[i] = v[i];
}

// a, line 5: conv(16, 1x1)
//     out[y][x][f] = bias[f] + sum over ky, kx, c of in[y*S + ky*D - P][x*S + kx*D - P][c] * weight[f][c][ky][kx]
// relu1, line 5: relu
//     y = max(x, 0)
// conv + relu: 28x28x16 -> 28x28x16; tiles of 6 pixels x 2 vectors of 8 channels
//   in     [28][28][16]  input
//   out    [28][28][16]  output
//   weight [1][1][1][16][16]  weights
//   bias   [24]  weights
INLINE TEAM_V3 void team_a_tile_6x2_body(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[1][1][16][16], const float *restrict bias, int y, int x0, int panel, int c0, int f0, int h,
    const int narrow) {
  v8 a[1][6][2];
  UNROLL for (int q = 0; q < 6 - narrow; q++) {
    a[0][q][0] = LOAD(v8, bias[f0]);
    a[0][q][1] = LOAD(v8, bias[f0 + 8]);
  }
  ptrdiff_t i = y*448 + x0*16 + c0;
  PIN(i);
  for (int c = 0; c < 16; c++) {
    const v8 w0 = LOAD(v8, weight[panel][0][0][c][h]);
    const v8 w1 = LOAD(v8, weight[panel][0][0][c][h + 8]);
    UNROLL for (int q = 0; q < 6 - narrow; q++) {
      a[0][q][0] += in[i + c + 16*q] * w0;
      a[0][q][1] += in[i + c + 16*q] * w1;
    }
  }
  UNROLL for (int p = 0; p < 6 - narrow; p++) {
    AT(v8, out[y][x0 + p][f0]) = team_max_x8((v8){0}, a[0][p][0]);
    AT(v8, out[y][x0 + p][f0 + 8]) = team_max_x8((v8){0}, a[0][p][1]);
  }
}

KERNEL TEAM_V3 void team_a_tile_6x2(const float *restrict in, float (*restrict out)[28][16], const float (*restrict weight)[1][1][16][16],
    const float *restrict bias, int y, int x0) {
  team_a_tile_6x2_body(in, out, weight, bias, y, x0, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*narrow*/0);
}

KERNEL TEAM_V3 void team_a_tile_6x2_narrow(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[1][1][16][16], const float *restrict bias, int y, int x0) {
  team_a_tile_6x2_body(in, out, weight, bias, y, x0, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*narrow*/1);
}

INLINE TEAM_V3 void team_a_row_2(const float *restrict in, float (*restrict out)[28][16], const float (*restrict weight)[1][1][16][16],
    const float *restrict bias, int y) {
  for (int i_ = 0; i_ < 3; i_++)
    team_a_tile_6x2(in, out, weight, bias, y, 6*i_);
  for (int i_ = 0; i_ < 2; i_++)
    team_a_tile_6x2_narrow(in, out, weight, bias, y, 5*i_ + 18);
}

static TEAM_V3 void team_a(const float *restrict in, float (*restrict out)[28][16], const float (*restrict weight)[1][1][16][16],
    const float *restrict bias, int thread, int threads) {
  for (int y_ = SHARE(0, 28, thread), y__end = SHARE(0, 28, thread + 1); y_ < y__end; y_++)
    team_a_row_2(in, out, weight, bias, y_);
}

// b, line 6: conv(24, 1x1)
// conv: 28x28x16 -> 28x28x24; tiles of 6 pixels x 2 vectors of 8 channels
//   in          [28][28][16]  input
//   out         [28][28][24]  output
//   weight      [1][1][1][16][16]  weights
//   weight_rest [1][1][1][16][8]  weights
//   bias        [32]  weights
INLINE TEAM_V3 void team_b_tile_6x2_body(const float *restrict in, float (*restrict out)[28][24],
    const float (*restrict weight)[1][1][16][16], const float *restrict bias, int y, int x0, int panel, int c0, int f0, int h,
    const int narrow) {
  v8 a[1][6][2];
  UNROLL for (int q = 0; q < 6 - narrow; q++) {
    a[0][q][0] = LOAD(v8, bias[f0]);
    a[0][q][1] = LOAD(v8, bias[f0 + 8]);
  }
  ptrdiff_t i = y*448 + x0*16 + c0;
  PIN(i);
  for (int c = 0; c < 16; c++) {
    const v8 w0 = LOAD(v8, weight[panel][0][0][c][h]);
    const v8 w1 = LOAD(v8, weight[panel][0][0][c][h + 8]);
    UNROLL for (int q = 0; q < 6 - narrow; q++) {
      a[0][q][0] += in[i + c + 16*q] * w0;
      a[0][q][1] += in[i + c + 16*q] * w1;
    }
  }
  UNROLL for (int p = 0; p < 6 - narrow; p++) {
    AT(v8, out[y][x0 + p][f0]) = a[0][p][0];
    AT(v8, out[y][x0 + p][f0 + 8]) = a[0][p][1];
  }
}

KERNEL TEAM_V3 void team_b_tile_6x2(const float *restrict in, float (*restrict out)[28][24], const float (*restrict weight)[1][1][16][16],
    const float *restrict bias, int y, int x0) {
  team_b_tile_6x2_body(in, out, weight, bias, y, x0, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*narrow*/0);
}

KERNEL TEAM_V3 void team_b_tile_6x2_narrow(const float *restrict in, float (*restrict out)[28][24],
    const float (*restrict weight)[1][1][16][16], const float *restrict bias, int y, int x0) {
  team_b_tile_6x2_body(in, out, weight, bias, y, x0, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*narrow*/1);
}

INLINE TEAM_V3 void team_b_row_2(const float *restrict in, float (*restrict out)[28][24], const float (*restrict weight)[1][1][16][16],
    const float *restrict bias, int y) {
  for (int i_ = 0; i_ < 3; i_++)
    team_b_tile_6x2(in, out, weight, bias, y, 6*i_);
  for (int i_ = 0; i_ < 2; i_++)
    team_b_tile_6x2_narrow(in, out, weight, bias, y, 5*i_ + 18);
}

KERNEL TEAM_V3 void team_b_tile_14x1_rest(const float *restrict in, float (*restrict out)[28][24],
    const float (*restrict weight_rest)[1][1][16][8], const float *restrict bias, int y, int x0) {
  v8 a[1][14][1];
  UNROLL for (int q = 0; q < 14; q++)
    a[0][q][0] = LOAD(v8, bias[16]);
  ptrdiff_t i = y*448 + x0*16;
  PIN(i);
  for (int c = 0; c < 16; c++) {
    const v8 w0 = LOAD(v8, weight_rest[0][0][0][c][0]);
    UNROLL for (int q = 0; q < 14; q++)
      a[0][q][0] += in[i + c + 16*q] * w0;
  }
  UNROLL for (int p = 0; p < 14; p++)
    AT(v8, out[y][x0 + p][16]) = a[0][p][0];
}

INLINE TEAM_V3 void team_b_row_1_rest(const float *restrict in, float (*restrict out)[28][24],
    const float (*restrict weight_rest)[1][1][16][8], const float *restrict bias, int y) {
  for (int i_ = 0; i_ < 2; i_++)
    team_b_tile_14x1_rest(in, out, weight_rest, bias, y, 14*i_);
}

static TEAM_V3 void team_b(const float *restrict in, float (*restrict out)[28][24], const float (*restrict weight)[1][1][16][16],
    const float (*restrict weight_rest)[1][1][16][8], const float *restrict bias, int thread, int threads) {
  for (int y_ = SHARE(0, 28, thread), y__end = SHARE(0, 28, thread + 1); y_ < y__end; y_++) {
    team_b_row_2(in, out, weight, bias, y_);
    team_b_row_1_rest(in, out, weight_rest, bias, y_);
  }
}

// c.conv1, line 7: conv(16, 3x3, pad=1)
// conv: 28x28x16 -> 28x28x16; tiles of 6 pixels x 2 vectors of 8 channels
//   in     [28][28][16]  input
//   out    [28][28][16]  output
//   weight [1][3][3][16][16]  weights
//   bias   [24]  weights
INLINE TEAM_V3 void team_c_conv1_tile_6x2_body(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[3][3][16][16], const float *restrict bias, int y, int x0, int panel, int c0, int f0, int h,
    const int left, const int right, const int narrow) {
  v8 a[1][6][2];
  UNROLL for (int q = 0; q < 6 - narrow; q++) {
    a[0][q][0] = LOAD(v8, bias[f0]);
    a[0][q][1] = LOAD(v8, bias[f0 + 8]);
  }
  for (int ty = (1 - y > 0 ? 1 - y : 0), ty_end = (29 - y < 3 ? 29 - y : 3); ty < ty_end; ty++)
    UNROLL for (int tx = 0; tx < 3; tx++) {
      ptrdiff_t i = (y + ty - 1)*448 + (x0 + tx - 1)*16 + c0;
      PIN(i);
      for (int c = 0; c < 16; c++) {
        const v8 w0 = LOAD(v8, weight[panel][ty][tx][c][h]);
        const v8 w1 = LOAD(v8, weight[panel][ty][tx][c][h + 8]);
        UNROLL for (int q = 0; q < 6 - narrow; q++)
          if (!left || x0 + tx + q - 1 >= 0)
            if (!right || x0 + tx + q - 1 < 28) {
              a[0][q][0] += in[i + c + 16*q] * w0;
              a[0][q][1] += in[i + c + 16*q] * w1;
            }
      }
    }
  UNROLL for (int p = 0; p < 6 - narrow; p++) {
    AT(v8, out[y][x0 + p][f0]) = a[0][p][0];
    AT(v8, out[y][x0 + p][f0 + 8]) = a[0][p][1];
  }
}

KERNEL TEAM_V3 void team_c_conv1_tile_6x2_left(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[3][3][16][16], const float *restrict bias, int y) {
  team_c_conv1_tile_6x2_body(in, out, weight, bias, y, /*x0*/0, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*left*/1, /*right*/0, /*narrow*/0);
}

KERNEL TEAM_V3 void team_c_conv1_tile_6x2(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[3][3][16][16], const float *restrict bias, int y, int x0) {
  team_c_conv1_tile_6x2_body(in, out, weight, bias, y, x0, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*left*/0, /*right*/0, /*narrow*/0);
}

KERNEL TEAM_V3 void team_c_conv1_tile_6x2_narrow(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[3][3][16][16], const float *restrict bias, int y) {
  team_c_conv1_tile_6x2_body(in, out, weight, bias, y, /*x0*/18, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*left*/0, /*right*/0, /*narrow*/1);
}

KERNEL TEAM_V3 void team_c_conv1_tile_6x2_right_narrow(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[3][3][16][16], const float *restrict bias, int y) {
  team_c_conv1_tile_6x2_body(in, out, weight, bias, y, /*x0*/23, /*panel*/0, /*c0*/0, /*f0*/0, /*h*/0, /*left*/0, /*right*/1, /*narrow*/1);
}

INLINE TEAM_V3 void team_c_conv1_row_2(const float *restrict in, float (*restrict out)[28][16],
    const float (*restrict weight)[3][3][16][16], const float *restrict bias, int y) {
  team_c_conv1_tile_6x2_left(in, out, weight, bias, y);
  for (int i_ = 0; i_ < 2; i_++)
    team_c_conv1_tile_6x2(in, out, weight, bias, y, 6*i_ + 6);
  team_c_conv1_tile_6x2_narrow(in, out, weight, bias, y);
  team_c_conv1_tile_6x2_right_narrow(in, out, weight, bias, y);
}

static TEAM_V3 void team_c_conv1(const float *restrict in, float (*restrict out)[28][16], const float (*restrict weight)[3][3][16][16],
    const float *restrict bias, int thread, int threads) {
  for (int y_ = SHARE(0, 28, thread), y__end = SHARE(0, 28, thread + 1); y_ < y__end; y_++)
    team_c_conv1_row_2(in, out, weight, bias, y_);
}

// c.global_avgpool1, line 7: global_avgpool
//     y[c] = mean over all pixels of x[c]
// global_avgpool: 28x28x16 -> 1x1x16
//   in  [28][28][16]  input
//   out [1][1][16]  output
static TEAM_V3 void team_c_global_avgpool1(const float (*restrict in)[28][16], float (*restrict out)[1][16]) {
  for (int v = 0; v < 2; v++) {
    v8 sum;
    sum = (v8){0};
    for (int ky = 0; ky < 28; ky++)
      for (int kx = 0; kx < 28; kx++)
        sum = sum + LOAD(v8, in[ky][kx][8*v]);
    AT(v8, out[0][0][8*v]) = sum * 0.0012755102f;
  }
}

// c.dense1, line 7: dense(5)
//     out[u] = bias[u] + sum over i of weight[u][i] * in[i]
// dense: 1x1x16 -> 5; 4 vectors of 8 units at a time
//   in     [1][1][16]  input
//   out    [1][1][5]  output
//   weight [1][16][8]  weights
//   bias   [8]  weights
static TEAM_V3 void team_c_dense1(const float (*restrict in)[1][16], float (*restrict out)[1][5], const float (*restrict weight)[16][8],
    const float *restrict bias) {
  v8 a[8][1];
  a[0][0] = LOAD(v8, bias[0]);
  a[1][0] = (v8){0};
  a[2][0] = (v8){0};
  a[3][0] = (v8){0};
  a[4][0] = (v8){0};
  a[5][0] = (v8){0};
  a[6][0] = (v8){0};
  a[7][0] = (v8){0};
  for (int n = 0; n < 2; n++) {
    a[0][0] += in[0][0][8*n] * LOAD(v8, weight[0][8*n][0]);
    a[1][0] += in[0][0][8*n + 1] * LOAD(v8, weight[0][8*n + 1][0]);
    a[2][0] += in[0][0][8*n + 2] * LOAD(v8, weight[0][8*n + 2][0]);
    a[3][0] += in[0][0][8*n + 3] * LOAD(v8, weight[0][8*n + 3][0]);
    a[4][0] += in[0][0][8*n + 4] * LOAD(v8, weight[0][8*n + 4][0]);
    a[5][0] += in[0][0][8*n + 5] * LOAD(v8, weight[0][8*n + 5][0]);
    a[6][0] += in[0][0][8*n + 6] * LOAD(v8, weight[0][8*n + 6][0]);
    a[7][0] += in[0][0][8*n + 7] * LOAD(v8, weight[0][8*n + 7][0]);
  }
  team_store_part_x8(&out[0][0][0], a[0][0] + a[1][0] + a[2][0] + a[3][0] + a[4][0] + a[5][0] + a[6][0] + a[7][0], 5);
}

// c.softmax1, line 7: softmax
//     y[c] = exp(x[c]) / sum over k of exp(x[k])
// softmax: 5 -> 5
//   in  [1][1][5]  input
//   out [1][1][5]  output
//   row [5]  scratch
static TEAM_V3 void team_c_softmax1(const float (*restrict in)[1][5], float (*restrict out)[1][5], float *restrict row) {
  v4 most;
  most = LOAD(v4, in[0][0][0]);
  most = team_max_x4(most, LOAD(v4, in[0][0][1]));
  const float largest = team_highest_x4(most);
  team_store_part_x8(&row[0], team_exp_x8(team_load_part_x8(&in[0][0][0], 5) - largest), 5);
  v8 sum;
  sum = (v8){0};
  sum = sum + team_load_part_x8(&row[0], 5);
  const float total = team_sum_x8(sum);
  const float factor = 1.f / total;
  const v8 x = team_load_part_x8(&row[0], 5);
  team_store_part_x8(&out[0][0][0], team_select_x8(x < team_splat_x8(total * 1.1755056e-38f), (v8){0}, x) * factor, 5);
}

/* One image. Activations share one arena: the memory of dead values is reused. */
static void team_run(const team_model *model, const void *x_values, void *b_values, void *c_values, float *arena, int thread,
                     int threads) {
  void *const a_values = arena; /* 28x28x16 */
  void *const c_conv1_values = arena + 12544; /* 28x28x16 */
  void *const c_global_avgpool1_values = arena; /* 1x1x16 */
  void *const c_dense1_values = arena + 16; /* 5 */

  team_a(x_values, a_values, model->a_weight, model->a_bias, thread, threads);
  BARRIER();
  team_b(a_values, b_values, model->b_weight, model->b_weight_rest, model->b_bias, thread, threads);
  team_c_conv1(a_values, c_conv1_values, model->c_conv1_weight, model->c_conv1_bias, thread, threads);
  BARRIER();
  if (thread == 0) {
    team_c_global_avgpool1(c_conv1_values, c_global_avgpool1_values);
    team_c_dense1(c_global_avgpool1_values, c_dense1_values, model->c_dense1_weight, model->c_dense1_bias);
    team_c_softmax1(c_dense1_values, c_values, arena);
  }
}

const char *team_target(void) { return "x86-64-v3"; }

void team_infer(const team_model *model, const float x_values[TEAM_BATCH * TEAM_X_SIZE], float b_values[TEAM_BATCH * TEAM_B_SIZE],
                float c_values[TEAM_BATCH * TEAM_C_SIZE], team_workspace *workspace) {
  FLUSH_DENORMALS
  TEAM(team_run(model, x_values, b_values, c_values, workspace->arena, THREAD, THREADS));
}

/* ---- the end: this file does not affect later code of the same translation unit ---- */

#undef INLINE
#undef KERNEL
#undef PIN
#undef UNROLL
#undef ROLL
#undef FLUSH_DENORMALS
#undef ADOPT
#undef TEAM
#undef TEAM_LOOP
#undef TEAM_LOOP_END
#undef THREAD
#undef THREADS
#undef BARRIER
#undef SHARE
#undef LOAD
#undef AT
#undef v4
#undef v4u
#undef v4i
#undef v8
#undef v8u
#undef v8i
#undef v8n
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
