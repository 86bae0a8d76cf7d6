#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Brings a machine to where `npm test`, `npm run demo`, `npm run bench` and `npm run fuzz`
# work, and says what it does; takes about a second when everything is there.
#
#   scripts/setup.sh          packages of Debian, npm packages, bpffs, native and TypeScript
#   scripts/setup.sh --unit   npm packages and TypeScript only: no root, no compiler
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

unit=false
for argument in "$@"; do
  case $argument in
    --unit) unit=true ;;
    *) fail "unknown argument $argument; it knows --unit only" ;;
  esac
done

# Two setups at once (tests here, a bench there) would build into the same files.
exec 9<scripts/setup.sh
if ! flock -n 9; then
  say 'another setup is running here; waiting for it'
  flock 9
fi

check_node() {
  command -v node >/dev/null || fail 'Node.js is missing: install Node 24 (20.10 to 26 will do)'
  node -e 'const [a, b] = process.versions.node.split(".").map(Number);
           process.exit(a > 20 || (a === 20 && b >= 10) ? 0 : 1)' ||
    fail "Node $(node --version) is too old: 20.10 to 26 are supported"
}

# The compiler of the BPF programs, what the addon links, what the namespace tests run; of
# systemd, what verifies the units in deploy/; the registry that the tests of etcd start; what
# checks the models of the shared registry; what announces balancers to a router; promtool.
packages=(clang-16 llvm-16 libbpf-dev libelf-dev zlib1g-dev linux-libc-dev pkg-config g++ make
  iproute2 iputils-ping ethtool ngtcp2-client openssl ca-certificates procps systemd util-linux
  qemu-system-x86 busybox-static cpio etcd-server etcd-client spin gcc bird2 exabgp prometheus)

install_modules() {
  local done=node_modules/.package-lock.json
  [[ -e $done && ! package-lock.json -nt $done ]] && return
  say 'installing the npm packages (npm ci)'
  npm ci --no-audit --no-fund </dev/null >&2
  touch "$done"
}

mount_bpffs() {
  grep -q ' /sys/fs/bpf bpf ' /proc/mounts && return
  [[ $(id -u) -eq 0 ]] || fail 'bpffs is not mounted, and only root mounts it: mount -t bpf bpf /sys/fs/bpf'
  say 'mounting bpffs on /sys/fs/bpf'
  mkdir -p /sys/fs/bpf
  mount -t bpf -o mode=0700,nosuid,nodev,noexec bpf /sys/fs/bpf
}

build_native() {
  make -q -C bpf >/dev/null 2>&1 && return
  say 'building the BPF programs and the addon (make -C bpf)'
  make -C bpf --no-print-directory -j"$(nproc)" >&2
}

# Generates when a contract is newer than what was generated from it.
build_proto() {
  local stamp=proto/gen/.generated
  [[ -e $stamp && -e proto/gen/cidecar.binpb && -z $(find proto buf.yaml buf.gen.yaml package-lock.json \
    -path proto/gen -prune -o -type f -newer "$stamp" \
    \( -name '*.proto' -o -name 'buf*.yaml' -o -name package-lock.json \) -print -quit) ]] && return
  say 'generating code from the gRPC contracts (npm run build:proto)'
  npm run --silent build:proto >&2
  touch "$stamp"
}

build_typescript() {
  node_modules/.bin/tsc -b || fail 'TypeScript does not compile'
  # tsc does not, and npx runs the programs as they are.
  chmod +x dist/*/main.js
}

check_node
if $unit; then
  install_modules
  build_proto
  build_typescript
else
  bash scripts/install-packages.sh "${packages[@]}"
  install_modules
  mount_bpffs
  build_native
  build_proto
  build_typescript
fi
say 'ready'
