#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# All tests, in three lanes at once: what needs the kernel, etcd or real servers waits more than it
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

# The lanes would compile at once into the same files.
node_modules/.bin/tsc -b
export CIDECAR_COMPILED=1

# A lane that runs beside the first one; what it says is shown when all have ended.
lanes=() outputs=()
lane() {
  local output
  output=$(mktemp)
  "$vitest" run "$@" >"$output" 2>&1 &
  lanes+=("$!") outputs+=("$output")
}
ended() {
  for each in "${lanes[@]}"; do kill "$each" 2>/dev/null && wait "$each" || true; done
  rm -f "${outputs[@]}"
}
trap ended EXIT
trap 'exit 130' INT TERM HUP

lane --project kernel
lane --project etcd --project e2e
failed=0
"$vitest" run --project unit --project model || failed=$?
for version in "${versions[@]}"; do
  printf '\nunit tests on Node %s\n' "$version"
  CIDECAR_SHORT=1 scripts/with-node.sh "$version" "$vitest" run --project unit || failed=$?
done
for each in "${!lanes[@]}"; do
  wait "${lanes[$each]}" || failed=$?
  printf '\nwhat needs the kernel or real servers, part %s of %s\n' "$((each + 1))" "${#lanes[@]}"
  cat "${outputs[$each]}"
done
exit "$failed"
