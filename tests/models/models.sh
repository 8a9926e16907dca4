# models.sh: what the tests share that hold the nets of models/ against other kernels: sourced.
# SPDX-License-Identifier: Apache-2.0
models=$(cd "$top_srcdir/tests/models" && pwd)
n=0

# FILE: the hashes of what the last layer stores, of the first $inputs inputs
wanted() { awk -v inputs="$inputs" '/^[0-9]/ && $1 < inputs { print $NF }' "$models/$1"; }

check() { # WHAT EXPECTED FOUND
  n=$((n + 1))
  if [ -n "$2" ] && [ "$2" = "$3" ]; then
    echo "ok $n - $1"
  else
    echo "not ok $n - $1"
    printf '%s\n' "$3" | head -5 | sed 's/^/# gives /'
    printf '%s\n' "$2" | head -5 | sed 's/^/# not   /'
  fi
}
