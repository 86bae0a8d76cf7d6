// SPDX-License-Identifier: Apache-2.0
import { readFileSync } from 'node:fs';
import { type CidCodec, createCodec } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import type { DocumentConfig, SystemDocument } from './document.js';

/** The codec of a config of the document, with which a test itself finds out what a CID means. */
export function codecOf(document: SystemDocument, config: DocumentConfig): CidCodec {
  const key = () => readFileSync(document.keyFile(config), 'utf8').trim();
  return createCodec({
    scheme: 'quic-lb',
    configId: config.id,
    serverIdLength: config.serverIdLength,
    nonceLength: config.nonceLength,
    serverUseLength: config.serverUseLength ?? 0,
    lengthSelfEncoded: true,
    key: config.encrypted ? new Secret(Buffer.from(key(), 'hex')) : null,
  });
}
