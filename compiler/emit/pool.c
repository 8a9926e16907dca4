/* pool.c: Printer of the pool of threads, of the functions that run on it, and of their calls. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/pool.h"
#include <string.h>
#include "base/number.h"
#include "base/template.h"
#include "schedule/choose.h"

static const char pool_text[] =
#include "emit/pool_text.inc"
    ;

/* ---- names ---- */
static const char *new_name(Net *net, const char *wanted) {
  return arena_printf(net->arena, "%s_%s", net->name, names_unique(&net->layout->names, wanted));
}

PoolNames *pool_names(Net *net) {
  PoolNames *pool = NEW(net->arena, PoolNames);
  *pool = (PoolNames){.member = new_name(net, "pool_member"),
                      .split = new_name(net, "pool_split"),
                      .take = new_name(net, "pool_take"),
                      .call = new_name(net, "pool_call"),
                      .words = 1};
  pool->team = arena_printf(net->arena, "struct %s *team", pool->member);
  return pool;
}

const char *pool_function(Net *net, const char *of, const char *what) {
  const char *wanted = arena_printf(net->arena, "%s_%s", of + strlen(net->name) + 1, what),
             *name = table_find(&net->pool->functions, wanted);
  if (!name) name = new_name(net, wanted);
  table_set(net->arena, &net->pool->functions, wanted, (void *)(uintptr_t)name);
  return name;
}

bool pool_used(const Net *net) {
  const Program *infer = net->layout->infer.program, *train = net->layout->train.program;
  return infer->team || infer->slots > 1 || (train && train->shards > 1);
}

/* ---- the pool ---- */
void pool_declare(Text *out, const Net *net, bool first) {
  const PoolNames *pool = net->pool;
  text_put(out,
           "// A net runs on several threads. A thread takes shares of a loop: iterations from .. to-1. "
           "Before a loop that reads results of other threads, it waits until all their shares are done.\n"
           "struct %s;\n",
           pool->member);
  const char *const heads[] = {arena_printf(net->arena, "int %s(struct %s *member, int most)", pool->split,
                                            pool->member),
                               arena_printf(net->arena, "int %s(struct %s *member, int share, int shares)",
                                            pool->take, pool->member)},
                    *const names[] = {pool->split, pool->take};
  for (int i = 0; i < 2; i++)
    if (net->barrier) put_hidden(out, heads[i], names[i]);
    else text_put(out, "static %s;\n", heads[i]);
  if (first)
    text_put(out,
             "static void %s(void (*function)(const uintptr_t *word, %s), const uintptr_t *word, int "
             "words);\n",
             pool->call, pool->team);
  text_put(out,
           "#define SHARES(most) for (int threads = %s(team, most), thread = -1; (thread = %s(team, thread, "
           "threads)) < threads;)\n\n",
           pool->split, pool->take);
}

/* Names that only the text of the pool uses. */
static const char *const pool_own[][2] = {
    {"STATE", "pool_state"},   {"WANTED", "pool_wanted"},     {"WAITING", "pool_waiting"},
    {"NOW", "pool_now"},       {"SPIN", "pool_spin"},         {"REACHED", "pool_reached"},
    {"AWAIT", "pool_await"},   {"WAKE", "pool_wake"},         {"FUNCTION", "pool_function"},
    {"NEWS", "pool_news"},     {"WORK", "pool_work"},         {"PUBLISH", "pool_publish"},
    {"FORKED", "pool_forked"}, {"END", "pool_end"},           {"PREPARE", "pool_prepare"},
    {"START", "pool_start"},   {"COUNT", "pool_count"},       {"PROCESSORS", "pool_processors"},
    {"YIELD", "pool_yield"},   {"SINCE", "pool_since"},       {"TURN", "pool_turn"},
    {"PAUSE", "pool_pause"},   {"ROUNDS", "pool_rounds"},     {"LIMIT", "pool_limit"},
    {"MOMENT", "pool_moment"}, {"PATIENCE", "pool_patience"}, {"STACK", "pool_stack"},
    {"SPREAD", "pool_spread"},
};
enum { POOL_OWN = sizeof pool_own / sizeof *pool_own };

void pool_define(Text *out, Net *net) {
  if (!net_needs(net).team) {
    text_put(out, "%svoid %s(int32_t threads) { (void)threads; }\n", net_linkage(net), net->own->threads);
    return;
  }
  const PoolNames *pool = net->pool;
  const Blank given[] = {{"WORDS", arena_printf(net->arena, "%d", pool->words)},
                         {"LINKAGE", net->barrier ? "" : "static "},
                         {"PUBLIC", net_linkage(net)},
                         {"THREADS", net->own->threads},
                         {"MEMBER", pool->member},
                         {"SPLIT", pool->split},
                         {"TAKE", pool->take},
                         {"ADOPT", net->own->fp_adopt},
                         {"MODE", net->own->fp_mode},
                         {"CALL", pool->call}};
  enum { GIVEN = sizeof given / sizeof *given };
  Blank blanks[GIVEN + POOL_OWN + 1] = {0};
  memcpy(blanks, given, sizeof given);
  for (int i = 0; i < POOL_OWN; i++)
    blanks[GIVEN + i] = (Blank){pool_own[i][0], new_name(net, pool_own[i][1])};
  template_put(out, pool_text, blanks);
}

