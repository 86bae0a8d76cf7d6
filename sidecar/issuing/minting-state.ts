// SPDX-License-Identifier: Apache-2.0

/** What clients are told of the CIDs that are issued. */
export interface MintingState {
  /** The epoch of the CIDs. */
  readonly generation: number;
  /** Whether 0b111 CIDs need zeroes in octets 1 to 4, because a config claims 0b111 too. */
  readonly zeroHostId: boolean;
  /** 0 to 6, or 7 where `routable` is false. */
  readonly configId: number;
  readonly routable: boolean;
  /** Why CIDs are not routable; empty where they are. */
  readonly reason: string;
}

/** Whether CIDs that clients hold and have not used yet are void after this change. */
export function makesVoid(before: MintingState, now: MintingState): boolean {
  return (
    now.generation !== before.generation ||
    now.zeroHostId !== before.zeroHostId ||
    (now.routable && !before.routable)
  );
}

/** Whether a watcher sees a difference. */
export function isNews(before: MintingState, now: MintingState): boolean {
  return (
    makesVoid(before, now) ||
    now.configId !== before.configId ||
    now.routable !== before.routable ||
    now.reason !== before.reason
  );
}

/** The state that clients and watchers were told of last. */
export class ToldState {
  #state: MintingState | undefined;

  /** Undefined before the first. */
  get state(): MintingState | undefined {
    return this.#state;
  }

  /** Returns what is to be told of a new state; of the first, nothing. */
  tell(now: MintingState): { readonly isVoid: boolean; readonly isNews: boolean } {
    const before = this.#state;
    this.#state = now;
    if (before === undefined) return { isVoid: false, isNews: false };
    return { isVoid: makesVoid(before, now), isNews: isNews(before, now) };
  }
}
