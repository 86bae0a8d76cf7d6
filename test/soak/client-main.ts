// SPDX-License-Identifier: Apache-2.0
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { serveParent } from '../netns/worker.js';
import { Auditor, fast, lazy, type PoolUser, reconnecting } from './pool-users.js';

// A process with pools of a sidecar, which does what the parent calls for.
const USERS: Readonly<Record<string, PoolUser>> = { fast, lazy, reconnecting };

const auditor = new Auditor();
const end = new AbortController();
const running: Promise<void>[] = [];

serveParent({
  use: ({ socket, users }: { socket: string; users: readonly string[] }) => {
    for (const name of users) {
      const user = USERS[name];
      if (user === undefined) throw new RangeError(`no use of a pool is called ${name}`);
      running.push(user(socket, auditor, end.signal));
    }
  },
  expect: (config: number | null) => {
    auditor.expected = config;
  },
  /** Answers when this many CIDs were taken. */
  until: async (count: number) => {
    while (auditor.tally.taken < count) await turnOfTheLoop();
    return auditor.tally;
  },
  stop: async () => {
    end.abort();
    await Promise.all(running);
    return auditor.tally;
  },
});
