/* options.c: Parsing a command's options. */
// SPDX-License-Identifier: MIT-0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* getopt_long */
#endif
#include "hosted/base/similar.h"
#include "hosted/commands/options.h"

#include <errno.h>
#include <float.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FLAGS = 40, HELP_COLUMN = 34, HELP_WIDTH = 100, HELP_VALUE = 1000 };

static void complain(const cnn_usage *usage, const char *format, va_list arguments) {
  fprintf(stderr, "%s %s: ", usage->program, usage->command);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "\n'%s %s --help' lists its options\n", usage->program, usage->command);
}

int cnn_usage_error(const cnn_usage *usage, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  complain(usage, format, arguments);
  va_end(arguments);
  return CNN_EXIT_USAGE;
}

/* Prints `text` from HELP_COLUMN on, or two blanks after `column`, the current column, if that is farther
 * right. Breaks lines between words. */
static void print_wrapped(const char *text, int column) {
  const char *blank = column < HELP_COLUMN ? "" : "  ";
  if (column < HELP_COLUMN) printf("%*s", HELP_COLUMN - column, "");
  if (column < HELP_COLUMN) column = HELP_COLUMN;
  while (*text) {
    const int length = (int)strcspn(text, " "), taken = (int)strlen(blank) + length;
    if (*blank && column + taken > HELP_WIDTH) {
      printf("\n%*s%.*s", HELP_COLUMN, "", length, text);
      column = HELP_COLUMN + length;
    } else {
      printf("%s%.*s", blank, length, text);
      column += taken;
    }
    blank = " ";
    text += length;
    text += strspn(text, " ");
  }
  printf("\n");
}

static void print_help(const cnn_usage *usage) {
  printf("usage: %s %s [options]%s%s\n\n%s\n\n", usage->program, usage->command, *usage->operands ? " " : "",
         usage->operands, usage->summary);
  for (int32_t i = 0; i <= usage->flags; i++) {
    static const cnn_flag help = {.name = "help", .argument = "", .help = "this text"};
    const cnn_flag *flag = i < usage->flags ? &usage->flag[i] : &help;
    char left[80];
    int used = snprintf(left, sizeof left, flag->letter ? "  -%c, " : "  ", flag->letter);
    used +=
        snprintf(left + used, sizeof left - (size_t)used, "--%s%s", flag->name, *flag->argument ? "=" : "");
    snprintf(left + used, sizeof left - (size_t)used, "%s", flag->argument);
    printf("%s", left);
    print_wrapped(flag->help, (int)strlen(left));
  }
}

static bool parse_choice(const cnn_flag *flag, const char *text) {
  for (int i = 0; flag->choices[i]; i++) {
    if (strcmp(flag->choices[i], text) == 0) {
      *(int *)flag->value = i;
      return true;
    }
  }
  return false;
}

static bool parse_number(const cnn_flag *flag, const char *text) {
  char *end;
  errno = 0;
  if (*text == 0 || strchr(" \t\n\v\f\r", *text)) return false;
  if (flag->kind == CNN_VALUE_NUMBER) {
    double value = strtod(text, &end);
    if (*end || !isfinite(value) || value < flag->low || value > flag->high) return false;
    *(double *)flag->value = value;
    return true;
  }
  if (flag->kind == CNN_VALUE_SEED) {
    unsigned long long value = strtoull(text, &end, 10);
    if (*end || errno || *text == '-' || *text == '+') return false;
    *(uint64_t *)flag->value = value;
    return true;
  }
  long long value = strtoll(text, &end, 10);
  if (*end || errno || (double)value < flag->low || (double)value > flag->high) return false;
  *(int64_t *)flag->value = value;
  return true;
}

static bool parse_pair(const cnn_flag *flag, const char *text) {
  int64_t pair[2];
  for (int i = 0; i < 2; i++) {
    char *end;
    errno = 0;
    if (*text < '0' || *text > '9') return false;
    const long long value = strtoll(text, &end, 10);
    if (*end != (i ? 0 : ',') || errno || (double)value < flag->low || (double)value > flag->high)
      return false;
    pair[i] = value;
    text = end + 1;
  }
  memcpy(flag->value, pair, sizeof pair);
  return true;
}

static int take(const cnn_usage *usage, const cnn_flag *flag, const char *text) {
  if (flag->given) *flag->given = true;
  switch (flag->kind) {
  case CNN_VALUE_FLAG: *(bool *)flag->value = true; return CNN_GO_ON;
  case CNN_VALUE_TEXT:
    *(const char **)flag->value = text;
    return *text ? CNN_GO_ON : cnn_usage_error(usage, "--%s needs %s", flag->name, flag->argument);
  case CNN_VALUE_CHOICE:
    if (parse_choice(flag, text)) return CNN_GO_ON;
    return cnn_usage_error(usage, "--%s is %s, not '%s'", flag->name, flag->argument, text);
  case CNN_VALUE_PAIR:
    if (parse_pair(flag, text)) return CNN_GO_ON;
    return cnn_usage_error(usage, "--%s needs %s, two integers of at least %g, not '%s'", flag->name,
                           flag->argument, flag->low, text);
  case CNN_VALUE_WHOLE:
  case CNN_VALUE_NUMBER:
  case CNN_VALUE_SEED: break;
  }
  if (parse_number(flag, text)) return CNN_GO_ON;
  if (flag->kind == CNN_VALUE_SEED)
    return cnn_usage_error(usage, "--%s needs an integer from 0 to 2^64-1, not '%s'", flag->name, text);
  const bool whole = flag->kind == CNN_VALUE_WHOLE;
  const char *what = whole ? "whole number" : "number";
  if (flag->high >= 1e9 && strtod(text, NULL) > flag->high)
    return cnn_usage_error(usage, "--%s needs a %s of at most %.*g, not '%s'", flag->name, what,
                           whole ? DBL_DECIMAL_DIG : 6, flag->high, text);
  if (flag->high >= 1e9)
    return cnn_usage_error(usage, "--%s needs a %s of at least %g, not '%s'", flag->name, what, flag->low,
                           text);
  return cnn_usage_error(usage, "--%s needs a %s from %g to %g, not '%s'", flag->name, what, flag->low,
                         flag->high, text);
}

