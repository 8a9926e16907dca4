/* lsp.h: Interface between the files of lsp/: documents, their analyses, answers to requests. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_LSP_H
#define CNNC_LSP_H
#include <jansson.h>
#include <stdio.h>
#include "report/summary.h"
#include "lsp/symbols.h"
#include "lsp/server.h"
#include "graph/op.h"
#include "sema/sema.h"

/* ---- framing (rpc.c) ---- */
typedef struct Rpc {
  const Wire *wire;
  Arena *arena;
  char *bytes; /* bytes received and not yet processed */
  size_t n, room;
  size_t skip;          /* remaining bytes of a message that is too large, to be skipped */
  size_t given;         /* size of the last message returned */
  size_t length;        /* length of the message whose header was read */
  bool has_length, bad; /* has_length: the header has a length; bad: the header has an invalid line */
  bool body;            /* the header is complete */
  bool ended, broken;   /* broken: writing is no longer possible */
} Rpc;
typedef enum RpcEvent { RPC_MESSAGE, RPC_MISTAKE, RPC_NOTHING, RPC_END } RpcEvent;
/* RPC_MESSAGE: sets `text`, which is valid until the next call. RPC_MISTAKE: `why` describes the error.
 * RPC_NOTHING: only if `wait` is false. */
RpcEvent rpc_next(Rpc *, bool wait, const char **text, size_t *n, const char **why);
void rpc_send(Rpc *, json_t *message); /* takes ownership of the message */

/* ---- lines and positions (positions.c) ---- */
typedef struct Lines {
  const char *text;
  size_t n;
  size_t *start;
  int count;
} Lines;
Lines lines_of(Arena *, const char *text, size_t n);
size_t lines_offset(const Lines *, bool utf8, json_int_t line, json_int_t character);
json_t *lines_place(const Lines *, bool utf8, size_t offset);
bool place_read(const json_t *position, json_int_t *line, json_int_t *character); /* false: not a position */
const char *path_of_uri(Arena *, const char *uri);
const char *uri_of_path(Arena *, const char *path);
json_t *string_json(Arena *, const char *text); /* invalid UTF-8 becomes U+FFFD */

/* ---- documents (documents.c) ---- */
typedef struct Document Document;
struct Document {
  Document *next;
  Arena *arena; /* memory of uri, path and identity */
  const char *uri, *path, *identity;
  Arena *text_arena;
  const char *text;
  size_t n;
  json_int_t version;
  bool stale; /* the document, a file that it imports, or a setting may have changed after the analysis */
  struct Analysis *now,
      *good; /* newest analysis, and newest one without errors; both may be the same, or NULL */
};

/* ---- analyses (analysis.c) ---- */
typedef struct Analysis {
  Arena *arena;
  Sources sources;
  Diags *diags;
  Ast *program;
  Graph *graph; /* NULL: a file without a net */
  SemaRecord record;
  Names *names;
  int main_files;        /* sources 1 .. main_files are files; later sources are synthetic */
  const char **uri;      /* URI of each source */
  Lines *lines;          /* lines of each source, with the byte order mark if the editor counts it */
  uint32_t *mark;        /* bytes of each source's byte order mark in `lines`, or 0 */
  int *order;            /* indices of the record's calls, sorted by file and position */
  LayerNumbers *numbers; /* indexed by node id; NULL until needed, or after errors */
  const char *memory;    /* text of the code lens (memory use); NULL until needed */
} Analysis;

typedef struct Server {
  Arena *arena;
  Rpc rpc;
  Document *documents;
  int ndirs;
  const char *const *dirs;
  WordList warnings; /* arguments of -W */
  VEC(json_t *) queue;
  VEC(char *) published; /* URIs with published diagnostics */
  bool changed;          /* diagnostics must be published */
  bool others;           /* the editor may show outdated data, such as hints, in other documents */
  bool utf8, snippets, refreshes, initialized, shut_down, done;
  bool hint_shapes, hint_parameters, hint_macs;
  json_int_t next_id;
} Server;

