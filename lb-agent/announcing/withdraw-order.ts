// SPDX-License-Identifier: Apache-2.0
import { readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { makeFolders } from '../../core/index.js';
import { replaceFile } from '../../daemon/atomic-file.js';

const shape = z.object({
  id: z.string().min(1),
  /** In the words of the operator; empty where none were given. */
  why: z.string(),
  /** ISO 8601. */
  since: z.string(),
});

/** The word of an operator that no packets should come to this host, until it is taken back. */
export type WithdrawOrder = z.infer<typeof shape>;

/** Where the order stands, beside the state of the agent, which it outlives. */
export class WithdrawOrderFile {
  readonly path: string;

  /** @param stateFile of the agent */
  constructor(stateFile: string) {
    this.path = `${stateFile}.withdraw`;
  }

  /**
   * Undefined where there is none. One that cannot be understood counts: somebody wanted the host
   * withdrawn. Synchronous, because it is small and looked at once a second.
   */
  read(): WithdrawOrder | undefined {
    let text: string;
    try {
      text = readFileSync(this.path, 'utf8');
    } catch {
      return undefined;
    }
    try {
      return shape.parse(JSON.parse(text));
    } catch {
      return { id: 'unreadable', why: `${this.path} cannot be read`, since: '' };
    }
  }

  async write(order: WithdrawOrder): Promise<void> {
    makeFolders(dirname(this.path), 0o755);
    await replaceFile(this.path, { mode: 0o644, content: `${JSON.stringify(order)}\n` });
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}
