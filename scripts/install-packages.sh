#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Installs those of the named Debian packages that are missing, as root, and starts no service.
#
#   scripts/install-packages.sh PACKAGE...
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

packages=("$@")
[[ ${#packages[@]} -gt 0 ]] || fail 'usage: install-packages.sh PACKAGE...'

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "not a Debian system; expecting what these packages hold: ${packages[*]}"
    return
  fi
  local installed missing=() package
  installed=" $(dpkg-query -W -f '${Package}:${db:Status-Status} ' "${packages[@]}" 2>/dev/null || true)"
  for package in "${packages[@]}"; do
    [[ $installed == *" $package:installed "* ]] || missing+=("$package")
  done
  [[ ${#missing[@]} -eq 0 ]] && return 0
  [[ $(id -u) -eq 0 ]] ||
    fail "missing packages, and only root installs them: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null >&2
  without_starting_services \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >&2
  # The tests start their own; what runs at each boot is the operator's to ask for.
  local service
  for package in "${missing[@]}"; do
    case $package in
      etcd-server) service=etcd ;;
      bird2) service=bird ;;
      exabgp | prometheus) service=$package ;;
      *) continue ;;
    esac
    command -v systemctl >/dev/null || continue
    systemctl --quiet disable "$service.service" </dev/null >&2 ||
      say "$service.service could not be disabled, so it starts at the next boot"
  done
}

# Runs a command while packages may start no service: etcd-server would start etcd at once.
# Debian asks /usr/sbin/policy-rc.d before it starts any; 101 forbids it.
without_starting_services() (
  policy=/usr/sbin/policy-rc.d
  kept=
  if [[ -e $policy || -L $policy ]]; then
    kept=$(mktemp -u "$policy.kept-XXXXXX")
    mv "$policy" "$kept"
  fi
  restore() {
    rm -f "$policy"
    [[ -z $kept ]] || mv "$kept" "$policy"
  }
  trap restore EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  "$@"
)

install_packages
