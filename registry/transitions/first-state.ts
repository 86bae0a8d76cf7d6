// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/index.js';
import { savedState } from '../last-good.js';
import type { DesiredState, StateSource } from '../types.js';
import type { TransitionGuard, TransitionLog } from './guard.js';

export interface FirstStateOptions {
  /** Reads the registry. */
  read(): Promise<DesiredState>;
  /** What the state that was read was made of, if that is known. */
  sourceOf(state: DesiredState): StateSource | undefined;
  /** What was in force when this daemon last ran, as a `StateSource` wrote it. */
  readonly saved: { readonly path: string; readonly text: string } | undefined;
  /** Path of the file of cluster secrets, to open the keys of a saved state. */
  readonly clusterSecret?: string | undefined;
  readonly guard: TransitionGuard;
  readonly log: TransitionLog & { error(fields: object, message: string): void };
  /** Called where the registry is refused, so that the daemon begins with what was saved. */
  onRefused(error: unknown): void;
}

/**
 * What a daemon begins with: what the registry holds; or, where that is bad, or is a change from
 * what this daemon had in force that its guard refuses, what it had in force.
 *
 * @throws what `read` throws where nothing was saved
 */
export async function firstState(options: FirstStateOptions): Promise<DesiredState> {
  const { saved, guard, log, clusterSecret } = options;
  const restoring = { signal: guard.signal, clusterSecret };
  let state: DesiredState;
  try {
    state = await options.read();
  } catch (error) {
    if (saved === undefined) throw error;
    return refuse(error, await savedState(saved.text, saved.path, restoring), options);
  }
  const source = options.sourceOf(state);
  if (saved === undefined || source?.serialize() === saved.text) return state;
  let before: DesiredState;
  try {
    before = await savedState(saved.text, saved.path, restoring);
  } catch (error) {
    guard.signal.throwIfAborted();
    log.warn({ error }, 'what was in force before cannot be read, so the change is not checked');
    return state;
  }
  try {
    await guard.check(before, state);
  } catch (error) {
    guard.signal.throwIfAborted();
    return refuse(error, before, options);
  }
  await guard.tell(before, state);
  return state;
}

function refuse(
  error: unknown,
  state: DesiredState,
  { log, onRefused }: FirstStateOptions,
): DesiredState {
  onRefused(error);
  const away = error instanceof CidecarError && error.code === 'REGISTRY_UNAVAILABLE';
  log.error(
    { error, revision: state.revision },
    `the registry ${away ? 'is away' : 'document is refused'}; starting from the last good one, which was saved`,
  );
  return state;
}
