// SPDX-License-Identifier: Apache-2.0
// What belongs to no single map, program or link: the machine and its kernel.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include <cerrno>
#include <string>

#include "addon.h"
#include "errors.h"
#include "octets.h"

namespace cidecar {
namespace {

Napi::Value possible_cpus(const Napi::CallbackInfo& info) {
  const int cpus = libbpf_num_possible_cpus();
  if (cpus < 1) throw_failure(info.Env(), "libbpf_num_possible_cpus", -cpus, "CPUs");
  return Napi::Number::New(info.Env(), cpus);
}

// Asks a socket, because /sys may be that of another network namespace.
Napi::Value ifindex(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string name = string_of(env, info[0], "name");
  const unsigned index = if_nametoindex(name.c_str());
  if (index == 0) throw_failure(env, "if_nametoindex", errno, name);
  return Napi::Number::New(env, index);
}

// isBpffs(path): false too if there is nothing at the path.
Napi::Value is_bpffs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  struct statfs about;
  const bool there = statfs(string_of(env, info[0], "path").c_str(), &about) == 0;
  return Napi::Boolean::New(env,
                            there && static_cast<uint32_t>(about.f_type) == BPF_FS_MAGIC);
}

void mount_bpffs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::string path = string_of(env, info[0], "path");
  if (mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0)
    throw_failure(env, "mount", errno, "bpf on " + path);
}

/// The errno of making an array with `flags`; 0 if that works.
int try_array(uint32_t flags) {
  LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = flags);
  const Fd map(bpf_map_create(BPF_MAP_TYPE_ARRAY, "cidecar_probe", 4, 8, 1, &options));
  return map.open() ? 0 : errno;
}

/// The errno of loading the smallest XDP program; 0 if that works. EPERM may mean that only
/// CAP_NET_ADMIN is missing, which maps do not need, and then says nothing about the kernel.
int try_xdp() {
  const bpf_insn pass[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  const Fd program(
      bpf_prog_load(BPF_PROG_TYPE_XDP, "cidecar_probe", "Apache-2.0", pass, 2, nullptr));
  return program.open() ? 0 : errno;
}

Napi::Value probe(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  utsname system = {};
  uname(&system);
  const int array = try_array(0);
  const int xdp = try_xdp();

  auto result = Napi::Object::New(env);
  result.Set("release", Napi::String::New(env, system.release));
  result.Set("bpf", Napi::Boolean::New(env, array != ENOSYS));
  result.Set("permitted", Napi::Boolean::New(env, array == 0 && xdp != EPERM));
  result.Set("xdp", Napi::Boolean::New(env, xdp == 0));
  result.Set("ringbuf", Napi::Boolean::New(
                            env, libbpf_probe_bpf_map_type(BPF_MAP_TYPE_RINGBUF, nullptr) == 1));
  result.Set("mmapableArrays", Napi::Boolean::New(env, try_array(BPF_F_MMAPABLE) == 0));
  result.Set("coarseClock",
             Napi::Boolean::New(env, libbpf_probe_bpf_helper(BPF_PROG_TYPE_XDP,
                                                             BPF_FUNC_ktime_get_coarse_ns,
                                                             nullptr) == 1));
  return result;
}

}  // namespace

void define_system(Napi::Env env, Napi::Object exports) {
  exports.Set("possibleCpus", Napi::Function::New(env, possible_cpus, "possibleCpus"));
  exports.Set("ifindex", Napi::Function::New(env, ifindex, "ifindex"));
  exports.Set("isBpffs", Napi::Function::New(env, is_bpffs, "isBpffs"));
  exports.Set("mountBpffs", Napi::Function::New(env, mount_bpffs, "mountBpffs"));
  exports.Set("probe", Napi::Function::New(env, probe, "probe"));
}

}  // namespace cidecar
