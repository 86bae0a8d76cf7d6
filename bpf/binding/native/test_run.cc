// SPDX-License-Identifier: Apache-2.0
// BPF_PROG_TEST_RUN of an XDP program: the program runs in the kernel on a given packet.
#include <bpf/bpf.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "errors.h"
#include "octets.h"
#include "program.h"

namespace cidecar {
namespace {

/// Keeps this thread on one CPU while alive. The kernel lets callers choose a CPU for raw
/// tracepoints only; XDP programs run on the CPU of the caller.
class OnCpu {
 public:
  bool enter(uint32_t cpu) {
    if (sched_getaffinity(0, sizeof(before_), &before_) != 0) return false;
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    if (cpu >= CPU_SETSIZE) {
      errno = EINVAL;
      return false;
    }
    CPU_SET(cpu, &wanted);
    entered_ = sched_setaffinity(0, sizeof(wanted), &wanted) == 0;
    return entered_;
  }
  ~OnCpu() {
    if (entered_) sched_setaffinity(0, sizeof(before_), &before_);
  }

 private:
  cpu_set_t before_;
  bool entered_ = false;
};

/// How often runs begin again. Without an end, something that always interrupts would hang this.
constexpr uint32_t kMostInterruptions = 1000;

/// Blocks signals for this thread while alive, because the kernel ends a run with EINTR when one
/// is pending. The signals wait, or go to another thread. Not all that counts as pending in the
/// kernel is a signal that can be blocked: SIGSTOP is not, nor is work that the kernel has for the
/// thread, which it does on the way out of the call.
class WithoutSignals {
 public:
  WithoutSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~WithoutSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

// testRun(data, repeat, ingressIfindex | undefined, dataOutSize, cpu | undefined, live)
Napi::Value ProgramHandle::test_run(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int program = fd(env);
  const Octets packet = octets_of(env, info[0], "data");
  const uint32_t repeat = uint32_of(env, info[1], "repeat");
  auto out = Napi::Uint8Array::New(env, uint32_of(env, info[3], "dataOutSize"));

  // If there were a buffer of size 0, the kernel would write the whole frame into it.
  void* const place = out.ByteLength() == 0 ? nullptr : out.Data();
  LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = packet.data, .data_out = place,
              .data_size_in = static_cast<uint32_t>(packet.size),
              .data_size_out = static_cast<uint32_t>(out.ByteLength()),
              .repeat = static_cast<int>(repeat));
  if (info[5].ToBoolean()) options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
  xdp_md context = {};
  if (!info[2].IsUndefined()) {
    context.data_end = static_cast<uint32_t>(packet.size);
    context.ingress_ifindex = uint32_of(env, info[2], "ingressIfindex");
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
  }
  OnCpu on_cpu;
  if (!info[4].IsUndefined()) {
    const uint32_t cpu = uint32_of(env, info[4], "cpu");
    if (!on_cpu.enter(cpu))
      throw_failure(env, "sched_setaffinity", errno, "CPU " + std::to_string(cpu));
  }
  uint32_t interruptions = 0;
  const int error = [&] {
    const WithoutSignals quiet;
    // The sizes are results too.
    const uint32_t room = options.data_size_out;
    for (;; interruptions++) {
      options.data_size_out = room;
      if (bpf_prog_test_run_opts(program, &options) == 0) return 0;
      if (errno != EINTR || interruptions == kMostInterruptions) return errno;
    }
  }();
  if (error != 0)
    throw_failure(env, "bpf_prog_test_run_opts", error,
                  subject() + " on " + std::to_string(packet.size) + " octets");

  auto result = Napi::Object::New(env);
  result.Set("retval", options.retval);
  const size_t kept = std::min<size_t>(options.data_size_out, out.ByteLength());
  result.Set("data", Napi::Uint8Array::New(env, kept, out.ArrayBuffer(), 0));
  result.Set("durationNs", options.duration);
  result.Set("interruptions", interruptions);
  return result;
}

}  // namespace cidecar
