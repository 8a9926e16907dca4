/* base.c: Arenas, texts, numbers, source positions, suggestions, files, templates, recording and printing of
 * messages, fixes. */
// SPDX-License-Identifier: Apache-2.0
#define _XOPEN_SOURCE 700
#include <CUnit/CUnit.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/diag.h"
#include "base/file.h"
#include "base/template.h"
#include "base/text.h"

/* ---- arena ---- */

static void arena_gives_zeroed_aligned_memory(void) {
  Arena *arena = arena_new();
  for (size_t n = 0; n < 5000; n += 37) {
    char *bytes = arena_alloc(arena, n);
    CU_ASSERT_EQUAL((uintptr_t)bytes % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < n; i++) CU_ASSERT_EQUAL_FATAL(bytes[i], 0);
    memset(bytes, 0xff, n);
  }
  char *large = arena_alloc(arena, 10 << 20);
  CU_ASSERT_EQUAL(large[0] | large[(10 << 20) - 1], 0);
  CU_ASSERT(arena_bytes(arena) > 10 << 20);
  arena_free(arena);
}

static void vectors_keep_what_was_pushed(void) {
  Arena *arena = arena_new();
  VEC(int) a = {0};
  VEC(int64_t) b = {0};
  for (int i = 0; i < 10000; i++) {
    vec_push(arena, a, i);
    vec_push(arena, b, (int64_t)i * i);
  }
  bool same = a.n == 10000 && b.n == 10000;
  for (int i = 0; i < 10000; i++) same = same && a.data[i] == i && b.data[i] == (int64_t)i * i;
  CU_ASSERT(same);
  arena_free(arena);
}

/* ---- text ---- */

static void text_grows(void) {
  Arena *arena = arena_new();
  Text text = {.arena = arena};
  for (int i = 0; i < 2000; i++) text_put(&text, "%d,", i % 10);
  CU_ASSERT_EQUAL(text.n, 4000);
  CU_ASSERT_EQUAL(strlen(text.s), 4000);
  text_bytes(&text, "a\0b", 3);
  CU_ASSERT_EQUAL(text.n, 4003);
  arena_free(arena);
}

static void words_are_quoted(void) {
  Arena *arena = arena_new();
  CU_ASSERT_STRING_EQUAL(text_shell(arena, "a/net-1.cnn"), "a/net-1.cnn");
  CU_ASSERT_STRING_EQUAL(text_shell(arena, "my net"), "'my net'");
  CU_ASSERT_STRING_EQUAL(text_shell(arena, "it's"), "'it'\\''s'");
  CU_ASSERT_STRING_EQUAL(text_shell(arena, ""), "''");
  arena_free(arena);
}

static void numbers_are_grouped(void) {
  Arena *arena = arena_new();
  CU_ASSERT_STRING_EQUAL(text_thousands(arena, 0), "0");
  CU_ASSERT_STRING_EQUAL(text_thousands(arena, 999), "999");
  CU_ASSERT_STRING_EQUAL(text_thousands(arena, 61706), "61,706");
  CU_ASSERT_STRING_EQUAL(text_thousands(arena, -1234567), "-1,234,567");
  CU_ASSERT_STRING_EQUAL(text_thousands(arena, INT64_MIN), "-9,223,372,036,854,775,808");
  arena_free(arena);
}

static void floats_are_shortest(void) {
  Arena *arena = arena_new();
  CU_ASSERT_STRING_EQUAL(text_float(arena, 1.5), "1.5");
  CU_ASSERT_STRING_EQUAL(text_float(arena, (double)0.1f), "0.1");
  CU_ASSERT_STRING_EQUAL(text_float(arena, 1e-5), "1e-05");
  CU_ASSERT_STRING_EQUAL(text_float(arena, -3), "-3");
  CU_ASSERT_STRING_EQUAL(text_float(arena, 1.0 / 3), "0.33333334");
  CU_ASSERT_STRING_EQUAL(text_float(arena, -(double)INFINITY), "-inf");
  uint32_t bits = 1;
  for (int i = 0; i < 20000; i++) {
    bits = bits * 1664525u + 1013904223u;
    float value;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) continue;
    CU_ASSERT_FATAL(strtof(text_float(arena, (double)value), NULL) == value);
  }
  arena_free(arena);
}

