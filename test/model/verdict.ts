// SPDX-License-Identifier: Apache-2.0

/** The values that an XDP program returns: enum xdp_action of linux/bpf.h. */
export const VERDICT = { aborted: 0, drop: 1, pass: 2, transmit: 3, redirect: 4 } as const;
