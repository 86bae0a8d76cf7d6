// SPDX-License-Identifier: Apache-2.0
import { put } from '../../../client/index.js';
import { type ConfigValue, Keys } from '../../../layout/index.js';
import { entriesOfDocument } from '../../../testing/documents.js';

export const keys = new Keys();
export const POOL = 'web';
/** Seconds for which a connection is remembered, and a config rests. */
export const AGE = 10;

/** What CIDs of a config mean. */
export function meaningOf({ sealed }: ConfigValue): string {
  return JSON.stringify(sealed.keyFile);
}

const DOCUMENT = JSON.stringify({
  pools: {
    web: {
      vips: [{ address: '198.51.100.1', port: 443, protocol: 'udp' }],
      configs: [
        {
          ...{ id: 0, scheme: 'quic-lb', serverIdLength: 3, nonceLength: 8 },
          ...{ keyFile: 'a.key', state: 'minting' },
        },
      ],
      servers: [
        { name: 'web-1', address: '10.0.1.1', serverIds: { 0: ['0a0b01'] } },
        { name: 'web-2', address: '10.0.1.2', serverIds: { 0: ['0a0b02'] } },
      ],
      allocation: { first: 1, last: 9, connectionAge: AGE },
    },
  },
});

/** What puts the first state of a world into its store. */
export const BEGINNING = [...entriesOfDocument(DOCUMENT, keys)].map(([key, value]) =>
  put(key, value),
);
