// SPDX-License-Identifier: Apache-2.0
import type { Logger } from 'pino';
import { SayOnce } from '../../../core/index.js';
import type { ServerHealth } from '../../reconcile/health-record.js';
import type { PoolHealth } from './pool-health.js';

/** Servers that a line names. */
const NAMED = 10;

/** Says what changed: one line for all servers of a pool of which the same is to be said. */
export class HealthLog {
  readonly #log: Logger;
  readonly #said = new SayOnce();

  constructor(log: Logger) {
    this.#log = log;
  }

  changed(
    pool: PoolHealth,
    before: ReadonlyMap<string, ServerHealth>,
    suspected: string | null,
  ): void {
    const about = { pool: pool.name };
    const now = pool.records;
    const went = now.filter(({ server, out }) => out && before.get(server)?.out !== true);
    const came = now.filter(({ server, out }) => !out && before.get(server)?.out === true);
    if (went.length > 0) {
      const cids =
        pool.health.cids === 'keep' ? 'their CIDs go on to them' : 'their CIDs fall back';
      this.#log.warn({ ...about, ...named(went) }, `servers take no new flows; ${cids}`);
    }
    if (came.length > 0) {
      this.#log.info({ ...about, ...named(came) }, 'servers take new flows again');
    }
    if (pool.suspect !== null && pool.suspect !== suspected) {
      const failing = now.filter(({ standing, out }) => standing !== 'up' && !out);
      const topic = `suspect ${pool.name}`;
      // Its text has a count, which changes; the news is that it is suspect.
      if (this.#said.isNews('suspect', topic)) {
        const text = { why: pool.suspect, ...named(failing) };
        this.#log.warn(
          { ...about, ...text },
          'the health check is suspect; no more servers go out',
        );
      }
    } else if (pool.suspect === null && suspected !== null) {
      this.#said.over(`suspect ${pool.name}`);
      this.#log.info(about, 'the health check is not suspect any more');
    }
  }

  unchecked(pool: string, servers: readonly string[]): void {
    const topic = `unchecked ${pool}`;
    if (servers.length === 0) {
      this.#said.over(topic);
      return;
    }
    const text = listed(servers);
    if (!this.#said.isNews(text, topic)) return;
    this.#log.warn({ pool, servers: text }, 'servers that cannot be probed from here');
  }

  eaten(why: ReadonlyMap<string, string>): void {
    const text = [...why.values()].join('; ');
    if (text === '') {
      this.#said.over('eaten');
      return;
    }
    if (this.#said.isNews(text, 'eaten')) {
      this.#log.warn({ why: text }, 'this host drops the answers to health checks');
    }
  }
}

function named(servers: readonly ServerHealth[]): { servers: string; reason?: string } {
  const reason = servers[0]?.reason ?? null;
  const names = listed(servers.map(({ server }) => server));
  return { servers: names, ...(reason === null ? {} : { reason }) };
}

function listed(names: readonly string[]): string {
  const more = names.length - NAMED;
  return names.slice(0, NAMED).join(' ') + (more > 0 ? ` and ${more} more` : '');
}
