#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the wheel and the programs that client.json names, and checks formatting, lint, types and
# unit tests. Everything is installed into build/venv, from requirements.lock alone; PYTHON names
# another Python than python3.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python="${PYTHON:-python3}"
venv=build/venv

stamp="$("$python" --version) $(sha256sum requirements.lock)"
if [[ "$(cat build/stamp 2>/dev/null)" != "$stamp" ]]; then
  rm -rf build
  mkdir build
  "$python" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
  echo "$stamp" >build/stamp
fi

# The tests import what users install, rather than the sources.
rm -rf build/wheel
"$venv/bin/pip" wheel --quiet --disable-pip-version-check --no-deps --no-index \
  --no-build-isolation --wheel-dir build/wheel .
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-index \
  --force-reinstall build/wheel/*.whl

for program in contract:contract/contract.py echo-server:examples/echo_server.py \
  bench:bench/bench.py; do
  # shellcheck disable=SC2016 # The program finds its own place when it runs.
  printf '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\nexec "$here/venv/bin/python" "$here/../%s" "$@"\n' \
    "${program#*:}" >"build/${program%%:*}"
  chmod +x "build/${program%%:*}"
done

"$venv/bin/ruff" format --quiet --check . || { echo 'run: ruff format' >&2; exit 1; }
"$venv/bin/ruff" check --quiet .
"$venv/bin/mypy" --no-error-summary --cache-dir build/mypy src tests contract examples bench
"$venv/bin/python" -m pytest
