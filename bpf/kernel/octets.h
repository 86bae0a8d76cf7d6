/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * Words of a packet. Headers stand at unaligned addresses, and through a pointer that may be
 * unaligned the compiler loads octet by octet. The machines that XDP runs on do not need
 * that, and the verifier checks the bounds of a word like those of any other access.
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
 * Returns the value, but the verifier then knows only that it lies within `mask`, as it must.
 * Otherwise the verifier walks the rest of the program once for each constant that a path
 * may bring along. `unknown` is anything that the verifier knows nothing about, such as
 * octets of the packet.
 */
static __always_inline __u64 forget(__u64 value, __u64 unknown, __u64 mask)
{
	asm volatile("%0 ^= %1\n\t%0 ^= %1" : "+r"(value) : "r"(unknown));
	return value & mask;
}

/*
 * Returns the value, which stays in a register from here on. Otherwise the compiler may check
 * a field in memory and then load it again. If the field is in memory that was passed to a
 * function by pointer, the verifier of Linux 6.1 and older knows nothing about the second
 * load, whatever was checked before; newer ones do.
 */
static __always_inline __u32 in_register(__u32 value)
{
	asm volatile("" : "+r"(value));
	return value;
}

#endif
