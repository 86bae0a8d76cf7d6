// SPDX-License-Identifier: Apache-2.0
#include "capture.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <new>
#include <vector>

namespace cidecar {
namespace {

thread_local Capture* current = nullptr;

// A verifier log can reach 16 MiB; the explanation of a rejection is at its end.
constexpr size_t kKept = 1 << 20;

int print(libbpf_print_level level, const char* format, va_list arguments) {
  if (current == nullptr || (level == LIBBPF_DEBUG && !current->debug)) return 0;
  va_list again;
  va_copy(again, arguments);
  const int size = vsnprintf(nullptr, 0, format, arguments);
  if (size > 0) {
    try {
      std::vector<char> line(static_cast<size_t>(size) + 1);
      vsnprintf(line.data(), line.size(), format, again);
      current->text.append(line.data(), static_cast<size_t>(size));
      if (current->text.size() > kKept)
        current->text.erase(0, current->text.size() - kKept);
    } catch (const std::bad_alloc&) {
      // The caller is C, through which no exception may pass, so this line is lost.
    }
  }
  va_end(again);
  return size;
}

}  // namespace

void install_capture() { libbpf_set_print(print); }

Capture::Capture(bool debug) : debug(debug) { current = this; }

Capture::~Capture() { current = nullptr; }

}  // namespace cidecar
