#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds everything and checks it. Ends at the first failure.
set -eu
cd "$(dirname "$0")"

cargo fmt --all --check
# The lines of the README are those of the examples.
scripts/fifteen-lines.sh --check
cargo clippy --quiet --locked --workspace --all-targets --features cidecar/tls -- -D warnings
cargo test --quiet --locked --workspace --features cidecar/tls
cargo build --quiet --locked --workspace --all-targets --features cidecar/tls
RUSTDOCFLAGS='-D warnings' cargo doc --quiet --locked --no-deps -p cidecar --features tls
