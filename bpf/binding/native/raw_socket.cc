// SPDX-License-Identifier: Apache-2.0
// Sockets for whole IP packets, which Node has not.
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "addon.h"
#include "fd.h"
#include "octets.h"

namespace cidecar {
namespace {

// ICMP_FILTER of linux/icmp.h, whose names collide with those of netinet.
constexpr int kIcmpFilter = 1;
/// Where a packet of a `link` socket begins: interface index (little endian) and link address.
constexpr size_t kLinkAddress = 4;
constexpr size_t kLinkPrefix = kLinkAddress + 6;

/// What a destination can be.
union Destination {
  sockaddr any;
  sockaddr_in four;
  sockaddr_in6 six;
  sockaddr_ll link;
};

class RawSocketHandle : public Napi::ObjectWrap<RawSocketHandle> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "RawSocket",
                       {InstanceMethod<&RawSocketHandle::send>("send"),
                        InstanceMethod<&RawSocketHandle::receive>("receive"),
                        InstanceMethod<&RawSocketHandle::close>("close")});
  }

  // new RawSocket("ipv4" | "ipv6" | "link" | "icmp" | "icmpv6")
  explicit RawSocketHandle(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<RawSocketHandle>(info) {
    const Napi::Env env = info.Env();
    kind_ = string_of(env, info[0], "kind");
    constexpr int type = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (kind_ == "ipv4") {
      fd_ = Fd(::socket(AF_INET, type, IPPROTO_RAW));
    } else if (kind_ == "ipv6") {
      fd_ = Fd(::socket(AF_INET6, type, IPPROTO_RAW));
    } else if (kind_ == "link") {
      // Protocol 0: it receives nothing.
      fd_ = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    } else if (kind_ == "icmp") {
      fd_ = Fd(::socket(AF_INET, type, IPPROTO_ICMP));
      // Destination unreachable alone.
      const uint32_t hidden = ~(1u << 3);
      set(env, SOL_RAW, kIcmpFilter, &hidden, sizeof(hidden));
    } else if (kind_ == "icmpv6") {
      fd_ = Fd(::socket(AF_INET6, type, IPPROTO_ICMPV6));
      icmp6_filter filter;
      ICMP6_FILTER_SETBLOCKALL(&filter);
      ICMP6_FILTER_SETPASS(ICMP6_DST_UNREACH, &filter);
      ICMP6_FILTER_SETPASS(ICMP6_PARAM_PROB, &filter);
      set(env, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof(filter));
    } else {
      throw_type(env, "kind must be ipv4, ipv6, link, icmp or icmpv6");
    }
    if (!fd_.open()) throw_failure(env, "socket", errno, kind_);
  }

 private:
  void set(Napi::Env env, int level, int option, const void* value, socklen_t size) {
    if (!fd_.open()) return;  // the constructor says so
    if (setsockopt(fd_.get(), level, option, value, size) != 0)
      throw_failure(env, "setsockopt", errno, kind_);
  }

  /// The destination is the one in the header of the packet, or in the prefix of a link's.
  bool aim(const Octets& packet, Destination& to, socklen_t& size) const {
    to = {};
    if (kind_ == "ipv4") {
      if (packet.size < 20) return false;
      to.four.sin_family = AF_INET;
      std::memcpy(&to.four.sin_addr, packet.data + 16, 4);
      size = sizeof(to.four);
      return true;
    }
    if (kind_ == "ipv6") {
      if (packet.size < 40) return false;
      to.six.sin6_family = AF_INET6;
      std::memcpy(&to.six.sin6_addr, packet.data + 24, 16);
      size = sizeof(to.six);
      return true;
    }
    if (kind_ != "link" || packet.size < kLinkPrefix + 20) return false;
    uint32_t interface = 0;
    std::memcpy(&interface, packet.data, sizeof(interface));
    to.link.sll_family = AF_PACKET;
    to.link.sll_ifindex = static_cast<int>(interface);
    to.link.sll_protocol = htons(packet.data[kLinkPrefix] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP);
    to.link.sll_halen = 6;
    std::memcpy(to.link.sll_addr, packet.data + kLinkAddress, 6);
    size = sizeof(to.link);
    return true;
  }

  // send(packets): the errno of each, 0 for what was sent.
  Napi::Value send(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    if (!info[0].IsArray()) throw_type(env, "packets must be an array");
    const auto packets = info[0].As<Napi::Array>();
    auto results = Napi::Int32Array::New(env, packets.Length());
    for (uint32_t i = 0; i < packets.Length(); i++) {
      Napi::HandleScope scope(env);
      const Octets packet = octets_of(env, packets.Get(i), "packet");
      Destination to;
      socklen_t size = 0;
      if (!aim(packet, to, size)) throw_range(env, "a packet is shorter than its header");
      const size_t skipped = kind_ == "link" ? kLinkPrefix : 0;
      const ssize_t sent = sendto(fd_.get(), packet.data + skipped, packet.size - skipped,
                                  MSG_NOSIGNAL, &to.any, size);
      results[i] = sent < 0 ? errno : 0;
    }
    return results;
  }

  // receive(into): how many octets of the next packet there are; undefined where none waits.
  Napi::Value receive(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    const Octets into = octets_of(env, info[0], "into");
    const ssize_t size = recv(fd_.get(), into.data, into.size, 0);
    if (size >= 0) return Napi::Number::New(env, static_cast<double>(size));
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return env.Undefined();
    throw_failure(env, "recv", errno, kind_);
  }

  void close(const Napi::CallbackInfo&) { fd_.close(); }

  std::string kind_;
  Fd fd_;
};

}  // namespace

Napi::Function define_raw_socket(Napi::Env env) { return RawSocketHandle::define(env); }

}  // namespace cidecar
