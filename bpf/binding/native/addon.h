// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <string>

#include "fd.h"

namespace cidecar {

/// What the addon keeps for one JavaScript environment (the main thread or a worker).
struct Addon {
  Napi::FunctionReference map;
  Napi::FunctionReference program;
  Napi::FunctionReference link;
  Napi::FunctionReference object;
};

/// Makes a handle that owns `fd`. The constructors take an External, which JavaScript cannot
/// make, so that no script can turn a number into a handle.
Napi::Object wrap_fd(const Napi::FunctionReference& constructor, Napi::Env env, Fd fd);

/// The descriptor passed by wrap_fd to a constructor.
Fd take_fd(const Napi::CallbackInfo& info);

/// Makes a handle for a pinned object. `kind` is "map", "prog" or "link", and is compared with
/// what the pin holds, because the kernel opens pins of any kind.
Napi::Value open_pinned(const Napi::CallbackInfo& info, const char* kind,
                        const Napi::FunctionReference& constructor);

/// Pins `fd` at the path in the first argument.
void pin_fd(const Napi::CallbackInfo& info, int fd, const std::string& subject);

Napi::Function define_map(Napi::Env env);
Napi::Function define_program(Napi::Env env);
Napi::Function define_link(Napi::Env env);
Napi::Function define_object(Napi::Env env);
Napi::Function define_raw_socket(Napi::Env env);
Napi::Function define_ring_buffer(Napi::Env env);
void define_interface(Napi::Env env, Napi::Object exports);
void define_system(Napi::Env env, Napi::Object exports);
void define_capabilities(Napi::Env env, Napi::Object exports);
Napi::Value load_object(const Napi::CallbackInfo& info);

}  // namespace cidecar
