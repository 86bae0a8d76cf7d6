// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <string>

namespace cidecar {

struct CloseObject {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};
using ObjectPointer = std::unique_ptr<bpf_object, CloseObject>;

/// An object whose programs and maps are in the kernel.
struct Loaded {
  ObjectPointer object;
  std::string path;
  std::string log;  ///< what libbpf printed, and the verifier if asked for
};

/// The name of a map in the ELF file; of a data section its name, such as ".rodata".
std::string map_name(const bpf_map* map);

}  // namespace cidecar
