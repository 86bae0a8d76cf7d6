// SPDX-License-Identifier: Apache-2.0
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const tsc = join(root, 'node_modules/.bin/tsc');
const exec = promisify(execFile);

/** A project outside this one that has the package as `npm link cidecar` installs it. */
let project: string;

beforeAll(async () => {
  // The package exports compiled files.
  await exec(tsc, ['-b', join(root, 'clients/typescript')]);
  project = await mkdtemp(join(tmpdir(), 'cdc-package-'));
  await mkdir(join(project, 'node_modules'));
  await symlink(root, join(project, 'node_modules/cidecar'));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
  const options = { module: 'nodenext', target: 'es2022', strict: true, outDir: 'out' };
  const strictness = { skipLibCheck: false, types: [], noEmitOnError: true };
  const config = { compilerOptions: { ...options, ...strictness } };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config));
}, 300_000);
afterAll(() => rm(project, { recursive: true, force: true }));

/**
 * Compiles and runs a module. Resolves with what it prints, or with what either step complains of.
 */
async function run(text: string): Promise<string> {
  await writeFile(join(project, 'main.ts'), text);
  try {
    await exec(tsc, ['-p', project]);
    return (await exec(process.execPath, [join(project, 'out/main.js')])).stdout;
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return `${stdout}${stderr}`;
  }
}

const server = (name: string) => `
  import { CidPool, type CidPoolOptions, paceReissue, type PooledCid, type Reissue } from '${name}';
  const options: CidPoolOptions = { socket: 'none.sock', cidLength: 12 };
  const pool = CidPool.connect(options);
  pool.on('reissue', ({ deadline }: Reissue) => void paceReissue([1], () => {}, { deadline }));
  const { cid, token, routable }: PooledCid = pool.take();
  const say: (text: string) => void = Reflect.get(globalThis, 'console').log;
  say([cid.length, token.length, routable].join());
  pool.close();
`;

describe('the installed package', { timeout: 300_000 }, () => {
  it.each(['cidecar/client', 'cidecar/sidecar/client'])('has the client as %s', async (name) => {
    expect(await run(server(name))).toBe('12,16,false\n');
  });

  it('has one client under both names', async () => {
    const text = `
      import * as now from 'cidecar/client';
      import * as before from 'cidecar/sidecar/client';
      if (now.CidPool !== before.CidPool) throw new Error('two clients');
    `;
    expect(await run(text)).toBe('');
  });

  it('checks types, and has nothing but what it exports', async () => {
    expect(await run(server('cidecar/client').replace('socket:', 'sockets:'))).toMatch(/TS2561/);
    expect(await run(server('cidecar/clients/typescript/index.js'))).toMatch(/TS2307/);
  });
});