static void numbers_are_read_whole(void) {
  double value = 0;
  CU_ASSERT(text_number("12", &value) && value == 12);
  CU_ASSERT(text_number("-0.5e-1", &value) && value == -0.05);
  CU_ASSERT(text_number("1e400", &value) && isinf(value));
  const char *const bad[] = {"", "-", ".5", "5.", "1e", "0x10", "1 ", " 1", "inf", "nan", "1,5", "1.5f"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) CU_ASSERT_FALSE(text_number(bad[i], &value));
}

static void json_is_escaped(void) {
  Arena *arena = arena_new();
  Text text = {.arena = arena};
  text_json(&text, "a\"b\\c\n\t\x01 \xc3\xa9 \xff");
  CU_ASSERT_STRING_EQUAL(text.s, "\"a\\\"b\\\\c\\n\\t\\u0001 \xc3\xa9 \\ufffd\"");
  arena_free(arena);
}

static void utf8_is_checked(void) {
  uint32_t code = 0;
  CU_ASSERT(text_decode("\xf0\x9f\x98\x80", 4, &code) == 4 && code == 0x1f600);
  CU_ASSERT_EQUAL(text_decode("\xf0\x9f\x98\x80", 3, &code), 0);
  CU_ASSERT_EQUAL(text_decode("\xc0\x80", 2, &code), 0);         /* U+0000 in two bytes; one is enough */
  CU_ASSERT_EQUAL(text_decode("\xed\xa0\x80", 3, &code), 0);     /* one half of a surrogate pair */
  CU_ASSERT_EQUAL(text_decode("\xf4\x90\x80\x80", 4, &code), 0); /* beyond U+10FFFF */
  for (uint32_t at = 1; at < 0x110000; at += 77) {
    char bytes[4];
    if (at >= 0xd800 && at < 0xe000) continue;
    const int n = text_encode(bytes, at);
    CU_ASSERT_FATAL(text_decode(bytes, (size_t)n, &code) == n && code == at);
  }
}

static void suggestions_are_near(void) {
  static const char *const names[] = {"conv",   "conv_transpose", "maxpool", "avgpool", "dense", "stride",
                                      "kernel", "relu",           "relu6",   "elu",     "rate",  NULL};
  const char *const wanted[][2] = {
      {"maxpol", "maxpool"},     {"max_pool", "maxpool"}, {"cnov", "conv"},
      {"Dense", "dense"},        {"strides", "stride"},   {"kernel_size", "kernel"},
      {"learning_rate", "rate"}, {"rleu", "relu"},        {"conv2d", "conv"}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    const char *name = suggest(wanted[i][0], names);
    CU_ASSERT_PTR_NOT_NULL_FATAL(name);
    CU_ASSERT_STRING_EQUAL(name, wanted[i][1]);
  }
  CU_ASSERT_PTR_NULL(suggest("transformer", names));
  CU_ASSERT_PTR_NULL(suggest("xyz", names));
  CU_ASSERT_PTR_NULL(suggest("", names));
}

/* ---- sources ---- */

static void places_count_code_points(void) {
  Arena *arena = arena_new();
  Sources sources = {.arena = arena};
  const char *text = "\xef\xbb\xbf"
                     "ab\r\n\xc3\xa9\xe6\x97\xa5x\n";
  const uint32_t file = sources_add(&sources, "t.cnn", text, strlen(text));
  CU_ASSERT_EQUAL(file, 1);
  SourcePlace place = sources_place(&sources, file, 1);
  CU_ASSERT(place.line == 1 && place.column == 2);
  /* byte 9 is x: before it are the 4 bytes of line 1, a character of 2 bytes and a character of 3 bytes */
  place = sources_place(&sources, file, 9);
  CU_ASSERT(place.line == 2 && place.column == 3);
  place = sources_place(&sources, file, 1000);
  CU_ASSERT(place.line == 3 && place.column == 1);
  CU_ASSERT_PTR_NULL(sources_get(&sources, 0));
  CU_ASSERT_PTR_NULL(sources_get(&sources, 2));
  arena_free(arena);
}

