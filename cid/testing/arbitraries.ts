// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { Secret } from '../../core/secret.js';
import type { CidConfig } from '../schemes/index.js';
import type { KatranConfig } from '../schemes/katran.js';
import type { QuicLbConfig } from '../schemes/quic-lb.js';

export const octets = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });

export const secret: fc.Arbitrary<Secret> = octets(16).map((key) => new Secret(key));

/** All pairs of lengths that "Configuration Agent Actions" allows. */
export const LENGTH_PAIRS: readonly (readonly [serverIdLength: number, nonceLength: number])[] =
  Array.from({ length: 15 }, (_, s) => s + 1).flatMap((serverIdLength) =>
    Array.from({ length: 15 }, (_, n) => n + 4)
      .filter((nonceLength) => serverIdLength + nonceLength <= 19)
      .map((nonceLength) => [serverIdLength, nonceLength] as const),
  );

export const quicLbConfig: fc.Arbitrary<QuicLbConfig> = fc
  .constantFrom(...LENGTH_PAIRS)
  .chain(([serverIdLength, nonceLength]) =>
    fc.record({
      scheme: fc.constant('quic-lb' as const),
      configId: fc.integer({ min: 0, max: 6 }),
      serverIdLength: fc.constant(serverIdLength),
      nonceLength: fc.constant(nonceLength),
      serverUseLength: fc.integer({ min: 0, max: 19 - serverIdLength - nonceLength }),
      lengthSelfEncoded: fc.boolean(),
      key: fc.option(secret),
    }),
  );

export const katranConfig: fc.Arbitrary<KatranConfig> = fc.record({
  scheme: fc.constant('katran' as const),
  version: fc.constantFrom(1 as const, 2 as const, 3 as const),
  cidLength: fc.integer({ min: 8, max: 20 }),
});

export const cidConfig: fc.Arbitrary<CidConfig> = fc.oneof(
  { weight: 3, arbitrary: quicLbConfig },
  { weight: 1, arbitrary: katranConfig },
);