static int check_operands(const cnn_usage *usage, int n, char **operand) {
  const bool none = !*usage->operands, optional = none || usage->operands[0] == '[',
             several = strstr(usage->operands, "...") != NULL;
  if (none && n) return cnn_usage_error(usage, "unexpected argument '%s'", operand[0]);
  if (!optional && !n) return cnn_usage_error(usage, "this command needs an input");
  if (!several && n > 1) return cnn_usage_error(usage, "this command takes only one input");
  return CNN_GO_ON;
}

/* `letter`: the unknown letter if the word has only one dash; otherwise 0. A word with one dash may also be a
 * misspelled long option. */
static int unknown_option(const cnn_usage *usage, const char *word, int letter) {
  const char *names[MOST_FLAGS], *dashless = word + strspn(word, "-"), *near = NULL;
  const int length = (int)strcspn(word, "=");
  char name[64];
  for (int32_t i = 0; i < usage->flags; i++) names[i] = usage->flag[i].name;
  snprintf(name, sizeof name, "%.*s", (int)strcspn(dashless, "="), dashless);
  if (!letter || strlen(word) > 2) near = cnn_similar(name, names, usage->flags);
  if (near) return cnn_usage_error(usage, "unknown option '%.*s'; did you mean '--%s'?", length, word, near);
  if (letter) return cnn_usage_error(usage, "unknown option '-%c'", letter);
  return cnn_usage_error(usage, "unknown option '%.*s'", length, word);
}

/* Whether the option is spelled out. getopt_long also accepts abbreviations, which may be a mistake. */
static bool in_full(const char *word, const char *name) {
  return strncmp(word, "--", 2) != 0 || strcspn(word + 2, "=") == strlen(name);
}

int cnn_usage_parse(const cnn_usage *usage, int argc, char **argv, int *operand) {
  struct option option[MOST_FLAGS + 2] = {{0}};
  char letters[2 * MOST_FLAGS + 3] = ":h"; /* the first ':' makes getopt return ':' if a value is missing */
  size_t n = strlen(letters);
  for (int32_t i = 0; i < usage->flags && i < MOST_FLAGS; i++) {
    const cnn_flag *flag = &usage->flag[i];
    bool wants = flag->kind != CNN_VALUE_FLAG;
    option[i] =
        (struct option){flag->name, wants ? required_argument : no_argument, NULL, HELP_VALUE + 1 + i};
    if (flag->letter) letters[n++] = flag->letter;
    if (flag->letter && wants) letters[n++] = ':';
  }
  option[usage->flags] = (struct option){"help", no_argument, NULL, HELP_VALUE};
#ifdef __GLIBC__
  optind = 0; /* restarts getopt, which is needed from the second call of this function on */
#else
  optind = 1;
#endif
  opterr = 0;
  for (;;) {
    int row = -1, at = optind ? optind : 1, got = getopt_long(argc, argv, letters, option, &row),
        status = CNN_GO_ON;
    if (got == -1) break;
    const char *word = argv[optind - 1 - (optarg && optarg == argv[optind - 1])];
    if (got != ':' && got != '?' && row >= 0 && !in_full(word, option[row].name))
      return unknown_option(usage, word, 0);
    if (got == HELP_VALUE || got == 'h') {
      print_help(usage);
      return 0;
    }
    if (got == ':') {
      return optopt > HELP_VALUE
                 ? cnn_usage_error(usage, "--%s needs a value", usage->flag[optopt - HELP_VALUE - 1].name)
                 : cnn_usage_error(usage, "-%c needs a value", optopt);
    }
    if (got == '?') {
      if (optopt > HELP_VALUE)
        return cnn_usage_error(usage, "--%s takes no value", usage->flag[optopt - HELP_VALUE - 1].name);
      return unknown_option(usage, optind > at ? argv[optind - 1] : argv[at], optopt == '-' ? 0 : optopt);
    }
    for (int32_t i = 0; i < usage->flags; i++) {
      const cnn_flag *flag = &usage->flag[i];
      if (got == HELP_VALUE + 1 + i || (flag->letter && got == flag->letter))
        status = take(usage, flag, optarg);
    }
    if (status != CNN_GO_ON) return status;
  }
  if (operand) *operand = optind;
  return check_operands(usage, argc - optind, argv + optind);
}

static bool ends_in(const char *path, const char *suffix) {
  size_t n = strlen(path), m = strlen(suffix);
  return n > m && strcmp(path + n - m, suffix) == 0;
}

int cnn_usage_suffix(const cnn_usage *usage, const char *option, const char *path,
                     const char *const *suffixes) {
  char list[80] = "";
  for (int i = 0; path && suffixes[i]; i++) {
    if (ends_in(path, suffixes[i])) return CNN_GO_ON;
    size_t used = strlen(list);
    snprintf(list + used, sizeof list - used, "%s%s",
             i == 0            ? ""
             : suffixes[i + 1] ? ", "
                               : " or ",
             suffixes[i]);
  }
  return path ? cnn_usage_error(usage, "%s writes a file that ends in %s, not '%s'", option, list, path)
              : CNN_GO_ON;
}
