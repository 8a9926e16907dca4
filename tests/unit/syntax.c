/* syntax.c: Tests of the lexer and the parser: ends of statements, precedence, valid names, spans and
 * errors. */
// SPDX-License-Identifier: Apache-2.0
#include <CUnit/CUnit.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "syntax/ast.h"

typedef struct Parsed {
  Arena *arena;
  File *file;
  int errors;
  const char *dump;
} Parsed;

static Parsed parsed(const char *text, size_t n) {
  Arena *arena = arena_new();
  Sources *sources = NEW(arena, Sources);
  sources->arena = arena;
  Diags *diags = diags_new(arena, sources);
  File *file = parse_file(arena, diags, sources, sources_add(sources, "t.cnn", text, n));
  Ast *program = NEW(arena, Ast);
  vec_push(arena, program->files, file);
  Text dump = {.arena = arena};
  ast_dump(&dump, program);
  return (Parsed){arena, file, diags_errors(diags), dump.s + strlen("# t.cnn\n")};
}

static void same(const char *text, const char *dump) {
  Parsed p = parsed(text, strlen(text));
  CU_ASSERT_EQUAL(p.errors, 0);
  CU_ASSERT_STRING_EQUAL(p.dump, dump);
  if (strcmp(p.dump, dump) != 0) printf("# %s\n#   gives %s", text, p.dump);
  arena_free(p.arena);
}

static void refused(const char *text, int errors) {
  Parsed p = parsed(text, strlen(text));
  CU_ASSERT_EQUAL(p.errors, errors);
  if (p.errors != errors) printf("# %s: %d errors\n", text, p.errors);
  arena_free(p.arena);
}

/* The dump shows all parentheses that an expression implies. */
static void means(const char *expression, const char *dump) {
  char text[500], wanted[500];
  snprintf(text, sizeof text, "const a = %s", expression);
  snprintf(wanted, sizeof wanted, "const a = %s\n", dump);
  same(text, wanted);
}

static void body_means(const char *body, const char *dump) {
  char text[1000], wanted[1000];
  snprintf(text, sizeof text, "net n {%s}", body);
  snprintf(wanted, sizeof wanted, "net n {\n%s}\n", dump);
  same(text, wanted);
}

/* ---- statements and lines ---- */

static void newlines_end_statements(void) {
  body_means("relu\nrelu", "  relu\n  relu\n");
  body_means("\n\n relu ;; relu;\n\n", "  relu\n  relu\n");
  body_means("relu\r\nrelu\r\n", "  relu\n  relu\n");
  body_means("relu # -> tanh\nrelu", "  relu\n  relu\n");
  body_means("x\n # a -> b\n y\n", "  x\n  y\n");
  same("net n { relu }", "net n {\n  relu\n}\n"); /* a closing brace ends a statement too */
}

static void lines_go_on(void) {
  body_means("x\n -> relu", "  x -> relu\n");
  body_means("x\n\n # a comment\n   # and -> one more\n\n -> relu\n", "  x -> relu\n");
  body_means("x ->\n\n relu # c\n", "  x -> relu\n");
  body_means("y =\n relu", "  y = relu\n");
  body_means("conv(3,\n 5x5\n)\n->relu", "  conv(3, 5x5) -> relu\n");
  body_means("output a,\n b", "  output a, b\n");
  body_means("if true\n{\n relu\n}\n # c\nelse\n\n{ tanh }",
             "  if true {\n    relu\n  } else {\n    tanh\n  }\n");
  body_means("repeat 2 as i\n\n{ relu }", "  repeat 2 as i {\n    relu\n  }\n");
  same("net n\n{\nrelu\n}\n", "net n {\n  relu\n}\n");
  same("const a = 1 +\n 2 and\n not\n true", "const a = ((1 + 2) and (not true))\n");
  same("const a = true ?\n 1 :\n 2", "const a = (true ? 1 : 2)\n");
  same("const a = [\n1,\n2,\n]\n", "const a = [1, 2]\n");
}

static void lines_do_not_go_on(void) {
  body_means("if true { relu }\nelsewhere", "  if true {\n    relu\n  }\n  elsewhere\n");
  body_means("if true { relu }\nelse_x = relu", "  if true {\n    relu\n  }\n  else_x = relu\n");
  refused("const a = 1\n+ 2", 1);
  refused("const a = (1\n+ 2", 1);
}

static void comments_and_marks(void) {
  same("", "");
  same("# only a comment", "");
  same("\n\n", "");
  same("\xef\xbb\xbf"
       "const a = 1",
       "const a = 1\n");
  same("const a = \"#\" # \"", "const a = \"#\"\n");
}

/* ---- expressions ---- */

