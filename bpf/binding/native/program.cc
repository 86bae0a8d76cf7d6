// SPDX-License-Identifier: Apache-2.0
#include "program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>

#include <cerrno>
#include <string>
#include <vector>

#include "addon.h"
#include "capture.h"
#include "errors.h"
#include "octets.h"

namespace cidecar {

Napi::Function define_program(Napi::Env env) { return ProgramHandle::define(env); }

Napi::Function ProgramHandle::define(Napi::Env env) {
  return DefineClass(env, "Program",
                     {StaticMethod<&ProgramHandle::open_pinned>("openPinned"),
                      InstanceMethod<&ProgramHandle::info>("info"),
                      InstanceMethod<&ProgramHandle::test_run>("testRun"),
                      InstanceMethod<&ProgramHandle::attach_xdp>("attachXdp"),
                      InstanceMethod<&ProgramHandle::pin>("pin"),
                      InstanceMethod<&ProgramHandle::close>("close")});
}

ProgramHandle::ProgramHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<ProgramHandle>(info), fd_(take_fd(info)) {
  uint32_t size = sizeof(about_);
  if (bpf_obj_get_info_by_fd(fd_.get(), &about_, &size) != 0)
    throw_failure(info.Env(), "bpf_obj_get_info_by_fd", errno, "program");
}

ProgramHandle& ProgramHandle::of(Napi::Env env, const Napi::Value& value) {
  if (value.IsObject() &&
      value.As<Napi::Object>().InstanceOf(env.GetInstanceData<Addon>()->program.Value()))
    return *Unwrap(value.As<Napi::Object>());
  throw_type(env, "not a program");
}

int ProgramHandle::fd(Napi::Env env) const {
  if (!fd_.open()) throw_failure(env, "closed", EBADF, subject());
  return fd_.get();
}

std::string ProgramHandle::subject() const { return std::string("program ") + about_.name; }

Napi::Value ProgramHandle::info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  // The map IDs take a second call, because the first one only says how many there are.
  std::vector<uint32_t> ids(about_.nr_map_ids);
  bpf_prog_info again = {};
  again.nr_map_ids = static_cast<uint32_t>(ids.size());
  again.map_ids = reinterpret_cast<uintptr_t>(ids.data());
  uint32_t size = sizeof(again);
  if (bpf_obj_get_info_by_fd(fd(env), &again, &size) != 0)
    throw_failure(env, "bpf_obj_get_info_by_fd", errno, subject());

  auto map_ids = Napi::Array::New(env, ids.size());
  for (uint32_t i = 0; i < ids.size(); i++) map_ids.Set(i, ids[i]);
  static constexpr char kHex[] = "0123456789abcdef";
  std::string tag;
  for (const uint8_t octet : again.tag) {
    tag += kHex[octet >> 4];
    tag += kHex[octet & 15];
  }
  auto result = Napi::Object::New(env);
  result.Set("id", again.id);
  result.Set("name", Napi::String::New(env, again.name));
  result.Set("type", again.type);
  result.Set("verifiedInstructions", again.verified_insns);
  result.Set("translatedOctets", again.xlated_prog_len);
  result.Set("jitedOctets", again.jited_prog_len);
  result.Set("mapIds", map_ids);
  result.Set("tag", Napi::String::New(env, tag));
  return result;
}

namespace {

/// Asks for the same attachment by netlink, because bpf(2) passes on none of the kernel's words
/// on why it refuses one. Should it be granted this time, it is taken back at once.
std::string why_refused(int interface, int program, uint32_t mode) {
  const Capture capture(false);
  if (bpf_xdp_attach(interface, program, mode | XDP_FLAGS_UPDATE_IF_NOEXIST, nullptr) == 0) {
    LIBBPF_OPTS(bpf_xdp_attach_opts, ours, .old_prog_fd = program);
    bpf_xdp_detach(interface, mode | XDP_FLAGS_REPLACE, &ours);
  }
  return capture.text;
}

/// Whether an attachment failed for a reason that lies in the interface or its driver.
bool interface_refuses(int error) {
  return error != EBUSY && error != EEXIST && error != EPERM && error != EACCES &&
         error != ENODEV && error != ENOMEM && error != ENOSYS;
}

}  // namespace

Napi::Value ProgramHandle::attach_xdp(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t interface = uint32_of(env, info[0], "ifindex");
  const bool native = info[1].ToBoolean();
  // For an interface that does not exist the kernel says EINVAL, which also means much else.
  char name[IF_NAMESIZE];
  if (if_indextoname(interface, name) == nullptr)
    throw_failure(env, "if_indextoname", errno, "interface " + std::to_string(interface));
  const uint32_t mode = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
  const int index = static_cast<int>(interface);
  LIBBPF_OPTS(bpf_link_create_opts, options, .flags = mode);
  Fd link(bpf_link_create(fd(env), index, BPF_XDP, &options));
  if (!link.open()) {
    const int error = errno;
    const std::string log = interface_refuses(error) ? why_refused(index, fd(env), mode) : "";
    throw to_error(env, {"bpf_link_create", error,
                         subject() + " on interface " + name +
                             (native ? " (native)" : " (generic)"),
                         log});
  }
  return wrap_fd(env.GetInstanceData<Addon>()->link, env, std::move(link));
}

void ProgramHandle::pin(const Napi::CallbackInfo& info) {
  pin_fd(info, fd(info.Env()), subject());
}

void ProgramHandle::close(const Napi::CallbackInfo&) { fd_.close(); }

Napi::Value ProgramHandle::open_pinned(const Napi::CallbackInfo& info) {
  return cidecar::open_pinned(info, "prog", info.Env().GetInstanceData<Addon>()->program);
}

}  // namespace cidecar