/* Columns in a line that is longer than MARK_BYTES of source.c, with characters of one to three bytes and
 * invalid bytes. */
static void source_columns_in_long_lines(void) {
  enum { UNITS = 900, BYTES = 8 };
  static const char unit[BYTES + 1] = "a\xc3\xa4\xe2\x82\xac\xff"
                                      "b";
  static const int column[BYTES] = {1, 2, 2, 3, 3, 3, 4, 5};
  Arena *arena = arena_new();
  Sources sources = {.arena = arena};
  Text text = {.arena = arena};
  text_put(&text, "x\n");
  for (int i = 0; i < UNITS; i++) text_bytes(&text, unit, BYTES);
  text_put(&text, "\ny");
  const uint32_t file = sources_add(&sources, "long", text.s, text.n);
  for (int i = UNITS * BYTES - 1; i >= 0; i--) {
    const SourcePlace place = sources_place(&sources, file, 2 + (uint32_t)i);
    CU_ASSERT(place.line == 2 && place.column == i / BYTES * 5 + column[i % BYTES]);
  }
  const SourcePlace last = sources_place(&sources, file, (uint32_t)text.n);
  CU_ASSERT(last.line == 3 && last.column == 2);
  arena_free(arena);
}

/* ---- messages ---- */

typedef struct Bench {
  Arena *arena;
  Sources sources;
  Diags *diags;
} Bench;

static Bench *bench_new(const char *text) {
  Arena *arena = arena_new();
  Bench *bench = NEW(arena, Bench);
  bench->arena = arena;
  bench->sources.arena = arena;
  sources_add(&bench->sources, "t.cnn", text, strlen(text));
  bench->diags = diags_new(arena, &bench->sources);
  return bench;
}

/* Prints all messages into a string. */
static const char *printed(Bench *bench, DiagFormat format) {
  FILE *file = tmpfile();
  diags_print(bench->diags, file, format, false);
  const size_t n = (size_t)ftell(file);
  char *text = arena_alloc(bench->arena, n + 1);
  rewind(file);
  CU_ASSERT_EQUAL(fread(text, 1, n, file), n);
  fclose(file);
  return text;
}

static void message_looks_as_documented(void) {
  Bench *bench = bench_new("    avgpool(2)\n    flatten\n    conv(120, 5x5) -> tanh\n");
  Diag *diag = diag_report(bench->diags, DIAG_kernel_exceeds_input, (Span){1, 31, 45}, NULL,
                           "conv kernel %dx5 does not fit its 4x4x16 input", 5);
  diag_fact(diag, "height: floor((4 + 0 - 1*(5 - 1) - 1) / 1) + 1 = 0");
  diag_help(diag, "pad=same keeps 4x4, or use a kernel of at most 4x4");
  diag_note(diag, (Span){1, 4, 14}, "4x4x16 is the output of avgpool here");
  CU_ASSERT_STRING_EQUAL(
      printed(bench, DIAG_TEXT),
      "t.cnn:3:5: error: conv kernel 5x5 does not fit its 4x4x16 input [kernel-exceeds-input]\n"
      "    3 |     conv(120, 5x5) -> tanh\n"
      "      |     ^~~~~~~~~~~~~~\n"
      "      = height: floor((4 + 0 - 1*(5 - 1) - 1) / 1) + 1 = 0\n"
      "t.cnn:1:5: note: 4x4x16 is the output of avgpool here\n"
      "    1 |     avgpool(2)\n"
      "      |     ^~~~~~~~~~\n"
      "      = help: pad=same keeps 4x4, or use a kernel of at most 4x4\n"
      "1 error\n");
  arena_free(bench->arena);
}

