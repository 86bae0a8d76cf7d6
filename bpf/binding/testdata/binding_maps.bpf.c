/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* One map of every kind that the binding is used for, and a program that touches them all. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

struct value {
	__u8 octets[12]; /* not a multiple of 8, to tell rounded sizes from plain ones */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4);
	__type(key, __u32);
	__type(value, struct value);
} plain SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 3000);
	__type(key, __u32);
	__type(value, __u32);
} shared_values SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct value);
} per_cpu SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8);
	__type(key, __u64);
	__type(value, __u32);
} table SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
} events SEC(".maps");

/* A named data section, which user space sets while the program runs. */
volatile __u32 verdict SEC(".data.settings") = XDP_PASS;
volatile __u32 reserved SEC(".data.settings") = 7;

const volatile __u32 factor = 3;

/* Reports the frame's length in the ring buffer, and writes into memory that user space maps. */
SEC("xdp")
int touch(struct xdp_md *ctx)
{
	__u32 first = 0, second = 1;
	__u32 *in = bpf_map_lookup_elem(&shared_values, &first);
	__u32 *out = bpf_map_lookup_elem(&shared_values, &second);
	struct value *mine = bpf_map_lookup_elem(&per_cpu, &second);
	__u32 length = (__u32)(ctx->data_end - ctx->data);

	if (!in || !out || !mine)
		return XDP_ABORTED;
	*out = *in * factor;
	mine->octets[0]++;
	bpf_ringbuf_output(&events, &length, sizeof(length), 0);
	return (int)verdict;
}

/* Another program on the same maps, which can replace the first. */
SEC("xdp")
int drop(struct xdp_md *ctx)
{
	return XDP_DROP;
}

/* Returns the interface that the packet came in by. */
SEC("xdp")
int interface(struct xdp_md *ctx)
{
	return (int)ctx->ingress_ifindex;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
