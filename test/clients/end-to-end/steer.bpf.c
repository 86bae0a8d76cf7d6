/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Two processes of one server behind the same VIP, as in a hot restart. The one from before listens
 * on the port of the VIP and has the server-use octet 01; its successor listens on another port. A
 * short header whose CID ends with 01 is for the former, and everything else, new connections too,
 * is for the successor. Clients see the port of the VIP alone.
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* hot-restart.ts has the ports, the octet and the length. */
#define VIP_PORT 443
#define SUCCESSOR_PORT 8443
#define OLD_SERVER_USE 0x01
#define CID_OCTETS 12

#define IPV4_OCTETS 20
#define IPV6_OCTETS 40
#define UDP_OCTETS 8
#define LONG_HEADER 0x80

struct udp_ports {
	__be16 source;
	__be16 dest;
};

/* Offset of the UDP header; 0 where there is none. */
static __always_inline __u32 udp_offset(struct __sk_buff *skb)
{
	__u8 protocol = 0;
	__u8 version = 0;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &version, 1) < 0)
		return 0;
	if (version >> 4 == 4) {
		bpf_skb_load_bytes(skb, ETH_HLEN + 9, &protocol, 1);
		return protocol == IPPROTO_UDP ? ETH_HLEN + IPV4_OCTETS : 0;
	}
	bpf_skb_load_bytes(skb, ETH_HLEN + 6, &protocol, 1);
	return protocol == IPPROTO_UDP ? ETH_HLEN + IPV6_OCTETS : 0;
}

static __always_inline void replace_port(struct __sk_buff *skb, __u32 udp, __u32 field,
					 __be16 from, __be16 to)
{
	bpf_l4_csum_replace(skb, udp + 6, from, to, BPF_F_MARK_MANGLED_0 | sizeof(to));
	bpf_skb_store_bytes(skb, udp + field, &to, sizeof(to), 0);
}

/* Whether the CID of a short header is one of the process from before. */
static __always_inline int is_old(struct __sk_buff *skb, __u32 payload)
{
	__u8 first = 0;
	__u8 server_use = 0;

	if (bpf_skb_load_bytes(skb, payload, &first, 1) < 0 || (first & LONG_HEADER))
		return 0;
	if (bpf_skb_load_bytes(skb, payload + CID_OCTETS, &server_use, 1) < 0)
		return 0;
	return server_use == OLD_SERVER_USE;
}

SEC("ingress")
int steer_in(struct __sk_buff *skb)
{
	struct udp_ports ports;
	__u32 udp = udp_offset(skb);

	if (udp == 0 || bpf_skb_load_bytes(skb, udp, &ports, sizeof(ports)) < 0)
		return TC_ACT_OK;
	if (ports.dest != bpf_htons(VIP_PORT) || is_old(skb, udp + UDP_OCTETS))
		return TC_ACT_OK;
	replace_port(skb, udp, offsetof(struct udp_ports, dest), ports.dest,
		     bpf_htons(SUCCESSOR_PORT));
	return TC_ACT_OK;
}

SEC("egress")
int steer_out(struct __sk_buff *skb)
{
	struct udp_ports ports;
	__u32 udp = udp_offset(skb);

	if (udp == 0 || bpf_skb_load_bytes(skb, udp, &ports, sizeof(ports)) < 0)
		return TC_ACT_OK;
	if (ports.source == bpf_htons(SUCCESSOR_PORT))
		replace_port(skb, udp, offsetof(struct udp_ports, source), ports.source,
			     bpf_htons(VIP_PORT));
	return TC_ACT_OK;
}

char LICENSE[] SEC("license") = "GPL";
