/* flags.h: Command-line options as tables. A table maps each option to a member of its command's struct and
 * to the function that reads the option's value. The same table generates --help, cnnc(1) and shell
 * completions. A function that finds an error reports it on standard error and returns false. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FLAGS_H
#define CNNC_FLAGS_H
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "graph/op.h"
#include "passes/plan.h"
#include "sema/sema.h"

struct FlagUse;
/* Reads the value of an option into the option's member; value NULL: no value. */
typedef bool FlagRead(const struct FlagUse *, void *member, const char *value);

typedef struct Flag {
  const char *name; /* name of the long option; NULL: there is none */
  char letter;      /* 0: none */
  int has_arg;      /* as in getopt_long; only the long option may have an optional value */
  FlagRead *read;
  size_t member;       /* offset of the option's member in the struct */
  DocText shown, help; /* the option and its text in --help; NULL: hidden */
  const char *values;  /* values for shell completion; flag_choice and flag_word accept no others. @file,
                          @folder: a path; @kinds @passes @targets @cpus @warnings @messages @topics: a word
                          of that list; NULL: no completion */
} Flag;                /* a table ends with a row without `read` */

typedef struct FlagUse { /* one option on a command line */
  Arena *arena;
  const Flag *flag;
  void *options; /* the struct that flags_read fills */
  int argc;
  char **argv; /* the words after the option begin at optind */
} FlagUse;

/* ---- readers of values ---- */
FlagRead flag_set;     /* bool: true */
FlagRead flag_text;    /* const char * */
FlagRead flag_file;    /* const char *, not empty */
FlagRead flag_list;    /* WordList: appends the value */
FlagRead flag_choice;  /* int: index in the flag's values */
FlagRead flag_word;    /* const char *: one of the flag's values */
FlagRead flag_number;  /* int64_t: an integer from 1 to 65536 */
FlagRead flag_count;   /* int64_t: an integer from 0 to 65536 */
FlagRead flag_bytes;   /* int64_t: a number of bytes, with an optional suffix K, M or G */
FlagRead flag_define;  /* Defines: appends NAME=VALUE */
FlagRead flag_stream;  /* Streaming: appends N or INPUT:N[,INPUT:N...] to `use` */
FlagRead flag_warning; /* WordList: appends an argument of -W, for diags_options */
/* Reports an error if one of the n rows already has this name. A row has `size` bytes and begins with the
 * pointer to its name, which may be NULL. */
bool flag_names_once(const FlagUse *use, const void *rows, int n, size_t size, const char *name);
/* Like flag_names_once, for a VEC of rows. */
#define FLAG_NAMES_ONCE(use, rows, name)                                                                     \
  flag_names_once(use, (rows).data, (rows).n, sizeof *(rows).data, name)

/* ---- rows of several tables ---- */
#define FLAG_DIAGNOSTICS(member)                                                                             \
  {"diagnostics",                                                                                            \
   0,                                                                                                        \
   required_argument,                                                                                        \
   flag_choice,                                                                                              \
   member,                                                                                                   \
   "--diagnostics=KIND",                                                                                     \
   "how messages are written on standard error: text json sarif",                                            \
   "text json sarif"} /* int: a DiagFormat */
#define FLAG_COLOR(member)                                                                                   \
  {"color",                                                                                                  \
   0,                                                                                                        \
   required_argument,                                                                                        \
   flag_choice,                                                                                              \
   member,                                                                                                   \
   "--color=WHEN",                                                                                           \
   "auto always never; NO_COLOR is honored",                                                                 \
   "auto always never"} /* int: argument of flag_wants_color */
#define FLAG_WARNINGS(member)                                                                                \
  {NULL,                                                                                                     \
   'W',                                                                                                      \
   required_argument,                                                                                        \
   flag_warning,                                                                                             \
   member,                                                                                                   \
   "-W[no-]SLUG",                                                                                            \
   "enable or disable a warning; -Werror, -Werror=SLUG: treat warnings as errors",                           \
   "@warnings"}
#define FLAG_DEFINE(member)                                                                                  \
  {NULL,                                                                                                     \
   'D',                                                                                                      \
   required_argument,                                                                                        \
   flag_define,                                                                                              \
   member,                                                                                                   \
   "-D NAME=VALUE",                                                                                          \
   "replace the value of a file's constant NAME",                                                            \
   NULL}
#define FLAG_INCLUDE(member)                                                                                 \
  {NULL,                                                                                                     \
   'I',                                                                                                      \
   required_argument,                                                                                        \
   flag_list,                                                                                                \
   member,                                                                                                   \
   "-I DIR",                                                                                                 \
   "directory to search for imports, after the importing file's directory",                                  \
   "@folder"}
#define FLAG_STREAMING(member) /* Streaming: three rows */                                                   \
  {"stream",                                                                                                 \
   0,                                                                                                        \
   required_argument,                                                                                        \
   flag_stream,                                                                                              \
   member,                                                                                                   \
   "--stream=N|INPUT:N[,INPUT:N]",                                                                           \
   "generate NAME_step, which takes the next N rows of a sequence of any length and returns the output "     \
   "rows that they complete; a caller-owned struct keeps the state between calls",                           \
   NULL},                                                                                                    \
      {"slide",                                                                                              \
       0,                                                                                                    \
       required_argument,                                                                                    \
       flag_number,                                                                                          \
       (member) + offsetof(Streaming, slide),                                                                \
       "--slide=N",                                                                                          \
       "generate NAME_step, which takes the next N rows and returns the outputs for a window of the last "   \
       "rows. The window is as long as the input; layers without padding compute only the new rows",         \
       NULL},                                                                                                \
  {                                                                                                          \
    "lookahead", 0, required_argument, flag_count, (member) + offsetof(Streaming, lookahead),                \
        "--lookahead=R",                                                                                     \
        "with --stream: layers may have padding after the last row; outputs may be up to R input rows late", \
        NULL                                                                                                 \
  }
#define FLAG_HELP(member) {"help", 'h', no_argument, flag_set, member, "-h, --help", "this page", NULL}
#define FLAG_END {NULL, 0, 0, NULL, 0, NULL, NULL, NULL}

typedef struct FlagGiven {
  const Flag *flag;
  const char *value; /* or NULL */
} FlagGiven;
typedef VEC(FlagGiven) FlagsGiven;

/* Reads the options of a command line into the struct; argv[0] is the command, and the operands begin at
 * optind afterwards. Long options must be written in full. given, unless NULL: receives the options in the
 * order of the command line. */
bool flags_read(Arena *, const Flag *, void *options, FlagsGiven *given, int argc, char **argv);
/* An option as a word of a shell, with the base name of a file: "--weights=net.safetensors". */
const char *flag_shell(Arena *, const FlagGiven *);
const char *const *flag_slugs(Arena *, bool warnings); /* false: slugs of all messages, with errors */
bool flag_wants_color(int choice);                     /* choice: --color as 0 auto, 1 always, 2 never */

/* ---- mistakes: usage_error and unknown_word report an error and return false ---- */
extern const char *usage_command; /* command whose --help an error suggests; "": cnnc itself */
__attribute__((format(printf, 1, 2))) bool usage_error(const char *format, ...);
bool unknown_word(const char *what, const char *word, const char *const *names);
/* Sets *index to the index of an option's value in `names`, which ends with NULL. */
bool word_index(const char *option, const char *value, const char *const *names, int *index);
bool is_name(const char *word,
             size_t n); /* whether the first n characters form an identifier or a keyword of C */
#endif
