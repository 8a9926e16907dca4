# turn.sh: the seed of the tests selects a part of a script's cases. The seed differs from commit to commit.
# SPDX-License-Identifier: Apache-2.0
turn=${CNNC_TEST_SEED:-1}

# turn COUNT: whether this run includes the next case. It includes one of COUNT successive cases; with
# NETCHECK_ALL, it includes all.
turn() {
  turn=$((turn + 1))
  [ $((turn % $1)) = 0 ] || [ -n "${NETCHECK_ALL:-}" ]
}
