// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/hex.js';
import { createCodec } from '../codec.js';
import { hex } from '../testing/vectors.js';
import { awsNlbProfile, formatAwsServerId, parseAwsServerId } from './aws-nlb.js';

describe('aws-nlb', () => {
  it('is plaintext QUIC-LB of 16 octets, config 0', () => {
    const { config, warnings } = awsNlbProfile();
    expect(warnings).toEqual([]);
    const codec = createCodec(config);
    expect(toHex(codec.encode(hex('2d6575a16fa08ea4'), hex('01020304050607')))).toBe(
      '0f2d6575a16fa08ea401020304050607',
    );
  });

  it('warns about lengths that nobody has shown to work', () => {
    expect(awsNlbProfile(4).warnings.join()).toMatch(/13 octets/);
  });

  it.each(['0x2d6575a16fa08ea4', '2D6575A16FA08EA4', 'LWV1oW+gjqQ=', 'LWV1oW+gjqQ'])(
    'reads the server ID %s',
    (text) => {
      expect(toHex(parseAwsServerId(text))).toBe('2d6575a16fa08ea4');
    },
  );

  it.each([
    ['too short', '0x2d6575a16fa08e'],
    ['too long', '0x2d6575a16fa08ea4ff'],
    ['base64 of 7 octets', 'LWV1oW+gjg=='],
    ['base64 with bits beyond the 8 octets', 'LWV1oW+gjqR='],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(() => parseAwsServerId(text)).toThrow(/AWS server ID/);
  });

  it('prints both forms', () => {
    expect(formatAwsServerId(hex('2d6575a16fa08ea4'))).toEqual({
      hex: '0x2d6575a16fa08ea4',
      base64: 'LWV1oW+gjqQ=',
    });
  });
});
