// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <string>

namespace cidecar {

/// What a refused kernel or libbpf call says, gathered where no JavaScript can run (the
/// worker thread of a load) and thrown where it can.
struct Failure {
  std::string call;     ///< name of the call, such as "bpf_map_update_elem"
  int error = 0;        ///< errno, or a number of libbpf's own from 4000 on; 0 = not the kernel's
  std::string subject;  ///< what the call was about, for the message
  std::string log;      ///< what libbpf and the verifier printed
};

/// Text of an errno or of libbpf's own error numbers (>= 4000), which strerror garbles.
std::string error_text(int error);

/// The Error of a failure, with the properties `call`, `errno`, `subject`, `log`; the
/// TypeScript wrapper turns it into a CidecarError.
Napi::Error to_error(Napi::Env env, const Failure& failure);

/// Throws the Error of `call`, whose errno is `error`.
[[noreturn]] void throw_failure(Napi::Env env, const char* call, int error,
                                const std::string& subject);

/// A size or an index that does not fit: a mistake of the caller, so a plain RangeError.
[[noreturn]] void throw_range(Napi::Env env, const std::string& message);

/// An argument of the wrong kind: a plain TypeError.
[[noreturn]] void throw_type(Napi::Env env, const std::string& message);

}  // namespace cidecar
