/* dispatch.c: Code for several targets in one file: detection of the best target that the CPU supports, and
 * dispatch to its functions. Targets are numbered with levels: the lowest target has level 0, the best target
 * the highest level. The code of level 0 is always compiled; the code of other levels is inside #if. */
// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/template.h"
#include "emit/module.h"

static const Target *target_of_level(const Net *net, int level) {
  return net->layout->options.target[net->layout->options.ntargets - 1 - level];
}

/* Closes the current #if and opens the next one, unless both have the same condition. NULL: there is no #if.
 * Returns `condition`. */
static const char *put_condition(Text *out, const char *open, const char *condition) {
  if (open && condition && strcmp(open, condition) == 0) return open;
  if (open) text_put(out, "#endif\n");
  if (condition) text_put(out, "#if %s\n", condition);
  return condition;
}

/* On Linux, a process must request permission to use tile registers. The system call is arch_prctl; its
 * arguments are ARCH_REQ_XCOMP_PERM and 18, which identifies the data of the tile registers. */
static const char amx_text[] = "/* Does the system permit tile registers? */\n"
                               "static int @AMX@(void) {\n"
                               "#if defined(__linux__) && defined(__x86_64__)\n"
                               "  long result;\n"
                               "  __asm__ volatile(\"syscall\" : \"=a\"(result) : \"a\"(158L), "
                               "\"D\"(0x1023L), \"S\"(18L) : \"rcx\", \"r11\", "
                               "\"memory\");\n"
                               "  return result == 0;\n"
                               "#else\n"
                               "  return 0;\n"
                               "#endif\n"
                               "}\n";

#ifndef __wasi__
/* Prints the function that requests tile registers, if the target has them. */
static void put_permission(Text *out, const Net *net, const Target *target) {
  if (target->avx != AVX_AMX) return;
  text_put(out, "#if %s\n", target->condition);
  template_put(out, amx_text, (const Blank[]){{"AMX", net->own->amx}, {NULL, NULL}});
  text_put(out, "#endif\n");
}
#endif

static void put_forced(Text *out, const Net *net) {
  text_put(out, "#ifdef %s\n", net->macro->FORCE_TARGET);
  text_put(out, "/* -D%s=%s: the name may be quoted; _ matches -. */\n", net->macro->FORCE_TARGET,
           target_of_level(net, 0)->name);
  text_put(out, "#define %s(x) %s(x)\n#define %s(x) #x\n", net->macro->TEXT, net->macro->TEXT_,
           net->macro->TEXT_);
  text_put(out,
           "static int %s(const char *target) {\n"
           "  const char *s = %s(%s);\n"
           "  while (*s == '\"') s++;\n"
           "  while (*target && (*s == *target || (*s == '_' && *target == '-'))) s++, target++;\n"
           "  return !*target && (!*s || *s == '\"');\n"
           "}\n",
           net->own->forced, net->macro->TEXT, net->macro->FORCE_TARGET);
#ifndef __wasi__
  for (int level = 1; level < net->layout->options.ntargets; level++)
    put_permission(out, net, target_of_level(net, level));
#endif
  text_put(out, "static int %s(void) {\n", net->own->level);
  const char *open = NULL;
  for (int level = net->layout->options.ntargets - 1; level > 0; level--) {
    const Target *target = target_of_level(net, level);
    open = put_condition(out, open, target->condition);
    if (target->avx == AVX_AMX)
      text_put(out, "  if (%s(\"%s\") && %s()) return %d;\n", net->own->forced, target->name, net->own->amx,
               level);
    else text_put(out, "  if (%s(\"%s\")) return %d;\n", net->own->forced, target->name, level);
  }
  put_condition(out, open, NULL);
  text_put(out, "  return 0;\n}\n");
}

/* Detects x86 features as __builtin_cpu_supports does, but without the compiler's runtime library, which some
 * linkers do not find. An instruction set counts only if the operating system also saves its registers. */
