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

#include <cstring>
#include <string>

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
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.open() || if_indextoname(interface, request.ifr_name) == nullptr) return result;
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
  return result;
}

}  // namespace

void define_interface(Napi::Env env, Napi::Object exports) {
  exports.Set("xdpPrograms", Napi::Function::New(env, xdp_programs, "xdpPrograms"));
  exports.Set("driverOf", Napi::Function::New(env, driver_of, "driverOf"));
}

}  // namespace cidecar
