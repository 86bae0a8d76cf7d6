// SPDX-License-Identifier: Apache-2.0
// BPF_PROG_TEST_RUN of an XDP program: the program runs in the kernel on a given packet.
#include <bpf/bpf.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "errors.h"
#include "octets.h"
#include "program.h"

namespace cidecar {
namespace {

/// Keeps this thread on one CPU for good. The kernel lets callers choose a CPU for raw
/// tracepoints only; XDP programs run on the CPU of the caller.
bool enter_cpu(uint32_t cpu) {
  cpu_set_t wanted;
  CPU_ZERO(&wanted);
  if (cpu >= CPU_SETSIZE) {
    errno = EINVAL;
    return false;
  }
  CPU_SET(cpu, &wanted);
  return sched_setaffinity(0, sizeof(wanted), &wanted) == 0;
}

/// Runs in a thread of its own that takes no signals, because the kernel ends a run with EINTR
/// when something is pending for the thread: a signal, or work that newer Node has the kernel
/// queue for its main thread, which no mask holds back.
int in_quiet_thread(const std::function<int()>& run) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); // The thread inherits the mask.
  int error = 0;
  std::thread([&] { error = run(); }).join();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

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
  const bool pinned = !info[4].IsUndefined();
  const uint32_t cpu = pinned ? uint32_of(env, info[4], "cpu") : 0;
  bool entered = true;
  const int error = in_quiet_thread([&] {
    entered = !pinned || enter_cpu(cpu);
    if (!entered) return errno;
    return bpf_prog_test_run_opts(program, &options) == 0 ? 0 : errno;
  });
  if (!entered)
    throw_failure(env, "sched_setaffinity", error, "CPU " + std::to_string(cpu));
  if (error != 0)
    throw_failure(env, "bpf_prog_test_run_opts", error,
                  subject() + " on " + std::to_string(packet.size) + " octets");

  auto result = Napi::Object::New(env);
  result.Set("retval", options.retval);
  const size_t kept = std::min<size_t>(options.data_size_out, out.ByteLength());
  result.Set("data", Napi::Uint8Array::New(env, kept, out.ArrayBuffer(), 0));
  result.Set("durationNs", options.duration);
  return result;
}

}  // namespace cidecar
