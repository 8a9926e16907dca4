# windows_both.sh: calls $CNNC_LINUX, and in two copies of the folder that and $CNNC_EXE in wine, with the
# same words. Behaves as the first; where the last prints, returns or writes something else than the second,
# $DIFFERENCES gets it.
# SPDX-License-Identifier: Apache-2.0
both=$(mktemp -d) || exit 99
trap 'rm -rf "$both"' EXIT
case " $* " in *' - '* | *' lsp '*) cat >"$both/in" ;; *) : >"$both/in" ;; esac
cp -a . "$both/one" 2>/dev/null
cp -a . "$both/two" 2>/dev/null
(cd "$both/one" && exec "$CNNC_LINUX" "$@") <"$both/in" >"$both/one.out" 2>"$both/one.err"
one=$?
(cd "$both/two" && exec "$WINE" "$CNNC_EXE" "$@") <"$both/in" >"$both/two.out" 2>"$both/two.err"
two=$?
{
  [ $one = $two ] || echo "status $two instead of $one"
  for stream in out err; do diff "$both/one.$stream" "$both/two.$stream"; done
  diff -r -I '^CNNC *[?:]*=' "$both/one" "$both/two"
} >"$both/differences" 2>&1
if [ -s "$both/differences" ]; then
  { echo "cnnc $*"; head -n 12 "$both/differences"; } >>"$DIFFERENCES"
fi
"$CNNC_LINUX" "$@" <"$both/in"
