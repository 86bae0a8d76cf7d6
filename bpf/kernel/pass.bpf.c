/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Passes everything. A veth accepts what its peer transmits from XDP only while it has an
 * XDP program of its own. This one is for links that need no other.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp")
int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
