// target.c: the CPUs that code can be made for. One row a target; schedules read nothing else about a machine.
// SPDX-License-Identifier: Apache-2.0
#include "schedule/target.h"
#include <stddef.h>
#include <string.h>

#define KB (INT64_C(1) << 10)
#define MB (INT64_C(1) << 20)
#define X86 "(defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)"

const Target target_table[] = {
  {.name = "x86-64-v4", .suffix = "v4", .lanes = 16, .registers = 32, .fma = true, .l1 = 32 * KB, .l2 = 1 * MB, .l3 = 32 * MB, .condition = X86,
   .march_level = 4, .built = true,
   .attribute = "__attribute__((target(\"avx512f,avx512vl,avx512bw,avx512dq,avx2,fma\")))",
   .supported = "__builtin_cpu_supports(\"avx512f\") && __builtin_cpu_supports(\"avx512vl\") && __builtin_cpu_supports(\"avx512bw\") && __builtin_cpu_supports(\"avx512dq\")"},
  {.name = "x86-64-v3", .suffix = "v3", .lanes = 8, .registers = 16, .fma = true, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 8 * MB, .condition = X86,
   .march_level = 3, .built = true,
   .attribute = "__attribute__((target(\"avx2,fma\")))", .supported = "__builtin_cpu_supports(\"avx2\") && __builtin_cpu_supports(\"fma\")"},
  {.name = "x86-64", .suffix = "v1", .lanes = 4, .registers = 16, .fma = false, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 8 * MB, .condition = X86,
   .march_level = 1, .built = true},
  {.name = "generic", .suffix = "generic", .lanes = 1, .registers = 16, .fma = false, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 8 * MB, .built = true},
  {.name = "aarch64", .suffix = "neon", .lanes = 4, .registers = 32, .fma = true, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 4 * MB,
   .condition = "defined(__aarch64__) && defined(__GNUC__)", .march_level = 1},
  {.name = "armv7m", .suffix = "m7", .lanes = 1, .registers = 16, .l1 = 16 * KB, .l2 = 16 * KB, .l3 = 16 * KB, .condition = "defined(__arm__)",
   .march_level = 1},
  {.name = "riscv64", .suffix = "rv64", .lanes = 1, .registers = 32, .fma = true, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 2 * MB,
   .condition = "defined(__riscv)", .march_level = 1},
  {.name = "wasm32", .suffix = "wasm", .lanes = 4, .registers = 16, .fma = false, .l1 = 32 * KB, .l2 = 256 * KB, .l3 = 4 * MB,
   .condition = "defined(__wasm_simd128__)", .march_level = 1},
  {.name = NULL},
};

const Target *target_find(const char *name) {
  for (const Target *t = target_table; t->name; t++)
    if (!strcmp(t->name, name)) return t;
  return NULL;
}

const Target *target_native(void) {
#if (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq")) return target_find("x86-64-v4");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return target_find("x86-64-v3");
  return target_find("x86-64");
#else
  return target_find("generic");
#endif
}
