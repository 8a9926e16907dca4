# turn.sh: a share of a script's cases per run, by the seed of the tests. Each commit has another share.
# SPDX-License-Identifier: Apache-2.0
turn=${CNNC_TEST_SEED:-1}

# turn COUNT: whether the next case is in this run. One of COUNT successive cases is; with NETCHECK_ALL all.
turn() {
  turn=$((turn + 1))
  [ $((turn % $1)) = 0 ] || [ -n "${NETCHECK_ALL:-}" ]
}
