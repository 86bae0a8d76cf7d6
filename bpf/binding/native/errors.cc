// SPDX-License-Identifier: Apache-2.0
#include "errors.h"

#include <bpf/libbpf.h>

#include <cstring>

namespace cidecar {

std::string error_text(int error) {
  char text[256] = {};
  if (error >= __LIBBPF_ERRNO__START) {
    libbpf_strerror(error, text, sizeof(text));
    return text;
  }
  // This is the GNU strerror_r, which may return a string other than the buffer.
  return strerror_r(error, text, sizeof(text));
}

Napi::Error to_error(Napi::Env env, const Failure& failure) {
  std::string message = failure.subject;
  if (!failure.call.empty()) message += ": " + failure.call;
  if (failure.error != 0) message += ": " + error_text(failure.error);
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("call", Napi::String::New(env, failure.call));
  error.Set("errno", Napi::Number::New(env, failure.error));
  error.Set("subject", Napi::String::New(env, failure.subject));
  error.Set("log", Napi::String::New(env, failure.log));
  return error;
}

void throw_failure(Napi::Env env, const char* call, int error, const std::string& subject) {
  throw to_error(env, Failure{call, error, subject, {}});
}

void throw_range(Napi::Env env, const std::string& message) {
  throw Napi::RangeError::New(env, message);
}

void throw_type(Napi::Env env, const std::string& message) {
  throw Napi::TypeError::New(env, message);
}

}  // namespace cidecar
