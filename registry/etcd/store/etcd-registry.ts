// SPDX-License-Identifier: Apache-2.0
import { SayOnce } from '../../../core/index.js';
import type { DocumentWarning } from '../../document/report.js';
import type { DesiredState, Registry, RegistryOptions, Watch, WatchHandlers } from '../../types.js';
import { LastRead, WatchReports } from '../../watch-reports.js';
import { type EtcdClient, weaknessOf } from '../client/index.js';
import { Keys } from '../layout/keys.js';
import { etcdSource } from './etcd-source.js';
import { FollowedState, type Outcome } from './followed-state.js';
import type { Keyring } from './keyring.js';

export interface EtcdRegistryOptions extends RegistryOptions {
  readonly keyring: Keyring;
}

/** The desired state in etcd, which hosts share. */
export class EtcdRegistry implements Registry {
  /** Of the registry's own connection, for whoever has more to do with etcd. */
  readonly client: EtcdClient;
  readonly keys: Keys;
  readonly #options: EtcdRegistryOptions;
  readonly #lastRead = new LastRead();
  readonly #watches = new Set<WatchReports>();
  readonly #warned = new SayOnce();
  readonly #weakness = new SayOnce();
  #followed: FollowedState | undefined;

  /** @param client closed with the registry */
  constructor(client: EtcdClient, options: EtcdRegistryOptions) {
    this.client = client;
    this.keys = new Keys(client.prefix);
    this.#options = options;
  }

  /** The cluster secrets of this host. */
  get keyring(): Keyring {
    return this.#options.keyring;
  }

  /** Whether changes come as they happen. */
  get connected(): boolean {
    return this.#followed?.connected ?? false;
  }

  /** Milliseconds since changes do not come; undefined while they do, and before the first use. */
  get disconnectedForMs(): number | undefined {
    return this.#followed?.disconnectedForMs;
  }

  /** Every change that was committed before the call is in the state. */
  async read(): Promise<DesiredState> {
    try {
      const outcome = await this.#follow().upToDate();
      if ('error' in outcome) throw outcome.error;
      this.#lastRead.handsOut(outcome.state);
      return outcome.state;
    } catch (error) {
      this.#lastRead.fails();
      throw error;
    }
  }

  async watch(handlers: WatchHandlers): Promise<Watch> {
    const followed = this.#follow();
    const reports = new WatchReports(handlers, this.#lastRead);
    await reports.begin(async () => {
      // It is not waited for here: a daemon starts while the registry is away.
      const { outcome } = followed;
      if (outcome === undefined || 'error' in outcome) throw new Error('there is no state yet');
      return outcome.state;
    });
    this.#watches.add(reports);
    if (followed.connected) void this.#tellWeakness();
    const { outcome } = followed;
    // What came while it began, and is not what a read handed out.
    if (outcome !== undefined) report(reports, outcome);
    return {
      close: async () => {
        reports.close();
        this.#watches.delete(reports);
      },
    };
  }

  async close(): Promise<void> {
    this.#followed?.close();
    this.#followed = undefined;
    this.client.close();
  }

  #follow(): FollowedState {
    this.#followed ??= new FollowedState({
      ...this.#options,
      client: this.client,
      keys: this.keys,
      onOutcome: (outcome) => this.#tell(outcome),
      onConnected: () => void this.#tellWeakness(),
    });
    return this.#followed;
  }

  #tell(outcome: Outcome): void {
    if ('state' in outcome) {
      this.#warn(outcome.warnings);
      this.#options.onSource?.(outcome.state, etcdSource(this.keys, outcome));
    }
    for (const reports of this.#watches) report(reports, outcome);
  }

  /**
   * For who stays: a daemon. Asked of the member that is in use, at each connection: a channel to
   * each of the others would stay open, and etcd ends idle ones that send pings.
   */
  async #tellWeakness(): Promise<void> {
    const version = await this.client.status().then(
      (status) => status.version,
      () => '',
    );
    const weakness = weaknessOf(version);
    if (weakness === undefined || this.#watches.size === 0) return;
    if (!this.#weakness.isNews(weakness)) return;
    this.#options.onWarning?.({ file: this.client.endpoint, field: '', message: weakness });
  }

  #warn(warnings: readonly DocumentWarning[]): void {
    if (!this.#warned.isNews(JSON.stringify(warnings))) return;
    for (const warning of warnings) this.#options.onWarning?.(warning);
  }
}

function report(reports: WatchReports, outcome: Outcome): void {
  if ('error' in outcome) {
    reports.failed(outcome.error);
    return;
  }
  try {
    reports.found(outcome.state);
  } catch (error) {
    reports.failed(error);
  }
}
