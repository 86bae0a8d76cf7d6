/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Reads the packet without a bounds check, so that the verifier rejects it. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

SEC("xdp")
int unchecked(struct xdp_md *ctx)
{
	return *(__u8 *)(long)ctx->data;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
