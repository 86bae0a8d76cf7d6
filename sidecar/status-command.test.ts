// SPDX-License-Identifier: Apache-2.0
import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';
import { openRegistry } from '../registry/index.js';
import { poolDocument, quicLb } from './testing/pool-document.js';
import { program } from './testing/sidecar-process.js';
import { sidecarsPerFile } from './testing/test-sidecars.js';

const { folder, start } = sidecarsPerFile();

function run(...args: string[]): string {
  return execFileSync(process.execPath, [...program('sidecar/main'), ...args], {
    encoding: 'utf8',
  });
}

it('shows what runs, the revision in force, and what was refused', {
  timeout: 300_000,
}, async () => {
  await folder.write(poolDocument([quicLb(0, 'minting', await folder.key('a.key'))]));
  const sidecar = await start('--init');
  const text = run('status', '--socket', folder.socket);
  expect(text).toMatch(/server web-1 of pool \S+: active, issuing routable CIDs/);
  expect(text).toMatch(/cid-sidecar \d+\.\d+\.\d+.*, up \d+ s/);
  expect(text).toMatch(/registry revision [0-9a-f]+, in force for \d+ s/);
  expect(text).not.toContain('refused');
  // The same as on other hosts, and as cidctl prints them.
  const { revision, parts } = await openRegistry(folder.document).read();
  const [pool] = parts?.pools ?? [];
  expect(text).toContain(`registry revision ${revision}, in force`);
  expect(text).toContain(
    `of the document alone ${parts?.document}; of this pool with CID keys ${pool?.cids}, with reset keys ${pool?.resetTokens}`,
  );

  await folder.write({ pools: 3 });
  await sidecar.logs('the registry document is refused; the last good one stays in force');
  expect(run('status', '--socket', folder.socket)).toMatch(
    /a newer document is refused, for \d+ s/,
  );
  const json = JSON.parse(run('status', '--socket', folder.socket, '--json'));
  expect(json.registryError).toContain('pools');
  expect(json.configs[0].serverIds[0]).toMatch(/^[0-9a-f]+$/);
});

it('says which version it is, without other flags', () => {
  expect(run('--version')).toMatch(/^\d+\.\d+\.\d+/);
});
