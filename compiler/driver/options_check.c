/* options_check.c: options that want others. */
// SPDX-License-Identifier: Apache-2.0
#include "options_check.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "options_words.h"
#include "passes/plan.h"

/* A pass belongs to some graphs only: with --train that of training is shown. */
bool options_after(const Options *options) {
  const char *pass = options->after;
  if (!pass) return true;
  if (options->kind != OUTPUT_GRAPH)
    return usage_error("--after=%s shows a graph: it wants --emit=graph", pass);
  if (!options->train)
    return pass_belongs(pass, PLAN_INFERENCE) || pass_belongs(pass, PLAN_LOOK) ||
           usage_error("'%s' is a pass of the training graph, which --train shows", pass);
  return pass_belongs(pass, PLAN_TRAINING) ||
         usage_error("'%s' is no pass of the training graph, which --train shows", pass);
}

bool options_onnx(const Options *options) {
  if (options->layout >= 0 && options->kind != OUTPUT_ONNX)
    return usage_error("--layout is about a model of ONNX: it wants -o FILE.onnx; for C, `input x: 28x28x1 "
                       "(layout=chw)` in the program says how the caller's buffers lie");
  return options->kind != OUTPUT_ONNX || options->batch == 1 ||
         usage_error("a model of ONNX takes any number of images: leave --batch out");
}

bool options_weights(const Options *options) {
  const char *about = options->weights_prefix ? "weights-prefix"
                      : options->rename       ? "rename"
                      : options->match        ? "match"
                                              : NULL;
  if (about && !options->weights)
    return usage_error("--%s is about the file of --weights, which is not given", about);
  if (options->match && options->output && strcmp(options->output, "-") == 0)
    return usage_error("--match=order and the output both write to standard output");
  return true;
}

/* A whole number from 1 to 65536. */
bool options_number(const char *option, const char *text, int64_t *number) {
  char *end;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (errno || *end || end == text || text[0] < '0' || text[0] > '9' || value < 1 || value > 65536)
    return usage_error("%s wants a number from 1 to 65536, not '%s'", option, text);
  *number = value;
  return true;
}

bool options_mpi(const Options *options) {
  if (!options->mpi) return true;
  if (options->kind != OUTPUT_PROGRAM && !(options->kind == OUTPUT_LOWERED && options->train))
    return usage_error("--mpi is about training by several processes: it wants a program, -o NAME");
  return options->train || usage_error("--mpi is about training, which --no-train leaves out");
}

/* A view tells of training without --train, too. */
bool options_memory(const Options *options) {
  const bool code = options_backend(options->kind) || options->kind == OUTPUT_C ||
                    options->kind == OUTPUT_HEADER || options->kind == OUTPUT_LIBRARY;
  if (!options->memory || options->train || !code) return true;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("--memory is about training, which --no-train leaves out");
  return usage_error("--memory is about training: it wants --train");
}

/* What the backend makes is for one machine: this one, or another that can be had without its C library. */
bool options_machine(Options *options) {
  const Target *one = options->kind == OUTPUT_WASM ? target_find("wasm32") : NULL;
  for (int i = 0; i < options->targets.n; i++) {
    const Target *target = options->targets.data[i];
    if (!target->arch) continue;
    if (one && strcmp(one->arch, target->arch) != 0)
      return options->kind == OUTPUT_WASM
                 ? usage_error("WebAssembly holds code of wasm32, not of %s", target->name)
                 : usage_error("one file made by the C compiler cannot hold code of both %s and %s: write C "
                               "(-o FILE.c), or one file for each",
                               one->name, target->name);
    one = target;
  }
  if (!one && options->cpu) one = target_find(options->cpu->target);
  if (!one || (!target_is_foreign(one) && options->kind != OUTPUT_WASM)) return true;
  options->machine = one;
  if (options->kind == OUTPUT_PROGRAM)
    return usage_error("a program is made for this machine only, whose runtime it is linked with, not for "
                       "%s: write C or an object (-o FILE.c, -o FILE.o) and link it there",
                       one->name);
  if (options->kind == OUTPUT_SHARED && one->bare)
    return usage_error("%s has no shared libraries: write an object (-o FILE.o)%s", one->name,
                       strcmp(one->name, "wasm32") == 0 ? " or WebAssembly (-o FILE.wasm)" : "");
  if (options->kind == OUTPUT_WASM && options->openmp)
    return usage_error("WebAssembly is made without threads: --threads=none");
  return true;
}

/* MAJOR.MINOR.PATCH, with what semantic versioning allows behind it. */
static bool is_version(const char *text) {
  static const char digits[] = "0123456789";
  for (int part = 0; part < 3; part++) {
    const size_t n = strspn(text, digits);
    if (n == 0 || n > 9 || (n > 1 && *text == '0') || (part < 2 && text[n] != '.')) return false;
    text += n + (part < 2);
  }
  const size_t n =
      strspn(text + (*text != 0), "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-+");
  return !*text || ((*text == '-' || *text == '+') && n > 0 && !text[n + 1]);
}

/* A value in a line of its own. */
static bool is_line(const char *text) {
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c < ' ' || *c == 127) return false;
  return *text != 0;
}

bool options_library(const Options *options) {
  const bool library = options->kind == OUTPUT_LIBRARY;
  const char *about = options->version_name ? "version-name"
                      : options->author     ? "author"
                      : options->url        ? "url"
                                            : NULL;
  if (about && !library) return usage_error("--%s is about a library: it wants --emit=library", about);
  if (!library) return true;
  if (options->output && strcmp(options->output, "-") == 0)
    return usage_error("a library is a folder, and cannot be written to standard output: -o FOLDER");
  if (options->single_file) return usage_error("--single-file has no header, and a library has one");
  if (options->embed != EMBED_BY_SIZE && options->embed != EMBED_AS_TEXT)
    return usage_error(
        "a library has its weights as text: others move its files, and no path would stay right");
  if (options->version_name && !is_version(options->version_name))
    return usage_error("--version-name wants a version as 1.2.0, not '%s'", options->version_name);
  if (options->author && !is_line(options->author)) return usage_error("--author wants a line of text");
  return !options->url || (is_line(options->url) && !strchr(options->url, ' ')) ||
         usage_error("--url wants an address as https://example.com/net, not '%s'", options->url);
}
