// target.c: Table of targets: one row per target, with all properties that schedules use.
// SPDX-License-Identifier: Apache-2.0
#define _DEFAULT_SOURCE // declares syscall
#include "target/target.h"
#include <stddef.h>
#include <string.h>
#include "base/number.h"
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif
#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

#define KB (INT64_C(1) << 10)
#define MB (INT64_C(1) << 20)
/* clang-cl does not define __GNUC__. */
#define GNU_C "(defined(__GNUC__) || defined(__clang__))"
#define X86 "(defined(__x86_64__) || defined(_M_X64)) && " GNU_C

/* Options for object files of another machine. No C library of that machine is needed, because objects call
 * at most memcpy and memset. */
#define CROSS(...)                                                                                           \
  (const char *const[]) { __VA_ARGS__, "-ffreestanding", NULL }

#define LEAST(A, B) ((A) < (B) ? (A) : (B))

/* Measured on AVX-512 cores with a 1 MB L2 cache, and scaled to other CPUs according to the meaning of each
 * number. strassen_tiles is not scaled: each row states it.
 *
 * direct_panel, direct_weights: smaller on CPUs with a smaller L2 cache, which must also have space for other
 * data.
 *
 * direct_sums: longer unrolled code is not faster than a loop over the taps: compilers load inputs long
 * before their use, and so spill registers. On aarch64, for an 11x11 kernel and 3 channels, clang 22 spills
 * 12 vectors in the loop and 22 vectors in unrolled code. For a 5x5 kernel and 4 channels, it spills 30
 * vectors in the loop and 134 in unrolled code. On AVX-512, with an earlier clang, code with 726 unrolled
 * multiply-adds was half as fast as a loop.
 *
 * winograd_channels: with Winograd, 3x3 layers of 3 to 12 channels were 1.2x to 1.9x faster than direct
 * convolutions on AVX2. On AVX-512, the layers for which the cost model selects Winograd were 1.1x to 2.3x
 * faster.
 *
 * winograd_block: a block is written and then read once, and should still be in the L2 cache when it is read.
 * winograd_tiles: an image with at most this number of tiles is one block, which reads all weights once.
 * winograd_products: the products of this number of channels are still in the cache when they are transformed
 * to outputs. winograd_input: a larger input does not stay in the L2 cache, because its transform uses half
 * of the cache. winograd_weights: the bytes that a thread reads from the L3 cache during three barriers of
 * half a microsecond each.
 *
 * dense_depth, dense_packed: with 64-byte vectors, the reused weights fill the L1 cache.
 *
 * dense_vectors, dense_rows, gradient_rows, depthwise_pixels: the sums and operands of these register tiles
 * fit into the registers. */
#define BLOCKING(REGISTERS, L2, L3_RATE, STRASSEN_TILES)                                                     \
  {                                                                                                          \
      .direct_panel = LEAST(192 * KB, (L2) / 4 * 3),                                                         \
      .direct_weights = LEAST(256 * KB, L2),                                                                 \
      .direct_sums = 20 * (REGISTERS),                                                                       \
      .unrolled_taps = 12,                                                                                   \
      .edge_tiles = 8,                                                                                       \
      .winograd_channels = 3,                                                                                \
      .winograd_block = (L2),                                                                                \
      .winograd_tiles = 64,                                                                                  \
      .winograd_products = 64,                                                                               \
      .winograd_input = (L2) / 2,                                                                            \
      .strassen_tiles = (STRASSEN_TILES),                                                                    \
      .winograd_weights = (L3_RATE) * 6000,                                                                  \
      .dense_depth = 256,                                                                                    \
      .dense_packed = 128,                                                                                   \
      .rows_panel = (L2) / 16,                                                                               \
      .dense_vectors = (REGISTERS) / 8,                                                                      \
      .dense_rows = (REGISTERS) < 32 ? 6 : 8,                                                                \
      .gradient_rows = (REGISTERS) / 4,                                                                      \
      .depthwise_pixels = (REGISTERS) / 4,                                                                   \
      .depthwise_sums = 25 * (REGISTERS),                                                                    \
  }

/* These numbers were measured on AVX-512 cores; on other cores, they only need to give the right ranking of
 * schedules. LEFT, RESULT: costs of Strassen's additions on cores with full-width 64-byte vectors. On AVX2
 * they are half as large, because a vector has half the bytes. On a core whose additions are up to 1.6x
 * slower, a Strassen schedule that was chosen with GAIN = 0.9 is still not slower than a direct convolution.
 * For AVX2, the number of tiles and GAIN are fitted to the times that `cnnc --tune -v` prints for 274
 * pointwise layers of 14 nets (AMD Zen 4, restricted to AVX2). */
