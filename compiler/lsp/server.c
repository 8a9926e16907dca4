/* server.c: Main loop of the language server. The server reads all available messages, then answers them in
 * order. So canceled requests are not started, and after several changes only the last text is analyzed. */
// SPDX-License-Identifier: Apache-2.0
#include "lsp/server.h"
#include <stdlib.h>
#include <string.h>
#include "lsp/lsp.h"
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

/* ---- sending ---- */
void notify(Server *s, const char *method, json_t *params) {
  rpc_send(&s->rpc, json_pack("{s:s, s:s, s:o}", "jsonrpc", "2.0", "method", method, "params", params));
}

static void respond(Server *s, const json_t *id, json_t *result) {
  rpc_send(&s->rpc,
           json_pack("{s:s, s:o, s:o}", "jsonrpc", "2.0", "id", id ? json_deep_copy(id) : json_null(),
                     "result", result ? result : json_null()));
}

static void refuse_request(Server *s, const json_t *id, int code, const char *message) {
  Arena *arena = arena_new();
  rpc_send(&s->rpc, json_pack("{s:s, s:o, s:{s:i, s:o}}", "jsonrpc", "2.0", "id",
                              id ? json_deep_copy(id) : json_null(), "error", "code", code, "message",
                              string_json(arena, message)));
  arena_free(arena);
}

/* Sends the editor a request to refresh hints and code lenses, after a change of an imported file or of a
 * setting. */
