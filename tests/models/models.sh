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

# NAME BYTES_IN BYTES_OUT: writes the function that bare.c calls, $work/main.c: it prints a hash for each
# input, then the target that ran
write_bare_main() {
  cat >"$work/main.c" <<END
#include "inputs.h"
#include "net.h"
enum { INPUTS = $inputs, LINE = 17, NAME = 16 };
unsigned char bare_in[1], bare_out[INPUTS * LINE + NAME];
const long bare_in_bytes = 0, bare_out_bytes = sizeof bare_out;
void bare_run(void);
void bare_run(void) {
  static $1_workspace workspace;
  static int8_t in[$2], out[$3];
  unsigned char *to = bare_out;
  for (int input = 0; input < INPUTS; input++) {
    uint64_t hash = MODEL_HASH_START;
    model_input(input, in, $2);
    $1_infer(&$1_trained, (const void *)in, (void *)out, &workspace);
    for (int i = 0; i < $3; i++) hash = model_hash_byte(hash, (uint8_t)out[i]);
    for (int i = 60; i >= 0; i -= 4) *to++ = (unsigned char)"0123456789abcdef"[hash >> i & 15];
    *to++ = '\n';
  }
  const char *name = $1_target();
  for (int i = 0; i < NAME; i++) to[i] = (unsigned char)(*name ? *name++ : '\n');
}
END
}
