// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type ClientFile, readClients } from '../clients/contract/client-file.js';
import { poolDocument, quicLb } from '../sidecar/testing/pool-document.js';
import { SidecarFolder } from '../sidecar/testing/sidecar-folder.js';
import { SidecarProcess } from '../sidecar/testing/sidecar-process.js';
import { tryRun } from '../test/netns/command.js';
import { PACKAGE_ROOT } from '../test/netns/process.js';

const figures = z.object({
  /** Nanoseconds for one take from a full pool. */
  take_ns: z.number().nonnegative(),
  cids_per_second: z.number().positive(),
  /** Resident memory that the client added to its process. */
  memory_octets: z.number().nonnegative(),
  threads: z.number().int().nonnegative(),
});
export type ClientFigures = z.infer<typeof figures>;

export interface ClientRow {
  readonly language: string;
  /** Undefined where its bench program is not built. */
  readonly figures: ClientFigures | undefined;
}

const CIDS = 2_000_000;

/** What each client costs its server, against a real sidecar: four pass, with tokens. */
export async function benchClients(): Promise<ClientRow[]> {
  const rows: ClientRow[] = [];
  for (const client of readClients(join(PACKAGE_ROOT, 'clients'))) {
    const { language } = client;
    rows.push({ language, figures: isBuilt(client) ? await measure(client) : undefined });
  }
  return rows;
}

/** A program that is named by its path is built by the client's check. */
function isBuilt({ folder, bench }: ClientFile): boolean {
  return bench.every((word) => !/^\.\.?\//.test(word) || existsSync(join(folder, word)));
}

async function measure({ language, folder: cwd, bench }: ClientFile): Promise<ClientFigures> {
  const folder = await SidecarFolder.create();
  try {
    const keyFile = await folder.key('bench.key');
    await folder.write(poolDocument([quicLb(0, 'minting', keyFile)]));
    const sidecar = await SidecarProcess.start(folder, ['--init', '--log-level', 'info']);
    try {
      const words = [...bench, '--sidecar', folder.socket, '--count', String(CIDS)];
      const { code, stdout, stderr } = await tryRun(words, '', cwd);
      if (code !== 0) throw new Error(`the bench of ${language} ended with ${code}: ${stderr}`);
      return figures.parse(JSON.parse(stdout));
    } finally {
      await sidecar.stop();
    }
  } finally {
    await folder.remove();
  }
}
