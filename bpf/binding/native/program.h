// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>
#include <napi.h>

#include <string>

#include "fd.h"

namespace cidecar {

/// A handle of a loaded program.
class ProgramHandle : public Napi::ObjectWrap<ProgramHandle> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit ProgramHandle(const Napi::CallbackInfo& info);

  int fd(Napi::Env env) const;
  static ProgramHandle& of(Napi::Env env, const Napi::Value& value);

 private:
  static Napi::Value open_pinned(const Napi::CallbackInfo& info);
  Napi::Value info(const Napi::CallbackInfo& info);
  Napi::Value test_run(const Napi::CallbackInfo& info);
  Napi::Value attach_xdp(const Napi::CallbackInfo& info);
  void pin(const Napi::CallbackInfo& info);
  void close(const Napi::CallbackInfo& info);
  std::string subject() const;

  Fd fd_;
  bpf_prog_info about_ = {};
};

}  // namespace cidecar