static void ask_refresh(Server *s) {
  static const char *const methods[] = {"workspace/inlayHint/refresh", "workspace/codeLens/refresh"};
  for (int i = 0; s->refreshes && i < 2; i++)
    rpc_send(&s->rpc,
             json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", s->next_id++, "method", methods[i]));
}

/* ---- start and end ---- */
static const json_t *at(const json_t *json, const char *const *path) {
  for (; *path; path++) json = json_object_get(json, *path);
  return json;
}
#define AT(json, ...) at(json, (const char *const[]){__VA_ARGS__, NULL})

static void settings_read(Server *s, const json_t *settings) {
  const json_t *hints = json_object_get(settings, "inlayHints"), *shapes = json_object_get(hints, "shapes"),
               *parameters = json_object_get(hints, "parameters"),
               *macs = json_object_get(hints, "multiplyAdds"),
               *folders = json_object_get(settings, "include");
  if (json_is_boolean(shapes)) s->hint_shapes = json_is_true(shapes);
  if (json_is_boolean(parameters)) s->hint_parameters = json_is_true(parameters);
  if (json_is_boolean(macs)) s->hint_macs = json_is_true(macs);
  if (!json_is_array(folders)) return;
  const char **dirs = NEW_ARRAY(s->arena, const char *, json_array_size(folders) + 1);
  s->ndirs = 0;
  for (size_t i = 0; i < json_array_size(folders); i++) {
    const char *folder = json_string_value(json_array_get(folders, i));
    if (folder) dirs[s->ndirs++] = arena_copy(s->arena, folder, strlen(folder));
  }
  s->dirs = dirs;
}

static json_t *capabilities(const Server *s) {
  return json_pack(
      "{s:s, s:{s:b, s:i}, s:{s:b}, s:b, s:{s:[s,s,s,s], s:b}, s:{s:[s,s]}, s:b, s:b, s:b, s:{s:b},"
      " s:b, s:b, s:b, s:{s:[s,s]}, s:{}}",
      "positionEncoding", s->utf8 ? "utf-8" : "utf-16", "textDocumentSync", "openClose", 1, "change", 2,
      "inlayHintProvider", "resolveProvider", 0, "hoverProvider", 1, "completionProvider",
      "triggerCharacters", ".", "=", "(", "\"", "resolveProvider", 1, "signatureHelpProvider",
      "triggerCharacters", "(", ",", "definitionProvider", 1, "referencesProvider", 1,
      "documentHighlightProvider", 1, "renameProvider", "prepareProvider", 1, "documentFormattingProvider", 1,
      "documentSymbolProvider", 1, "foldingRangeProvider", 1, "codeActionProvider", "codeActionKinds",
      "quickfix", "source.fixAll.cnnc", "codeLensProvider");
}

static json_t *initialize(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena;
  if (s->initialized) return *failure = (Failure){RPC_INVALID_REQUEST, "already initialized"}, NULL;
  const json_t *encodings = AT(params, "capabilities", "general", "positionEncodings");
  for (size_t i = 0; i < json_array_size(encodings); i++) {
    const char *one = json_string_value(json_array_get(encodings, i));
    s->utf8 |= one && strcmp(one, "utf-8") == 0;
  }
  s->snippets = json_is_true(
      AT(params, "capabilities", "textDocument", "completion", "completionItem", "snippetSupport"));
  s->refreshes = json_is_true(AT(params, "capabilities", "workspace", "inlayHint", "refreshSupport")) &&
                 json_is_true(AT(params, "capabilities", "workspace", "codeLens", "refreshSupport"));
  settings_read(s, json_object_get(params, "initializationOptions"));
  s->initialized = true;
  return json_pack("{s:o, s:{s:s, s:s}}", "capabilities", capabilities(s), "serverInfo", "name", "cnnc",
                   "version", PACKAGE_VERSION);
}

static json_t *shut_down(Server *s, Arena *arena, const json_t *params, Failure *failure) {
  (void)arena, (void)params, (void)failure;
  s->shut_down = true;
  return json_null();
}

/* ---- notifications ---- */
typedef void Notice(Server *, const json_t *params);

static void say_exit(Server *s, const json_t *params) {
  (void)params;
  s->done = true;
}

static void stale_all(Server *s) {
  for (Document *d = s->documents; d; d = d->next) d->stale = true;
}

static void say_configuration(Server *s, const json_t *params) {
  const json_t *settings = json_object_get(params, "settings"), *own = json_object_get(settings, "cnnc");
  settings_read(s, own ? own : settings);
  stale_all(s);
  s->others = true;
}

/* A file was saved, or a file that is not open has changed: any document may import it. */
static void say_files(Server *s, const json_t *params) {
  (void)params;
  stale_all(s);
}

static const struct {
  const char *method;
  Notice *take;
} notices[] = {
    {"textDocument/didOpen", documents_open},
    {"textDocument/didChange", documents_change},
    {"textDocument/didClose", documents_close},
    {"textDocument/didSave", say_files},
    {"workspace/didChangeConfiguration", say_configuration},
    {"workspace/didChangeWatchedFiles", say_files},
    {"exit", say_exit},
};

static const struct {
  const char *method;
  Answer *answer;
} requests[] = {
    {"initialize", initialize},
    {"shutdown", shut_down},
    {"textDocument/inlayHint", answer_hints},
    {"textDocument/codeLens", answer_lens},
    {"textDocument/hover", answer_hover},
    {"textDocument/completion", answer_completion},
    {"completionItem/resolve", answer_resolve},
    {"textDocument/signatureHelp", answer_signature},
    {"textDocument/definition", answer_definition},
    {"textDocument/references", answer_references},
    {"textDocument/documentHighlight", answer_highlight},
    {"textDocument/prepareRename", answer_prepare_rename},
    {"textDocument/rename", answer_rename},
    {"textDocument/formatting", answer_format},
    {"textDocument/documentSymbol", answer_symbols},
    {"textDocument/foldingRange", answer_folding},
    {"textDocument/codeAction", answer_actions},
};
#define LENGTH(table) (sizeof(table) / sizeof *(table))

/* ---- messages ---- */
static void take_notice(Server *s, const char *method, const json_t *params) {
  const bool ends = strcmp(method, "exit") == 0;
  if ((!s->initialized || s->shut_down) && !ends) return;
  for (size_t i = 0; i < LENGTH(notices); i++)
    if (strcmp(notices[i].method, method) == 0) {
      notices[i].take(s, params);
      s->changed = true;
    }
}

static void take_request(Server *s, const json_t *id, const char *method, const json_t *params) {
  if (!s->initialized && strcmp(method, "initialize") != 0)
    return refuse_request(s, id, RPC_NOT_INITIALIZED, "the first request must be initialize");
  if (s->shut_down) return refuse_request(s, id, RPC_INVALID_REQUEST, "the server is shut down");
  for (size_t i = 0; i < LENGTH(requests); i++) {
    if (strcmp(requests[i].method, method) != 0) continue;
    Arena *arena = arena_new();
    Failure failure = {0, NULL};
    json_t *result = requests[i].answer(s, arena, params, &failure);
    if (failure.code) {
      json_decref(result);
      refuse_request(s, id, failure.code, failure.message);
    } else respond(s, id, result);
    arena_free(arena);
    return;
  }
  Arena *arena = arena_new();
  refuse_request(s, id, RPC_METHOD_NOT_FOUND, arena_printf(arena, "no method '%s'", method));
  arena_free(arena);
}

static bool is_id(const json_t *id) { return json_is_integer(id) || json_is_string(id); }

static void take_message(Server *s, const json_t *message) {
  const json_t *id = json_object_get(message, "id"), *params = json_object_get(message, "params");
  const char *method = json_string_value(json_object_get(message, "method"));
  if (method && !id) return take_notice(s, method, params);
  if (method && is_id(id)) return take_request(s, id, method, params);
  const bool answer = !method && (json_object_get(message, "result") || json_object_get(message, "error"));
  if (!answer)
    refuse_request(s, is_id(id) ? id : NULL, RPC_INVALID_REQUEST, "neither a request nor a notification");
}

/* ---- the queue ---- */
static void cancel(Server *s, const json_t *id) {
  for (int i = 0; id && i < s->queue.n; i++) {
    json_t *message = s->queue.data[i];
    if (!message || !json_object_get(message, "method") || !json_equal(json_object_get(message, "id"), id))
      continue;
    refuse_request(s, id, RPC_CANCELLED, "the request was canceled");
    json_decref(message);
    s->queue.data[i] = NULL;
  }
}

static void take_in(Server *s, const char *text, size_t n) {
  json_error_t error;
  json_t *message = json_loadb(text, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
  const char *method = json_string_value(json_object_get(message, "method"));
  if (!message) {
    refuse_request(s, NULL, RPC_PARSE_ERROR, error.text);
  } else if (method && strcmp(method, "$/cancelRequest") == 0) {
    cancel(s, AT(message, "params", "id"));
    json_decref(message);
  } else {
    vec_push(s->arena, s->queue, message);
  }
}

/* Reads all available messages; waits if there is nothing to do. False: the input has ended, and all messages
 * were processed. */
static bool read_messages(Server *s) {
  enum { MOST_QUEUED = 1000 };
  const char *text, *why;
  size_t n;
  while (s->queue.n < MOST_QUEUED) {
    const bool idle = s->queue.n == 0 && !s->changed;
    switch (rpc_next(&s->rpc, idle, &text, &n, &why)) {
    case RPC_MESSAGE: take_in(s, text, n); break;
    case RPC_MISTAKE: refuse_request(s, NULL, RPC_PARSE_ERROR, why); break;
    case RPC_NOTHING:
      if (!idle) return true;
      break;
    case RPC_END: return s->queue.n > 0;
    }
  }
  return true;
}

static void take_next(Server *s) {
  json_t *message = s->queue.data[0];
  s->queue.n--;
  memmove(s->queue.data, s->queue.data + 1, sizeof *s->queue.data * (size_t)s->queue.n);
  if (message) take_message(s, message);
  json_decref(message);
}

static void clear_diagnostics(Server *s) {
  while (s->documents) {
    Document *d = s->documents;
    s->documents = d->next;
    analysis_drop(d);
    if (d->text_arena) arena_free(d->text_arena);
    arena_free(d->arena);
  }
  for (int i = 0; i < s->queue.n; i++) json_decref(s->queue.data[i]);
  if (s->rpc.arena) arena_free(s->rpc.arena);
  arena_free(s->arena);
}

int lsp_serve(const Wire *wire, const WordList *directories, const WordList *warnings) {
  Arena *arena = arena_new();
  Server *s = NEW(arena, Server);
  *s = (Server){.arena = arena,
                .rpc = {.wire = wire},
                .ndirs = directories->n,
                .dirs = directories->data,
                .warnings = *warnings,
                .hint_shapes = true};
  while (!s->done && !s->rpc.broken && read_messages(s)) {
    if (s->queue.n) take_next(s);
    else if (s->changed) {
      diagnostics_publish(s);
      if (s->others) ask_refresh(s);
      s->others = false;
    }
  }
  const int status = s->done && s->shut_down ? 0 : 1;
  clear_diagnostics(s);
  return status;
}
