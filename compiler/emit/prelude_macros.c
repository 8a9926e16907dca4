/* prelude_macros.c: Floating-point settings, and the macros at the top and the end of a file. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/prelude.h"
#include <string.h>
#include "base/template.h"

void emit_precise(Text *out) {
  text_put(out, "%s",
           "// Turns -ffast-math off for this file: operations are not reordered.\n"
           "#if defined(__clang__) && defined(__FAST_MATH__)\n#pragma float_control(precise, on, push)\n"
           "#elif defined(__GNUC__) && !defined(__clang__)\n#pragma GCC push_options\n#ifdef "
           "__FAST_MATH__\n#pragma GCC optimize(\"no-fast-math\")\n#endif\n#endif\n\n");
}

void emit_contraction(Text *out, bool fused) {
  if (!fused) {
    text_put(out, "%s",
             "// Each product is rounded before it is added: the same bits on all CPUs (with clang, not if\n"
             "// -ffp-contract=fast overrides this).\n"
             "#if defined(__clang__)\n#pragma clang fp contract(off)\n#elif defined(__GNUC__)\n#pragma GCC "
             "optimize(\"fp-contract=off\", \"no-tree-loop-distribute-patterns\")\n#else\n#pragma STDC "
             "FP_CONTRACT OFF\n#endif\n");
    return;
  }
  text_put(
      out, "%s",
      "// Products and sums become fused multiply-adds if the CPU has them; copy loops are not replaced by "
      "calls.\n"
      "#if defined(__clang__)\n#pragma clang fp contract(fast)\n#elif defined(__GNUC__)\n#pragma GCC "
      "optimize(\"fp-contract=fast\", \"no-tree-loop-distribute-patterns\")\n#endif\n");
}

/* If Clang tunes for an Intel CPU, it splits each 512-bit operation into two of 256 bits, unless the function
 * requests 512-bit vectors. It does so with -march=x86-64-v4, and with -march=native on such a CPU. */
void emit_attribute(Text *out, const char *macro, const char *attribute, int lanes) {
  const bool wide = lanes == 16;
  if (wide)
    text_put(out,
             "#ifdef __clang__ // without this attribute, clang splits 512-bit vectors for some CPUs\n"
             "#define %s %s __attribute__((min_vector_width(512)))\n#else\n",
             macro, attribute);
  text_put(out, "#define %s %s\n", macro, attribute);
  if (wide) text_put(out, "#endif\n");
}

/* The macros of a file, in the order in which they are undefined at its end. */
enum { NEED_MEMORY = -1 }; /* unaligned vectors */
static const struct {
  const char *name;
  int need; /* offset in PreludeNeeds, or NEED_MEMORY */
} macros[] = {
    {"INLINE", offsetof(PreludeNeeds, inlined)},
    {"KERNEL", offsetof(PreludeNeeds, kernel)},
    {"PREFETCH", offsetof(PreludeNeeds, prefetch)},
    {"PIN", offsetof(PreludeNeeds, pin)},
    {"LOAD2", offsetof(PreludeNeeds, load2)},
    {"LOAD4", offsetof(PreludeNeeds, load4)},
    {"UNROLL", offsetof(PreludeNeeds, unroll)},
    {"ROLL", offsetof(PreludeNeeds, roll)},
    {"INFINITE", offsetof(PreludeNeeds, infinite)},
    {"FLUSH_DENORMALS", offsetof(PreludeNeeds, modes)},
    {"ADOPT", offsetof(PreludeNeeds, modes)},
    {"TEAM", offsetof(PreludeNeeds, team)},
    {"TEAM_LOOP", offsetof(PreludeNeeds, team)},
    {"TEAM_LOOP_END", offsetof(PreludeNeeds, team)},
    {"THREAD", offsetof(PreludeNeeds, team)},
    {"THREADS", offsetof(PreludeNeeds, team)},
    {"BARRIER", offsetof(PreludeNeeds, team)},
    {"SHARE", offsetof(PreludeNeeds, team)},
    {"SHARES", offsetof(PreludeNeeds, pool)},
    {"LOAD", NEED_MEMORY},
    {"AT", NEED_MEMORY},
};
enum { MACROS = sizeof macros / sizeof *macros };

/* The mode of the CPU for subnormal floats: functions PREFIXfp_..., and a macro that sets the mode until the
 * end of a block. */
