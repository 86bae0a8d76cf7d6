// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "addon.h"
#include "errors.h"
#include "octets.h"

namespace cidecar {
namespace {

/// The kind of a BPF descriptor, by its name in /proc: "map", "prog" or "link".
std::string kind_of(int fd) {
  char target[64] = {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t size = readlink(path.c_str(), target, sizeof(target) - 1);
  const std::string name(target, size > 0 ? static_cast<size_t>(size) : 0);
  for (const char* kind : {"map", "prog", "link"}) {
    if (name == std::string("anon_inode:bpf-") + kind) return kind;
    if (name == std::string("anon_inode:bpf_") + kind) return kind;
  }
  return "object of another kind";
}

}  // namespace

Napi::Object wrap_fd(const Napi::FunctionReference& constructor, Napi::Env env, Fd fd) {
  return constructor.New({Napi::External<Fd>::New(env, &fd)});
}

Fd take_fd(const Napi::CallbackInfo& info) {
  if (!info[0].IsExternal()) throw_type(info.Env(), "handles are made by the addon alone");
  return std::move(*info[0].As<Napi::External<Fd>>().Data());
}

Napi::Value open_pinned(const Napi::CallbackInfo& info, const char* kind,
                        const Napi::FunctionReference& constructor) {
  const Napi::Env env = info.Env();
  const std::string path = string_of(env, info[0], "path");
  Fd fd(bpf_obj_get(path.c_str()));
  if (!fd.open()) throw_failure(env, "bpf_obj_get", errno, path);
  const std::string found = kind_of(fd.get());
  if (found != kind)
    throw_failure(env, "pin_kind", EINVAL, path + " holds a " + found + ", not a " + kind);
  return wrap_fd(constructor, env, std::move(fd));
}

void pin_fd(const Napi::CallbackInfo& info, int fd, const std::string& subject) {
  const Napi::Env env = info.Env();
  const std::string path = string_of(env, info[0], "path");
  if (bpf_obj_pin(fd, path.c_str()) != 0)
    throw_failure(env, "bpf_obj_pin", errno, subject + " at " + path);
}

}  // namespace cidecar