#define RATES(LEFT, RESULT, GAIN)                                                                            \
  {.direct = 0.95,                                                                                           \
   .winograd = 0.92,                                                                                         \
   .strassen = 0.97,                                                                                         \
   .plain = 0.5,                                                                                             \
   .together = 0.9,                                                                                          \
   .interleaved = 0.9,                                                                                       \
   .input_tile = 120,                                                                                        \
   .far_input_tile = 200,                                                                                    \
   .output_tile = 80,                                                                                        \
   .strassen_left = (LEFT),                                                                                  \
   .strassen_result = (RESULT),                                                                              \
   .strassen_loaded = 0.25,                                                                                  \
   .strassen_first = 1,                                                                                      \
   .packed_point = 3,                                                                                        \
   .lane_store = 0.5,                                                                                        \
   .lane_add = 1.3,                                                                                          \
   .row_sum = 2,                                                                                             \
   .turned_weight = 0.7,                                                                                     \
   .joined_point = 2.5,                                                                                      \
   .gradients = 1.3,                                                                                         \
   .gain = (GAIN)}
static const Rates measured = RATES(2, 4.1, 0.9), measured_avx2 = RATES(1, 2, 0.95);

/* Common part of the rows of AVX-512 targets.
 *
 * stores (measured on Zen 5): 28 stores at the end of a tile stall the next tile for 42 cycles, or for 57
 * cycles with a relu6 before each store. 14 stores stall it for 3 cycles, or for 6 cycles with a relu6. */
#define AVX_512_CORE                                                                                         \
  .lanes = 16, .registers = 32, .fma = true, .l1 = 32 * KB, .l2 = 1 * MB, .l3 = 32 * MB, .fmas = 2,          \
  .l2_rate = 62, .l3_rate = 27, .memory_rate = 9.3, .line = 64, .chains = 8, .stores = 14,                   \
  .blocking = BLOCKING(32, 1 * MB, 27, 0), .rates = &measured, .condition = X86
#define A64_CORE                                                                                             \
  .lanes = 4, .registers = 32, .fma = true, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 4 * MB, .fmas = 2,          \
  .l2_rate = 32, .l3_rate = 12, .memory_rate = 6, .line = 64, .chains = 8,                                   \
  .blocking = BLOCKING(32, 256 * KB, 12, 0), .rates = &measured,                                             \
  .condition = "defined(__aarch64__) && " GNU_C, .arch = "aarch64",                                          \
  .cross = CROSS("--target=aarch64-linux-gnu", "-fPIC")
#define MICROCONTROLLER                                                                                      \
  .l1 = 16 * KB, .l2 = 16 * KB, .l3 = 16 * KB, .fmas = 1, .l2_rate = 4, .l3_rate = 4, .memory_rate = 4,      \
  .most_bytes = INT32_MAX, .line = 32, .chains = 8, .blocking = BLOCKING(32, 16 * KB, 4, 0),                 \
  .rates = &measured, .bare = true, .dsp = true

/* WebAssembly, with the rates of an x86-64 core that runs the code. */
#define WASM_CORE                                                                                            \
  .lanes = 4, .registers = 16, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 4 * MB, .fmas = 1, .l2_rate = 16,        \
  .l3_rate = 12, .memory_rate = 8, .most_bytes = INT32_MAX, .line = 64, .chains = 8,                         \
  .blocking = BLOCKING(16, 256 * KB, 12, 0), .rates = &measured, .dot = DOT_HALVES, .arch = "wasm32",        \
  .bare = true

/* Cortex-M55 and M85 with Helium vectors. Float code does not use vectors. int8 kernels use eight 16-byte
 * registers. Either four of these registers hold sums, or all hold operands of products that are summed
 * across a vector. */
#define HELIUM(LANES)                                                                                        \
  MICROCONTROLLER, .name = "armv8.1-m", .suffix = "m55", .lanes = (LANES), .fma = true,                      \
      .condition = "defined(__ARM_FEATURE_MVE)", .march_level = 3, .arch = "arm",                            \
      .cross = CROSS("--target=thumbv8.1m.main-none-eabihf", "-mcpu=cortex-m55", "-mthumb",                  \
                     "-mfloat-abi=hard", "-meabi", "gnu")
static const Target helium = {HELIUM(4), .registers = 8, .dot = DOT_ACROSS};

