# cli.sh: shell functions of the test scripts. A script sources it, runs checks, and ends with `finish`. The
# current directory is then an empty one with copies of tests/fixtures; CNNC, CC, CXX and CLANG name the
# tools.
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

result() { # result STATUS TITLE [FILE]: prints a TAP line, and the file if the status is not 0
  number=$((number + 1))
  if [ "$1" = 0 ]; then
    echo "ok $number - $2"
  else
    echo "not ok $number - $2"
    if [ -n "$3" ]; then sed 's/^/# /' "$3" | head -n 30; fi
  fi
}

runs() { # runs STATUS TITLE COMMAND...: checks the exit status
  wanted=$1 title=$2
  shift 2
  "$@" >out 2>err
  status=$?
  if [ "$status" != "$wanted" ]; then echo "exit status $status instead of $wanted: $*" >>err; fi
  [ "$status" = "$wanted" ]
  result $? "$title" err
}

# says TITLE PATTERN [FILE]: checks that standard error of the last command, or the file, has a line that
# matches
says() {
  grep -q -e "$2" "${3:-err}"
  result $? "$1" "${3:-err}"
}

holds() { # holds TITLE COMMAND...: checks that the command succeeds
  title=$1
  shift
  "$@" >out 2>err
  result $? "$title" err
}

finish() { echo "1..$number"; }
