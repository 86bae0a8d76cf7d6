// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "errors.h"

namespace cidecar {

/// A view of the octets of a Uint8Array. It is valid during the call that made it.
struct Octets {
  uint8_t* data;
  size_t size;
};

inline Octets octets_of(Napi::Env env, const Napi::Value& value, const char* what) {
  if (value.IsTypedArray()) {
    const auto array = value.As<Napi::TypedArray>();
    if (array.TypedArrayType() == napi_uint8_array) {
      auto view = value.As<Napi::Uint8Array>();
      return {view.Data(), view.ByteLength()};
    }
  }
  throw_type(env, std::string(what) + " must be a Uint8Array");
}

/// The octets of `value`, of which there must be exactly `size`.
inline Octets octets_sized(Napi::Env env, const Napi::Value& value, size_t size,
                           const std::string& what) {
  const Octets octets = octets_of(env, value, what.c_str());
  if (octets.size != size)
    throw_range(env, what + " has " + std::to_string(octets.size) + " octets, not " +
                         std::to_string(size));
  return octets;
}

/// An integer from 0 to 2^32 - 1.
inline uint32_t uint32_of(Napi::Env env, const Napi::Value& value, const char* what) {
  if (!value.IsNumber()) throw_type(env, std::string(what) + " must be a number");
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= 0 && number <= UINT32_MAX) || number != static_cast<uint32_t>(number))
    throw_range(env, std::string(what) + " must be an integer from 0 to 4294967295");
  return static_cast<uint32_t>(number);
}

inline std::string string_of(Napi::Env env, const Napi::Value& value, const char* what) {
  if (!value.IsString()) throw_type(env, std::string(what) + " must be a string");
  std::string text = value.As<Napi::String>().Utf8Value();
  // The kernel and libbpf would read up to the NUL, and so take another name.
  if (text.find('\0') != std::string::npos)
    throw_type(env, std::string(what) + " must not contain NUL");
  return text;
}

}  // namespace cidecar
