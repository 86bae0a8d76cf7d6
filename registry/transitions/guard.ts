// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import type { DesiredState } from '../types.js';
import { SEVERITY_TEXT } from './catalogue.js';
import type { Transition } from './found.js';
import { isLossy, transitionsInSlices } from './transitions.js';

/** What a guard needs of a daemon's log. */
export interface TransitionLog {
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
}

export interface TransitionGuardOptions {
  /** Whether changes that lose connections or can repeat CIDs are refused. */
  readonly refuse: boolean;
  /**
   * Whether hosts share the registry. Then nothing is refused here: balancers and sidecars wait
   * for each other, so one that refuses a change holds up all others, and what registers or is
   * reclaimed is guarded by the transactions of the store. `cidctl apply` refuses before.
   */
  readonly shared?: boolean;
  readonly log: TransitionLog;
}

/** Transitions that a refusal quotes; `cidctl validate --against` prints all. */
const QUOTED = 3;

/** Judges the changes that a daemon is about to make, and tells of those that it made. */
export class TransitionGuard {
  readonly #options: TransitionGuardOptions;
  readonly #abort = new AbortController();

  constructor(options: TransitionGuardOptions) {
    this.#options = options;
    if (options.refuse && options.shared) {
      options.log.warn(
        {},
        '--guard refuses nothing where hosts share a registry: cidctl apply refuses there',
      );
    }
  }

  /**
   * To be called before a change is made. Without a guard that refuses, nothing is looked at.
   *
   * @throws CidecarError TRANSITION_REFUSED where the change loses something
   */
  async check(before: DesiredState, after: DesiredState): Promise<void> {
    if (!this.#options.refuse || this.#options.shared) return;
    const lossy = (await this.#transitions(before, after)).filter(isLossy);
    if (lossy.length > 0) throw refusal(after, lossy);
  }

  /** To be called when a change has been made: logs what it did. */
  async tell(before: DesiredState, after: DesiredState): Promise<void> {
    const { log } = this.#options;
    for (const transition of await this.#transitions(before, after)) {
      const { name, severity, pool, message, instead } = transition;
      const fields = { transition: name, effect: SEVERITY_TEXT[severity], pool, message, instead };
      if (isLossy(transition)) log.warn(fields, 'a change of the registry that loses something');
      else log.info(fields, 'a change of the registry that is worth a note');
    }
  }

  /** Gives up what is being looked at: `check` and `tell` reject. */
  close(): void {
    this.#abort.abort();
  }

  /** Aborted by `close`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get closed(): boolean {
    return this.#abort.signal.aborted;
  }

  async #transitions(before: DesiredState, after: DesiredState): Promise<readonly Transition[]> {
    const { signal } = this.#abort;
    signal.throwIfAborted();
    return transitionsInSlices(before, after, signal);
  }
}

function refusal({ revision }: DesiredState, lossy: readonly Transition[]): CidecarError {
  const quoted = lossy.slice(0, QUOTED).map(({ name, severity, message, instead }) => {
    return `${name} (${SEVERITY_TEXT[severity]}): ${message} Instead: ${instead}`;
  });
  const more = lossy.length - quoted.length;
  const rest = more > 0 ? ` And ${more} more.` : '';
  return new CidecarError(
    'TRANSITION_REFUSED',
    `--guard refuses the change to revision ${revision}: ${quoted.join(' ')}${rest}`,
  );
}