static void applications_of_blocks_are_reported(void) {
  Bench *bench = bench_new("a\nb\nc\n");
  const Site outer = {NULL, {1, 4, 5}, "stage"}, inner = {&outer, {1, 2, 3}, "pair"};
  diag_report(bench->diags, DIAG_syntax, (Span){1, 0, 1}, &inner, "message");
  CU_ASSERT_STRING_EQUAL(printed(bench, DIAG_TEXT),
                         "t.cnn:1:1: error: message [syntax]\n    1 | a\n      | ^\n"
                         "t.cnn:2:1: note: in pair, applied here\n    2 | b\n      | ^\n"
                         "t.cnn:3:1: note: in stage, applied here\n    3 | c\n      | ^\n1 error\n");
  arena_free(bench->arena);
}

static void messages_are_sorted_and_printed_once(void) {
  Bench *bench = bench_new("a\nb\n");
  diag_report(bench->diags, DIAG_backend_failed, NO_SPAN, NULL, "nowhere");
  diag_report(bench->diags, DIAG_syntax, (Span){1, 2, 3}, NULL, "second");
  diag_report(bench->diags, DIAG_syntax, (Span){1, 0, 1}, NULL, "first");
  Diag *again = diag_report(bench->diags, DIAG_syntax, (Span){1, 2, 3}, NULL, "second");
  diag_note(again, NO_SPAN, "nobody sees this");
  CU_ASSERT_EQUAL(diags_errors(bench->diags), 3);
  const char *text = printed(bench, DIAG_TEXT);
  CU_ASSERT_PTR_NULL(strstr(text, "nobody"));
  CU_ASSERT(strstr(text, "first") < strstr(text, "second") &&
            strstr(text, "second") < strstr(text, "nowhere"));
  CU_ASSERT_PTR_NOT_NULL(strstr(text, "cnnc: error: nowhere [backend-failed]\n3 errors\n"));
  arena_free(bench->arena);
}

static void warnings_follow_options(void) {
  Bench *bench = bench_new("a\n");
  CU_ASSERT_FALSE(diags_option(bench->diags, "no-such-slug"));
  CU_ASSERT_FALSE(diags_option(bench->diags, "syntax")); /* `syntax` is not a warning */
  CU_ASSERT_FALSE(diags_option(bench->diags, "error=syntax"));
  CU_ASSERT(diags_option(bench->diags, "no-unused-value"));
  CU_ASSERT(diags_option(bench->diags, "error"));
  CU_ASSERT(diags_option(bench->diags, "no-error=unread-input"));
  diag_report(bench->diags, DIAG_unused_value, NO_SPAN, NULL, "off");
  diag_report(bench->diags, DIAG_unread_input, NO_SPAN, NULL, "stays a warning");
  diag_report(bench->diags, DIAG_double_softmax, NO_SPAN, NULL, "becomes an error");
  CU_ASSERT_EQUAL(diags_errors(bench->diags), 1);
  CU_ASSERT_EQUAL(diags_warnings(bench->diags), 1);
  CU_ASSERT_PTR_NOT_NULL(strstr(printed(bench, DIAG_TEXT), "1 error, 1 warning\n"));
  arena_free(bench->arena);
}

static void messages_end_somewhere(void) {
  Bench *bench = bench_new("a\n");
  for (int i = 0; i < 500; i++)
    diag_report(bench->diags, DIAG_syntax, (Span){1, 0, 1}, NULL, "message %d", i);
  CU_ASSERT_EQUAL(diags_errors(bench->diags), 100);
  CU_ASSERT_PTR_NOT_NULL(strstr(printed(bench, DIAG_TEXT), "100 errors, and more that are not shown\n"));
  arena_free(bench->arena);
}