static void operators_bind(void) {
  means("1 + 2 * 3", "(1 + (2 * 3))");
  means("1 - 2 - 3", "((1 - 2) - 3)");
  means("2 * 3 % 4 / 5", "(((2 * 3) % 4) / 5)");
  means("2 ** 3 ** 2", "(2 ** (3 ** 2))");
  means("2 * 3 ** 2", "(2 * (3 ** 2))");
  means("-2 ** 2", "((-2) ** 2)");
  means("2 ** -1", "(2 ** (-1))");
  means("- -2", "(-(-2))");
  means("a or b and not c == d", "(a or (b and (not (c == d))))");
  means("1 + 1 .. 2 * n", "(1 + 1)..(2 * n)");
  means("a ? b : c ? d : e", "(a ? b : (c ? d : e))");
  means("a ? b ? 1 : 2 : 3", "(a ? (b ? 1 : 2) : 3)");
  means("a or b ? 1 : 2", "((a or b) ? 1 : 2)");
  means("(1 + 2) * 3", "((1 + 2) * 3)");
  means("-a[0]", "(-a[0])");
  means("a[0][i + 1]", "a[0][(i + 1)]");
  means("[[1, 2], [3]][0]", "[[1, 2], [3]][0]");
  means("min(a, b)[0]", "min(a, b)[0]");
  means("in.channels * 2", "(in.channels * 2)");
  refused("const a = 1 < 2 < 3", 1);
  refused("const a = 1 .. 2 .. 3", 1);
}

static void numbers_and_dimensions(void) {
  means("0..n", "0..n");
  means("0.8..1.2", "0.8..1.2");
  means("1e-3", "0.001");
  means("28x28x1", "28x28x1");
  means("0x10", "0x10");
  means("9223372036854775807", "9223372036854775807");
  refused("const a = 9223372036854775808", 1);
  refused("const a = 1e400", 1);
  refused("const a = 5x", 1);
  refused("const a = 5.", 1);
  refused("const a = .5", 1);
}

static void strings_are_unescaped(void) {
  const char *text = "const a = \"\\\"\\\\\\n\\t\\u00e9\\ud83d\\ude00\"";
  Parsed p = parsed(text, strlen(text));
  CU_ASSERT_EQUAL(p.errors, 0);
  CU_ASSERT_STRING_EQUAL(p.file->decl[0]->constant->value->s, "\"\\\n\t\xc3\xa9\xf0\x9f\x98\x80");
  CU_ASSERT_EQUAL(p.file->decl[0]->constant->value->length, 10);
  arena_free(p.arena);
  refused("const a = \"\\q\"", 1);
  refused("const a = \"\\ud83d\"", 1);
  refused("const a = \"\\u0000\"", 1);
  refused("const a = \"abc\nconst b = 2", 1);
}

/* ---- names and keywords ---- */

static void keywords_name_arguments(void) {
  static const char *const words[] = {
#define KEYWORD(word, token) #word,
#include "keywords.def"
#undef KEYWORD
  };
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    char text[200];
    snprintf(text, sizeof text, "net n { f(%s=1); g(1, %s=2,) ; train { %s = 3 } }", words[i], words[i],
             words[i]);
    refused(text, 0);
    snprintf(text, sizeof text, "const %s = 1\nblock b(%s) { relu }\nnet n { x = %s(1) }", words[i], words[i],
             words[i]);
    Parsed p = parsed(text, strlen(text));
    CU_ASSERT_EQUAL(p.errors, 3);
    arena_free(p.arena);
  }
  body_means("train { target = labels; a = input }", "  train {\n    target = labels\n    a = input\n  }\n");
  same("net net { relu }", "net net {\n  relu\n}\n");
  same("net input { relu }", "net input {\n  relu\n}\n");
}

static void statements_of_every_kind(void) {
  same("import \"a.cnn\"\nconst k = [k, 5x5]\nblock b(n, k=3x3, ) { in -> conv(n, k) }\nblock c { relu "
       "}\nblock d() {}",
       "import \"a.cnn\"\nconst k = [k, 5x5]\nblock b(n, k=3x3) {\n  in -> conv(n, k)\n}\nblock c() {\n  "
       "relu\n}\nblock d() {\n}\n");
  body_means("input x: 28x28x1 as u8 (layout=chw); input y: 784; input z: [n, n*2, 3] as f32; input w: n "
             "(layout=hwc)",
             "  input x: 28x28x1 as u8 (layout=chw)\n  input y: 784\n  input z: [n, (n * 2), 3] as f32\n  "
             "input w: n (layout=hwc)\n");
  body_means("output a, b = in, c = e.c1.x", "  output a, b = in, c = e.c1.x\n");
  body_means("labels [\"a\", \"b\"]; labels \"names.txt\"",
             "  labels [\"a\", \"b\"]\n  labels \"names.txt\"\n");
  body_means("in; in -> f; e.c1 -> f(); x -> f(1, a=2)",
             "  in\n  in -> f\n  e.c1 -> f()\n  x -> f(1, a=2)\n");
  body_means("if a { x } else if b { y } else { z }",
             "  if a {\n    x\n  } else if b {\n    y\n  } else {\n    z\n  }\n");
  body_means(
      "train { loss = [cross_entropy(a), mse(b, weight=2)]\n\nepochs = 3; seed = 1 }",
      "  train {\n    loss = [cross_entropy(a), mse(b, weight=2)]\n    epochs = 3\n    seed = 1\n  }\n");
}

