/* docgen_shell.c: generator of completions for bash, zsh and fish, from cnnc's table of options. */
// SPDX-License-Identifier: Apache-2.0
#include "config.h"
#include <stdio.h>
#include <string.h>
#include "driver/command.h"
#include "docgen.h"
#include "driver/help.h"
#include "driver/options.h"
#include "passes/plan.h"

static const char *joined(Arena *arena, const char *const *words) {
  Text text = {.arena = arena};
  for (; *words; words++) text_put(&text, "%s%s", text.n ? " " : "", *words);
  return text.s;
}

/* The possible values of an option, separated by blanks; NULL: files, folders or anything. */
static const char *words_of(Arena *arena, const Flag *row) {
  if (!row->values) return NULL;
  if (row->values[0] != '@') return row->values;
  if (strcmp(row->values, "@kinds") == 0) return joined(arena, options_kinds(arena));
  if (strcmp(row->values, "@passes") == 0) return joined(arena, pass_names(arena));
  if (strcmp(row->values, "@targets") == 0) return joined(arena, options_targets(arena));
  if (strcmp(row->values, "@cpus") == 0) return joined(arena, options_cpus(arena));
  if (strcmp(row->values, "@warnings") == 0) return joined(arena, flag_slugs(arena, true));
  if (strcmp(row->values, "@messages") == 0) return joined(arena, flag_slugs(arena, false));
  if (strcmp(row->values, "@topics") == 0) return joined(arena, help_names(arena));
  return NULL;
}

static bool is_kind(const Flag *row, const char *values) {
  return row->values && strcmp(row->values, values) == 0;
}

/* Whether an option is a letter followed by a value from a fixed list, such as -O0. */
static bool glued(const Flag *row) {
  return !row->name && row->has_arg && row->values && !is_kind(row, "@file") && !is_kind(row, "@folder");
}

static const char *const head =
    "# Generated from cnnc's table of options by docgen.\n# SPDX-License-Identifier: MIT-0\n";

/* The beginning of a help text, up to the first of ":;.("; `quote` replaces each apostrophe. */
static const char *short_help(Arena *arena, const Flag *row, const char *quote) {
  size_t n = strcspn(row->help, ":;.(");
  while (n && row->help[n - 1] == ' ') n--;
  Text text = {.arena = arena};
  for (size_t i = 0; i < n; i++) {
    if (row->help[i] == '\'') text_put(&text, "%s", quote);
    else text_bytes(&text, row->help + i, 1);
  }
  return text.n ? text.s : "";
}

/* ---- bash ---- */
static void bash_letters(Text *out) {
  for (const Flag *row = options_table; row->read; row++) {
    if (!row->shown) continue;
    if (row->name) { /* some options also have a letter: -h, --help */
      if (row->shown[1] != '-') text_put(out, " %.2s", row->shown);
    } else if (!glued(row)) text_put(out, " -%c", row->letter);
    else if (row->letter == 'W') text_put(out, " -W");
    else
      for (const char *word = words_of(out->arena, row); *word;
           word += strcspn(word, " "), word += *word == ' ')
        text_put(out, " -%c%.*s", row->letter, (int)strcspn(word, " "), word);
  }
}

static const char *command_names(Arena *arena) {
  Text names = {.arena = arena};
  for (const Command *const *c = command_table; *c; c++)
    text_put(&names, "%s%s", names.n ? " " : "", (*c)->name);
  return names.n ? names.s : "";
}

/* The next of several words that are separated by blanks; NULL: there is none. */
static const char *next_word(Arena *arena, const char **words) {
  if (!*words || !**words) return NULL;
  const size_t n = strcspn(*words, " ");
  const char *word = arena_copy(arena, *words, n);
  *words += n + ((*words)[n] == ' ');
  return word;
}

/* Completions after an option of a command: $value is the typed part. */
static void bash_value(Text *out, const Flag *row) {
  if (row->name) text_put(out, "      --%s | --%s= | --%s--%s) ", row->name, row->name, row->name, row->name);
  else text_put(out, "      -%c) ", row->letter);
  if (is_kind(row, "@file")) text_put(out, "COMPREPLY=($(compgen -f -- \"$value\")); compopt -o filenames; ");
  else if (is_kind(row, "@folder"))
    text_put(out, "COMPREPLY=($(compgen -d -- \"$value\")); compopt -o filenames; ");
  else if (row->values)
    text_put(out, "COMPREPLY=($(compgen -W '%s' -- \"$value\")); ", words_of(out->arena, row));
  text_put(out, "return ;;\n");
}

