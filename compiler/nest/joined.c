/* joined.c: Nested parallel loops whose iterations a team shares as one range. */
// SPDX-License-Identifier: Apache-2.0
#include "nest/team.h"

static bool constant_bounds(const NestStmt *loop) {
  return index_constant(&loop->u.loop.lo[0]) && index_constant(&loop->u.loop.hi[0]);
}

const NestStmt *team_inner_loop(const NestStmt *loop) {
  const NestStmt *inner = loop->body;
  const bool joined = loop->u.loop.kind == PARALLEL && inner && !inner->next && inner->kind == LOOP &&
                      inner->u.loop.kind == PARALLEL && constant_bounds(loop) && constant_bounds(inner);
  return joined ? inner : NULL;
}
