// SPDX-License-Identifier: Apache-2.0
// Loading takes tens of milliseconds (the verifier, large maps), so it runs on a worker thread.
#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "addon.h"
#include "capture.h"
#include "errors.h"
#include "map.h"
#include "object.h"
#include "octets.h"

namespace cidecar {
namespace {

/// A map that replaces one of the object's own.
struct Reuse {
  std::string name;
  Fd fd;
  bpf_map_info about;
};

struct Request {
  std::string path;
  std::vector<std::pair<std::string, uint32_t>> sizes;
  std::vector<Reuse> reuse;
  uint32_t log_level = 0;
  bool all_programs = true;
  std::vector<std::string> programs;
};

class Loader : public Napi::AsyncWorker {
 public:
  Loader(Napi::Env env, Request request)
      : Napi::AsyncWorker(env, "cidecar.load"),
        promise_(Napi::Promise::Deferred::New(env)),
        request_(std::move(request)) {}

  Napi::Promise promise() const { return promise_.Promise(); }

 protected:
  void Execute() override {
    Capture capture(request_.log_level > 0);
    if (!(open() && size_maps() && reuse_maps() && choose_programs() && load()))
      failed_ = true;
    failure_.log = loaded_.log = std::move(capture.text);
  }

  void OnOK() override {
    const Napi::Env env = Env();
    Napi::HandleScope scope(env);
    try {
      if (failed_) return promise_.Reject(to_error(env, failure_).Value());
      promise_.Resolve(env.GetInstanceData<Addon>()->object.New(
          {Napi::External<Loaded>::New(env, &loaded_)}));
    } catch (const Napi::Error&) {
      // Only an environment that is ending refuses this, and then nothing waits for the promise
      // any more. The destructor gives the object back.
    }
  }

  // Called for what Execute threw, such as std::bad_alloc.
  void OnError(const Napi::Error& error) override {
    try {
      promise_.Reject(error.Value());
    } catch (const Napi::Error&) {
      // As above.
    }
  }

 private:
  bool fail(const char* call, int error, const std::string& subject = {}) {
    failure_ = Failure{call, error,
                       subject.empty() ? request_.path : request_.path + ": " + subject, {}};
    return false;
  }

  bool open() {
    LIBBPF_OPTS(bpf_object_open_opts, options, .kernel_log_level = request_.log_level);
    loaded_.path = request_.path;
    loaded_.object.reset(bpf_object__open_file(request_.path.c_str(), &options));
    return loaded_.object ? true : fail("bpf_object__open_file", errno);
  }

  bpf_map* find_map(const std::string& name) {
    bpf_map* map = bpf_object__find_map_by_name(loaded_.object.get(), name.c_str());
    if (map == nullptr) fail("find", ENOENT, "no map " + name);
    return map;
  }

  bool size_maps() {
    for (const auto& [name, size] : request_.sizes) {
      bpf_map* map = find_map(name);
      if (map == nullptr) return false;
      const int error = bpf_map__set_max_entries(map, size);
      if (error != 0)
        return fail("bpf_map__set_max_entries", -error, name + " to " + std::to_string(size));
    }
    return true;
  }

  bool reuse_maps() {
    for (const Reuse& reuse : request_.reuse) {
      bpf_map* map = find_map(reuse.name);
      if (map == nullptr) return false;
      // libbpf accepts any map here, and a program that was compiled for another layout would
      // read it as its own.
      if (reuse.about.type != bpf_map__type(map) ||
          reuse.about.key_size != bpf_map__key_size(map) ||
          reuse.about.value_size != bpf_map__value_size(map))
        return fail("reuse", EINVAL, "map " + reuse.name + " is of another type or size");
      const int error = bpf_map__reuse_fd(map, reuse.fd.get());
      if (error != 0) return fail("bpf_map__reuse_fd", -error, "map " + reuse.name);
    }
    return true;
  }

  bool choose_programs() {
    if (request_.all_programs) return true;
    bpf_program* program = nullptr;
    size_t found = 0;
    bpf_object__for_each_program(program, loaded_.object.get()) {
      const auto& wanted = request_.programs;
      const bool load =
          std::find(wanted.begin(), wanted.end(), bpf_program__name(program)) != wanted.end();
      found += load;
      bpf_program__set_autoload(program, load);
    }
    return found == request_.programs.size() ? true : fail("find", ENOENT, "not every program asked for is there");
  }

  bool load() {
    const int error = bpf_object__load(loaded_.object.get());
    return error == 0 ? true : fail("bpf_object__load", -error);
  }

  Napi::Promise::Deferred promise_;
  Request request_;
  Loaded loaded_;
  Failure failure_;
  bool failed_ = false;
};

}  // namespace

// load(path, [[name, size]], [[name, Map]], logLevel, [program] | undefined)
Napi::Value load_object(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Request request;
  request.path = string_of(env, info[0], "path");
  const auto sizes = info[1].As<Napi::Array>();
  for (uint32_t i = 0; i < sizes.Length(); i++) {
    const auto entry = sizes.Get(i).As<Napi::Array>();
    request.sizes.emplace_back(string_of(env, entry.Get(0u), "map name"),
                               uint32_of(env, entry.Get(1u), "map size"));
  }
  const auto reuse = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < reuse.Length(); i++) {
    const auto entry = reuse.Get(i).As<Napi::Array>();
    const MapHandle& map = MapHandle::of(env, entry.Get(1u));
    // A duplicate, because the caller may close its handle while the worker runs.
    Fd fd = Fd::duplicate(map.fd(env));
    if (!fd.open()) throw_failure(env, "fcntl", errno, request.path);
    request.reuse.push_back(
        {string_of(env, entry.Get(0u), "map name"), std::move(fd), map.about()});
  }
  request.log_level = uint32_of(env, info[3], "logLevel");
  if (!info[4].IsUndefined()) {
    request.all_programs = false;
    const auto programs = info[4].As<Napi::Array>();
    for (uint32_t i = 0; i < programs.Length(); i++)
      request.programs.push_back(string_of(env, programs.Get(i), "program name"));
  }
  auto* loader = new Loader(env, std::move(request));  // deletes itself when done
  const Napi::Promise promise = loader->promise();
  loader->Queue();
  return promise;
}

}  // namespace cidecar
