// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <string>

namespace cidecar {

/// What a refused call of the kernel or of libbpf says. It can be collected on the worker thread
/// of a load, where no JavaScript can run, and thrown later.
struct Failure {
  std::string call;     ///< name of the call, such as "bpf_map_update_elem"
  int error = 0;        ///< errno, or one of libbpf's numbers from 4000 on; 0 = not from the kernel
  std::string subject;  ///< what the call was about, for the message
  std::string log;      ///< what libbpf and the verifier printed
};

/// Text of an errno, or of one of libbpf's numbers (>= 4000), which strerror does not know.
std::string error_text(int error);

/// The Error of a failure, with the properties `call`, `errno`, `subject` and `log`. The wrapper
/// in TypeScript turns it into a CidecarError.
Napi::Error to_error(Napi::Env env, const Failure& failure);

/// Throws the Error of `call`, whose errno is `error`.
[[noreturn]] void throw_failure(Napi::Env env, const char* call, int error,
                                const std::string& subject);

/// For a size or an index that does not fit, which is a mistake of the caller: a RangeError.
[[noreturn]] void throw_range(Napi::Env env, const std::string& message);

/// For an argument of the wrong kind: a TypeError.
[[noreturn]] void throw_type(Napi::Env env, const std::string& message);

}  // namespace cidecar
