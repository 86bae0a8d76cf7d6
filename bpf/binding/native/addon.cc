// SPDX-License-Identifier: Apache-2.0
#include "addon.h"

#include "capture.h"

namespace cidecar {
namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  install_capture();
  auto* addon = new Addon;
  env.SetInstanceData(addon);

  const Napi::Function map = define_map(env);
  const Napi::Function program = define_program(env);
  const Napi::Function link = define_link(env);
  addon->map = Napi::Persistent(map);
  addon->program = Napi::Persistent(program);
  addon->link = Napi::Persistent(link);
  addon->object = Napi::Persistent(define_object(env));

  exports.Set("Map", map);
  exports.Set("Program", program);
  exports.Set("Link", link);
  exports.Set("RingBuffer", define_ring_buffer(env));
  exports.Set("RawSocket", define_raw_socket(env));
  exports.Set("load", Napi::Function::New(env, load_object, "load"));
  define_interface(env, exports);
  define_system(env, exports);
  define_capabilities(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(cidecar_bpf, init)

}  // namespace cidecar
