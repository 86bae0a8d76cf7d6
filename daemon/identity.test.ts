// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { identityIn } from './identity.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-identity-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('is made once, and lives in the folder', async () => {
  const identity = await identityIn(folder);
  expect(identity).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
  expect(await identityIn(folder)).toBe(identity);
  expect(statSync(join(folder, 'identity')).mode & 0o777).toBe(0o600);
});

it('is refused where it is none, or cannot be made', async () => {
  writeFileSync(join(folder, 'identity'), 'me\n');
  await expect(identityIn(folder)).rejects.toMatchObject({ code: 'STATE_CORRUPT' });
  await expect(identityIn(join(folder, 'none'))).rejects.toMatchObject({
    code: 'STATE_UNWRITABLE',
  });
});
