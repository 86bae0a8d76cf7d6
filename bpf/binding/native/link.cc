// SPDX-License-Identifier: Apache-2.0
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <napi.h>

#include <cerrno>
#include <string>

#include "addon.h"
#include "errors.h"
#include "program.h"

namespace cidecar {
namespace {

/// A handle of an attachment, which lasts while a descriptor or a pin holds it.
class LinkHandle : public Napi::ObjectWrap<LinkHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Link",
                       {StaticMethod<&LinkHandle::open_pinned>("openPinned"),
                        InstanceMethod<&LinkHandle::info>("info"),
                        InstanceMethod<&LinkHandle::update>("update"),
                        InstanceMethod<&LinkHandle::detach>("detach"),
                        InstanceMethod<&LinkHandle::pin>("pin"),
                        InstanceMethod<&LinkHandle::close>("close")});
  }

  explicit LinkHandle(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<LinkHandle>(info), fd_(take_fd(info)) {
    id_ = about(info.Env()).id;
  }

 private:
  int fd(Napi::Env env) const {
    if (!fd_.open()) throw_failure(env, "closed", EBADF, subject());
    return fd_.get();
  }

  std::string subject() const { return "link " + std::to_string(id_); }

  bpf_link_info about(Napi::Env env) const {
    bpf_link_info about = {};
    uint32_t size = sizeof(about);
    if (bpf_obj_get_info_by_fd(fd(env), &about, &size) != 0)
      throw_failure(env, "bpf_obj_get_info_by_fd", errno, subject());
    return about;
  }

  Napi::Value info(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const bpf_link_info now = about(env);
    auto result = Napi::Object::New(env);
    result.Set("id", now.id);
    result.Set("programId", now.prog_id);
    result.Set("ifindex", now.type == BPF_LINK_TYPE_XDP ? now.xdp.ifindex : 0);
    return result;
  }

  void update(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const int program = ProgramHandle::of(env, info[0]).fd(env);
    LIBBPF_OPTS(bpf_link_update_opts, options);
    if (!info[1].IsUndefined()) {
      options.flags = BPF_F_REPLACE;
      options.old_prog_fd = static_cast<uint32_t>(ProgramHandle::of(env, info[1]).fd(env));
    }
    if (bpf_link_update(fd(env), program, &options) != 0)
      throw_failure(env, "bpf_link_update", errno, subject());
  }

  void detach(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (bpf_link_detach(fd(env)) != 0) throw_failure(env, "bpf_link_detach", errno, subject());
  }

  void pin(const Napi::CallbackInfo& info) { pin_fd(info, fd(info.Env()), subject()); }

  void close(const Napi::CallbackInfo&) { fd_.close(); }

  static Napi::Value open_pinned(const Napi::CallbackInfo& info) {
    return cidecar::open_pinned(info, "link", info.Env().GetInstanceData<Addon>()->link);
  }

  Fd fd_;
  uint32_t id_ = 0;
};

}  // namespace

Napi::Function define_link(Napi::Env env) { return LinkHandle::define(env); }

}  // namespace cidecar
