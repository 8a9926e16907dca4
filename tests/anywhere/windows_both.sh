# windows_both.sh: calls $CNNC_LINUX with its arguments, and returns the result. It also calls $CNNC_LINUX and
# $CNNC_EXE (in wine) with the same arguments in two copies of the folder; differences of their outputs,
# statuses and files go to $DIFFERENCES. In the copies, $STUB and $STUB_EXE replace the C compiler
# (compiler_stub.c). Every $EVERY-th call is compared, except those with options that name or show another
# compiler, measure, name symbolic links, or write files that only one of the systems has; $COMPARED gets a
# line for each compared call.
# SPDX-License-Identifier: Apache-2.0
case " $* " in
*' -v '* | *' --cc='* | *' --cc '* | *' --tune '* | *' --time-report '*) exec "$CNNC_LINUX" "$@" ;;
*'.so '* | *'.o '* | *'.wasm '*) exec "$CNNC_LINUX" "$@" ;;
' quantize '*) exec "$CNNC_LINUX" "$@" ;; # runs an executable that it built
esac
if [ "${EVERY:-1}" -gt 1 ]; then
  echo call >>"$COMPARED.calls"
  [ $(($(wc -l <"$COMPARED.calls") % EVERY)) = 0 ] || exec "$CNNC_LINUX" "$@"
fi
[ "$(ulimit -v)" = unlimited ] || exec "$CNNC_LINUX" "$@" # wine reserves more
printf '%s' "$*" | iconv -f UTF-8 -t UTF-8 >/dev/null 2>&1 || exec "$CNNC_LINUX" "$@" # Windows has UTF-16
for word; do [ ! -L "$word" ] || exec "$CNNC_LINUX" "$@"; done
both=$(env -u TMPDIR mktemp -d) || exit 99 # not in the folder that is copied
trap 'rm -rf "$both"' EXIT
case " $* " in *' - '* | *' lsp '*) cat >"$both/in" ;; *) : >"$both/in" ;; esac
cp -a . "$both/one" 2>/dev/null
cp -a . "$both/two" 2>/dev/null
(cd "$both/one" && CNNC_CC=$STUB exec "$CNNC_LINUX" "$@") <"$both/in" >"$both/one.out" 2>"$both/one.err"
one=$?
(cd "$both/two" && CNNC_CC=$STUB_EXE exec env -u TMPDIR "$WINE" "$CNNC_EXE" "$@") <"$both/in" \
  >"$both/two.out" 2>"$both/two.err"
two=$?
# Removes messages of wine itself and the paths of the two installations; replaces the suffix of shared
# libraries.
sed -i -e '/^wine: /d' -e 's/ \.dll,/ .so,/' "$both/two.err"
sed -i 's#[^ ]*/share/cnnc/lib/#share/cnnc/lib/#g' "$both/one.out" "$both/one.err" "$both/two.out" \
  "$both/two.err"
# Removes the suffix .exe, which executables have only on Windows.
find "$both/two" -name '*.exe' 2>/dev/null | while read -r file; do
  [ -e "${file%.exe}" ] || mv "$file" "${file%.exe}"
done
{
  [ $one = $two ] || echo "status $two instead of $one"
  for stream in out err; do diff "$both/one.$stream" "$both/two.$stream"; done
  diff -r -I '^CNNC *[?:]*=' "$both/one" "$both/two"
} >"$both/differences" 2>&1
echo "$*" >>"$COMPARED"
if [ -s "$both/differences" ]; then
  { echo "cnnc $*"; head -n 12 "$both/differences"; } >>"$DIFFERENCES"
fi
"$CNNC_LINUX" "$@" <"$both/in"
