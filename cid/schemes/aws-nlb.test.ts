// SPDX-License-Identifier: Apache-2.0
import { describe, expect, it } from 'vitest';
import { toHex } from '../../core/hex.js';
import { hex } from '../testing/vectors.js';
import { awsNlb } from './aws-nlb.js';

const read = (nonceLength: number) =>
  awsNlb.documentForm.compile({ id: 0, serverIdLength: 8, nonceLength });
const forms = awsNlb.serverIdForms!;

describe('aws-nlb', () => {
  it('is plaintext QUIC-LB of 16 octets, config 0', () => {
    const { codec, warnings } = read(7);
    expect(warnings).toEqual([]);
    expect(toHex(codec.encode(hex('2d6575a16fa08ea4'), hex('01020304050607')))).toBe(
      '0f2d6575a16fa08ea401020304050607',
    );
  });

  it('warns about lengths that nobody has shown to work', () => {
    const [warning] = read(4).warnings;
    expect(warning?.message).toMatch(/13 octets/);
    expect(warning?.field).toBe('nonceLength');
  });

  it.each(['0x2d6575a16fa08ea4', '2D6575A16FA08EA4', 'LWV1oW+gjqQ=', 'LWV1oW+gjqQ'])(
    'reads the server ID %s',
    (text) => {
      expect(toHex(forms.parse(text))).toBe('2d6575a16fa08ea4');
    },
  );

  it.each([
    ['too short', '0x2d6575a16fa08e'],
    ['too long', '0x2d6575a16fa08ea4ff'],
    ['base64 of 7 octets', 'LWV1oW+gjg=='],
    ['base64 with bits beyond the 8 octets', 'LWV1oW+gjqR='],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(() => forms.parse(text)).toThrow(/AWS server ID/);
  });

  it('prints both forms', () => {
    expect(forms.format(hex('2d6575a16fa08ea4'))).toEqual({
      hex: '0x2d6575a16fa08ea4',
      base64: 'LWV1oW+gjqQ=',
    });
  });
});
