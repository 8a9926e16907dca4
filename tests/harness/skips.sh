#!/bin/sh
# skips.sh PERMITTED LOG...: lists the skipped cases in logs of make check, by script and reason. PERMITTED is
# tests/skips.txt; with $CI the status is 1 if a skip is not in it.
# SPDX-License-Identifier: Apache-2.0
permitted=$1
shift
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
for log in "$@"; do
  if [ -f "$log" ]; then
    # TAP: `ok 3 - title # SKIP reason` for a case, `1..0 # SKIP reason` for a script
    sed -n -E "s|^(ok .*\|1\.\.0 *)# SKIP *(.*)|${log%.log}	\2|p" "$log"
  fi
done | sort | uniq -c | sed -E 's/^ *([0-9]+) (.*)/\2	\1/' >"$work/skips" # script, reason, cases
missing() { # missing PACKAGE...: whether one of these is not installed
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || return 0
  done
  return 1
}
is_permitted() { # is_permitted REASON
  while IFS='	' read -r pattern when _; do
    case $pattern in '' | '#'*) continue ;; esac
    printf '%s\n' "$1" | grep -qxE -e "$pattern" || continue
    # shellcheck disable=SC2086
    case $when in always) return 0 ;; 'without '*) missing ${when#without } && return 0 ;; esac
  done <"$permitted"
  return 1
}
status=0 cases=$(awk -F '\t' '{ n += $3 } END { print n + 0 }' "$work/skips")
echo "Skipped cases: $cases"
while IFS='	' read -r script reason count; do
  note=
  if ! is_permitted "$reason"; then
    note='  [not in tests/skips.txt]'
    if [ -n "${CI:-}" ]; then status=1; fi
  fi
  [ "$count" = 1 ] && times= || times=" ($count cases)"
  echo "  $script: $reason$times$note"
done <"$work/skips"
exit $status