static const char modes_text[] =
    "// Whether the CPU treats subnormal floats as zeros. ADOPT takes this over from another mode, and "
    "restores the thread's own mode at the end of the block.\n"
    "#if defined(__GNUC__) && defined(__SSE__) && !defined(__TINYC__)\n"
    "enum { @NAME@fp_zeros = 0x8040 }; // FTZ and DAZ\n"
    "INLINE uint32_t @NAME@fp_mode(void) {\n"
    "  uint32_t mode;\n"
    "  __asm__ volatile(\"stmxcsr %0\" : \"=m\"(mode) : : \"memory\");\n"
    "  return mode;\n"
    "}\n"
    "INLINE void @NAME@fp_set(uint32_t mode) {\n"
    "  __asm__ volatile(\"ldmxcsr %0\" : : \"m\"(mode) : \"memory\");\n"
    "}\n"
    "#elif defined(__GNUC__) && defined(__aarch64__)\n"
    "enum { @NAME@fp_zeros = 1 << 24 }; // FZ\n"
    "INLINE uint32_t @NAME@fp_mode(void) {\n"
    "  uint64_t mode;\n"
    "  __asm__ volatile(\"mrs %0, fpcr\" : \"=r\"(mode) : : \"memory\");\n"
    "  return (uint32_t)mode;\n"
    "}\n"
    "INLINE void @NAME@fp_set(uint32_t mode) {\n"
    "  __asm__ volatile(\"msr fpcr, %0\" : : \"r\"((uint64_t)mode) : \"memory\");\n"
    "}\n"
    "#elif defined(__GNUC__) && defined(__arm__) && defined(__ARM_FP)\n"
    "enum { @NAME@fp_zeros = 1 << 24 }; // FZ\n"
    "INLINE uint32_t @NAME@fp_mode(void) {\n"
    "  uint32_t mode;\n"
    "  __asm__ volatile(\"vmrs %0, fpscr\" : \"=r\"(mode) : : \"memory\");\n"
    "  return mode;\n"
    "}\n"
    "INLINE void @NAME@fp_set(uint32_t mode) {\n"
    "  __asm__ volatile(\"vmsr fpscr, %0\" : : \"r\"(mode) : \"memory\");\n"
    "}\n"
    "#else // the CPU has no such mode\n"
    "enum { @NAME@fp_zeros = 0 };\n"
    "INLINE uint32_t @NAME@fp_mode(void) { return 0; }\n"
    "INLINE void @NAME@fp_set(uint32_t mode) { (void)mode; }\n"
    "#endif\n"
    "INLINE uint32_t @NAME@fp_adopt(uint32_t wanted) {\n"
    "  const uint32_t own = @NAME@fp_mode();\n"
    "  if ((own ^ wanted) & @NAME@fp_zeros) @NAME@fp_set((own & ~(uint32_t)@NAME@fp_zeros) | (wanted & "
    "@NAME@fp_zeros));\n"
    "  return own;\n"
    "}\n"
    "INLINE void @NAME@fp_restore(const uint32_t *own) {\n"
    "  if ((@NAME@fp_mode() ^ *own) & @NAME@fp_zeros) @NAME@fp_set(*own);\n"
    "}\n"
    "#ifdef __GNUC__\n"
    "#define ADOPT(own, mode) const uint32_t own __attribute__((cleanup(@NAME@fp_restore), unused)) = "
    "@NAME@fp_adopt(mode)\n"
    "#else\n"
    "#define ADOPT(own, mode) ((void)(mode))\n"
    "#endif\n";

static void put_modes(Text *out, const PreludeNeeds *needs, const char *prefix) {
  const Blank blanks[] = {{"NAME", prefix}, {NULL, NULL}};
  if (needs->team) template_put(out, modes_text, blanks);
  text_put(out, "#ifdef %s // functions of the interface treat subnormal floats as zeros\n", needs->flush);
  if (!needs->team) template_put(out, modes_text, blanks);
  text_put(out,
           "#define FLUSH_DENORMALS ADOPT(fp_caller, %sfp_zeros);\n#else\n#define FLUSH_DENORMALS\n#endif\n",
           prefix);
}

