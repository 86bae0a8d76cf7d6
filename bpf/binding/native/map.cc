// SPDX-License-Identifier: Apache-2.0
#include "map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "addon.h"
#include "errors.h"
#include "octets.h"
#include "program.h"

namespace cidecar {

Napi::Function define_map(Napi::Env env) { return MapHandle::define(env); }

Napi::Function MapHandle::define(Napi::Env env) {
  return DefineClass(env, "Map",
                     {StaticMethod<&MapHandle::open_pinned>("openPinned"),
                      InstanceMethod<&MapHandle::info>("info"),
                      InstanceMethod<&MapHandle::lookup>("lookup"),
                      InstanceMethod<&MapHandle::update>("update"),
                      InstanceMethod<&MapHandle::set_program>("setProgram"),
                      InstanceMethod<&MapHandle::remove>("delete"),
                      InstanceMethod<&MapHandle::next_key>("nextKey"),
                      InstanceMethod<&MapHandle::update_batch>("updateBatch"),
                      InstanceMethod<&MapHandle::lookup_batch>("lookupBatch"),
                      InstanceMethod<&MapHandle::mmap>("mmap"),
                      InstanceMethod<&MapHandle::unmap>("unmap"),
                      InstanceMethod<&MapHandle::pin>("pin"),
                      InstanceMethod<&MapHandle::close>("close")});
}

MapHandle::MapHandle(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<MapHandle>(info), fd_(take_fd(info)) {
  uint32_t size = sizeof(about_);
  if (bpf_obj_get_info_by_fd(fd_.get(), &about_, &size) != 0)
    throw_failure(info.Env(), "bpf_obj_get_info_by_fd", errno, "map");
  if (per_cpu()) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 1) throw_failure(info.Env(), "libbpf_num_possible_cpus", -cpus, "map");
    cpus_ = static_cast<size_t>(cpus);
  }
}

MapHandle& MapHandle::of(Napi::Env env, const Napi::Value& value) {
  if (value.IsObject() &&
      value.As<Napi::Object>().InstanceOf(env.GetInstanceData<Addon>()->map.Value()))
    return *Unwrap(value.As<Napi::Object>());
  throw_type(env, "not a map");
}

int MapHandle::fd(Napi::Env env) const {
  if (!fd_.open()) throw_failure(env, "closed", EBADF, subject());
  return fd_.get();
}

bool MapHandle::per_cpu() const {
  switch (about_.type) {
    case BPF_MAP_TYPE_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_ARRAY:
    case BPF_MAP_TYPE_LRU_PERCPU_HASH:
    case BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE:
      return true;
    default:
      return false;
  }
}

bool MapHandle::indexed() const {
  return about_.type == BPF_MAP_TYPE_ARRAY || about_.type == BPF_MAP_TYPE_PERCPU_ARRAY;
}

size_t MapHandle::value_octets() const {
  if (!per_cpu()) return about_.value_size;
  return (size_t{about_.value_size} + 7) / 8 * 8 * cpus_;
}

std::string MapHandle::subject() const { return std::string("map ") + about_.name; }

const void* MapHandle::key_of(Napi::Env env, const Napi::Value& value, uint32_t& index) const {
  if (!value.IsNumber())
    return octets_sized(env, value, about_.key_size, subject() + ": the key").data;
  // Maps that are no arrays can have keys of four octets too (devmap, xskmap, hash).
  if (about_.key_size != sizeof(index))
    throw_range(env, subject() + ": the key has " + std::to_string(about_.key_size) +
                         " octets and cannot be a number");
  index = uint32_of(env, value, "index");
  return &index;
}

Napi::Value MapHandle::info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto result = Napi::Object::New(env);
  result.Set("id", about_.id);
  result.Set("name", Napi::String::New(env, about_.name));
  result.Set("type", about_.type);
  result.Set("keySize", about_.key_size);
  result.Set("valueSize", about_.value_size);
  result.Set("maxEntries", about_.max_entries);
  result.Set("flags", about_.map_flags);
  return result;
}

Napi::Value MapHandle::lookup(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  uint32_t index = 0;
  const void* key = key_of(env, info[0], index);
  auto value = Napi::Uint8Array::New(env, value_octets());
  if (bpf_map_lookup_elem(map, key, value.Data()) == 0) return value;
  if (errno == ENOENT) return env.Undefined();
  throw_failure(env, "bpf_map_lookup_elem", errno, subject());
}

void MapHandle::update(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  uint32_t index = 0;
  const void* key = key_of(env, info[0], index);
  const Octets value = octets_sized(env, info[1], value_octets(), subject() + ": the value");
  if (indexed()) {
    std::memcpy(&index, key, sizeof(index));
    if (index >= about_.max_entries)
      throw_range(env, subject() + ": it has " + std::to_string(about_.max_entries) +
                           " entries, and no index " + std::to_string(index));
  }
  if (bpf_map_update_elem(map, key, value.data, BPF_ANY) != 0)
    throw_failure(env, "bpf_map_update_elem", errno, subject());
}

// setProgram(index, program): the value in a map of programs is written as a descriptor.
void MapHandle::set_program(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  if (about_.type != BPF_MAP_TYPE_PROG_ARRAY)
    throw_range(env, subject() + ": it is no array of programs");
  const uint32_t index = uint32_of(env, info[0], "index");
  const int program = ProgramHandle::of(env, info[1]).fd(env);
  if (bpf_map_update_elem(map, &index, &program, BPF_ANY) != 0)
    throw_failure(env, "bpf_map_update_elem", errno, subject());
}

Napi::Value MapHandle::remove(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  uint32_t index = 0;
  const void* key = key_of(env, info[0], index);
  if (bpf_map_delete_elem(map, key) == 0) return Napi::Boolean::New(env, true);
  if (errno == ENOENT) return Napi::Boolean::New(env, false);
  throw_failure(env, "bpf_map_delete_elem", errno, subject());
}

Napi::Value MapHandle::next_key(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const int map = fd(env);
  uint32_t index = 0;
  const void* key = info[0].IsUndefined() ? nullptr : key_of(env, info[0], index);
  auto next = Napi::Uint8Array::New(env, about_.key_size);
  if (bpf_map_get_next_key(map, key, next.Data()) == 0) return next;
  if (errno == ENOENT) return env.Undefined();
  throw_failure(env, "bpf_map_get_next_key", errno, subject());
}

void MapHandle::pin(const Napi::CallbackInfo& info) { pin_fd(info, fd(info.Env()), subject()); }

void MapHandle::close(const Napi::CallbackInfo&) { fd_.close(); }

Napi::Value MapHandle::open_pinned(const Napi::CallbackInfo& info) {
  return cidecar::open_pinned(info, "map", info.Env().GetInstanceData<Addon>()->map);
}

}  // namespace cidecar
