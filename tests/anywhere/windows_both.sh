# windows_both.sh: calls $CNNC_LINUX and, in a copy of the folder, $CNNC_EXE in wine with the same words.
# Behaves as the former; where the latter prints, returns or writes something else, $DIFFERENCES gets it.
# SPDX-License-Identifier: Apache-2.0
both=$(mktemp -d) || exit 99
trap 'rm -rf "$both"' EXIT
case " $* " in *' - '* | *' lsp '*) cat >"$both/in" ;; *) : >"$both/in" ;; esac
cp -a . "$both/copy" 2>/dev/null
folder=$(pwd)
"$CNNC_LINUX" "$@" <"$both/in" >"$both/out" 2>"$both/err"
status=$?
cat "$both/out"
cat "$both/err" >&2
(cd "$both/copy" && "$WINE" "$CNNC_EXE" "$@" <"$both/in" >"$both/out.exe" 2>"$both/err.exe")
status_exe=$?
differ() {
  {
    echo "cnnc $*"
    [ "$status" = "$status_exe" ] || echo "  status $status_exe instead of $status"
    for stream in out err; do diff "$both/$stream" "$both/$stream.exe"; done
    diff -rq "$folder" "$both/copy"
  } 2>&1 | head -n 12 >>"$DIFFERENCES"
}
[ "$status" = "$status_exe" ] && cmp -s "$both/out" "$both/out.exe" && cmp -s "$both/err" "$both/err.exe" &&
  diff -r -I '^CNNC *[?:]*=' "$folder" "$both/copy" >/dev/null 2>&1 || differ "$@"
exit "$status"
