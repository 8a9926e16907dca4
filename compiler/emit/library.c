/* library.c: A net as a library folder for Arduino, PlatformIO, ESP-IDF, Zephyr and CMake. The texts,
 * and the example program of `cnnc new`, are templates in library/. */
// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include "base/template.h"
#include "emit/example.h"
#include "report/memory_table.h"

static const struct {
  const char *name, *text;
} template_table[] = {
#include "emit/library_texts.inc"
    {NULL, NULL},
};

/* Templates and the files generated from them. */
static const char *const files[][2] = {
    {"library.properties.in", "library.properties"},
    {"sketch.ino.in", "examples/@NAME@/@NAME@.ino"},
    {"keywords.txt.in", "keywords.txt"},
    {"library.json.in", "library.json"},
    {"CMakeLists.txt.in", "CMakeLists.txt"},
    {"idf_component.yml.in", "idf_component.yml"},
    {"module.yml.in", "zephyr/module.yml"},
    {"Kconfig.in", "Kconfig"},
    {"README.md.in", "README.md"},
};

typedef VEC(Blank) Blanks;
typedef VEC(LibraryFile) Files;

static void fill(Net *net, Blanks *blanks, const char *name, const char *text) {
  const Blank blank = {name, text};
  vec_push(net->arena, *blanks, blank);
}

/* ---- names ---- */
/* System headers, without .h, that a library's header of the same name would hide. */
static const char *const c_headers[] = {
    "assert", "complex", "ctype",  "errno",  "fenv",    "float",   "inttypes", "iso646",  "limits",
    "locale", "malloc",  "math",   "memory", "setjmp",  "signal",  "stdarg",   "stdbool", "stddef",
    "stdint", "stdio",   "stdlib", "string", "strings", "tgmath",  "unistd",   "threads", "time",
    "uchar",  "wchar",   "wctype", "sched",  "select",  "Arduino", "features", NULL};
/* Target names reserved by CMake. */
static const char *const cmake_targets[] = {"all",  "clean",  "help",       "install",       "package",
                                            "test", "depend", "edit_cache", "rebuild_cache", NULL};

static bool is_among(const char *const *words, const char *word) {
  for (; *words; words++)
    if (strcmp(*words, word) == 0) return true;
  return false;
}

bool library_name_taken(const char *name) { return is_among(c_headers, name); }

const char *library_mark(Arena *arena, const char *name) {
  return arena_printf(arena, "Made by cnnc (library %s).", name);
}

/* Arduino library names begin with a letter, must not begin with "arduino", and have at most 63
 * characters. */
static const char *arduino_name(Arena *arena, const char *name) {
  enum { MOST = 63 };
  const char *from = name + strspn(name, "_"), *own = "arduino";
  size_t same = 0;
  while (own[same] && tolower((unsigned char)from[same]) == own[same]) same++;
  if (!own[same] || !isalpha((unsigned char)*from)) from = arena_printf(arena, "net_%s", from);
  const size_t n = strlen(from);
  return arena_copy(arena, from, n > MOST ? MOST : n);
}

/* PlatformIO names are lower case with dashes. */
static const char *platformio_name(Arena *arena, const char *name) {
  const char *from = arduino_name(arena, name);
  char *copy = arena_copy(arena, from, strlen(from));
  for (char *c = copy; *c; c++) *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
  return copy;
}

static const char *quoted(Arena *arena, const char *text) {
  Text out = {.arena = arena};
  text_json(&out, text);
  return out.s;
}

static void fill_names(Net *net, Blanks *blanks, const LibraryMetadata *facts) {
  Arena *arena = net->arena;
  const char *name = net->name, *open = strrchr(facts->author, '<'), *close = open ? strchr(open, '>') : NULL;
  const bool mail = close && open > facts->author && !close[1];
  size_t n = mail ? (size_t)(open - facts->author) : strlen(facts->author);
  while (n && facts->author[n - 1] == ' ') n--;
  fill(net, blanks, "NAME", name);
  fill(net, blanks, "UPPER", net->upper);
  fill(net, blanks, "KCONFIG", net->upper);
  fill(net, blanks, "ARDUINO_NAME", arduino_name(arena, name));
  fill(net, blanks, "PIO_NAME", platformio_name(arena, name));
  fill(net, blanks, "CMAKE_NAME", is_among(cmake_targets, name) ? arena_printf(arena, "%s_net", name) : name);
  fill(net, blanks, "VERSION", facts->version);
  fill(net, blanks, "PLAIN_VERSION", arena_copy(arena, facts->version, strcspn(facts->version, "-+")));
  fill(net, blanks, "AUTHOR", facts->author);
  fill(net, blanks, "AUTHOR_NAME_QUOTED", quoted(arena, arena_copy(arena, facts->author, n)));
  fill(net, blanks, "AUTHOR_EMAIL_JSON",
       mail ? arena_printf(arena, ", \"email\": %s",
                           quoted(arena, arena_copy(arena, open + 1, (size_t)(close - open - 1))))
            : "");
  fill(net, blanks, "URL", facts->url);
  fill(net, blanks, "URL_QUOTED", quoted(arena, facts->url));
  fill(net, blanks, "COMMAND", facts->command);
}

