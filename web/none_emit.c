/* none_emit.c: Stubs for the parts of emit/ that the browser build omits: states, functions that are
 * declared before they are printed, exchange between processes, parallel loops inside of each other,
 * tile registers, loads of several words, annotations for Frama-C. none.c has the others, whose headers
 * define conflicting names. */
// SPDX-License-Identifier: Apache-2.0
#include "emit/acsl.h"
#include "emit/emit.h"
#include "emit/module.h"
#include "emit/nest_print.h"
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
void put_barrier(Text *out, const Net *net) { (void)out, (void)net; }
const char *acsl_contract(Printer *p, const Instance *instance) { return (void)p, (void)instance, ""; }
void acsl_helpers(Text *out, size_t from, const char *prefix) { (void)out, (void)from, (void)prefix; }
void emit_acsl_entry(Text *out, Net *net, const char *c_file) { (void)out, (void)net, (void)c_file; }
void print_loop_annotation(Printer *p, const NestStmt *loop, int depth, const char *v, const char *end) {
  (void)p, (void)loop, (void)depth, (void)v, (void)end;
}
