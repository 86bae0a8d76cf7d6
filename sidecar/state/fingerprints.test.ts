// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { BUILT_IN_SCHEMES, type CidConfig, createCodec } from '../../cid/index.js';
import { Secret } from '../../core/index.js';
import { Fingerprints } from './fingerprints.js';

const octets = (length: number, first: number) =>
  Uint8Array.from({ length }, (_, i) => (first + i) & 0xff);
const key = new Secret(octets(16, 0x40));
const resetKey = new Secret(octets(16, 0x80));

const quicLb = (more: Partial<CidConfig & { scheme: 'quic-lb' }>) =>
  createCodec({
    scheme: 'quic-lb',
    configId: 2,
    serverIdLength: 3,
    nonceLength: 4,
    serverUseLength: 0,
    lengthSelfEncoded: true,
    key: null,
    ...more,
  });
const katran = (version: 1 | 2 | 3, cidLength: number) =>
  createCodec({ scheme: 'katran', version, cidLength });
const fromDocument = (name: string, values: Record<string, number>) => {
  const scheme = BUILT_IN_SCHEMES.find((each) => each.name === name);
  if (scheme === undefined) throw new Error(`there is no scheme ${name}`);
  return scheme.documentForm.compile(values).codec;
};

// Of version 1 of the state. State files hold these: were one to change, a sidecar would take
// its nonces for those of another config and begin again, which may repeat some.
describe('fingerprints are what they were', () => {
  it.each([
    {
      of: 'plaintext',
      id: 2,
      codec: quicLb({}),
      space: '096b58b05a26b10923358d31759c75ec',
      config: '3d7b9f52b7b6e721a4bd75623ed4ed6f',
      withReset: '5f018c348f85cf223ff8533144673237',
    },
    {
      of: 'four-pass',
      id: 2,
      codec: quicLb({ key, serverUseLength: 2, lengthSelfEncoded: false }),
      space: 'e507a8c546bd8247382dffc22d8ba90b',
      config: 'f2b1aa9ec8175fda554c85692a74d5ce',
      withReset: '7b396500cb3654ecd3db4573f828a61f',
    },
    {
      of: 'single-pass',
      id: 2,
      codec: quicLb({ key, serverIdLength: 8, nonceLength: 8 }),
      space: 'c7cdbe56840b8f601cfd809cd0024516',
      config: '4318a630b71ae672d5ff0c336bf726d1',
      withReset: 'c86c607a836c3b2381bf9620c09c51e9',
    },
    {
      of: 'aws-nlb, which is a profile of quic-lb',
      id: 0,
      codec: fromDocument('aws-nlb', { id: 0, serverIdLength: 8, nonceLength: 7 }),
      space: 'fafac8cd8a5d00cb7ac3b9b68c85f7a2',
      config: '012bd36753549d21dd19d083103c751c',
      withReset: 'e1f1459e76623202f1d8334d555c65e4',
    },
    {
      of: 'katran-v1',
      id: 2,
      codec: katran(1, 8),
      space: '1ff01cd1a5fadf64b918022eb1b2a43b',
      config: '74b26797bc37492af41df0e6df967706',
      withReset: 'b3816081db29219b6f88b26d7b585b3f',
    },
    {
      of: 'katran-v2',
      id: 4,
      codec: katran(2, 12),
      space: '0b21d56e32d0e4113eccb8f69b17ca66',
      config: '1ab81ce2394936e5e3f602d41240962c',
      withReset: 'a9cae27c674e9fd080ec2675f7810234',
    },
    {
      of: 'katran-v3',
      id: 6,
      codec: katran(3, 17),
      space: '74f1d9b83c7e017ca5936217f3fcb9d7',
      config: '7b97bafdec15b4cf04b4f590ea5eaf39',
      withReset: 'f110c39dc0e2bb4a87820ecd000ff72f',
    },
  ])('$of', ({ id, codec, space, config, withReset }) => {
    const prints = new Fingerprints(octets(32, 1));
    expect(prints.space(codec, octets(codec.serverIdLength, 0x11))).toBe(space);
    expect(prints.config(id, codec)).toBe(config);
    expect(prints.minting(id, codec, null, 'cmac')).toBe(config);
    expect(prints.minting(id, codec, resetKey, 'hmac-sha256')).toBe(withReset);
  });
});