/* ---- contents of the README ---- */
static const char *ports_of(Net *net) { /* the inputs and outputs as a Markdown table */
  const Graph *graph = net->graph;
  Text out = {.arena = net->arena};
  text_put(&out, "| | shape | type |\n|---|---|---|");
  for (int i = 0; i < graph->inputs.n; i++) {
    const Port *port = &graph->inputs.data[i];
    text_put(&out, "\n| input `%s` | %s%s | `%s` |", port->name, shape_text(net->arena, port->node->shape),
             port->node->shape.rank < 2 ? ""
             : port->node->port->chw    ? ", channels first"
                                        : ", channels last",
             net_input_type(net, i));
  }
  for (int i = 0; i < graph->outputs.n; i++)
    text_put(&out, "\n| output `%s` | %s | `%s` |", graph->outputs.data[i].name,
             shape_text(net->arena, graph->outputs.data[i].node->shape), net_output_type(net, i));
  return out.s;
}

static const char *sentence_of(Net *net) {
  const Graph *graph = net->graph;
  Text out = {.arena = net->arena};
  text_put(&out, "The net %s as C:", graph->name);
  for (int i = 0; i < graph->inputs.n; i++)
    text_put(&out, "%s %s %s", i ? "," : "", graph->inputs.data[i].name,
             shape_text(net->arena, graph->inputs.data[i].node->shape));
  text_put(&out, " ->");
  for (int i = 0; i < graph->outputs.n; i++)
    text_put(&out, "%s %s %s", i ? "," : "", graph->outputs.data[i].name,
             shape_text(net->arena, graph->outputs.data[i].node->shape));
  text_put(&out, ".");
  return out.s;
}

static const char *keywords_of(const Net *net) {
  Text out = {.arena = net->arena};
  text_put(&out, "%s\tKEYWORD1\n", net->own->workspace);
  if (net->model) text_put(&out, "%s\tKEYWORD1\n%s\tKEYWORD2\n", net->own->model, net->own->open);
  if (net->weights) text_put(&out, "%s\tKEYWORD1\n%s\tKEYWORD2\n", net->own->weights, net->own->pack);
  text_put(&out, "%s\tKEYWORD2\n%s\tKEYWORD2\n", infer_name(net), net->own->target);
  if (net_steps(net))
    text_put(&out, "%s\tKEYWORD1\n%s\tKEYWORD2\n%s\tKEYWORD2\n", net->own->state, net->own->reset,
             net->own->state_ok);
  if (net_trained(net)) text_put(&out, "%s\tLITERAL1\n", net->own->trained);
  if (net->graph->nlabels) text_put(&out, "%s\tLITERAL1\n", net->own->labels);
  text_put(&out, "%s\tLITERAL1\n%s\tLITERAL1", net->macro->BATCH, net->macro->WORKSPACE_BYTES);
  for (int i = 0; i < net->graph->inputs.n; i++) text_put(&out, "\n%s\tLITERAL1", net->input[i].macro.SIZE);
  for (int i = 0; i < net->graph->outputs.n; i++) text_put(&out, "\n%s\tLITERAL1", net->output[i].macro.SIZE);
  return out.s;
}