void prelude_macros(Text *out, const PreludeNeeds *needs, const char *prefix) {
  bool gnu = needs->inlined || needs->kernel || needs->prefetch || needs->pin;
  if (gnu) text_put(out, "#if defined(__GNUC__) || defined(__clang__)\n");
  if (needs->inlined) text_put(out, "#define INLINE static inline __attribute__((always_inline, unused))\n");
  if (needs->kernel) text_put(out, "#define KERNEL static __attribute__((noinline))\n");
  if (needs->prefetch) text_put(out, "#define PREFETCH(p) __builtin_prefetch((p), 0, 2)\n");
  if (needs->pin)
    text_put(out, "#define PIN(position) __asm__ volatile(\"\" : \"+r\"(position)) // adds no instruction; "
                  "loads at this position are neither merged with other loads nor moved out of loops\n");
  if (gnu) text_put(out, "#else\n");
  if (needs->inlined) text_put(out, "#define INLINE static inline\n");
  if (needs->kernel) text_put(out, "#define KERNEL static\n");
  if (needs->prefetch) text_put(out, "#define PREFETCH(p) ((void)0)\n");
  if (needs->pin) text_put(out, "#define PIN(position) ((void)0)\n");
  if (gnu) text_put(out, "#endif\n");
  if (needs->modes) put_modes(out, needs, prefix);
  prelude_word_macros(out, needs);
  if (needs->helium)
    text_put(out, "#if defined(__ARM_FEATURE_MVE)\n"
                  "#ifdef __clang__ // only Clang: gcc 12's arm_mve.h needs the short names\n"
                  "#define __ARM_MVE_PRESERVE_USER_NAMESPACE\n#endif\n#include <arm_mve.h>\n#endif\n");
  if (needs->unroll)
    text_put(out, "#if defined(__clang__)\n#define UNROLL _Pragma(\"clang loop unroll(full)\")\n#elif "
                  "defined(__GNUC__)\n#define UNROLL _Pragma(\"GCC unroll 128\")\n"
                  "#else\n#define UNROLL\n#endif\n");
  if (needs->roll)
    text_put(out, "#if defined(__clang__)\n#define ROLL _Pragma(\"clang loop unroll(disable) "
                  "vectorize(disable)\")\n#elif "
                  "defined(__GNUC__)\n#define ROLL _Pragma(\"GCC unroll 1\")\n"
                  "#else\n#define ROLL\n#endif\n");
  if (needs->team && !needs->pool)
    text_put(out,
             "// A net runs on a team of threads. Each thread runs its share of the iterations of a loop "
             "(SHARE). Before a loop that reads results of other threads, all threads wait.\n"
             "#ifdef _OPENMP\n#include <omp.h>\n#define TEAM(call) { const uint32_t fp_mode = %sfp_mode(); "
             "_Pragma(\"omp parallel\") { ADOPT(fp_own, fp_mode); call; } }\n"
             "#define TEAM_LOOP { const uint32_t fp_mode = %sfp_mode(); _Pragma(\"omp parallel\") { "
             "ADOPT(fp_own, fp_mode); _Pragma(\"omp for schedule(static)\")\n#define TEAM_LOOP_END } }\n"
             "#define THREAD omp_get_thread_num()\n#define THREADS omp_get_num_threads()\n"
             "#define BARRIER() _Pragma(\"omp barrier\")\n#else\n#define TEAM(call) call\n"
             "#define TEAM_LOOP\n#define TEAM_LOOP_END\n#define THREAD "
             "0\n#define THREADS 1\n#define BARRIER() ((void)0)\n#endif\n",
             prefix, prefix);
  if (needs->team)
    text_put(out, "#define SHARE(from, to, thread) ((from) + (int)((int64_t)((to) - (from)) * (thread) / "
                  "threads)) // first iteration of a thread\n");
  if (needs->infinite)
    text_put(out, "#if (defined(__GNUC__) || defined(__clang__)) && !defined(__FRAMAC__)\n#define INFINITE "
                  "__builtin_inff()\n#else\n#define INFINITE (1e30f "
                  "* 1e30f)\n#endif\n");
}

bool prelude_has_macro(const char *name) {
  for (int i = 0; i < MACROS; i++)
    if (!strcmp(name, macros[i].name)) return true;
  return false;
}

bool prelude_loads(const PreludeNeeds *needs) {
  for (int e = 0; e < ELEMS; e++)
    if (needs->memory[e]) return true;
  return false;
}

static bool needs_macro(const PreludeNeeds *needs, int i) {
  return macros[i].need == NEED_MEMORY ? prelude_loads(needs)
                                       : *(const bool *)((const char *)needs + macros[i].need);
}

void emit_prelude_end(Text *out, const PreludeNeeds *needs) {
  text_put(out, "/* ---- the end: this file does not affect later code of the same translation unit ---- */"
                "\n\n");
  for (int i = 0; i < MACROS; i++)
    if (needs_macro(needs, i)) text_put(out, "#undef %s\n", macros[i].name);
  prelude_types(out, needs, NULL);
  text_put(out, "#if defined(__clang__)\n#pragma STDC FP_CONTRACT DEFAULT\n#elif defined(__GNUC__)\n#pragma "
                "GCC pop_options\n#endif\n"
                "#if defined(__clang__) && defined(__FAST_MATH__)\n#pragma float_control(pop)\n#endif\n");
}
