#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds everything, and looks at it: format, linter, names, libraries, tests with the sanitizers,
# and some seconds of fuzzing. FUZZ_SECONDS=0 leaves the last one out.
set -euo pipefail
cd "$(dirname "$0")"

say() {
  echo "c: $*"
}
fail() {
  echo "c: $*" >&2
  exit 1
}
# Shows what a command wrote only if it fails.
quietly() {
  mkdir -p build
  "$@" >build/last.log 2>&1 || {
    tail -n 40 build/last.log >&2
    fail "failed: $*"
  }
}

say "format"
mapfile -t files < <(find include src adapters contract bench examples tests fuzz -name '*.[ch]' | sort)
clang-format-16 --dry-run -Werror "${files[@]}"
for file in "${files[@]}"; do
  head -n 1 "$file" | grep -q 'SPDX-License-Identifier: Apache-2.0' || fail "$file: no SPDX line"
done

say "build"
quietly make -j2 all

say "public names, and libraries beside libc"
for library in build/libcidecar.so build/libcidecar-ngtcp2.so build/libcidecar-openssl.so; do
  strange=$(nm -D --defined-only "$library" | awk '{ print $3 }' | grep -v -e '^cidecar_' -e '^CIDECAR_' || true)
  [ -z "$strange" ] || fail "$library exports $strange"
done
for library in build/libcidecar.a build/libcidecar-ngtcp2.a build/libcidecar-openssl.a; do
  strange=$(nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 { print $3 }' | grep -v '^cidecar_' || true)
  [ -z "$strange" ] || fail "$library exports $strange"
done
needed=$(readelf -d build/libcidecar.so | grep NEEDED | grep -v -c 'libc\.so' || true)
[ "$needed" -le 2 ] || fail "libcidecar.so needs $needed libraries beside libc"

say "an installed client, by pkg-config"
stage=$PWD/build/stage
rm -rf "$stage"
quietly make install DESTDIR="$stage" PREFIX=/usr LIBDIR=/usr/lib
flags=$(PKG_CONFIG_PATH="$stage/usr/lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$stage" pkg-config --cflags --libs cidecar)
printf '#include <cidecar/cidecar.h>\nint main(void) { return cidecar_now() > 0 ? 0 : 1; }\n' >build/installed.c
# shellcheck disable=SC2086
quietly cc -o build/installed build/installed.c $flags
LD_LIBRARY_PATH="$stage/usr/lib" ./build/installed || fail "a program with the installed library fails"

say "the lines of the README"
# What joins the sidecar is shown there as it stands in the example.
lines=$(sed -n '/^```c$/,/^```$/p' README.md | grep -v '^```' | grep -v '^ *\(//.*\|\)$')
count=$(wc -l <<<"$lines")
[ "$count" -ge 10 ] && [ "$count" -le 15 ] || fail "README.md shows $count lines, not 10 to 15"
while IFS= read -r line; do
  line=$(sed 's/^[[:space:]]*//; s/[[:space:]]*$//' <<<"$line")
  grep -rqF -- "$line" examples/echo-server || fail "README.md shows what the example has not: $line"
done <<<"$lines"

say "tests, with AddressSanitizer and UndefinedBehaviorSanitizer"
quietly make -j2 build/tests
quietly ./build/tests

say "linter"
printf '%s\0' src/*.c adapters/*/*.c |
  quietly xargs -0 -n 4 -P 2 sh -c 'exec clang-tidy-16 --quiet "$@" -- -std=c11 -D_GNU_SOURCE -Iinclude' tidy

FUZZ_SECONDS=${FUZZ_SECONDS:-10}
if [ "$FUZZ_SECONDS" -gt 0 ]; then
  say "fuzzing, $FUZZ_SECONDS s each"
  quietly make -j2 build/fuzz-session build/fuzz-call build/fuzz-lease
  for target in session call lease; do
    quietly make "fuzz-$target" FUZZ_SECONDS="$FUZZ_SECONDS"
  done
fi
say "passed"