/* Describes how weights are replaced, or loaded if none are compiled in. */
static const char *weights_text(Net *net) {
  const char *name = net->name;
  if (!net->model) return "The net has no weights.";
  if (!net->weights && !net->graph->updatable)
    return arena_printf(net->arena,
                        "The weights are compiled in, and the code fits these weights only. For other "
                        "weights, run the command\nbelow with `--weights=FILE`, and compile the library "
                        "again; with `--updatable`, `%s` would open a file\nof other weights.",
                        net->own->open);
  const char *pack = "";
  if (net->weights)
    pack = arena_printf(net->arena,
                        "Or `%s(&model, &weights)` packs a struct\n`%s`, which has arrays in the "
                        "usual layout. ",
                        net->own->pack, net->own->weights);
  return arena_printf(
      net->arena,
      "%s the command below,\nwith `--weights=FILE` and `--emit=model -o %s.model`, writes them to a file. "
      "`%s(bytes, size)`\nopens the file in place, in flash or mapped, without a copy. %sThe model is the "
      "first argument of `%s`.",
      net_trained(net) ? "The weights are compiled in. To use other weights,"
                       : "No weights are compiled in; the program loads them at run time:",
      name, net->own->open, pack, infer_name(net));
}

static void fill_texts(Net *net, Blanks *blanks) {
  Arena *arena = net->arena;
  const Example example = example_of(net, net_trained(net));
  const NetSizes sizes = layout_sizes(net->layout);
  const char *sentence = sentence_of(net), *mark = library_mark(arena, net->name);
  Text memory = {.arena = arena};
  memory_table(&memory, net->layout, true);
  fill(net, blanks, "MARK", mark);
  fill(net, blanks, "SENTENCE", sentence);
  fill(net, blanks, "SENTENCE_QUOTED", quoted(arena, sentence));
  fill(net, blanks, "DESCRIPTION_QUOTED", quoted(arena, arena_printf(arena, "%s %s", sentence, mark)));
  fill(net, blanks, "KEYWORDS", keywords_of(net));
  fill(net, blanks, "PORTS", ports_of(net));
  fill(net, blanks, "MEMORY", arena_copy(arena, memory.s, memory.n - 1));
  fill(net, blanks, "MODEL_BYTES", text_thousands(arena, sizes.model_bytes));
  fill(net, blanks, "WORKSPACE_BYTES", text_thousands(arena, sizes.workspace_bytes));
  fill(net, blanks, "BUFFERS", example.buffers);
  fill(net, blanks, "RESET", example.reset);
  fill(net, blanks, "RESET_FUNCTION",
       net_steps(net) ? arena_printf(arena, "void begin(void) {%s\n}\n\n", example.reset) : "");
  fill(net, blanks, "FILL", example.fill);
  fill(net, blanks, "CALL", example.call);
  fill(net, blanks, "PRINT_SERIAL", example.serial);
  fill(net, blanks, "WEIGHTS_TEXT", weights_text(net));
}

/* ---- the files ---- */
static const char *template_of(const char *name) {
  int i = 0;
  while (strcmp(template_table[i].name, name) != 0) i++;
  return template_table[i].text;
}

static void add_file(Net *net, Files *all, const char *path, Text text) {
  const LibraryFile file = {path, text};
  vec_push(net->arena, *all, file);
}

const LibraryFile *emit_library(Net *net, const LibraryMetadata *facts) {
  Arena *arena = net->arena;
  Blanks blanks = {0};
  Files all = {0};
  Text code = {.arena = arena}, header = code;
  fill_names(net, &blanks, facts);
  fill_texts(net, &blanks);
  fill(net, &blanks, NULL, NULL);
  text_put(&code, "/* %s */\n", library_mark(arena, net->name));
  text_put(&header, "/* %s */\n", library_mark(arena, net->name));
  emit_c(&code, net);
  emit_header(&header, net);
  add_file(net, &all, arena_printf(arena, "src/%s.c", net->name), code);
  add_file(net, &all, arena_printf(arena, "src/%s.h", net->name), header);
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    Text path = {.arena = arena}, text = path;
    template_put(&path, files[i][1], blanks.data);
    template_put(&text, template_of(files[i][0]), blanks.data);
    add_file(net, &all, path.s, text);
  }
  add_file(net, &all, NULL, (Text){.arena = arena});
  return all.data;
}

void emit_embed(Text *out, Net *net) {
  const Example example = example_of(net, true);
  const Blank blanks[] = {{"NAME", net->name},
                          {"BUFFERS", example.buffers},
                          {"RESET", example.reset},
                          {"FILL", example.fill},
                          {"CALL", example.call},
                          {"PRINT", example.print},
                          {NULL, NULL}};
  template_put(out, template_of("embed.c.in"), blanks);
}
