# cli.sh: shell functions of the test scripts. Each script sources it, checks, and ends with `finish`. It then
# runs in an empty directory with copies of tests/fixtures; CNNC, CC, CXX and CLANG name the tools.
# SPDX-License-Identifier: Apache-2.0
here=$(cd "$(dirname "$0")" && pwd) || exit 99
fixtures=$(cd "$here/../fixtures" && pwd) || exit 99
CNNC=${CNNC:-cnnc} CC=${CC:-cc} CXX=${CXX:-c++} CLANG=${CLANG:-clang}
command -v "$CNNC" >/dev/null || { echo "Bail out! no $CNNC"; exit 99; }
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 99
cp "$fixtures"/*.cnn "$fixtures"/*.[ch] "$fixtures"/*.mjs . || exit 99
number=0

result() { # result STATUS TITLE [FILE]: a line of output; the file is shown when the status is not 0
  number=$((number + 1))
  if [ "$1" = 0 ]; then
    echo "ok $number - $2"
  else
    echo "not ok $number - $2"
    if [ -n "$3" ]; then sed 's/^/# /' "$3" | head -n 30; fi
  fi
}

runs() { # runs STATUS TITLE COMMAND...: ends with that status
  wanted=$1 title=$2
  shift 2
  "$@" >out 2>err
  status=$?
  if [ "$status" != "$wanted" ]; then echo "exit status $status instead of $wanted: $*" >>err; fi
  [ "$status" = "$wanted" ]
  result $? "$title" err
}

# says TITLE PATTERN [FILE]: what the last command printed on standard error, or the file, has a line like
# this
says() {
  grep -q -e "$2" "${3:-err}"
  result $? "$1" "${3:-err}"
}

holds() { # holds TITLE COMMAND...
  title=$1
  shift
  "$@" >out 2>err
  result $? "$title" err
}

finish() { echo "1..$number"; }
