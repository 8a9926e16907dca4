/* options_words.h: words on the command line. What returns false has said why on standard error. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_OPTIONS_WORDS_H
#define CNNC_OPTIONS_WORDS_H
#include <stdbool.h>
#include "base/arena.h"
#include "options.h"
#include "sema/sema.h"

__attribute__((format(printf, 1, 2))) bool usage_error(const char *format, ...); /* always false */
bool unknown_word(const char *what, const char *word, const char *const *names); /* always false */
bool unknown_option(Arena *, const OptionRow *, const char *word);               /* always false */
/* Always false: what getopt_long found wrong, and said by ':' or '?'. */
bool wrong_option(Arena *, const OptionRow *, int code, char **argv);
extern const char *usage_command; /* whose --help a mistake points to: "" is cnnc's own */
/* An option is written in full: what getopt_long takes for one by its first letters may be a mistake. */
bool in_full(const char *word, const char *name);
/* The index of an option's value among `names`, which NULL ends. */
bool read_word(const char *option, const char *value, const char *const *names, int *index);
bool read_diagnostics(const char *value, int *format);   /* of --diagnostics, as DiagFormat counts them */
bool is_name(const char *word, size_t n);                /* of C: letters, digits, underscores */
bool read_define(Arena *, const char *value, Defines *); /* one more -D */
bool read_color(const char *value, int *color);          /* of --color: 0 auto, 1 always, 2 never */
#endif