const Target target_table[] = {
    {.name = "x86-64-v4",
     .suffix = "v4",
     AVX_512_CORE,
     .march_level = 4,
     .arch = "x86-64",
     .cross = CROSS("--target=x86_64-linux-gnu", "-fPIC"),
     .attribute = "__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,avx2,fma\")))",
     .avx = AVX_512,
     .dot = DOT_HALVES},
    {.name = "x86-64-v4-vnni",
     .suffix = "vnni",
     AVX_512_CORE,
     .march_level = 5,
     .arch = "x86-64",
     .cross = CROSS("--target=x86_64-linux-gnu", "-fPIC"),
     .attribute = "__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx2,fma\")))",
     .avx = AVX_VNNI,
     .dot = DOT_BYTES,
     .for_int8 = true},
#ifndef __wasi__ /* the browser build has no bf16 */
    {.name = "x86-64-v4-bf16",
     .suffix = "bf16",
     AVX_512_CORE,
     .dots = 2,
     .march_level = 6,
     .arch = "x86-64",
     .cross = CROSS("--target=x86_64-linux-gnu", "-fPIC"),
     .attribute =
         "__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx512bf16,avx2,fma\")))",
     .avx = AVX_BF16,
     .dot = DOT_BYTES,
     .for_bf16 = true},
    /* An instruction multiplies tiles of 16x32 and 32x16 bf16 numbers in 16 cycles. .tiles is a lower rate,
     * because it includes the time of the loads. */
    {.name = "x86-64-v4-amx",
     .suffix = "amx",
     AVX_512_CORE,
     .dots = 0.5,
     .tiles = 6,
     .march_level = 7,
     .arch = "x86-64",
     .cross = CROSS("--target=x86_64-linux-gnu", "-fPIC"),
     .attribute =
         "__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,avx512vnni,avx512bf16,amx-tile,amx-bf16,"
         "amx-int8,avx2,fma\")))",
     .avx = AVX_AMX,
     .dot = DOT_BYTES,
     .for_int8 = true,
     .for_bf16 = true},
#endif
    {.name = "x86-64-v3",
     .suffix = "v3",
     .lanes = 8,
     .registers = 16,
     .fma = true,
     .l1 = 32 * KB,
     .l2 = 256 * KB,
     .l3 = 16 * MB,
     .fmas = 2,
     .l2_rate = 32,
     .l3_rate = 27,
     .memory_rate = 9.3,
     .line = 64,
     .chains = 8,
     .blocking = BLOCKING(16, 256 * KB, 27, 32),
     .rates = &measured_avx2,
     .condition = X86,
     .march_level = 3,
     .arch = "x86-64",
     .cross = CROSS("--target=x86_64-linux-gnu", "-fPIC"),
     .attribute = "__attribute__((target(\"avx2,fma\")))",
     .avx = AVX_2,
     .dot = DOT_HALVES},
    {.name = "x86-64",
     .suffix = "v1",
     .lanes = 4,
     .registers = 16,
     .fma = false,
     .l1 = 32 * KB,
     .l2 = 256 * KB,
     .l3 = 8 * MB,
     .fmas = 1,
     .l2_rate = 16,
     .l3_rate = 12,
     .memory_rate = 8,
     .line = 64,
     .chains = 8,
     .blocking = BLOCKING(16, 256 * KB, 12, 0),
     .rates = &measured,
     .condition = X86,
     .march_level = 1,
     .arch = "x86-64",
     .cross = CROSS("--target=x86_64-linux-gnu", "-fPIC"),
     .dot = DOT_HALVES},
    {.name = "generic",
     .suffix = "generic",
     .lanes = 1,
     .registers = 16,
     .fma = false,
     .l1 = 32 * KB,
     .l2 = 256 * KB,
     .l3 = 8 * MB,
     .fmas = 1,
     .l2_rate = 8,
     .l3_rate = 8,
     .memory_rate = 6,
     .line = 64,
     .chains = 8,
     .blocking = BLOCKING(16, 256 * KB, 8, 0),
     .rates = &measured},
    {.name = "aarch64", .suffix = "neon", A64_CORE, .march_level = 1, .dot = DOT_HALVES},
    /* Armv8.2 with DotProd: Cortex-A55, A75 and later. Functions need no attribute, because the inline
     * assembly of sdot names the extension */
    {.name = "aarch64-dotprod",
     .suffix = "dotprod",
     A64_CORE,
     .march_level = 2,
     .arm = A64_DOTPROD,
     .dot = DOT_SIGNED,
     .for_int8 = true},
#ifndef __wasi__
    /* Armv8.6, or 8.2 with BF16: Neoverse V1 and N2, Cortex-A510 and A710, Apple M2 and later. An instruction
     * adds two products per lane, at the rate of fmla. */
    {.name = "aarch64-bf16",
     .suffix = "bfdot",
     A64_CORE,
     .dots = 2,
     .march_level = 3,
     .arm = A64_BF16,
     .dot = DOT_SIGNED,
     .for_bf16 = true},
#endif
    /* Arm microcontrollers without DSP instructions. .cross: a Cortex-M7 whose FPU has only single
     * precision */
    {.name = "armv7m",
     .suffix = "m7",
     MICROCONTROLLER,
     .lanes = 1,
     .registers = 32,
     .fma = true,
     .condition = "defined(__arm__)",
     .march_level = 1,
     .arch = "arm",
     .cross = CROSS("--target=thumbv7em-none-eabihf", "-mcpu=cortex-m7", "-mthumb", "-mfloat-abi=hard",
                    "-mfpu=fpv5-sp-d16", "-meabi", "gnu")},
    /* Cortex-M4, M7 and M33, with their DSP instructions */
    {.name = "armv7e-m",
     .suffix = "m4",
     MICROCONTROLLER,
     .lanes = 1,
     .registers = 32,
     .fma = true,
     .condition = "defined(__ARM_FEATURE_DSP)",
     .march_level = 2,
     .arch = "arm",
     .cross = CROSS("--target=thumbv7em-none-eabihf", "-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard",
                    "-mfpu=fpv4-sp-d16", "-meabi", "gnu")},
    {HELIUM(1), .registers = 32, .vectors = &helium},
    {.name = "riscv64",
     .suffix = "rv64",
     .lanes = 1,
     .registers = 32,
     .fma = true,
     .l1 = 32 * KB,
     .l2 = 256 * KB,
     .l3 = 2 * MB,
     .fmas = 1,
     .l2_rate = 8,
     .l3_rate = 8,
     .memory_rate = 4,
     .line = 64,
     .chains = 8,
     .blocking = BLOCKING(32, 256 * KB, 8, 0),
     .rates = &measured,
     .condition = "defined(__riscv) && __riscv_xlen == 64",
     .march_level = 1,
     .arch = "riscv64",
     .cross = CROSS("--target=riscv64-linux-gnu", "-fPIC")},
    /* RISC-V microcontrollers: no FPU, no vectors */
    {.name = "rv32imc",
     .suffix = "rv32",
     MICROCONTROLLER,
     .lanes = 1,
     .registers = 32,
     .fma = false,
     .condition = "defined(__riscv) && __riscv_xlen == 32",
     .march_level = 1,
     .arch = "riscv32",
     .cross = CROSS("--target=riscv32-unknown-elf", "-march=rv32imc", "-mabi=ilp32")},
    {.name = "wasm32",
     .suffix = "wasm",
     WASM_CORE,
     .fma = false,
     .condition = "defined(__wasm_simd128__)",
     .march_level = 1,
     .cross = CROSS("--target=wasm32", "-msimd128", "-mbulk-memory", "-fvisibility=default")},
    /* clang contracts x * y + z to relaxed_madd, which engines compute with a fused multiply-add */
    {.name = "wasm32-relaxed",
     .suffix = "relaxed",
     WASM_CORE,
     .fma = true,
     .condition = "defined(__wasm_relaxed_simd__)",
     .march_level = 2,
     .cross =
         CROSS("--target=wasm32", "-msimd128", "-mrelaxed-simd", "-mbulk-memory", "-fvisibility=default")},
    {.name = NULL},
};