/* ---- calls with an array of uintptr_t as arguments ---- */
void pool_describe(Text *out, Net *net, const char *function, const Parameters *list, const char *last,
                   int most) {
  PoolNames *pool = net->pool;
  if (table_find(&pool->described, function)) return;
  const char *name = new_name(net, arena_printf(net->arena, "%s_words", function + strlen(net->name) + 1));
  table_set(net->arena, &pool->described, function, (void *)(uintptr_t)name);
  text_put(out, "static void %s(const uintptr_t *word, %s) {\n", name, pool->team);
  if (!list->n) text_put(out, "  (void)word;\n");
  if (most) text_put(out, "  SHARES(%d) %s(", most, function);
  else text_put(out, "  %s(", function);
  for (int i = 0; i < list->n; i++) text_put(out, "(%s)word[%d], ", list->data[i].cast, i);
  text_put(out, "%s);\n}\n\n", most ? "thread, threads" : last);
}

/* The length of the first argument of a list. The argument ends at a comma outside of parentheses and
 * brackets, or at the end of the list. */
static size_t argument_length(const char *text) {
  size_t n = 0;
  for (int depth = 0; text[n] && (depth || text[n] != ','); n++)
    depth += strchr("([", text[n]) ? 1 : strchr(")]", text[n]) ? -1 : 0;
  return n;
}

void pool_call(Text *out, Net *net, const char *function, const char *arguments) {
  PoolNames *pool = net->pool;
  const char *described = table_find(&pool->described, function);
  int n = 0;
  text_put(out, "%s(%s, ", pool->call, described);
  for (const char *text = arguments; *text; n++) {
    const size_t length = argument_length(text);
    text_put(out, "%s(uintptr_t)(%.*s)", n ? ", " : "(const uintptr_t[]){", (int)length, text);
    text += length;
    text += strspn(text, ", ");
  }
  text_put(out, "%s, %d);\n", n ? "}" : "NULL", n);
  if (n > pool->words) pool->words = n;
}

/* ---- segments ---- */
/* A share of about ten microseconds is long compared with its overhead, a tenth of a microsecond. */
int pool_most(const Version *version) {
  const double share = 40000; /* cycles */
  const int most = 1024;
  if (!version->shared) return 1;
  const Decision *d = version->lower->decision;
  const double cycles = d ? d->candidates.data[d->chosen].cycles.total : 0;
  return cycles > most * share ? most : (int)larger(2, (int64_t)(cycles / share));
}

static const Version *version_of(const Frame *f, int step) {
  return &f->part->steps.data[step].call->version[f->target];
}

bool pool_waits(const Frame *f, const Step *step) {
  const NestFunction *function = step->function[f->target]->into;
  return f->net->section[f->target].printed[function->id].text->waits;
}

static void put_mark_of(Frame *f, const char *lead, int step) {
  if (!f->net->options->program) return;
  const char *mark = frame_name(f, "mark");
  text_put(&f->calls, "%s%s(%s, %d);\n", arena_printf(f->net->arena, lead, mark), mark,
           frame_name(f, "context"), step);
}

/* Prints the calls from `from` to `to` (exclusive) as one segment. No call of a segment uses the result of
 * another call of the segment. */
static void put_segment(Frame *f, int from, int to) {
  const Step *step = f->part->steps.data;
  int most = 1;
  frame_name(f, "team");
  for (int s = from; s < to; s++) most = (int)larger(most, pool_most(version_of(f, s)));
  if (pool_waits(f, &step[from])) frame_call(f, &step[from], "  ");
  else {
    text_put(&f->calls, "  SHARES(%d) {\n", most);
    for (int s = from; s < to; s++) {
      const bool one = most > 1 && !version_of(f, s)->shared;
      if (one) text_put(&f->calls, "    if (thread == 0)\n");
      frame_call(f, &step[s], one ? "      " : "    ");
      if (most == 1) put_mark_of(f, "    if (%s) ", s);
    }
    text_put(&f->calls, "  }\n");
  }
  if (most > 1) put_mark_of(f, "  if (%s) SHARES(1) ", from);
}

void pool_step(Frame *f, int step) { put_segment(f, step, step + 1); }

/* Whether call `to` is in the segment that begins with call `from`. In an executable, the time of each
 * call is measured, so a call that several threads share is a separate segment. */
static bool joins_segment(const Frame *f, int from, int to) {
  const Step *step = f->part->steps.data;
  bool shared = false;
  if (version_of(f, to)->barrier || pool_waits(f, &step[from]) || pool_waits(f, &step[to])) return false;
  for (int s = from; s <= to; s++) shared = shared || version_of(f, s)->shared;
  return !(shared && f->net->options->program);
}

void pool_steps(Frame *f) {
  for (int from = 0, to; from < f->part->steps.n; from = to) {
    for (to = from + 1; to < f->part->steps.n && joins_segment(f, from, to);) to++;
    put_segment(f, from, to);
  }
}

void pool_own_call(Frame *f, const Step *step, const char *arguments, int sizes) {
  const Version *version = &step->call->version[f->target];
  const Nest *nest = version->lower->b;
  const char *function = step->function[f->target]->into->name;
  Parameters list = {0};
  for (int i = 0; i < sizes; i++) add_number(f->net->arena, &list, "", "");
  for (int i = 0; i < nest->nbufs; i++)
    if (version->argument[i].used) add_parameter(f->net->arena, &list, "", "");
  for (int i = 0; i < nest->main->nparams; i++)
    if (nest->main->size[i]) add_number(f->net->arena, &list, "", "");
  const int most = pool_most(version);
  const bool waits = pool_waits(f, step);
  pool_describe(&f->before, f->net, function, &list, arena_printf(f->net->arena, "team, %d", most),
                waits ? 0 : most);
  pool_call(&f->calls, f->net, function, arguments);
}
