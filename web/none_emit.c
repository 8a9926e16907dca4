/* none_emit.c: Stubs for the parts of emit/ that the browser build omits: states, functions that are declared
 * before they are printed, barriers, nested parallel loops, tile registers, loads of several words, threads
 * without OpenMP, annotations for Frama-C. The other stubs are in none.c: one file cannot include the headers
 * of both, because their names conflict. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/acsl.h"
#include "emit/emit.h"
#include "emit/module.h"
#include "emit/nest_print.h"
#include "emit/pool.h"
#include "nest/team.h"

bool net_steps(const Net *net) { return (void)net, false; }
const char *infer_name(const Net *net) { return net->own->infer; }
void put_state_struct(Text *out, Net *net) { (void)out, (void)net; }
void put_state_numbers(Text *out, Net *net) { (void)out, (void)net; }
void put_state_declarations(Text *out, Net *net) { (void)out, (void)net; }
void put_state_functions(Text *out, Net *net) { (void)out, (void)net; }
void put_declared(Text *out, const Printed *function) { (void)out, (void)function; }
const NestStmt *team_inner_loop(const NestStmt *loop) { return (void)loop, NULL; }
void print_joined_loops(Printer *p, const NestStmt *stmt, int depth) { (void)p, (void)stmt, (void)depth; }
void print_tiled(Printer *p, const NestStmt *stmt, int depth) { (void)p, (void)stmt, (void)depth; }
void print_tile_shape(Printer *p, bool begin) { (void)p, (void)begin; }
void print_words(Printer *p, const NestStmt *const *stmt, int n, const char **next, int depth) {
  (void)p, (void)stmt, (void)n, (void)next, (void)depth;
}
void prelude_word_macros(Text *out, const PreludeNeeds *needs) { (void)out, (void)needs; }
PoolNames *pool_names(Net *net) { return (void)net, NULL; }
bool pool_used(const Net *net) { return (void)net, false; }
void pool_declare(Text *out, const Net *net, bool first) { (void)out, (void)net, (void)first; }
void pool_define(Text *out, Net *net) { (void)out, (void)net; }
const char *pool_function(Net *net, const char *of, const char *what) { return (void)net, (void)of, what; }
int pool_most(const Version *version) { return (void)version, 1; }
void pool_describe(Text *out, Net *net, const char *function, const Parameters *list, const char *last,
                   int most) {
  (void)out, (void)net, (void)function, (void)list, (void)last, (void)most;
}
void pool_call(Text *out, Net *net, const char *function, const char *arguments) {
  (void)out, (void)net, (void)function, (void)arguments;
}
bool pool_waits(const Frame *f, const Step *step) { return (void)f, (void)step, false; }
void pool_steps(Frame *f) { (void)f; }
void pool_step(Frame *f, int step) { (void)f, (void)step; }
void pool_own_call(Frame *f, const Step *step, const char *arguments, int sizes) {
  (void)f, (void)step, (void)arguments, (void)sizes;
}
void put_barrier(Text *out, const Net *net) { (void)out, (void)net; }
const char *acsl_contract(Printer *p, const Instance *instance) { return (void)p, (void)instance, ""; }
void acsl_helpers(Text *out, size_t from, const char *prefix) { (void)out, (void)from, (void)prefix; }
void emit_acsl_entry(Text *out, Net *net, const char *c_file) { (void)out, (void)net, (void)c_file; }
void print_loop_annotation(Printer *p, const NestStmt *loop, int depth, const char *v, const char *end) {
  (void)p, (void)loop, (void)depth, (void)v, (void)end;
}
