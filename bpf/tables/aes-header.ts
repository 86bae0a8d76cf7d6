// SPDX-License-Identifier: Apache-2.0
import { DECRYPT_TABLES, ENCRYPT_TABLES, INVERSE_SUBSTITUTE, SUBSTITUTE } from './aes.js';

const PER_LINE = 6;

/**
 * The text of bpf/kernel/aes_tables.h. The file is checked in, so that a build begins with clang;
 * a test compares it with this function. `npx tsx bpf/tables/write-aes-header.ts` writes it.
 */
export function aesHeader(): string {
  return `/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/* Written by bpf/tables/write-aes-header.ts. */
#ifndef CIDECAR_AES_TABLES_H
#define CIDECAR_AES_TABLES_H

#include <linux/types.h>

/* The order of the members is known to aes.h, which reaches all of them from one address. */
struct aes_tables {
	__u32 encrypt[4][256]; /* SubBytes and MixColumns, by the row of the octet */
	__u32 substitute[256]; /* SubBytes alone, for the last round */
	__u32 decrypt[4][256];
	__u32 inverse_substitute[256];
};

static const struct aes_tables aes_tables = {
	.encrypt = {
${tables(ENCRYPT_TABLES)}
	},
	.substitute = {
${words(SUBSTITUTE, '\t\t')}
	},
	.decrypt = {
${tables(DECRYPT_TABLES)}
	},
	.inverse_substitute = {
${words(INVERSE_SUBSTITUTE, '\t\t')}
	},
};

#endif
`;
}

function tables(rows: readonly Uint32Array[]): string {
  return rows.map((row) => `\t\t{\n${words(row, '\t\t\t')}\n\t\t},`).join('\n');
}

function words(values: Iterable<number>, indent: string): string {
  const texts = [...values].map((value) => `0x${value.toString(16).padStart(8, '0')},`);
  const lines: string[] = [];
  for (let i = 0; i < texts.length; i += PER_LINE) {
    lines.push(indent + texts.slice(i, i + PER_LINE).join(' '));
  }
  return lines.join('\n');
}