static const char avx_text[] =
    "/* AVX features of the CPU and the system: 1: AVX2 and FMA; 2: AVX-512 F, BW, DQ and VL, too@ABOUT@. "
    "*/\n"
    "static int @AVX@(void) {\n"
    "  uint32_t leaf = 0, b, c = 0, d, saved;\n"
    "  __asm__ volatile(\"cpuid\" : \"+a\"(leaf), \"=b\"(b), \"+c\"(c), \"=d\"(d));\n"
    "  if (leaf < 7) return 0;\n"
    "  leaf = 1, c = 0;\n"
    "  __asm__ volatile(\"cpuid\" : \"+a\"(leaf), \"=b\"(b), \"+c\"(c), \"=d\"(d));\n"
    "  if (!(c >> 27 & 1)) return 0; /* xgetbv reads which registers the system saves */\n"
    "  const uint32_t fma = c >> 12 & 1;\n"
    "  c = 0;\n"
    "  __asm__ volatile(\"xgetbv\" : \"=a\"(saved), \"=d\"(d) : \"c\"(c));\n"
    "  leaf = 7, c = 0;\n"
    "  __asm__ volatile(\"cpuid\" : \"+a\"(leaf), \"=b\"(b), \"+c\"(c), \"=d\"(d));\n"
    "  if (!fma || !(b >> 5 & 1) || (saved & 0x06) != 0x06) return 0;\n"
    "@MORE@"
    "  return (b & 0xc0030000u) == 0xc0030000u && (saved & 0xe6) == 0xe6 ? @BEST@ : 1;\n"
    "}\n";

/* CPUs with AMX (bit 22 of d) run the bf16 instructions of AVX-512 at half the rate of float instructions, so
 * the generated function does not return 4 for these CPUs. */
static const char bf16_text[] =
    "  const uint32_t vnni = c >> 11 & 1, amx = d >> 22 & 1;\n"
    "  uint32_t more = 7, b1, c1 = 1, d1;\n"
    "  __asm__ volatile(\"cpuid\" : \"+a\"(more), \"=b\"(b1), \"+c\"(c1), \"=d\"(d1));\n"
    "  const uint32_t bf16 = leaf ? more >> 5 & 1 : 0; /* leaf == 0: CPUID 7 has no subleaf 1 */\n";

/* Bits 17 and 18 of `saved` are set if the system saves the tile registers. */
static const char tiles_text[] =
    "(vnni & bf16 & amx & d >> 24 & d >> 25) && (saved >> 17 & 3) == 3 && %s() ? 5 : 2 + "
    "(int)(vnni + (vnni & bf16 & ~amx))";

/* Linux 4.11 and later emulates the ID registers, so programs may read them. Android may have an older
 * kernel, and other systems may end a program that reads these registers. On Android and on other systems,
 * only the compiler's options decide. */
static const char arm_text[] = "/* Does the CPU have DotProd@ABOUT@? */\n"
                               "static int @ARM@(void) {\n"
                               "#if @SURELY@\n"
                               "  return @BEST@;\n"
                               "#elif defined(__linux__) && !defined(__ANDROID__)\n"
                               "  uint64_t features;\n"
                               "  __asm__(\"mrs %0, id_aa64isar0_el1\" : \"=r\"(features));\n"
                               "@MORE@"
                               "#else\n"
                               "  return 0;\n"
                               "#endif\n"
                               "}\n",
                  arm_dotprod_text[] = "  return (int)(features >> 44 & 15) > 0;\n",
                  arm_bf16_text[] = "  const int dotprod = (int)(features >> 44 & 15) > 0;\n"
                                    "  __asm__(\"mrs %0, id_aa64isar1_el1\" : \"=r\"(features));\n"
                                    "  return dotprod + (dotprod && features >> 44 & 15);\n"
                                    "#elif defined(__ARM_FEATURE_DOTPROD)\n"
                                    "  return 1;\n";

static void put_arm(Text *out, const Net *net, A64Level most) {
#ifdef __wasi__ /* the browser build has no bf16 */
  const bool bf16 = ((void)most, false);
#else
  const bool bf16 = most >= A64_BF16;
#endif
  template_put(out, arm_text,
               (const Blank[]){{"ABOUT", bf16 ? " (1), and BF16 (2)" : ""},
                               {"ARM", net->own->dotprod},
                               {"SURELY", bf16 ? "defined(__ARM_FEATURE_DOTPROD) && "
                                                 "defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)"
                                               : "defined(__ARM_FEATURE_DOTPROD)"},
                               {"BEST", bf16 ? "2" : "1"},
                               {"MORE", bf16 ? arm_bf16_text : arm_dotprod_text},
                               {NULL, NULL}});
}

/* Prints code that determines the level on an architecture. The code queries the CPU only if a target needs
 * features that not every CPU of the architecture has. */