static void bash_command(Text *out, const Command *command) {
  text_put(out,
           "  if [[ ${COMP_WORDS[1]} == %s && COMP_CWORD -gt 1 ]]; then\n"
           "    [[ $name ]] || value=$word\n"
           "    case $name$before in\n",
           command->name);
  for (const Flag *row = command->options; row->read; row++)
    if (row->has_arg) bash_value(out, row);
  text_put(out, "    esac\n    case $word in\n      -*) COMPREPLY=($(compgen -W '");
  for (const Flag *row = command->options; row->read; row++) {
    if (row->letter) text_put(out, " -%c", row->letter);
    if (row->name) text_put(out, " --%s%s", row->name, row->has_arg ? "=" : "");
  }
  text_put(out, "' -- \"$word\")) ;;\n      *) COMPREPLY=(");
  const char *suffixes = command->suffixes;
  for (const char *suffix; (suffix = next_word(out->arena, &suffixes));)
    text_put(out, "$(compgen -f -X '!*%s' -- \"$word\") ", suffix);
  text_put(out, "$(compgen -d -- \"$word\")) ;;\n"
                "    esac\n"
                "    if [[ ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; else compopt -o filenames; fi\n"
                "    return\n  fi\n");
}

/* Completions of values after the options of cnnc itself. */
static void bash_values(Text *out) {
  text_put(out, "  case $name in\n");
  for (const Flag *row = options_table; row->read; row++) {
    if (!row->name || !row->shown || !row->has_arg) continue;
    const char *words = words_of(out->arena, row);
    if (is_kind(row, "@file"))
      text_put(out, "    --%s) COMPREPLY=($(compgen -f -- \"$value\")); compopt -o filenames; return ;;\n",
               row->name);
    else if (words)
      text_put(out,
               "    --%s) COMPREPLY=($(compgen -P \"$list\" -W '%s' -- \"${value#\"$list\"}\")); return ;;\n",
               row->name, words);
  }
}

void shell_bash(Text *out) {
  Arena *arena = out->arena;
  text_put(out, "%s", head);
  text_put(
      out,
      "_cnnc() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before= name= value=\n"
      "  ((COMP_CWORD > 0)) && before=${COMP_WORDS[COMP_CWORD - 1]}\n"
      "  COMPREPLY=()\n"
      "  # bash splits --name=value into three words\n"
      "  if [[ $word == '=' && ($before == --* || $before == -Werror) ]]; then name=$before value=\n"
      "  elif [[ $before == '=' && COMP_CWORD -gt 1 ]]; then name=${COMP_WORDS[COMP_CWORD - 2]} value=$word\n"
      "  elif [[ $before == --help || $before == -h ]]; then name=--help value=$word\n"
      "  fi\n"
      "  local list=${value%%\"${value##*,}\"} # the part before the last comma\n"
      "  local warnings='%s'\n",
      joined(arena, flag_slugs(arena, true)));
  for (const Command *const *c = command_table; *c; c++) bash_command(out, *c);
  bash_values(out);
  text_put(out, "    -Werror) COMPREPLY=($(compgen -W \"$warnings\" -- \"$value\")); return ;;\n"
                "    --*) return ;;\n  esac\n  case $before in\n");
  for (const Flag *row = options_table; row->read; row++) {
    if (row->name || !row->has_arg || glued(row)) continue;
    if (is_kind(row, "@folder"))
      text_put(out, "    -%c) COMPREPLY=($(compgen -d -- \"$word\")); compopt -o filenames; return ;;\n",
               row->letter);
    else if (is_kind(row, "@file"))
      text_put(out, "    -%c) COMPREPLY=($(compgen -f -- \"$word\")); compopt -o filenames; return ;;\n",
               row->letter);
    else text_put(out, "    -%c) return ;;\n", row->letter);
  }
  text_put(out, "  esac\n  case $word in\n");
  text_put(out, "    -Wno-*) COMPREPLY=($(compgen -P -Wno- -W \"error $warnings\" -- \"${word#-Wno-}\")) ;;\n"
                "    -W*) COMPREPLY=($(compgen -P -W -W \"error no- $warnings\" -- \"${word#-W}\")) ;;\n"
                "    -*)\n      COMPREPLY=($(compgen -W '");
  bash_letters(out);
  for (const Flag *row = options_table; row->read; row++)
    if (row->name && row->shown) text_put(out, " --%s%s", row->name, row->has_arg == 1 ? "=" : "");
  text_put(out,
           "' -- \"$word\"))\n"
           "      ;;\n"
           "    *)\n"
           "      COMPREPLY=($(compgen -f -X '!*.cnn' -- \"$word\") $(compgen -d -- \"$word\"))\n"
           "      ((COMP_CWORD == 1)) && COMPREPLY+=($(compgen -W '%s' -- \"$word\"))\n"
           "      compopt -o filenames\n"
           "      ;;\n"
           "  esac\n"
           "  [[ ${COMPREPLY[0]} == *= || ${COMPREPLY[0]} == -Wno- ]] && compopt -o nospace\n"
           "}\n"
           "complete -F _cnnc cnnc\n",
           command_names(arena));
}