static void wide_letters_and_tabs_line_up(void) {
  Bench *bench = bench_new("\t\xe6\x97\xa5\xe6\x9c\xac e\xcc\x81 x  \r\n");
  diag_report(bench->diags, DIAG_syntax, (Span){1, 1, 7}, NULL, "wide");
  diag_report(bench->diags, DIAG_syntax, (Span){1, 12, 99}, NULL, "x");
  CU_ASSERT_STRING_EQUAL(
      printed(bench, DIAG_TEXT),
      "t.cnn:1:2: error: wide [syntax]\n    1 |     \xe6\x97\xa5\xe6\x9c\xac e\xcc\x81 x\n      |     ^~~~\n"
      "t.cnn:1:8: error: x [syntax]\n    1 |     \xe6\x97\xa5\xe6\x9c\xac e\xcc\x81 x\n      |            "
      "^\n2 errors\n");
  arena_free(bench->arena);
}

/* ---- fixes ---- */

static const char *fixed(Bench *bench, int *n) {
  static const bool may_change[] = {false, true};
  FixedSource *sources = NULL;
  const int changed = diags_fix(bench->diags, may_change, &sources);
  *n = changed ? sources[0].fixes : 0;
  return changed ? sources[0].text : "";
}

static Diag *mistake(Bench *bench, uint32_t at) {
  return diag_report(bench->diags, DIAG_syntax, (Span){1, at, at + 1}, NULL, "mistake");
}

static void fixes_are_applied(void) {
  Bench *bench = bench_new("\xef\xbb\xbf"
                           "conv dense \"relu\"\r\n");
  int n;
  Diag *diag = mistake(bench, 0);
  diag_fix(diag, (Span){1, 4, 5}, " -> ");
  diag_fix(diag, (Span){1, 0, 0}, "x = ");
  diag_fix(mistake(bench, 1), (Span){1, 3, 5}, "overlaps");
  diag_fix(mistake(bench, 2), (Span){1, 4, 5}, " -> "); /* the same fix as the first one */
  diag_fix(mistake(bench, 3), (Span){1, 0, 0}, "y = ");
  /* this fix has two parts; one part overlaps another fix, so neither part is applied */
  Diag *half = mistake(bench, 4);
  diag_fix(half, (Span){1, 3, 5}, "n");
  diag_fix(half, (Span){1, 10, 11}, ",");
  diag_meant(mistake(bench, 5), (Span){1, 11, 17}, "relu", "relu6");
  /* the text of the span is not "danse" */
  diag_meant(mistake(bench, 6), (Span){1, 5, 10}, "danse", "nothing");
  CU_ASSERT_STRING_EQUAL(fixed(bench, &n), "\xef\xbb\xbf"
                                           "x = conv -> dense \"relu6\"\r\n");
  CU_ASSERT_EQUAL(n, 3);
  arena_free(bench->arena);
}

static void fixes_know_their_sources(void) {
  Bench *bench = bench_new("conv\n");
  const uint32_t other = sources_add(&bench->sources, "-D", "abc", 3);
  diag_fix(mistake(bench, 0), (Span){other, 0, 1}, "x");
  diag_fix(mistake(bench, 1), NO_SPAN, "x");
  static const bool may_change[] = {false, true, false};
  FixedSource *sources = NULL;
  CU_ASSERT_EQUAL(diags_fix(bench->diags, may_change, &sources), 0);
  CU_ASSERT_PTR_NOT_NULL(
      strstr(printed(bench, DIAG_JSON), "\"fixes\": [{\"file\": \"-D\", \"line\": 1, \"column\": 1, "));
  arena_free(bench->arena);
}