static void put_level(Text *out, const Net *net, const char *condition) {
  int highest = 0;
  bool avx = false, vnni = false, bf16 = false, amx = false;
  A64Level arm = A64_NONE;
  for (int level = 1; level < net->layout->options.ntargets; level++) {
    const Target *target = target_of_level(net, level);
    if (strcmp(target->condition, condition) != 0) continue;
    highest = level;
    avx = avx || target->avx;
    if (target->arm > arm) arm = target->arm;
    vnni = vnni || target->avx == AVX_VNNI;
#ifndef __wasi__ /* the browser build has no bf16 */
    bf16 = bf16 || target->avx >= AVX_BF16;
    amx = amx || target->avx == AVX_AMX;
#endif
  }
  const Blank blanks[] = {{"AVX", net->own->avx},
                          {"ABOUT", amx    ? "; 3: its VNNI; 4: its BF16 at full rate; 5: AMX for bf16"
                                    : bf16 ? "; 3: its VNNI; 4: its BF16 at full rate"
                                    : vnni ? "; 3: its VNNI"
                                           : ""},
                          {"MORE", bf16 ? bf16_text : ""},
                          {"BEST", amx    ? arena_printf(out->arena, tiles_text, net->own->amx)
                                   : bf16 ? "2 + (int)(vnni + (vnni & bf16 & ~amx))"
                                   : vnni ? "2 + (int)(c >> 11 & 1)"
                                          : "2"},
                          {NULL, NULL}};
  text_put(out, "#elif %s\n", condition);
  if (amx) template_put(out, amx_text, (const Blank[]){{"AMX", net->own->amx}, {NULL, NULL}});
  if (avx) template_put(out, avx_text, blanks);
  else if (arm) put_arm(out, net, arm);
  else {
    text_put(out, "static int %s(void) { return %d; }\n", net->own->level, highest);
    return;
  }
  text_put(out,
           "static int %s(void) {\n"
           "  static int known; /* 1 + level; 0: not looked up yet. Every thread finds the same number, so "
           "it does not matter which one stores it. */\n"
           "  int level = __atomic_load_n(&known, __ATOMIC_RELAXED) - 1;\n"
           "  if (level >= 0) return level;\n"
           "  level = 0;\n"
           "  const int %s = %s();\n",
           net->own->level, avx ? "avx" : "dotprod", avx ? net->own->avx : net->own->dotprod);
  for (int level = 1; level <= highest; level++) {
    const Target *target = target_of_level(net, level);
    if (strcmp(target->condition, condition) != 0) continue;
    if (target->avx) text_put(out, "  if (avx >= %d) level = %d;\n", (int)target->avx, level);
    else if (target->arm) text_put(out, "  if (dotprod >= %d) level = %d;\n", (int)target->arm, level);
    else text_put(out, "  level = %d;\n", level);
  }
  text_put(out, "  __atomic_store_n(&known, level + 1, __ATOMIC_RELAXED);\n  return level;\n}\n");
}

/* Prints the detection code, once for each architecture. */
static void put_detection(Text *out, const Net *net) {
  for (int level = net->layout->options.ntargets - 1; level > 0; level--) {
    const char *condition = target_of_level(net, level)->condition;
    bool seen = false;
    for (int above = level + 1; above < net->layout->options.ntargets; above++)
      seen = seen || strcmp(target_of_level(net, above)->condition, condition) == 0;
    if (!seen) put_level(out, net, condition);
  }
  text_put(out, "#else\nstatic int %s(void) { return 0; }\n#endif\n\n", net->own->level);
}

void put_dispatched(Text *out, Net *net, const char *result, const char *function, const char *arguments) {
  if (net->layout->options.ntargets == 1) {
    text_put(out, "  %s%s(%s);\n", result, function, arguments);
    return;
  }
  text_put(out, "  switch (%s()) {\n", net->own->level);
  const char *open = NULL, *end = *result ? "" : " return;";
  for (int level = net->layout->options.ntargets - 1; level > 0; level--) {
    open = put_condition(out, open, target_of_level(net, level)->condition);
    text_put(out, "  case %d: %s%s_%s(%s);%s\n", level, result, function, target_of_level(net, level)->suffix,
             arguments, end);
  }
  put_condition(out, open, NULL);
  text_put(out, "  default: %s%s_%s(%s);%s\n  }\n", result, function, target_of_level(net, 0)->suffix,
           arguments, end);
}

void put_dispatch(Text *out, Net *net) {
  const int targets = net->layout->options.ntargets;
  if (targets == 1) {
    text_put(out, "%sconst char *%s(void) { return \"%s\"; }\n\n", net_linkage(net), net->own->target,
             target_of_level(net, 0)->name);
    return;
  }
  text_put(out, "/* ---- which of the targets runs ---- */\n\n");
  put_forced(out, net);
  put_detection(out, net);
  text_put(out, "%sconst char *%s(void) {\n  static const char *const name[] = {", net_linkage(net),
           net->own->target);
  for (int level = 0; level < targets; level++)
    text_put(out, "%s\"%s\"", level ? ", " : "", target_of_level(net, level)->name);
  text_put(out, "};\n  return name[%s()];\n}\n\n", net->own->level);
}
