# models.sh: functions of the tests that compare the nets of models/ with other kernels (sourced).
# SPDX-License-Identifier: Apache-2.0
models=$(cd "$top_srcdir/tests/models" && pwd)
n=0

# FILE: prints the hashes of the last layer's stored values, for the first $inputs inputs
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
