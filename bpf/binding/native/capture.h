// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace cidecar {

/// Replaces libbpf's printing to stderr, once in a process.
void install_capture();

/// While alive, collects what libbpf prints on this thread. libbpf has one callback for the
/// whole process and loads run side by side, so the text is separated by thread.
class Capture {
 public:
  explicit Capture(bool debug);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::string text;
  const bool debug;
};

}  // namespace cidecar
