#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes what joins the sidecar in each echo server into README.md, or with --check looks whether it
# is there, and at most 15 lines long.
set -eu
cd "$(dirname "$0")/.."

joined() {
  awk '/\/\/ join: begin/ { on = 1; next } /\/\/ join: end/ { on = 0; next }
    on { if (!trim) { match($0, /^ */); trim = RLENGTH + 1; last = FNR }
         match($0, /^ */)
         if (FNR > last + 1) trim = RLENGTH + 1
         last = FNR; print substr($0, trim) }' "$1"
}

new=$(mktemp)
trap 'rm -f "$new"' EXIT
cp README.md "$new"
for stack in quinn s2n quiche; do
  lines=$(joined "cidecar-$stack/examples/$stack-echo-server.rs")
  count=$(printf '%s\n' "$lines" | wc -l)
  if [ "$count" -gt 15 ]; then
    echo "$count lines join the sidecar in the echo server on $stack" >&2
    exit 1
  fi
  LINES="$lines" awk -v mark="<!-- $stack -->" '
    skip && /^```$/ { skip = 0 }
    !skip { print }
    $0 == mark { marked = 1 }
    marked && /^```rust$/ { print ENVIRON["LINES"]; skip = 1; marked = 0 }' "$new" > "$new.next"
  mv "$new.next" "$new"
done
if [ "${1-}" != --check ]; then
  cp "$new" README.md
elif ! diff -u README.md "$new"; then
  echo "README.md has other lines than the echo servers: run scripts/fifteen-lines.sh" >&2
  exit 1
fi