static void json_has_every_field(void) {
  Bench *bench = bench_new("ab\n");
  CU_ASSERT_STRING_EQUAL(printed(bench, DIAG_JSON), "[]\n");
  Diag *diag = diag_report(bench->diags, DIAG_syntax, (Span){1, 0, 2}, NULL, "a \"quote\"");
  diag_help(diag, "help");
  diag_note(diag, NO_SPAN, "note");
  CU_ASSERT_STRING_EQUAL(
      printed(bench, DIAG_JSON),
      "[\n  {\"severity\": \"error\", \"slug\": \"syntax\", \"message\": \"a \\\"quote\\\"\", \"file\": "
      "\"t.cnn\", \"line\": 1, \"column\": 1, "
      "\"end_line\": 1, \"end_column\": 3, \"notes\": [\n    {\"severity\": \"note\", \"slug\": null, "
      "\"message\": \"note\", \"file\": null, "
      "\"line\": null, \"column\": null, \"end_line\": null, \"end_column\": null, \"notes\": [], \"help\": "
      "[], \"fixes\": []}], \"help\": [\"help\"], \"fixes\": []}\n]\n");
  CU_ASSERT_PTR_NOT_NULL(strstr(printed(bench, DIAG_SARIF), "\"endColumn\": 3"));
  arena_free(bench->arena);
}

static void slugs_are_in_order(void) {
  for (int id = 1; id < DIAG_COUNT; id++) CU_ASSERT(strcmp(diag_info[id - 1].slug, diag_info[id].slug) < 0);
  CU_ASSERT_EQUAL(diag_find("syntax"), (int)DIAG_syntax);
  CU_ASSERT_EQUAL(diag_find("nothing"), -1);
}

/* ---- files ---- */

static void outputs_are_whole_or_not_at_all(void) {
  Arena *arena = arena_new();
  char folder[] = "/tmp/cnnc-base-XXXXXX";
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
  const char *a = arena_printf(arena, "%s/a.c", folder), *b = arena_printf(arena, "%s/none/b.c", folder),
             *path = NULL, *why = NULL, *temporary = NULL;
  Outputs *outputs = outputs_new(arena);
  CU_ASSERT(outputs_add(outputs, a, "text", 4, &why));
  CU_ASSERT_FALSE(file_exists(a));
  CU_ASSERT_FALSE(outputs_add(outputs, a, "twice", 5, &why));
  CU_ASSERT_FALSE(outputs_add(outputs, b, "text", 4, &why));
  CU_ASSERT_FALSE(outputs_adopt(outputs, b, &temporary, &why));
  outputs_abandon(outputs);
  CU_ASSERT_EQUAL(rmdir(folder), 0); /* nothing was left behind */

  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(strcpy(folder, "/tmp/cnnc-base-XXXXXX")));
  a = arena_printf(arena, "%s/a.c", folder);
  outputs = outputs_new(arena);
  CU_ASSERT(outputs_add(outputs, a, "text", 4, &why));
  CU_ASSERT(outputs_commit(outputs, &path, &why));
  size_t n = 0;
  const char *text = file_read(arena, a, &n, &why);
  CU_ASSERT_PTR_NOT_NULL_FATAL(text);
  CU_ASSERT(n == 4 && strcmp(text, "text") == 0);
  CU_ASSERT_PTR_NULL(file_read(arena, folder, &n, &why));
  CU_ASSERT_STRING_EQUAL(why, "it is a directory");
  CU_ASSERT_EQUAL(unlink(a), 0);
  CU_ASSERT_EQUAL(rmdir(folder), 0);
  arena_free(arena);
}

static void paths_are_joined(void) {
  Arena *arena = arena_new();
  CU_ASSERT_STRING_EQUAL(file_beside(arena, "net.cnn", "lib/a.cnn"), "lib/a.cnn");
  CU_ASSERT_STRING_EQUAL(file_beside(arena, "dir/net.cnn", "a.cnn"), "dir/a.cnn");
  CU_ASSERT_STRING_EQUAL(file_beside(arena, "dir/net.cnn", "/a.cnn"), "/a.cnn");
  CU_ASSERT_STRING_EQUAL(file_identity(arena, "/tmp/../tmp"), file_identity(arena, "/tmp/."));
  arena_free(arena);
}

