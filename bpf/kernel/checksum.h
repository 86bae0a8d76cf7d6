/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * The Internet checksum (RFC 1071). Words are added as they stand in memory, without a
 * byte swap: the result then has the right order of octets too (section 2(B)).
 */
#ifndef CIDECAR_CHECKSUM_H
#define CIDECAR_CHECKSUM_H

#include <linux/types.h>

/* The checksum that goes into a header whose words have this sum. */
static __always_inline __u16 checksum_fold(__u32 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* The checksum after one word has changed: RFC 1624, equation 3. */
static __always_inline __u16 checksum_replace(__u16 checksum, __u16 before, __u16 after)
{
	return checksum_fold((__u32)(__u16)~checksum + (__u16)~before + after);
}

#endif
