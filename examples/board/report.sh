#!/bin/sh
# report.sh CPU...: prints the accuracy of the net in out/, and for each CPU its flash, RAM and stack, as
# predicted by cnnc and as built, and the instructions for an image. It compares the output of each CPU with
# the output of this machine; the exit status is 1 if an output differs.
# SPDX-License-Identifier: MIT-0
set -eu
cross=${CROSS:-arm-none-eabi-}
status=0

# reported ROW COLUMN: prints a number of out/CPU/summary.txt; the flash is in column 3, the RAM in column 4
reported() {
  awk -F'|' -v row="$1" -v column="$2" '$2 ~ "^ " row { gsub(/[ ,]/, "", $column); print $column; exit }' \
    "$out/summary.txt"
}
# section OBJECT PREFIX: prints the size of all sections of OBJECT whose names begin with PREFIX, in bytes
section() {
  "${cross}size" -A "$1" | awk -v name="$2" 'index($1, name) == 1 { n += $2 } END { print n + 0 }'
}
measured() { sed -n "s/^measured:.*$1 \([0-9]*\).*/\1/p" "$out/run.txt"; }
row() {
  awk -v what="$1" -v reported="$2" -v found="$3" '
    function thousands(n) { return n > 999 ? thousands(int(n / 1000)) "," substr(n, length(n) - 2) : n }
    BEGIN { printf "  %-28s %10s %10s\n", what, thousands(reported), thousands(found) }'
}

echo
echo "accuracy, float -> int8, of the test images"
sed -n 's/^accuracy/ /p' out/quantize.txt
for cpu; do
  out=out/$cpu
  printf '\n%-30s %10s %10s\n' "$cpu" 'by cnnc' 'as built'
  row 'flash: weights and labels' $(($(reported weights 3) + $(reported labels 3))) \
    "$(section "$out/garments.o" .rodata)"
  row 'flash: code of the net' '' "$(section "$out/garments.o" .text)"
  row 'RAM: workspace' "$(reported workspace 4)" "$(section "$out/main.o" .bss)"
  row 'RAM: stack, at the most' "$(reported stack 4)" "$(measured stack)"
  row 'instructions for an image' '' $((40 * $(measured ticks)))
done
echo
grep -v '^measured:' out/host/run.txt
for cpu; do
  if grep -v '^measured:' "out/$cpu/run.txt" | cmp -s - out/host/run.txt; then
    echo "$cpu says the same, byte for byte"
  else
    echo "$cpu says something else: see out/$cpu/run.txt"
    status=1
  fi
done
exit $status
