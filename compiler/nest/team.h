/* team.h: Partition of a nest's main function among the threads of a team. */
// SPDX-License-Identifier: Apache-2.0
#ifndef CNNC_NEST_TEAM_H
#define CNNC_NEST_TEAM_H
#include "nest/nest.h"

typedef enum PieceKind {
  PIECE_ONE,     /* statements that one thread runs */
  PIECE_SHARED,  /* a parallel loop: each thread runs a share of its iterations */
  PIECE_EACH,    /* statements that every thread runs, such as named values and stores to local buffers */
  PIECE_TOGETHER /* a loop or a branch with parallel loops inside: its body is again a list of pieces, and all
                    threads wait at the end of the body, in each iteration */
} PieceKind;

typedef struct Piece {
  PieceKind kind;
  int first, n; /* first statement in the list, and number of statements */
  bool last;    /* PIECE_ONE: the last thread runs the piece, instead of the first */
  /* the piece begins with a barrier: it is a PIECE_TOGETHER, or other threads may still use its elements */
  bool wait;
} Piece;
typedef VEC(Piece) Pieces;

bool team_shares(const NestStmt *body); /* whether the body contains a parallel loop */
/* The parallel loop that is the only statement of a parallel loop: a team shares the iterations of both loops
 * as one range. NULL: there is no such loop, or a bound of one of the two loops is not constant. */
const NestStmt *team_inner_loop(const NestStmt *loop);
Pieces team_pieces(Arena *, const Nest *, const NestStmt *const *list,
                   int n); /* list: statements of the main function, or of one of its loops or branches */
#endif
