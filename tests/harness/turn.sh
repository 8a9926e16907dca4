# turn.sh: the seed of the tests selects a part of a script's cases. The seed differs from commit to commit.
# SPDX-License-Identifier: Apache-2.0
turn=${CNNC_TEST_SEED:-1}

# turn COUNT: whether the next case is in this run. One of COUNT successive cases is; with NETCHECK_ALL, all
# are.
turn() {
  turn=$((turn + 1))
  [ $((turn % $1)) = 0 ] || [ -n "${NETCHECK_ALL:-}" ]
}
