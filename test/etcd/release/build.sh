#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the release of etcd that go.mod names into build/etcd: some minutes the first time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
command -v go >/dev/null || { echo 'build.sh: Go is missing: it builds etcd from its module' >&2; exit 1; }
go build -trimpath -o build/etcd .
