// SPDX-License-Identifier: Apache-2.0
#include <bpf/libbpf.h>
#include <napi.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "addon.h"
#include "errors.h"
#include "map.h"
#include "uv_poll.h"

namespace cidecar {
namespace {

struct FreeRing {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

// A wake-up passes on at most this much, so that a fast producer cannot occupy the event loop.
// The descriptor stays readable, and the rest comes with the next turn.
constexpr size_t kOctetsPerWakeup = 1 << 20;

/// Reads a ring buffer from the event loop. Each wake-up is one call of JavaScript, with the
/// events packed into one buffer and their lengths in another.
class RingBufferHandle : public Napi::ObjectWrap<RingBufferHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "RingBuffer",
                       {InstanceMethod<&RingBufferHandle::close>("close")});
  }

  explicit RingBufferHandle(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<RingBufferHandle>(info), env_(info.Env()) {
    const MapHandle& map = MapHandle::of(env_, info[0]);
    if (!info[1].IsFunction()) throw_type(env_, "onEvents must be a function");
    if (map.about().type != BPF_MAP_TYPE_RINGBUF) throw_type(env_, "not a ring buffer");
    // libbpf keeps the number of this descriptor, which must outlive the caller's handle.
    fd_ = Fd::duplicate(map.fd(env_));
    if (!fd_.open()) throw_failure(env_, "fcntl", errno, "ring buffer");
    ring_.reset(ring_buffer__new(fd_.get(), gather, this, nullptr));
    if (!ring_) throw_failure(env_, "ring_buffer__new", errno, "ring buffer");

    uv_loop_s* loop = nullptr;
    if (napi_get_uv_event_loop(env_, &loop) != napi_ok)
      throw_failure(env_, "napi_get_uv_event_loop", ENOSYS, "ring buffer");
    poll_ = static_cast<uv_handle_s*>(std::calloc(1, uv_handle_size(kUvPoll)));
    int error = uv_poll_init(loop, poll_, ring_buffer__epoll_fd(ring_.get()));
    if (error != 0) {
      std::free(std::exchange(poll_, nullptr));
      throw_failure(env_, "uv_poll_init", -error, "ring buffer");
    }
    uv_handle_set_data(poll_, this);
    error = uv_poll_start(poll_, kUvReadable, readable);
    if (error != 0) {
      stop();
      throw_failure(env_, "uv_poll_start", -error, "ring buffer");
    }
    on_events_ = Napi::Persistent(info[1].As<Napi::Function>());
    napi_add_env_cleanup_hook(env_, at_exit, this);
    Ref();  // the event loop holds it until close()
  }

  ~RingBufferHandle() override { stop(); }

 private:
  static int gather(void* self, void* data, size_t size) {
    auto& events = *static_cast<RingBufferHandle*>(self);
    const auto* octets = static_cast<const uint8_t*>(data);
    const size_t before = events.octets_.size();
    try {
      events.octets_.insert(events.octets_.end(), octets, octets + size);
      events.lengths_.push_back(static_cast<uint32_t>(size));
    } catch (const std::bad_alloc&) {
      // The caller is C, through which no exception may pass; deliver() throws for this event.
      events.octets_.resize(before);
      return -ENOMEM;
    }
    // libbpf consumes this event and stops there.
    return events.octets_.size() < kOctetsPerWakeup ? 0 : -EAGAIN;
  }

  static void readable(uv_handle_s* handle, int, int) {
    auto* self = static_cast<RingBufferHandle*>(uv_handle_get_data(handle));
    const Napi::Env env = self->env_;
    Napi::HandleScope scope(env);
    try {
      self->deliver();
    } catch (const Napi::Error& error) {
      napi_fatal_exception(env, error.Value());  // as when any listener throws
    }
  }

  void deliver() {
    const int consumed = ring_buffer__consume(ring_.get());
    if (consumed < 0 && consumed != -EAGAIN)
      throw_failure(env_, "ring_buffer__consume", -consumed, "ring buffer");
    if (lengths_.empty()) return;
    auto octets = Napi::Uint8Array::New(env_, octets_.size());
    std::copy(octets_.begin(), octets_.end(), octets.Data());
    auto lengths = Napi::Uint32Array::New(env_, lengths_.size());
    std::copy(lengths_.begin(), lengths_.end(), lengths.Data());
    octets_.clear();
    lengths_.clear();
    // Nothing below uses this object, because the callback may close it.
    Napi::AsyncContext context(env_, "cidecar.ring_buffer");
    on_events_.MakeCallback(env_.Global(), {octets, lengths}, context);
  }

  void close(const Napi::CallbackInfo&) {
    if (poll_ == nullptr) return;
    stop();
    napi_remove_env_cleanup_hook(env_, at_exit, this);
    on_events_.Reset();
    ring_.reset();
    fd_.close();
    Unref();
  }

  static void at_exit(void* self) { static_cast<RingBufferHandle*>(self)->stop(); }

  /// libuv owns the memory of its handle until the callback of uv_close.
  void stop() {
    if (poll_ == nullptr) return;
    uv_poll_stop(poll_);
    uv_close(std::exchange(poll_, nullptr),
             [](uv_handle_s* handle) { std::free(static_cast<void*>(handle)); });
  }

  Napi::Env env_;
  Fd fd_;
  std::unique_ptr<ring_buffer, FreeRing> ring_;
  uv_handle_s* poll_ = nullptr;
  Napi::FunctionReference on_events_;
  std::vector<uint8_t> octets_;
  std::vector<uint32_t> lengths_;
};

}  // namespace

Napi::Function define_ring_buffer(Napi::Env env) { return RingBufferHandle::define(env); }

}  // namespace cidecar
