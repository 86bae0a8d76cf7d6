#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command with another version of Node than this machine's, which the npm package `node`
# brings; it is kept under node_modules/.cache.
#
#   scripts/with-node.sh 24 npm run test:unit
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
version=$1
shift
place=$root/node_modules/.cache/node-$version
bin=$place/node_modules/node/bin
if ! [[ $("$bin/node" --version 2>/dev/null) == "v$version."* ]]; then
  mkdir -p "$place"
  npm install --prefix "$place" --no-save --no-audit --no-fund --no-package-lock \
    --silent "node@$version" </dev/null >&2
fi
[[ $("$bin/node" --version) == "v$version."* ]] || {
  printf 'with-node: node@%s did not bring Node %s\n' "$version" "$version" >&2
  exit 1
}
PATH=$bin:$PATH exec "$@"