/* The reason why a request has no result. */
typedef struct Failure {
  int code;
  const char *message;
} Failure;
enum {
  RPC_PARSE_ERROR = -32700,
  RPC_INVALID_REQUEST = -32600,
  RPC_METHOD_NOT_FOUND = -32601,
  RPC_INVALID_PARAMS = -32602,
  RPC_NOT_INITIALIZED = -32002,
  RPC_CANCELLED = -32800,
  RPC_REQUEST_FAILED = -32803,
};

Document *document_find(const Server *, const char *uri);
/* The document in params.textDocument. NULL: the URI is missing, or the document is not open; the Failure has
 * the reason. */
Document *document_of(const Server *, const json_t *params, Failure *);
void documents_open(Server *, const json_t *params), documents_change(Server *, const json_t *params),
    documents_close(Server *, const json_t *params);

/* A text that replaces the text of a file, to try a change. */
typedef struct Instead {
  const char *identity, *text;
  size_t n;
} Instead;
Analysis *analysis_new(Server *, const Document *, int ninstead, const Instead *);
void analysis_free(Analysis *);
void analysis_refresh(Server *, Document *); /* analyzes a stale document */
void analysis_drop(Document *);
uint32_t analysis_source(const Analysis *,
                         const char *uri); /* index of the file's source in the analysis; 0: none */
/* The best analysis of a document: its own analysis or, for a library, the analysis of a net that imports the
 * library. *file: number of the document's source in the analysis. */
Analysis *analysis_for(Server *, Document *, uint32_t *file);
json_t *range_json(const Server *, const Analysis *, Span);
json_t *location_json(const Server *, const Analysis *, Span);
const LayerNumbers *analysis_numbers(Analysis *);
/* The recorded calls at this span are order[*first] .. order[*first + n - 1]. Returns n. */
int calls_at(const Analysis *, Span, int *first);
const SemaCall *call_of(const Analysis *, int i);

/* A position in a document. */
typedef struct Place {
  Document *document;
  Analysis *analysis;
  uint32_t file, offset;
} Place;
/* The offset of an editor's position in a source of the analysis, without the byte order mark. */
uint32_t position_offset(const Server *, const Analysis *, uint32_t file, json_int_t line,
                         json_int_t character);
bool place_of(Server *, const json_t *params, Place *,
              Failure *); /* reads params.textDocument and params.position */
/* If the text has errors: finds the corresponding position in the last analysis without errors. False: the
 * text has no errors, there is no such analysis, or the text at the position has changed. */
bool place_before(const Place *, Place *good);

/* ---- search in the tree (find.c) ---- */
typedef struct Found {  /* the call, its argument, or the setting at a position */
  const Call *call;     /* the call of a chain */
  const Expr *function; /* a call in an expression */
  const Argument *argument;
  const Argument *setting; /* the setting of a train block that contains the position */
  /* the position is on the name of the innermost of these (call, argument, setting) */
  bool on_name;
} Found;
Found tree_find(const File *, uint32_t offset);
typedef void (*CallVisitor)(void *context, const Call *);
void tree_calls(const File *, CallVisitor, void *context);
const File *file_of(const Analysis *, uint32_t source);

/* ---- descriptions of operators, losses, forms and blocks (words.c) ---- */
const Param *params_of(const char *name); /* parameters of an operator, a loss or a form; NULL: none */
const Form *form_any(const char *name);
const Op *loss_find(const char *name);
const Param *param_named(const Param *, const char *name);
const Param *key_named(const char *name);             /* a key of a train block */
const char *choices_of_param(Arena *, const Param *); /* the permitted words, or "" */
void signature_put(Text *, const char *name, const Param *);
void block_signature_put(Text *, const Analysis *, const Block *);
const char *source_text(const Analysis *, Arena *, Span);
json_t *markdown_json(Arena *, const Text *);
void op_markdown(Text *, const Op *);

/* ---- answers to requests: each returns the result, or NULL and a Failure ---- */
typedef json_t *Answer(Server *, Arena *, const json_t *params, Failure *);
Answer answer_hints, answer_lens, answer_hover, answer_completion, answer_resolve, answer_signature,
    answer_definition, answer_references, answer_highlight, answer_prepare_rename, answer_rename,
    answer_format, answer_symbols, answer_folding, answer_actions;
/* ---- notifications ---- */
void diagnostics_publish(Server *);
void notify(Server *, const char *method, json_t *params);
#endif
