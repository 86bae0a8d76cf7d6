// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>
#include <napi.h>

#include <string>

#include "fd.h"

namespace cidecar {

/// A handle of a map. Every size is compared with what the kernel says of the map, because the
/// kernel copies as many octets as the map has, whatever the size of the caller's buffer.
class MapHandle : public Napi::ObjectWrap<MapHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit MapHandle(const Napi::CallbackInfo& info);

  /// The open descriptor; throws when the handle is closed.
  int fd(Napi::Env env) const;
  const bpf_map_info& about() const { return about_; }

  /// The handle in `value`; throws TypeError for anything else.
  static MapHandle& of(Napi::Env env, const Napi::Value& value);

 private:
  static Napi::Value open_pinned(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value lookup(const Napi::CallbackInfo& info);
  void update(const Napi::CallbackInfo& info);
  void set_program(const Napi::CallbackInfo& info);
  Napi::Value remove(const Napi::CallbackInfo& info);
  Napi::Value next_key(const Napi::CallbackInfo& info);
  void update_batch(const Napi::CallbackInfo& info);
  Napi::Value lookup_batch(const Napi::CallbackInfo& info);
  Napi::Value mmap(const Napi::CallbackInfo& info);
  void unmap(const Napi::CallbackInfo& info);
  void pin(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);

  bool per_cpu() const;
  bool indexed() const;
  /// How many octets the kernel reads or writes for one value.
  size_t value_octets() const;
  /// The octets of the key in `value`, which is a Uint8Array or the index of an array.
  const void* key_of(Napi::Env env, const Napi::Value& value, uint32_t& index) const;
  std::string subject() const;

  Fd fd_;
  bpf_map_info about_ = {};
  size_t cpus_ = 1;
};

}  // namespace cidecar