const Target *target_find(const char *name) {
  for (const Target *t = target_table; t->name; t++)
    if (!strcmp(t->name, name)) return t;
  return NULL;
}

bool target_is_scalar_board(const Target *target) { return target->dsp && !target->vectors; }

int target_f16_lanes(const Target *target) {
  const bool neon = target->arch && strcmp(target->arch, "aarch64") == 0;
  return target->avx || neon ? target->lanes : 0;
}

const Target *target_of_lanes(int lanes) {
  for (const Target *t = target_table; t->name; t++)
    if (t->lanes == lanes) return t;
  return NULL;
}

const Target *target_widest(int n, const Target *const *target) {
  const Target *widest = target[0];
  for (int t = 1; t < n; t++)
    if (target[t]->lanes > widest->lanes ||
        (target[t]->lanes == widest->lanes &&
         ((widest->dsp && !target[t]->dsp) || (widest->vectors && !target[t]->vectors))))
      widest = target[t];
  return widest;
}

int64_t target_odd_lines(const Target *target, int64_t floats) {
  const int64_t line = target->line / 4;
  return (ceil_divide(floats, line) | 1) * line;
}

#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
/* The vector registers that the operating system saves, as bits of XCR0: 6 for AVX, 0xe6 for AVX-512. */
static uint32_t saved_registers(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return a;
}

