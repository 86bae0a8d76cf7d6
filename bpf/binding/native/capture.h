// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace cidecar {

/// Replaces libbpf's printing to stderr, once for the process.
void install_capture();

/// While alive, gathers what libbpf prints on this thread. libbpf knows one callback for
/// the whole process and loads run side by side, so the text is told apart by thread.
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
