/* docgen_man.c: generator of the manual pages cnnc(1) and cnn(5), from the compiler's tables and its help on
 * the language. */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include "ops/registry.h"
#include <stdio.h>
#include <string.h>
#include "driver/command.h"
#include "docgen.h"
#include "driver/help.h"
#include "graph/op.h"
#include "driver/options.h"
#include "sema/sema.h"

/* ---- roff ---- */
static void put_char(Text *out, char c) {
  static const char *const escaped[128] = {['\\'] = "\\e",  ['-'] = "\\-",   ['\''] = "\\(aq",
                                           ['`'] = "\\(ga", ['^'] = "\\(ha", ['~'] = "\\(ti",
                                           ['"'] = "\\(dq"};
  const unsigned char u = (unsigned char)c;
  if (u < 128 && escaped[u]) text_put(out, "%s", escaped[u]);
  else text_bytes(out, &c, 1);
}

static void put_some(Text *out, const char *text, size_t n) {
  if (n && text[0] == '.') text_put(out, "\\&");
  for (size_t i = 0; i < n; i++) put_char(out, text[i]);
}

void man_text(Text *out, const char *text) { put_some(out, text, strlen(text)); }

void man_title(Text *out, const char *name, int section, const char *summary) {
  char capitals[32] = "";
  for (size_t i = 0; name[i] && i + 1 < sizeof capitals; i++)
    capitals[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
  text_put(out, ".TH %s %d %s \"cnnc " PACKAGE_VERSION "\"\n.SH NAME\n", capitals, section, RELEASE_DATE);
  man_text(out, name);
  text_put(out, " \\- ");
  man_text(out, summary);
  text_put(out, "\n");
}

/* Begins a paragraph, unless a heading has just begun one. */
static void put_paragraph(Text *out) {
  size_t line = out->n - 1;
  while (line > 0 && out->s[line - 1] != '\n') line--;
  if (strncmp(out->s + line, ".SH", 3) != 0 && strncmp(out->s + line, ".SS", 3) != 0) text_put(out, ".PP\n");
}

static void put_lines(Text *out) { /* begins lines that roff does not join; put_lines_end ends them */
  put_paragraph(out);
  text_put(out, ".RS 4\n.nf\n");
}

static void put_lines_end(Text *out) { text_put(out, ".fi\n.RE\n"); }

void man_heading(Text *out, const char *name) { text_put(out, ".SH %s\n", name); }

void man_entry(Text *out, const char *name, const char *text) {
  text_put(out, ".TP\n.B ");
  man_text(out, name);
  text_put(out, "\n");
  man_text(out, text);
  text_put(out, "\n");
}

void man_page(Text *out, const char *text) {
  enum { INDENT = 4 };
  bool lines = false, paragraph = true; /* inside unfilled lines; at the beginning of a paragraph */
  while (*text) {
    const size_t n = strcspn(text, "\n");
    const bool stays = n && text[0] == ' ';
    if (lines && !stays) put_lines_end(out);
    if (stays && !lines) put_lines(out);
    if (n && !stays && paragraph) put_paragraph(out);
    lines = stays;
    paragraph = n == 0;
    if (stays) put_some(out, text + INDENT, n - INDENT);
    else put_some(out, text, n);
    if (n) text_put(out, "\n");
    text += n + (text[n] == '\n');
  }
  if (lines) put_lines_end(out);
}

static void put_program(Text *out, const char *program) {
  put_lines(out);
  for (const char *line = program; *line;) {
    const size_t n = strcspn(line, "\n");
    put_some(out, line, n);
    text_put(out, "\n");
    line += n + (line[n] == '\n');
  }
  put_lines_end(out);
}

/* ---- cnnc(1) ---- */
static const char *const outputs[][2] = {
    {"-o NAME.c", "NAME.c, and NAME.h next to it; -o - writes one file on standard output"},
    {"-o NAME.o, -o libNAME.so, -o NAME.wasm", "the same C, compiled, and the header"},
    {"-o NAME", "an executable that trains, evaluates and predicts: cnnc-program(1)"},
    {"--emit=library -o FOLDER", "a folder for Arduino, PlatformIO, ESP-IDF, Zephyr and CMake"},
    {"-o NAME.model", "only the packed weights, for NAME_open"},
    {"no -o", "writes nothing: checks the program, and prints the table of its layers"},
};
static const char *const environment[][2] = {
    {"NO_COLOR", "if it is set and not empty, messages have no colors"},
    {"CNNC_RUNTIME", "the folder of libcnn.a, which executables link; needed if libcnn.a is neither next "
                     "to cnnc nor where it was installed"},
    {"CNNC_RUNTIMES", "the folder of the runtimes for other systems (--os)"},
    {"CNNC_CC", "the C compiler, if --cc is not given"},
    {"TMPDIR", "the folder for temporary files"},
};
static const char *const statuses[][2] = {
    {"0", "success"},
    {"1", "an input is invalid, or an output cannot be written"},
    {"2", "the command line is wrong"},
    {"3", "a bug in cnnc: nothing is written"},
};
#define EACH(i, table) for (size_t i = 0; i < sizeof(table) / sizeof *(table); i++)

static const char *capitals(Arena *arena, const char *word) {
  char *copy = arena_copy(arena, word, strlen(word));
  for (char *c = copy; *c; c++)
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  return copy;
}

void man_compiler(Text *out) {
  man_title(out, "cnnc", 1, "compiles convolutional nets to C");
  man_heading(out, "SYNOPSIS");
  text_put(out, ".B cnnc\n[\\fIoption\\fR ...] \\fIFILE.cnn\\fR [\\fB\\-o\\fR \\fIOUTPUT\\fR]\n");
  for (const Command *const *c = command_table; *c; c++) {
    text_put(out, ".br\n.B cnnc %s\n", (*c)->name);
    man_text(out, (*c)->usage);
    text_put(out, "\n");
  }
  man_heading(out, "DESCRIPTION");
  man_page(out, "cnnc checks the net that FILE.cnn describes, and writes it as C with fixed dimensions, "
                "which allocates no memory and needs no library. cnn(5) describes the language. "
                "The name of the output selects the output format:");
  EACH(i, outputs) man_entry(out, outputs[i][0], outputs[i][1]);
  man_heading(out, "OPTIONS");
  for (const Flag *row = options_table; row->read; row++)
    if (row->shown) man_entry(out, row->shown, row->help);
  for (const Command *const *c = command_table; *c; c++) {
    man_heading(out, arena_printf(out->arena, "OPTIONS OF %s", capitals(out->arena, (*c)->name)));
    man_page(out, (*c)->page);
    for (const Flag *row = (*c)->options; row->read; row++) man_entry(out, row->shown, row->help);
    man_page(out, (*c)->end);
  }
  man_heading(out, "EXIT STATUS");
  EACH(i, statuses) man_entry(out, statuses[i][0], statuses[i][1]);
  man_heading(out, "ENVIRONMENT");
  EACH(i, environment) man_entry(out, environment[i][0], environment[i][1]);
  man_heading(out, "FILES");
  man_entry(out, "NAME.tune",
            "next to NAME.cnn: the fastest schedules that --tune found, read by later compilations");
  man_heading(out, "EXAMPLES");
  man_page(out, "    cnnc digits.cnn                                        # check, and print the layers\n"
                "    cnnc digits.cnn -o digits                              # an executable\n"
                "    ./digits train --data fashion-mnist                    # writes digits.safetensors\n"
                "    cnnc digits.cnn --weights=digits.safetensors -o digits.c\n");
  man_heading(out, "SEE ALSO");
  text_put(out, ".BR cnn (5),\n.BR cnnc\\-program (1)\n");
}

/* ---- cnn(5) ---- */
static void put_params(Text *out, const Param *params) {
  if (!params || !params->name) return;
  text_put(out, ".RS 4\n");
  for (const Param *p = params; p->name; p++) {
    const char *shown =
        p->value && p->value[0] ? arena_printf(out->arena, "%s=%s", p->name, p->value) : p->name;
    const char *help = p->help && p->help[0] ? p->help : param_type_text(p);
    man_entry(out, shown,
              arena_printf(out->arena, "%s (%s%s)", help, param_type_text(p), p->value ? "" : "; required"));
  }
  text_put(out, ".RE\n");
}

static void put_op(Text *out, const Op *op) {
  man_entry(out, op->name, op->summary);
  if (op->detail) {
    text_put(out, ".IP\n");
    for (const char *line = op->detail; *line;) {
      const size_t n = strcspn(line, "\n");
      put_some(out, line, n);
      text_put(out, n ? "\n" : "");
      line += n + (line[n] == '\n');
    }
  }
  put_params(out, op->params);
}

static void put_operators(Text *out) {
  man_heading(out, "OPERATORS");
  man_page(out,
           "All operators accept name=\"...\" and precision= (f32, bf16, i8 or i16). Operators with "
           "parameters also accept weights=LAYER and frozen=true. Arguments without a name come first, in "
           "the order of this list.");
  for (const Op *const *first = op_table; *first; first++) {
    bool seen = false;
    for (const Op *const *op = op_table; op < first; op++)
      seen = seen || strcmp((*op)->group, (*first)->group) == 0;
    if (seen) continue;
    text_put(out, ".SS %s\n", (*first)->group);
    for (const Op *const *op = first; *op; op++)
      if (strcmp((*op)->group, (*first)->group) == 0) put_op(out, *op);
  }
}

void man_language(Text *out) {
  man_title(out, "cnn", 5, "the language of cnnc");
  man_heading(out, "DESCRIPTION");
  man_page(out, "A file whose name ends in .cnn describes a convolutional net: its input, its layers, and "
                "how it is trained. cnnc(1) compiles it.");
  for (const Topic *topic = topic_table; topic->name; topic++) {
    text_put(out, ".SS %s: ", topic->name);
    man_text(out, topic->summary);
    text_put(out, "\n");
    man_page(out, topic->page);
    if (strcmp(topic->name, "train") == 0)
      for (int i = 0; train_key(i); i++) {
        const Param *key = train_key(i);
        man_entry(out, arena_printf(out->arena, "%s = %s", key->name, key->value ? key->value : "..."),
                  key->help);
      }
    if (topic->example) put_program(out, topic->example);
  }
  put_operators(out);
  man_heading(out, "LOSSES");
  for (const Op *const *op = loss_table; *op; op++) put_op(out, *op);
  for (const FormKind *kind = form_kinds; kind->table; kind++) {
    man_heading(out, capitals(out->arena, kind->several));
    for (const Form *const *form = kind->table; *form; form++) {
      man_entry(out, (*form)->name, (*form)->summary);
      put_params(out, (*form)->params);
    }
  }
  man_heading(out, "SEE ALSO");
  text_put(out, ".BR cnnc (1),\n.BR cnnc\\-program (1)\n");
}
