/* options.h: Options of a command: one table for parsing and for the help. */
// SPDX-License-Identifier: MIT-0
#ifndef CNN_OPTIONS_H
#define CNN_OPTIONS_H
#include <stdbool.h>
#include <stdint.h>

typedef enum cnn_value_kind {
  CNN_VALUE_FLAG,   /* bool */
  CNN_VALUE_TEXT,   /* const char * */
  CNN_VALUE_WHOLE,  /* int64_t from `low` to `high` */
  CNN_VALUE_NUMBER, /* double from `low` to `high` */
  CNN_VALUE_SEED,   /* uint64_t */
  CNN_VALUE_PAIR,   /* int64_t[2]: two integers from `low` to `high`, with a comma between them */
  CNN_VALUE_CHOICE  /* int: index in `choices` */
} cnn_value_kind;

typedef struct cnn_flag {
  const char *name;
  char letter; /* 0: none */
  cnn_value_kind kind;
  void *value;          /* unchanged if the option is not given */
  const char *argument; /* name of the argument in the help: "PATH" */
  const char *help;     /* one line; the help wraps it */
  double low, high;
  const char *const *choices; /* NULL at the end */
  bool *given;                /* set to true if the option is given; may be NULL */
} cnn_flag;

typedef struct cnn_usage {
  const char *program, *command; /* "lenet5", "train" */
  const char *operands; /* "": none; "IMAGE": one; "INPUT...": one or more; "[INPUT...]": 0 or more */
  const char *summary;
  const cnn_flag *flag;
  int32_t flags;
} cnn_usage;

enum { CNN_EXIT_FAILED = 1, CNN_EXIT_USAGE = 2, CNN_GO_ON = -1 };

/* argv[0] is the command. Returns CNN_GO_ON, or the exit status after an error message or the help. Sets
 * *operand to the index in argv of the first operand; `operand` may be NULL if the command has no
 * operands. */
int cnn_usage_parse(const cnn_usage *usage, int argc, char **argv, int *operand);
/* Returns CNN_GO_ON if the path is NULL or ends in one of the suffixes (after the last: NULL). Otherwise
 * prints an error and returns CNN_EXIT_USAGE. */
int cnn_usage_suffix(const cnn_usage *usage, const char *option, const char *path,
                     const char *const *suffixes);
/* Prints an error message and returns CNN_EXIT_USAGE. */
int cnn_usage_error(const cnn_usage *usage, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
