// SPDX-License-Identifier: Apache-2.0
import type { EtcdClient, Follow } from '../../registry/etcd/client/index.js';
import type { RotationRecord, RotationStep } from '../../registry/etcd/fleet/index.js';
import { Keys } from '../../registry/etcd/layout/index.js';
import { PATIENCE_MS, POOL } from './operator.js';

/** Tells of the steps of rotations at once, so that something can happen in the middle of one. */
export class StepWatch {
  readonly #follow: Follow;
  #record: RotationRecord | undefined;
  #waiting: (() => void)[] = [];
  #known: () => void = () => {};
  /** Resolves when the rotation is known that is there to begin with. */
  readonly ready = new Promise<void>((resolve) => {
    this.#known = resolve;
  });

  constructor(client: EtcdClient) {
    const key = new Keys(client.prefix).rotation(POOL);
    const see = (text: string) => {
      this.#record = JSON.parse(text);
      for (const resolve of this.#waiting.splice(0)) resolve();
    };
    this.#follow = client.follow([key], {
      onSnapshot: ({ entries }) => {
        for (const { value } of entries) see(value.toString());
        this.#known();
      },
      onChanges: ({ changes }) => {
        for (const each of changes) if (each.kind === 'put') see(each.entry.value.toString());
      },
    });
  }

  /** Of the rotation that is under way, or of the last one. */
  get id(): string | undefined {
    return this.#record?.id;
  }

  get step(): RotationStep | undefined {
    return this.#record?.step;
  }

  /**
   * Resolves when a rotation other than `last` has come to the step; false where it has ended
   * without it.
   */
  async reached(
    step: RotationStep,
    { last, aborted }: { readonly last: string | undefined; readonly aborted: boolean },
  ): Promise<boolean> {
    const end = performance.now() + PATIENCE_MS;
    for (;;) {
      const record = this.#record;
      if (record !== undefined && record.id !== last) {
        if (record.step === step && (record.aborted !== undefined) === aborted) return true;
        if (record.step === 'over') return false;
      }
      if (performance.now() > end) {
        throw new Error(`in vain it was waited for the step ${step}: it is ${record?.step}`);
      }
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        setTimeout(resolve, 1_000);
      });
    }
  }

  close(): void {
    this.#follow.close();
  }
}
