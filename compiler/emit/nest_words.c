/* nest_words.c: Printer of loads of several adjacent words with one instruction (targets with `dsp`), and of
 * their macros LOAD2 and LOAD4. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/nest_print.h"

void print_words(Printer *p, const NestStmt *const *stmt, int n, const char **next, int depth) {
  Text *out = p->out, text = {.arena = p->arena};
  const char *name[WORDS_AT_ONCE];
  p->out = &text;
  print_ref(p, code_named_word(stmt[0]));
  p->out = out;
  for (int i = 0; i < n; i++) {
    const Buf *buf = stmt[i]->u.store.ref.buf;
    name[i] = p->buf_name[buf->id] = printer_name(p, buf->name);
  }
  if (n == 2) {
    put("%*sint32_t %s, %s;\n", 2 * depth, "", name[0], name[1]);
    put("%*sLOAD2(%s, %s, %s);\n", 2 * depth, "", name[0], name[1], text.s);
    p->print->needs->load2 = true;
    return;
  }
  if (!*next) {
    *next = printer_name(p, "next");
    put("%*sconst int32_t *%s = &%s;\n", 2 * depth, "", *next, text.s);
  }
  put("%*sint32_t %s, %s, %s, %s;\n", 2 * depth, "", name[0], name[1], name[2], name[3]);
  put("%*sLOAD4(%s, %s, %s, %s, %s);\n", 2 * depth, "", name[0], name[1], name[2], name[3], *next);
  p->print->needs->load4 = true;
}

void prelude_word_macros(Text *out, const PreludeNeeds *needs) {
  if (needs->load2)
    text_put(out, "// Loads two adjacent words. Clang selects ldrd by itself.\n"
                  "#if defined(__ARM_FEATURE_SIMD32) && !defined(__clang__)\n"
                  "#define LOAD2(first, second, element) do { typedef uint64_t two_words "
                  "__attribute__((may_alias, aligned(4))); __asm__ volatile(\"ldrd %%0, %%1, %%2\" : "
                  "\"=r\"(first), \"=r\"(second) : \"m\"(*(const two_words *)&(element))); } while (0)\n"
                  "#else\n#define LOAD2(first, second, element) ((first) = (&(element))[0], (second) = "
                  "(&(element))[1])\n#endif\n");
  if (needs->load4)
    text_put(out, "// Loads four adjacent words, and moves the pointer past them. ldmia needs registers in "
                  "ascending order.\n"
                  "#if defined(__ARM_FEATURE_SIMD32) && !defined(__clang__)\n"
                  "#define LOAD4(first, second, third, fourth, next) do { typedef struct "
                  "__attribute__((may_alias)) { int32_t word[4]; } four_words; register int32_t r4_ "
                  "__asm__(\"r4\"); register int32_t r5_ __asm__(\"r5\"); register int32_t r6_ "
                  "__asm__(\"r6\"); register int32_t r8_ __asm__(\"r8\"); __asm__ volatile(\"ldmia %%4!, "
                  "{%%0, %%1, %%2, %%3}\" : \"=r\"(r4_), \"=r\"(r5_), \"=r\"(r6_), \"=r\"(r8_), "
                  "\"+r\"(next) : \"m\"(*(const four_words *)(next))); (first) = r4_; (second) = r5_; "
                  "(third) = r6_; (fourth) = r8_; } while (0)\n"
                  "#else\n#define LOAD4(first, second, third, fourth, next) ((first) = (next)[0], (second) = "
                  "(next)[1], (third) = (next)[2], (fourth) = (next)[3], (next) += 4)\n#endif\n");
}
