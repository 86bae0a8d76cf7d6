// SPDX-License-Identifier: Apache-2.0
// What an operator has to know of an interface that refuses a program.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "addon.h"
#include "fd.h"
#include "octets.h"

namespace cidecar {
namespace {

/// Adds a program to the list, with its name where this process may ask for it.
void add_program(Napi::Array list, uint32_t id, const char* mode) {
  if (id == 0) return;
  const Napi::Env env = list.Env();
  bpf_prog_info about = {};
  uint32_t size = sizeof(about);
  const Fd program(bpf_prog_get_fd_by_id(id));
  if (program.open()) bpf_obj_get_info_by_fd(program.get(), &about, &size);
  auto entry = Napi::Object::New(env);
  entry.Set("id", id);
  entry.Set("name", Napi::String::New(env, about.name));
  entry.Set("mode", Napi::String::New(env, mode));
  list.Set(list.Length(), entry);
}

// xdpPrograms(ifindex): whosever they are; empty where the interface cannot be asked.
Napi::Value xdp_programs(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t interface = uint32_of(env, info[0], "ifindex");
  auto list = Napi::Array::New(env);
  LIBBPF_OPTS(bpf_xdp_query_opts, found);
  if (bpf_xdp_query(static_cast<int>(interface), 0, &found) != 0) return list;
  add_program(list, found.drv_prog_id, "native");
  add_program(list, found.skb_prog_id, "generic");
  add_program(list, found.hw_prog_id, "offloaded");
  return list;
}

/// A socket for questions about an interface, and its name in the request; closed where it has none.
Fd open_for(uint32_t interface, ifreq& request) {
  if (if_indextoname(interface, request.ifr_name) == nullptr) return Fd();
  return Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

/// Asks the driver one question of ethtool(8); false where it has no answer.
bool ask_driver(int socket, ifreq& request, void* question) {
  request.ifr_data = static_cast<char*>(question);
  return ioctl(socket, SIOCETHTOOL, &request) == 0;
}

// driverOf(ifindex): what cannot be read is left out.
Napi::Value driver_of(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t interface = uint32_of(env, info[0], "ifindex");
  auto result = Napi::Object::New(env);
  ifreq request = {};
  const Fd socket = open_for(interface, request);
  if (!socket.open()) return result;
  result.Set("name", Napi::String::New(env, request.ifr_name));
  if (ioctl(socket.get(), SIOCGIFMTU, &request) == 0) result.Set("mtu", request.ifr_mtu);
  ethtool_drvinfo driver = {};
  driver.cmd = ETHTOOL_GDRVINFO;
  if (ask_driver(socket.get(), request, &driver)) {
    driver.driver[sizeof(driver.driver) - 1] = '\0';
    result.Set("driver", Napi::String::New(env, driver.driver));
  }
  ethtool_channels channels = {};
  channels.cmd = ETHTOOL_GCHANNELS;
  if (ask_driver(socket.get(), request, &channels)) {
    result.Set("rxQueues", channels.rx_count + channels.combined_count);
    result.Set("txQueues", channels.tx_count + channels.combined_count);
    result.Set("mostQueues", channels.max_combined + channels.max_rx);
  }
  ethtool_value flags = {};
  flags.cmd = ETHTOOL_GFLAGS;
  if (ask_driver(socket.get(), request, &flags))
    result.Set("lro", Napi::Boolean::New(env, (flags.data & ETH_FLAG_LRO) != 0));
  ethtool_value gro = {};
  gro.cmd = ETHTOOL_GGRO;
  if (ask_driver(socket.get(), request, &gro))
    result.Set("gro", Napi::Boolean::New(env, gro.data != 0));
  return result;
}

/// How many counters the driver keeps; 0 where it keeps none.
uint32_t counters_of(int socket, ifreq& request) {
  alignas(ethtool_sset_info) char room[sizeof(ethtool_sset_info) + sizeof(uint32_t)] = {};
  auto* question = reinterpret_cast<ethtool_sset_info*>(room);
  question->cmd = ETHTOOL_GSSET_INFO;
  question->sset_mask = 1ULL << ETH_SS_STATS;
  if (!ask_driver(socket, request, question) || question->sset_mask == 0) return 0;
  uint32_t count;
  memcpy(&count, room + sizeof(ethtool_sset_info), sizeof(count));
  return count;
}

// driverCounters(ifindex): what `ethtool -S` prints, as an object; empty where there is nothing.
Napi::Value driver_counters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const uint32_t interface = uint32_of(env, info[0], "ifindex");
  auto result = Napi::Object::New(env);
  ifreq request = {};
  const Fd socket = open_for(interface, request);
  if (!socket.open()) return result;
  const uint32_t count = counters_of(socket.get(), request);
  if (count == 0) return result;
  // A driver may have more counters a moment later, as after `ethtool -L`, and writes all of them.
  const size_t room = count + 4096;
  std::vector<char> names(sizeof(ethtool_gstrings) + room * ETH_GSTRING_LEN);
  auto* strings = reinterpret_cast<ethtool_gstrings*>(names.data());
  strings->cmd = ETHTOOL_GSTRINGS;
  strings->string_set = ETH_SS_STATS;
  strings->len = count;
  std::vector<char> values(sizeof(ethtool_stats) + room * sizeof(uint64_t));
  auto* stats = reinterpret_cast<ethtool_stats*>(values.data());
  stats->cmd = ETHTOOL_GSTATS;
  stats->n_stats = count;
  if (!ask_driver(socket.get(), request, strings) || !ask_driver(socket.get(), request, stats))
    return result;
  const uint32_t both = std::min({strings->len, stats->n_stats, static_cast<uint32_t>(room)});
  for (uint32_t i = 0; i < both; i++) {
    char name[ETH_GSTRING_LEN + 1] = {};
    memcpy(name, strings->data + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
    uint64_t value;
    memcpy(&value, reinterpret_cast<const char*>(stats->data) + i * sizeof(value), sizeof(value));
    result.Set(name, static_cast<double>(value));
  }
  return result;
}

}  // namespace

void define_interface(Napi::Env env, Napi::Object exports) {
  exports.Set("xdpPrograms", Napi::Function::New(env, xdp_programs, "xdpPrograms"));
  exports.Set("driverCounters", Napi::Function::New(env, driver_counters, "driverCounters"));
  exports.Set("driverOf", Napi::Function::New(env, driver_of, "driverOf"));
}

}  // namespace cidecar