static void bare_words_are_calls(void) {
  const char *text = "net n { x -> f; in -> f; x.y -> f }";
  Parsed p = parsed(text, strlen(text));
  const Body *body = p.file->decl[0]->net->body;
  CU_ASSERT_PTR_NULL(body->stmt[0]->head);
  CU_ASSERT(body->stmt[0]->ncalls == 2 && !body->stmt[0]->call[0].args.given);
  CU_ASSERT_PTR_NOT_NULL(body->stmt[1]->head);
  CU_ASSERT(body->stmt[2]->head->nparts == 2 && body->stmt[2]->ncalls == 1);
  arena_free(p.arena);
}

static void spans_cover_their_text(void) {
  const char *text = "net n { y = conv(6, k=5x5) -> relu }";
  Parsed p = parsed(text, strlen(text));
  const Stmt *s = p.file->decl[0]->net->body->stmt[0];
  CU_ASSERT(s->span.start == 8 && s->span.end == 34);
  CU_ASSERT(s->call[0].span.start == 12 && s->call[0].span.end == 26);
  CU_ASSERT(s->call[0].args.span.start == 16 && s->call[0].args.span.end == 26);
  CU_ASSERT(s->call[0].args.list[1].span.start == 20 && s->call[0].args.list[1].span.end == 25);
  CU_ASSERT(s->call[1].span.start == 30 && s->call[1].span.end == 34);
  arena_free(p.arena);
}

/* ---- errors ---- */

static void errors_are_counted_once_a_mistake(void) {
  refused("net n {\n conv(3\n -> relu\n dense(4 5)\n x = = 2\n}", 3);
  refused("net n { repeat 3 { = } relu }", 2);
  refused("net n { relu", 1);
  refused("net a { relu }\nnet b { relu }", 1);
  refused("net a { relu } }", 1);
  refused("relu\nconst a = 1", 1);
  refused("block b { input x: 3 }", 1);
}

static void hostile_texts_end(void) {
  static char deep[400001];
  static const char *const pieces[] = {"(",       "[",     "{",           "-",  "not ", "f(", "a ? ", "2 ** ",
                                       "if x { ", "else ", "repeat 2 { ", "\"", "->",   "= ", "a.",   "1,"};
  for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
    size_t n = (size_t)snprintf(deep, sizeof deep, "const a = ");
    while (n + strlen(pieces[i]) < sizeof deep)
      n += (size_t)snprintf(deep + n, sizeof deep - n, "%s", pieces[i]);
    Parsed p = parsed(deep, n);
    CU_ASSERT(p.errors >= 1 && p.errors <= 100);
    arena_free(p.arena);
  }
  Parsed p = parsed("net a { \0 }", 11);
  CU_ASSERT_EQUAL(p.errors, 1);
  arena_free(p.arena);
  refused("net a { relu } # \xff", 1);
}

/* The byte after the end of the text has no effect. */
static void texts_end_anywhere(void) {
  static const char text[] =
      "net a {\n x = conv(4, 3x3) -> true\n input = 3\n repeat 2 as i { in -> \"s\" }\n if true { relu } "
      "else if not a.b == 2 { relu }\n}\nconst k = 5x5..2 ** -1 ? [1, 2] : b\n";
  for (size_t n = 0; n < sizeof text; n++) {
    char *copy = malloc(n + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(copy);
    memcpy(copy, text, n);
    copy[n] = '='; /* not part of the text: must not turn a keyword into a name that is assigned */
    Parsed one = parsed(copy, n);
    copy[n] = ' ';
    Parsed other = parsed(copy, n);
    CU_ASSERT_EQUAL(one.errors, other.errors);
    CU_ASSERT_STRING_EQUAL(one.dump, other.dump);
    arena_free(one.arena);
    arena_free(other.arena);
    free(copy);
  }
}

CU_TestInfo suite_syntax[] = {
    {"texts may end anywhere", texts_end_anywhere},
    {"newlines end statements", newlines_end_statements},
    {"lines continue after and before certain tokens", lines_go_on},
    {"lines continue nowhere else", lines_do_not_go_on},
    {"comments, empty files, byte order marks", comments_and_marks},
    {"operators bind as documented", operators_bind},
    {"numbers and dimensions", numbers_and_dimensions},
    {"strings are unescaped", strings_are_unescaped},
    {"keywords are names of arguments and nets only", keywords_name_arguments},
    {"statements of every kind", statements_of_every_kind},
    {"a bare word at the start is a call", bare_words_are_calls},
    {"spans cover their text", spans_cover_their_text},
    {"each mistake is one message", errors_are_counted_once_a_mistake},
    {"hostile texts end in errors", hostile_texts_end},
    CU_TEST_INFO_NULL,
};