/* The features that both this CPU and the operating system support, except AMX. They are read with cpuid,
 * because __builtin_cpu_supports is always 0 in code that zig compiles. */
static AvxLevel avx_here(void) {
  enum { YMM = 6, ZMM = 0xe6 };
  const uint32_t wanted = bit_AVX512F | bit_AVX512DQ | bit_AVX512BW | bit_AVX512VL;
  uint32_t a, b, c, d, fma, basic, more, vnni, bf16 = 0;
  if (!__get_cpuid(1, &a, &b, &fma, &d) || !__get_cpuid_count(7, 0, &basic, &more, &vnni, &d))
    return AVX_NONE;
  if (basic) __get_cpuid_count(7, 1, &bf16, &b, &c, &d);
  const uint32_t saved = saved_registers();
  if (!(fma & bit_FMA) || !(more & bit_AVX2) || (saved & YMM) != YMM) return AVX_NONE;
  if ((more & wanted) != wanted || (saved & ZMM) != ZMM) return AVX_2;
  if (!(vnni & 1u << 11)) return AVX_512;
  return bf16 & 1u << 5 ? AVX_BF16 : AVX_VNNI;
}

/* Whether this CPU has AMX for bf16 numbers and for bytes. */
static bool has_amx(void) {
  uint32_t a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 3) == 3;
}

/* Requests permission from Linux to use tile registers. */
static bool amx_permitted(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
  enum { REQUEST = 0x1023, TILES = 18 }; /* ARCH_REQ_XCOMP_PERM, which old versions of asm/prctl.h lack */
  return has_amx() && syscall(SYS_arch_prctl, REQUEST, TILES) == 0;
#else
  return false;
#endif
}
#endif

/* Whether this CPU has the features that the level adds to AVX_512: VNNI, BF16, AMX. */
static bool has_avx(AvxLevel level) {
#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
  if (level >= AVX_VNNI && avx_here() < (level < AVX_AMX ? level : AVX_BF16)) return false;
  return level < AVX_AMX || amx_permitted();
#else
  return level < AVX_VNNI;
#endif
}

static bool has_arm(A64Level level) {
#if defined(__aarch64__) && defined(__linux__)
  if (level >= A64_DOTPROD && !(getauxval(AT_HWCAP) >> 20 & 1)) return false; /* HWCAP_ASIMDDP */
  return level < A64_BF16 || (getauxval(AT_HWCAP2) >> 14 & 1);                /* HWCAP2_BF16 */
#else
  A64Level here = A64_NONE;
#if defined(__ARM_FEATURE_DOTPROD)
  here = A64_DOTPROD;
#endif
#if defined(__ARM_FEATURE_DOTPROD) && defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  here = A64_BF16;
#endif
  return level <= here;
#endif
}

const Target *target_native(void) {
#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
  const AvxLevel level = avx_here();
  return target_find(level >= AVX_512 ? "x86-64-v4" : level >= AVX_2 ? "x86-64-v3" : "x86-64");
#elif defined(__aarch64__)
  return target_find("aarch64");
#elif defined(__riscv) && __riscv_xlen == 64
  return target_find("riscv64");
#else
  return target_find("generic");
#endif
}

bool target_is_foreign(const Target *target) {
  const char *here = target_native()->arch;
  return target->arch && (!here || strcmp(target->arch, here) != 0);
}

static bool improves(const Target *target) { return target->for_int8 || target->for_bf16; }

const Target *target_better(const Target *target, bool int8, int n) {
  target = target_find(target->name); /* cpu_target may have returned a copy outside of the table */
  if (improves(target)) return NULL;
  const Target *last = target;
  while (last[1].name && improves(&last[1])) last++;
  for (; last > target; last--)
    if ((int8 ? last->for_int8 : last->for_bf16) && n-- == 0) return last;
  return NULL;
}

bool target_pays_here(const Target *target) {
  if (!target_runs_here(target)) return false;
#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
  if (target->avx == AVX_BF16) return !has_amx();
#endif
  return true;
}

bool target_runs_here(const Target *target) {
  const Target *base = target_find(target->name); /* cpu_target may have returned a copy */
  while (improves(base)) base--;
  if (!has_avx(target->avx) || !has_arm(target->arm)) return false;
  return !target_is_foreign(target) && base->march_level <= target_native()->march_level;
}
