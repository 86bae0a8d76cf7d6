// SPDX-License-Identifier: Apache-2.0
#include "object.h"

#include <cerrno>
#include <string>

#include "addon.h"
#include "errors.h"
#include "octets.h"

namespace cidecar {
namespace {

/// The loaded maps and programs of one ELF file, by name, until it is closed.
class ObjectHandle : public Napi::ObjectWrap<ObjectHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Object",
                       {InstanceMethod<&ObjectHandle::maps>("maps"),
                        InstanceMethod<&ObjectHandle::programs>("programs"),
                        InstanceMethod<&ObjectHandle::map>("map"),
                        InstanceMethod<&ObjectHandle::program>("program"),
                        InstanceMethod<&ObjectHandle::log>("log"),
                        InstanceMethod<&ObjectHandle::close>("close")});
  }

  explicit ObjectHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ObjectHandle>(info) {
    if (!info[0].IsExternal()) throw_type(info.Env(), "handles are made by the addon alone");
    loaded_ = std::move(*info[0].As<Napi::External<Loaded>>().Data());
  }

 private:
  bpf_object* object(Napi::Env env) const {
    if (!loaded_.object) throw_failure(env, "closed", EBADF, loaded_.path);
    return loaded_.object.get();
  }

  Napi::Value maps(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    auto names = Napi::Array::New(env);
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object(env)) names.Set(names.Length(), map_name(map));
    return names;
  }

  Napi::Value programs(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    auto names = Napi::Array::New(env);
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, object(env)) {
      if (bpf_program__fd(program) >= 0) names.Set(names.Length(), bpf_program__name(program));
    }
    return names;
  }

  Napi::Value map(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::string name = string_of(env, info[0], "name");
    const bpf_map* map = bpf_object__find_map_by_name(object(env), name.c_str());
    return wrap(env, env.GetInstanceData<Addon>()->map, map == nullptr ? -1 : bpf_map__fd(map),
                "map " + name);
  }

  Napi::Value program(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const std::string name = string_of(env, info[0], "name");
    const bpf_program* program = bpf_object__find_program_by_name(object(env), name.c_str());
    return wrap(env, env.GetInstanceData<Addon>()->program,
                program == nullptr ? -1 : bpf_program__fd(program), "program " + name);
  }

  Napi::Value wrap(Napi::Env env, const Napi::FunctionReference& constructor, int fd,
                   const std::string& what) const {
    if (fd < 0) throw_failure(env, "find", ENOENT, loaded_.path + " has no " + what);
    Fd own = Fd::duplicate(fd);
    if (!own.open()) throw_failure(env, "fcntl", errno, what);
    return wrap_fd(constructor, env, std::move(own));
  }

  Napi::Value log(const Napi::CallbackInfo& info) {
    return Napi::String::New(info.Env(), loaded_.log);
  }

  void close(const Napi::CallbackInfo&) { loaded_.object.reset(); }

  Loaded loaded_;
};

}  // namespace

std::string map_name(const bpf_map* map) {
  const std::string name = bpf_map__name(map);
  // libbpf names .rodata, .data and .bss with a part of the object's name before them, but looks
  // them up by section. This gives one name for both.
  const size_t dot = name.find('.');
  return bpf_map__is_internal(map) && dot != std::string::npos ? name.substr(dot) : name;
}

Napi::Function define_object(Napi::Env env) { return ObjectHandle::define(env); }

}  // namespace cidecar
