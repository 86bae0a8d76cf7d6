#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds everything and checks it. Ends at the first failure.
set -eu
cd "$(dirname "$0")"

cargo fmt --all --check
# The lines of the README are those of the examples.
scripts/fifteen-lines.sh --check
# All have the same crates and targets, or cargo would build tokio and BoringSSL once more for each.
all='--quiet --locked --workspace --features cidecar/tls,cidecar/minting'
# shellcheck disable=SC2086
{
  cargo clippy $all --all-targets -- -D warnings
  cargo test $all
  cargo build $all --all-targets
}
