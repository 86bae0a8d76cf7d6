// SPDX-License-Identifier: Apache-2.0
// Many values at once: batches of the bpf system call, and memory that is shared with the kernel.
#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "errors.h"
#include "map.h"
#include "octets.h"

namespace cidecar {
namespace {

// The kernel copies a batch element by element: more elements in one call are no faster, and
// keep the event loop for longer.
constexpr size_t kBatch = 1024;

}  // namespace

void MapHandle::update_batch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  const size_t count = uint32_of(env, info[2], "count");
  const Octets keys =
      octets_sized(env, info[0], count * about_.key_size, subject() + ": the packed keys");
  const Octets values =
      octets_sized(env, info[1], count * value_octets(), subject() + ": the packed values");

  for (size_t done = 0; done < count;) {
    uint32_t chunk = static_cast<uint32_t>(std::min(count - done, kBatch));
    const uint32_t asked = chunk;
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    const int failed =
        bpf_map_update_batch(map, keys.data + done * about_.key_size,
                             values.data + done * value_octets(), &chunk, &options);
    if (failed == 0 && chunk == asked) {
      done += chunk;
      continue;
    }
    const int error = failed != 0 ? errno : EIO;
    // Not every failure writes the count, so a count beyond the chunk is not valid.
    const size_t written = done + (failed != 0 && chunk < asked ? chunk : 0);
    throw_failure(env, "bpf_map_update_batch", error,
                  subject() + " (at element " + std::to_string(written) + " of " +
                      std::to_string(count) + ")");
  }
}

Napi::Value MapHandle::lookup_batch(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  if (!indexed()) throw_type(env, subject() + ": only arrays are read in batches");
  const size_t first = uint32_of(env, info[0], "firstKey");
  const size_t count = uint32_of(env, info[1], "count");
  if (first + count > about_.max_entries)
    throw_range(env, subject() + ": entries " + std::to_string(first) + " to " +
                         std::to_string(first + count) + " of " +
                         std::to_string(about_.max_entries));

  auto values = Napi::Uint8Array::New(env, count * value_octets());
  uint32_t keys[kBatch];
  // The kernel takes the key before the first one; for the first entry of an array it is none.
  uint32_t before = static_cast<uint32_t>(first - 1);
  bool started = first > 0;
  for (size_t done = 0; done < count;) {
    uint32_t chunk = static_cast<uint32_t>(std::min(count - done, kBatch));
    LIBBPF_OPTS(bpf_map_batch_opts, options);
    uint32_t last = 0;
    const int failed = bpf_map_lookup_batch(map, started ? &before : nullptr, &last, keys,
                                            values.Data() + done * value_octets(), &chunk,
                                            &options);
    // ENOENT says that the map ended after `chunk` elements.
    if ((failed != 0 && errno != ENOENT) || chunk == 0)
      throw_failure(env, "bpf_map_lookup_batch", failed != 0 ? errno : EIO, subject());
    done += chunk;
    before = static_cast<uint32_t>(first + done - 1);
    started = true;
  }
  return values;
}

Napi::Value MapHandle::mmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  if (about_.type != BPF_MAP_TYPE_ARRAY || (about_.map_flags & BPF_F_MMAPABLE) == 0)
    throw_type(env, subject() + ": not an array with BPF_F_MMAPABLE");

  const size_t octets = (size_t{about_.value_size} + 7) / 8 * 8 * about_.max_entries;
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t mapped = (octets + page - 1) / page * page;
  // Always writable: JavaScript has no read-only array, and a store would be a SIGSEGV.
  void* memory = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (memory == MAP_FAILED) {
    if (errno == EPERM) throw_type(env, subject() + ": read-only, like every .rodata");
    throw_failure(env, "mmap", errno, subject());
  }
  // The mapping lives as long as the array and not as the handle, so that no view can dangle.
  auto buffer = Napi::ArrayBuffer::New(env, memory, octets,
                                       [mapped](Napi::Env, void* address) {
                                         munmap(address, mapped);
                                       });
  return Napi::Uint8Array::New(env, octets, buffer, 0);
}

// unmap(view): what mmap() returned. Once the buffer is detached no view reaches the values,
// and its finalizer above gives the memory back within this turn of the event loop.
void MapHandle::unmap(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  octets_sized(env, info[0], (size_t{about_.value_size} + 7) / 8 * 8 * about_.max_entries,
               subject() + ": the mapping");
  info[0].As<Napi::Uint8Array>().ArrayBuffer().Detach();
}

}  // namespace cidecar
