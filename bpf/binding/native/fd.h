// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace cidecar {

/// An owned file descriptor. A mere number is void as soon as anyone closes it, so every handle
/// that JavaScript holds owns a duplicate.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      close();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }

  /// Duplicates a descriptor that has another owner. Child processes do not inherit it. When the
  /// kernel refuses, the result is not open and errno says why.
  static Fd duplicate(int fd) { return Fd(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

  bool open() const { return fd_ >= 0; }
  int get() const { return fd_; }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace cidecar
