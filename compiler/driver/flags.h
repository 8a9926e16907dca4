/* flags.h: command-line options as tables. A table binds each option to a member of the struct of its command
 * and to the function that reads its value; the same table prints --help, and cnnc(1) and the completions of
 * shells are generated from it. What returns false has reported why on standard error. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_FLAGS_H
#define CNNC_FLAGS_H
#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include "base/arena.h"
#include "graph/op.h"
#include "sema/sema.h"

typedef VEC(const char *) WordList;

struct FlagUse;
/* Reads the value of an option into its member; value NULL: none was given. */
typedef bool FlagRead(const struct FlagUse *, void *member, const char *value);

typedef struct Flag {
  const char *name; /* of the long option; NULL: there is none */
  char letter;      /* 0: none */
  int has_arg;      /* as getopt_long has it; an optional value belongs to the long option alone */
  FlagRead *read;
  size_t member;       /* its offset in the struct */
  DocText shown, help; /* in --help; NULL: hidden */
  const char *values;  /* the words that the value may be, @file, @folder, or where its words are:
                        * @kinds @passes @targets @cpus @warnings @messages @topics; NULL: anything */
} Flag;                /* a table ends with a row without `read` */

typedef struct FlagUse { /* one option of a command line */
  Arena *arena;
  const Flag *flag;
  void *options; /* the whole struct */
  int argc;
  char **argv; /* the words after the option are at optind */
} FlagUse;

/* ---- readers of values ---- */
FlagRead flag_set;    /* bool: true */
FlagRead flag_text;   /* const char * */
FlagRead flag_file;   /* const char *, not empty */
FlagRead flag_list;   /* WordList: one more */
FlagRead flag_choice; /* int: which of the flag's values */
FlagRead flag_word;   /* const char *: one of the flag's values */
FlagRead flag_number; /* int64_t: a whole number from 1 to 65536 */
FlagRead flag_bytes;  /* int64_t: bytes, or K, M or G of them */
FlagRead flag_define; /* Defines: one more */

/* ---- rows that several tables have ---- */
#define FLAG_DIAGNOSTICS(member)                                                                             \
  {"diagnostics",                                                                                            \
   0,                                                                                                        \
   required_argument,                                                                                        \
   flag_choice,                                                                                              \
   member,                                                                                                   \
   "--diagnostics=KIND",                                                                                     \
   "how messages are written on standard error: text json sarif",                                            \
   "text json sarif"} /* int: as DiagFormat counts */
#define FLAG_COLOR(member)                                                                                   \
  {"color",                                                                                                  \
   0,                                                                                                        \
   required_argument,                                                                                        \
   flag_choice,                                                                                              \
   member,                                                                                                   \
   "--color=WHEN",                                                                                           \
   "auto always never; NO_COLOR is honored",                                                                 \
   "auto always never"} /* int: of flag_wants_color */
#define FLAG_DEFINE(member)                                                                                  \
  {                                                                                                          \
      NULL,                                                                                                  \
      'D',                                                                                                   \
      required_argument,                                                                                     \
      flag_define,                                                                                           \
      member,                                                                                                \
      "-D NAME=VALUE",                                                                                       \
      "replaces the value of a file's const",                                                                \
      NULL}
#define FLAG_INCLUDE(member)                                                                                 \
  {NULL,                                                                                                     \
   'I',                                                                                                      \
   required_argument,                                                                                        \
   flag_list,                                                                                                \
   member,                                                                                                   \
   "-I DIR",                                                                                                 \
   "where imports are looked for, after the importing file's directory",                                     \
   "@folder"}
#define FLAG_HELP(member) {"help", 'h', no_argument, flag_set, member, "-h, --help", "this page", NULL}
#define FLAG_END {NULL, 0, 0, NULL, 0, NULL, NULL, NULL}

/* Reads the options of a command line into the struct; argv[0] is the command, the operands are at optind
 * then. Long options have to be written in full. */
bool flags_read(Arena *, const Flag *, void *options, int argc, char **argv);
bool flag_wants_color(int choice); /* of --color: auto, always, never */

/* ---- mistakes; all return false ---- */
extern const char *usage_command; /* whose --help a mistake points to: "" is cnnc's own */
__attribute__((format(printf, 1, 2))) bool usage_error(const char *format, ...);
bool unknown_word(const char *what, const char *word, const char *const *names);
/* The index of an option's value among `names`, which NULL ends. */
bool word_index(const char *option, const char *value, const char *const *names, int *index);
bool is_name(const char *word, size_t n); /* of C: letters, digits, underscores */
#endif