static void folders_are_made_or_not_at_all(void) {
  Arena *arena = arena_new();
  char folder[] = "/tmp/cnnc-folders.XXXXXX";
  CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
  const char *a = arena_printf(arena, "%s/a", folder), *b = arena_printf(arena, "%s/b/", a),
             *file = arena_printf(arena, "%s/file", a), *path = NULL, *why = NULL;
  Outputs *outputs = outputs_new(arena);
  CU_ASSERT(outputs_folder(outputs, b, &why) && file_exists(b));
  CU_ASSERT(outputs_folder(outputs, folder, &why)); /* the folder exists already, and is not removed */
  CU_ASSERT(outputs_add(outputs, file, "x", 1, &why));
  outputs_abandon(outputs);
  CU_ASSERT(!file_exists(a) && file_exists(folder));
  CU_ASSERT(outputs_folder(outputs, a, &why) && outputs_add(outputs, file, "x", 1, &why));
  CU_ASSERT(outputs_commit(outputs, &path, &why) && file_exists(file));
  CU_ASSERT(!outputs_folder(outputs, file, &why) && strcmp(why, "it is not a folder") == 0);
  CU_ASSERT(!outputs_folder(outputs, arena_printf(arena, "%s/b", file), &why));
  CU_ASSERT(unlink(file) == 0 && rmdir(a) == 0 && rmdir(folder) == 0);
  arena_free(arena);
}

static void templates_are_filled(void) {
  Arena *arena = arena_new();
  const Blank blanks[] = {{"A", "one"}, {"TWO_B", "@A@"}, {"EMPTY", ""}, {NULL, NULL}};
  static const char *const cases[][2] = {
      {"", ""},
      {"@A@", "one"},
      {"x@A@@A@y\n", "xoneoney\n"},
      {"@TWO_B@", "@A@"}, /* substituted text is not expanded again */
      {"a@b.c @ @NOT@ @@ @A", "a@b.c @ @NOT@ @@ @A"},
      {"1\n@EMPTY@\n2\n", "1\n2\n"},
      {"@EMPTY@\n2", "2"},
      {"x@EMPTY@\n@EMPTY@y", "x\ny"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Text text = {.arena = arena};
    template_put(&text, cases[i][0], blanks);
    CU_ASSERT_STRING_EQUAL(text.n ? text.s : "", cases[i][1]);
  }
  arena_free(arena);
}

CU_TestInfo suite_base[] = {
    {"an arena gives zeroed, aligned memory", arena_gives_zeroed_aligned_memory},
    {"vectors keep the pushed elements", vectors_keep_what_was_pushed},
    {"texts grow", text_grows},
    {"words are quoted for a shell", words_are_quoted},
    {"integers print with separators", numbers_are_grouped},
    {"floats print as short as they can", floats_are_shortest},
    {"numbers are parsed completely or rejected", numbers_are_read_whole},
    {"JSON strings are escaped", json_is_escaped},
    {"UTF-8 is checked", utf8_is_checked},
    {"suggestions are similar names", suggestions_are_near},
    {"columns count code points", places_count_code_points},
    {"columns in long lines", source_columns_in_long_lines},
    {"a message looks as documented", message_looks_as_documented},
    {"messages name the applications of blocks", applications_of_blocks_are_reported},
    {"messages are sorted, and printed once", messages_are_sorted_and_printed_once},
    {"warnings follow the options", warnings_follow_options},
    {"the number of messages has a limit", messages_end_somewhere},
    {"carets line up with wide letters and tabs", wide_letters_and_tabs_line_up},
    {"fixes are applied", fixes_are_applied},
    {"fixes apply to their own source", fixes_know_their_sources},
    {"JSON and SARIF contain positions", json_has_every_field},
    {"slugs are in alphabetical order", slugs_are_in_order},
    {"outputs are written completely or not at all", outputs_are_whole_or_not_at_all},
    {"paths are joined", paths_are_joined},
    {"folders are created, or not at all", folders_are_made_or_not_at_all},
    {"templates are expanded", templates_are_filled},
    CU_TEST_INFO_NULL,
};
