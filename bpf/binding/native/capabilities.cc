// SPDX-License-Identifier: Apache-2.0
// Capabilities belong to threads, and a Node process has many (libuv, V8, the one that waits for
// SIGUSR1), each with its own. libuv does not change them, and glibc changes only user IDs for all
// threads at once.
#include <dirent.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <set>

#include "addon.h"
#include "errors.h"

namespace cidecar {
namespace {

/// The signal by which glibc has all threads change their user IDs. No thread can block it, not
/// even those of Node that block every other.
constexpr int kSignal = 33;

/// The kernel's own layout; glibc's sigaction refuses this signal.
struct KernelAction {
  void (*handler)(int);
  unsigned long flags;
  void (*restorer)();
  unsigned long mask;
};

constexpr unsigned long kRestorer = 0x04000000;

std::atomic<uint64_t> g_keep;
std::atomic<int> g_error;
std::atomic<int> g_done;

/// Limits the calling thread; returns the errno, 0 if all went well. Safe in a signal handler.
int limit_this_thread(uint64_t keep) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[2] = {};
  if (syscall(SYS_capget, &header, sets) != 0) return errno;
  // What a child of root gets is bounded by this, and only who has CAP_SETPCAP can bound it.
  if ((sets[0].effective >> CAP_SETPCAP) & 1) {
    for (int cap = 0; cap < 64; cap++) {
      if ((keep >> cap) & 1) continue;
      // EINVAL: the kernel has no capability of this number.
      if (syscall(SYS_prctl, PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL) return errno;
    }
  }
  syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  for (int half = 0; half < 2; half++) {
    const auto mask = static_cast<uint32_t>(keep >> (32 * half));
    sets[half].effective &= mask;
    sets[half].permitted &= mask;
    sets[half].inheritable &= mask;
  }
  return syscall(SYS_capset, &header, sets) == 0 ? 0 : errno;
}

void on_signal(int) {
  const int before = errno;
  const int error = limit_this_thread(g_keep.load());
  if (error != 0) g_error.store(error);
  g_done.fetch_add(1);
  errno = before;
}

int set_action(const KernelAction* next, KernelAction* before) {
  return syscall(SYS_rt_sigaction, kSignal, next, before, sizeof(unsigned long)) == 0 ? 0 : errno;
}

/// The return path of a handler, which glibc gives to those that it installs.
void borrow_restorer(KernelAction* action) {
  struct sigaction probe = {};
  struct sigaction before = {};
  probe.sa_handler = SIG_DFL;
  sigaction(SIGRTMAX, &probe, &before);
  KernelAction installed = {};
  syscall(SYS_rt_sigaction, SIGRTMAX, nullptr, &installed, sizeof(unsigned long));
  sigaction(SIGRTMAX, &before, nullptr);
  action->flags |= installed.flags & kRestorer;
  action->restorer = installed.restorer;
}

std::set<pid_t> threads() {
  std::set<pid_t> found;
  DIR* folder = opendir("/proc/self/task");
  if (folder == nullptr) return found;
  while (const dirent* entry = readdir(folder)) {
    const long id = strtol(entry->d_name, nullptr, 10);
    if (id > 0) found.insert(static_cast<pid_t>(id));
  }
  closedir(folder);
  return found;
}

/// Has one thread limit itself; false if it did not within five seconds.
bool limit_thread(pid_t id) {
  const int before = g_done.load();
  if (syscall(SYS_tgkill, getpid(), id, kSignal) != 0) return errno == ESRCH;
  const timespec pause = {0, 100'000};
  for (int tries = 0; tries < 50'000; tries++) {
    if (g_done.load() != before) return true;
    if (syscall(SYS_tgkill, getpid(), id, 0) != 0 && errno == ESRCH) return true;
    nanosleep(&pause, nullptr);
  }
  return false;
}

/// Limits all threads, also those that others begin meanwhile.
Failure limit_all(uint64_t keep) {
  g_keep.store(keep);
  g_error.store(0);
  KernelAction action = {on_signal, SA_RESTART, nullptr, 0};
  KernelAction before = {};
  borrow_restorer(&action);
  if (const int error = set_action(&action, &before)) return {"rt_sigaction", error, "threads", ""};
  Failure failure;
  // Last, because what is left to do needs none of what this takes away.
  std::set<pid_t> done = {static_cast<pid_t>(syscall(SYS_gettid))};
  for (bool more = true; more && failure.call.empty();) {
    more = false;
    const std::set<pid_t> now = threads();
    if (now.empty()) failure = {"opendir", errno, "/proc/self/task", ""};
    for (const pid_t id : now) {
      if (!done.insert(id).second) continue;
      more = true;
      if (!limit_thread(id)) failure = {"tgkill", ETIMEDOUT, "a thread", ""};
    }
  }
  if (failure.call.empty()) {
    if (const int error = limit_this_thread(keep)) failure = {"capset", error, "this thread", ""};
    if (const int error = g_error.load()) failure = {"capset", error, "a thread", ""};
  }
  set_action(&before, nullptr);
  return failure;
}

// limitCapabilities(numbers): no thread keeps others than these, in no set, the bounding set
// included. A thread that others of its kind would begin later has what its creator has.
void limit_capabilities(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto numbers = info[0].As<Napi::Array>();
  uint64_t keep = 0;
  for (uint32_t i = 0; i < numbers.Length(); i++) {
    const uint32_t number = numbers.Get(i).As<Napi::Number>().Uint32Value();
    if (number > 63) throw_range(env, "capabilities have numbers from 0 to 63");
    keep |= 1ULL << number;
  }
  const Failure failure = limit_all(keep);
  if (!failure.call.empty())
    throw_failure(env, failure.call.c_str(), failure.error, failure.subject);
}

}  // namespace

void define_capabilities(Napi::Env env, Napi::Object exports) {
  exports.Set("limitCapabilities",
              Napi::Function::New(env, limit_capabilities, "limitCapabilities"));
}

}  // namespace cidecar
