#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# All tests, in two lanes at once: what needs the kernel or real servers waits more than it
# computes. With arguments of vitest it runs vitest with them, in one lane.
#
#   scripts/test.sh                                  everything
#   scripts/test.sh --also-on 20 26                  and the shorter unit tests on these versions of Node
#   scripts/test.sh --project unit core/hex.test.ts  what vitest's arguments say
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
vitest=node_modules/.bin/vitest

versions=()
if [[ ${1-} == --also-on ]]; then
  versions=("${@:2}")
elif (($# > 0)); then
  exec "$vitest" run "$@"
fi

# Both lanes would compile at once into the same files.
node_modules/.bin/tsc -b
export CIDECAR_COMPILED=1

output=$(mktemp)
"$vitest" run --project etcd --project kernel --project e2e >"$output" 2>&1 &
other=$!
ended() {
  if [[ -n $other ]]; then kill "$other" && wait "$other" || true; fi
  rm -f "$output"
}
trap ended EXIT
trap 'exit 130' INT TERM HUP

failed=0
"$vitest" run --project unit --project model || failed=$?
for version in "${versions[@]}"; do
  printf '\nunit tests on Node %s\n' "$version"
  CIDECAR_SHORT=1 scripts/with-node.sh "$version" "$vitest" run --project unit || failed=$?
done
wait "$other" || failed=$?
other=
printf '\nwhat needs the kernel or real servers\n'
cat "$output"
exit "$failed"