/* ---- zsh ---- */
/* For -W: "error", and each slug with and without "no-". */
static const char *warning_words(Arena *arena) {
  const char *words = "error";
  for (const char *const *slug = flag_slugs(arena, true); *slug; slug++)
    words = arena_printf(arena, "%s %s no-%s", words, *slug, *slug);
  return words;
}

static void zsh_row(Text *out, const Flag *row) {
  const char *help = short_help(out->arena, row, "'\\''"),
             *words = is_kind(row, "@warnings") ? warning_words(out->arena) : words_of(out->arena, row);
  const char *action = is_kind(row, "@file")     ? ":file:_files"
                       : is_kind(row, "@folder") ? ":folder:_files -/"
                       : words                   ? arena_printf(out->arena, ":value:(%s)", words)
                                                 : ":value: ";
  if (row->name)
    text_put(out, "  '--%s%s[%s]%s' \\\n", row->name, row->has_arg == 1 ? "=" : "", help,
             row->has_arg == 1 ? action
             : row->has_arg    ? arena_printf(out->arena, ":%s", action)
                               : "");
  else if (row->has_arg)
    text_put(out, "  '*-%c%s[%s]%s' \\\n", row->letter, glued(row) ? "-" : "+", help, action);
  else text_put(out, "  '-%c[%s]' \\\n", row->letter, help);
}

static void zsh_command(Text *out, const Command *command) {
  text_put(out, "  %s) shift words; (( CURRENT-- ))\n  _arguments -s \\\n", command->name);
  for (const Flag *row = command->options; row->read; row++) {
    zsh_row(out, row);
    if (row->name && row->letter)
      text_put(out, "  '-%c[%s]' \\\n", row->letter, short_help(out->arena, row, "'\\''"));
  }
  const char *suffixes = command->suffixes;
  if (!suffixes) text_put(out, "  '*:folder:_files -/'\n  return ;;\n");
  else text_put(out, "  '*:file:_files -g \"");
  for (const char *suffix, *before = ""; (suffix = next_word(out->arena, &suffixes)); before = " ")
    text_put(out, "%s*%s", before, suffix);
  if (command->suffixes) text_put(out, "\"'\n  return ;;\n");
}

void shell_zsh(Text *out) {
  text_put(out, "#compdef cnnc\n%sif (( CURRENT > 2 )); then\n  case $words[2] in\n", head);
  for (const Command *const *c = command_table; *c; c++) zsh_command(out, *c);
  text_put(out, "  esac\nfi\n_arguments -s \\\n");
  for (const Flag *row = options_table; row->read; row++)
    if (row->shown) zsh_row(out, row);
  text_put(out,
           "  '1:command or program:{ compadd %s; _files -g \"*.cnn\" }' \\\n"
           "  '*:program:_files -g \"*.cnn\"'\n",
           command_names(out->arena));
}

/* ---- fish ---- */
static void fish_values(Text *out, const Flag *row) {
  const char *words = is_kind(row, "@warnings") ? warning_words(out->arena) : words_of(out->arena, row);
  if (row->has_arg == 1) text_put(out, is_kind(row, "@file") || is_kind(row, "@folder") ? " -r -F" : " -x");
  if (words && row->has_arg) text_put(out, " -a '%s'", words);
  text_put(out, " -d '%s'\n", short_help(out->arena, row, "\\'"));
}

static void fish_command(Text *out, const Command *command) {
  const char *begin =
      arena_printf(out->arena, "complete -c cnnc -n '__fish_seen_subcommand_from %s'", command->name);
  const char *suffixes = command->suffixes;
  text_put(out, "complete -c cnnc -n __fish_use_subcommand -a %s -d '%s'\n", command->name, command->does);
  for (const char *suffix; (suffix = next_word(out->arena, &suffixes));)
    text_put(out, "%s -a '(__fish_complete_suffix %s)'\n", begin, suffix);
  for (const Flag *row = command->options; row->read; row++) {
    text_put(out, "%s", begin);
    if (row->name) text_put(out, " -l %s", row->name);
    if (row->letter) text_put(out, " -s %c", row->letter);
    fish_values(out, row);
  }
}

void shell_fish(Text *out) {
  const char *begin = arena_printf(out->arena, "complete -c cnnc -n 'not __fish_seen_subcommand_from %s'",
                                   command_names(out->arena));
  text_put(out, "%scomplete -c cnnc -f\n%s -a '(__fish_complete_suffix .cnn)'\n", head, begin);
  for (const Flag *row = options_table; row->read; row++) {
    if (!row->shown) continue;
    if (row->name) text_put(out, "%s -l %s", begin, row->name);
    else text_put(out, "%s -s %c", begin, row->letter);
    fish_values(out, row);
  }
  for (const Command *const *c = command_table; *c; c++) fish_command(out, *c);
}
