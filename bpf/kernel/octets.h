/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Words of a packet. Headers stand at odd places, and for a pointer that may be unaligned
 * the compiler loads octet by octet; the machines that XDP runs on need no such care, and
 * the verifier checks the bounds of a word as of anything else.
 */
#ifndef CIDECAR_OCTETS_H
#define CIDECAR_OCTETS_H

#include <linux/types.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

typedef __u16 __attribute__((may_alias)) packet_u16;
typedef __u32 __attribute__((may_alias)) packet_u32;
typedef __u64 __attribute__((may_alias)) packet_u64;

static __always_inline __u16 load16(const void *octets)
{
	return *(const packet_u16 *)octets;
}

static __always_inline __u32 load32(const void *octets)
{
	return *(const packet_u32 *)octets;
}

static __always_inline __u64 load64(const void *octets)
{
	return *(const packet_u64 *)octets;
}

static __always_inline void store16(void *octets, __u16 word)
{
	*(packet_u16 *)octets = word;
}

static __always_inline void store32(void *octets, __u32 word)
{
	*(packet_u32 *)octets = word;
}

static __always_inline void store64(void *octets, __u64 word)
{
	*(packet_u64 *)octets = word;
}

/*
 * The same value, of which the verifier knows no more than `mask`, a bound that it has. It
 * otherwise walks the rest of the program once for each constant that a path may bring
 * along; `unknown` is anything it knows nothing about, such as octets of the packet.
 */
static __always_inline __u64 forget(__u64 value, __u64 unknown, __u64 mask)
{
	asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(value) : "r"(unknown));
	return value & mask;
}

/*
 * The same value, in a register from here on. The compiler otherwise checks a field in
 * memory and then loads it again, and of memory that a function was pointed to the verifier
 * knows nothing, whatever was checked before (Linux 6.1 and older; newer ones see through).
 */
static __always_inline __u32 in_register(__u32 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

#endif
