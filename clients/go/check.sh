#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds all that client.json names, and checks it. Ends at the first failure.
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail() {
  echo "$*" >&2
  exit 1
}

unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || fail "gofmt -w $unformatted"

# What the .proto says now is what is committed. CGO_ENABLED is for the race detector alone.
export CGO_ENABLED=0
buf=../../node_modules/.bin/buf
[ -x "$buf" ] || fail "$buf is missing: run npm ci in the project's folder"
"$buf" generate ../.. --template buf.gen.yaml --path ../../proto/cidecar -o "$scratch"
diff -r cidecarv1 "$scratch/cidecarv1" >&2 || fail 'cidecarv1 is not current: see README.md, "Work on it"'

# The README shows the lines by which the example joins its sidecar, at most 15.
awk '/\/\/ join\]/ { on = 0 }
  on { if (!cut) { match($0, /^\t*/); cut = RLENGTH + 1 } print substr($0, cut) }
  /\/\/ \[join/ { on = 1; cut = 0 }' examples/echo-server/main.go >"$scratch/joins"
awk '/^```$/ { on = 0 } on && !/^\/\/ \.\.\.$/ { print } /^```go$/ { on = 1 }' README.md |
  diff "$scratch/joins" - >&2 || fail 'README.md shows other lines than examples/echo-server'
[ "$(wc -l <"$scratch/joins")" -le 15 ] || fail 'it takes more than 15 lines to join'

go mod tidy -diff
go build -o build/ ./internal/contract ./internal/bench ./examples/echo-server
go vet ./...
go tool staticcheck ./...
CGO_ENABLED=1 go test -race -timeout 5m ./... | grep -v 'no test files'
