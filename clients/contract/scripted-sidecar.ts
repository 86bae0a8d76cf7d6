// SPDX-License-Identifier: Apache-2.0
import type {
  Minting,
  Question,
  SessionOpen,
  SessionRequest,
  SessionResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { CidLedger } from './cid-ledger.js';
import { hexOf, same } from './client-said.js';
import type { SidecarStep } from './scenario.js';
import { ScriptedListener, type SessionCall } from './scripted-listener.js';
import { FIRST, parts } from './scripted-minting.js';

type Event = NonNullable<SessionResponse['event']>;
type Step<Name extends SidecarStep['sidecar']> = Extract<SidecarStep, { sidecar: Name }>;

const CREDIT_LIMIT = 65_536;

/** A sidecar that does what a scenario says, and holds its client to the contract. */
export class ScriptedSidecar {
  readonly ledger = new CidLedger();
  readonly #highWater: () => number;
  readonly #listener: ScriptedListener;
  #call: SessionCall | undefined;
  #filling = false;
  #creditLimit = CREDIT_LIMIT;
  #lifetimeMs = 60_000;
  #form = { length: 12, zeroes: false };
  #minting: Minting = FIRST;
  /** What the client said on the present Session. */
  #open: SessionOpen | undefined;
  #instanceBefore: string | undefined;
  #credit = 0;
  #acknowledged = 0;
  #voidNumber = 0;
  /** Whether the newest Minting that makes void left no CID good, and CIDs sent after it. */
  #emptied = false;
  #sentSince = 0;
  #void: () => void = () => {};
  /** The generation of the CIDs that are good. */
  #batchGeneration = 1;
  #held: ReadonlyMap<number, number> | undefined;
  /** What the client did against the contract. */
  #fault: Error | undefined;

  /** @param highWater of the client's pool: more credit than that is a fault */
  constructor(socket: string, highWater: () => number) {
    this.#listener = new ScriptedListener(socket, (call) => this.#serve(call));
    this.#highWater = highWater;
  }

  get form(): { readonly length: number; readonly zeroes: boolean } {
    return this.#form;
  }

  get attempts(): number {
    return this.#listener.attempts;
  }

  /** Throws what the client did against the contract. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Does a step; false where what it waits for has not come yet. */
  async play(step: SidecarStep): Promise<boolean> {
    switch (step.sidecar) {
      case 'listen':
        await this.#listener.listen(step.sessions ?? 'serve');
        return true;
      case 'down':
        this.down();
        return true;
      case 'end':
        this.#call?.end();
        this.#forgetClient();
        return true;
      case 'hello':
        return this.#hello(step);
      case 'minting':
        return this.#change(step);
      case 'batch':
        return this.#batch(step);
      case 'reissue':
        return this.#say({
          $case: 'reissue',
          value: {
            throughGeneration: step.through_generation,
            deadline: new Date(Date.now() + step.deadline_in_ms),
          },
        });
      case 'alive':
        return this.#say({ $case: 'alive', value: {} });
      case 'stop-reading':
        this.#call?.pause();
        return true;
      case 'keep-filling':
        this.#filling = true;
        return this.#fill();
      case 'opened':
        return this.#opened(step);
      case 'credit':
        return this.#credit === step.is;
      case 'acknowledged':
        return this.#acknowledged === this.#voidNumber;
      case 'held':
        return same(this.#held, new Map(Object.entries(step.generations)));
      case 'attempts':
        return this.#reached(step.at_least);
      case 'calm':
        return true; // The player counts.
    }
  }

  down(): void {
    this.#listener.down();
    this.#call = undefined;
    this.#forgetClient();
  }

  #serve(call: SessionCall): void {
    call.on('cancelled', () => {
      if (this.#call === call) this.#call = undefined;
    });
    this.#call = call;
    this.#forgetClient();
    [this.#credit, this.#acknowledged, this.#voidNumber] = [0, 0, 0];
    call.on('data', (request: SessionRequest) => {
      try {
        if (this.#call === call) this.#take(request);
      } catch (error) {
        this.#fault ??= error as Error;
      }
    });
    call.on('end', () => call.end());
  }

  #forgetClient(): void {
    if (this.#open !== undefined) this.#instanceBefore = hexOf(this.#open.instance);
    this.#open = undefined;
    this.#held = undefined;
  }

  #take({ open, credit, held, acknowledgedMinting, questions }: SessionRequest): void {
    if ((open === undefined) === (this.#open === undefined)) {
      throw new Error('`open` has to be in the first message, and only there');
    }
    this.#open ??= open;
    this.#credit += credit;
    const most = Math.min(this.#creditLimit, this.#highWater());
    if (this.#credit > most) throw new Error(`credit for ${this.#credit} CIDs, more than ${most}`);
    if (acknowledgedMinting > this.#minting.number) {
      throw new Error(`Minting ${acknowledgedMinting} was acknowledged, which was not sent`);
    }
    if (acknowledgedMinting > 0) this.#acknowledged = acknowledgedMinting;
    if (acknowledgedMinting === this.#voidNumber) this.#checkCredit(most);
    if (acknowledgedMinting > 0 && acknowledgedMinting === this.#voidNumber) this.#void();
    if (held !== undefined) {
      this.#held = new Map(held.generations.map((each) => [each.generation, each.connections]));
    }
    for (const question of questions) this.#answer(question);
    if (this.#filling) this.#fill();
  }

  /** The sidecar goes by the credit that is open at the acknowledgement. */
  #checkCredit(most: number): void {
    const open = this.#credit + this.#sentSince;
    if (!this.#emptied || open >= most) return;
    throw new Error(`credit for ${open} CIDs at an acknowledgement that left room for ${most}`);
  }

  #answer({ number, about }: Question): void {
    const cid = Buffer.from(about?.value ?? []);
    const known = cid.length === this.#form.length && this.ledger.knows(cid);
    const refusal = { $case: 'refusal', value: { code: 'FOREIGN_CID', message: 'no' } } as const;
    const token = Buffer.alloc(16);
    if (known) cid.copy(token, 0, cid.length - 6);
    if (about?.$case === 'own') {
      this.#say({ $case: 'answer', value: { number, result: { $case: 'own', value: known } } });
    } else {
      const result = known ? ({ $case: 'resetToken', value: token } as const) : refusal;
      this.#say({ $case: 'answer', value: { number, result } });
    }
  }

  #hello(step: Step<'hello'>): boolean {
    if (this.#call === undefined) return false;
    this.#minting = { ...FIRST, generation: this.#minting.generation, ...parts(step) };
    this.#form = { length: step.cid_length ?? 12, zeroes: this.#minting.zeroHostId };
    this.#madeVoid();
    this.#creditLimit = step.credit_limit ?? CREDIT_LIMIT;
    const lifetimeMs = step.lifetime_ms ?? 60_000;
    this.#lifetimeMs = lifetimeMs;
    return this.#say({
      $case: 'hello',
      value: {
        cidLength: this.#form.length,
        minting: this.#minting,
        lifetimeMs,
        aliveEveryMs: lifetimeMs / 4,
        creditLimit: this.#creditLimit,
        batchLimit: 1024,
        questionLimit: 64,
        keyExport: false,
        serverName: 'web-1',
        poolName: 'web',
        version: '0.0.0',
      },
    });
  }

  #change(step: Step<'minting'>): boolean {
    if (this.#call === undefined) return false;
    const { number } = this.#minting;
    const makesVoid = step.makes_void ?? true;
    this.#minting = { ...this.#minting, ...parts(step), number: number + 1, makesVoid };
    this.#form = { ...this.#form, zeroes: this.#minting.zeroHostId };
    if (makesVoid) this.#madeVoid();
    return this.#say({ $case: 'minting', value: this.#minting });
  }

  // At a hello, CIDs of the same generation are still good.
  #madeVoid(): void {
    this.#voidNumber = this.#minting.number;
    const { generation } = this.#minting;
    this.#emptied = generation !== this.#batchGeneration;
    this.#sentSince = 0;
    this.#void = generation === this.#batchGeneration ? () => {} : this.ledger.mark();
    this.#batchGeneration = generation;
  }

  #batch(step: Step<'batch'>): boolean {
    if (this.#call === undefined) return false;
    const count = (step.count ?? this.#credit) + (step.above_credit ?? 0);
    const { routable } = this.#minting;
    const length = step.cid_length ?? this.#form.length;
    const generation = step.generation ?? this.#minting.generation;
    const configId = routable ? generation % 7 : 7;
    const { cids, tokens } = this.ledger.make(count, length, configId);
    this.#sentSince += count;
    this.#credit -= Math.min(count, this.#credit);
    const more = step.octets_more ?? 0;
    const shown = Buffer.concat([cids, Buffer.alloc(Math.max(0, more))]);
    return this.#say({
      $case: 'batch',
      value: {
        cids: shown.subarray(0, cids.length + more),
        tokens,
        count,
        cidLength: length,
        configId,
        generation,
        routable,
        lifetimeMs: this.#lifetimeMs,
      },
    });
  }

  #fill(): boolean {
    if (this.#credit > 0) this.#batch({ sidecar: 'batch', count: Math.min(this.#credit, 1024) });
    if (this.#credit > 0) setImmediate(() => this.#fill());
    return true;
  }

  #opened(step: Step<'opened'>): boolean {
    const open = this.#open;
    if (open === undefined) return false;
    const expected = {
      known_generation: open.knownGeneration,
      oldest_generation: open.oldestGeneration,
      server_use: hexOf(open.serverUse ?? new Uint8Array(0)),
      can_retire: open.canRetire,
      same_instance: hexOf(open.instance) === this.#instanceBefore,
    };
    for (const [name, is] of Object.entries(expected)) {
      const wanted = step[name as keyof typeof expected];
      if (wanted !== undefined && wanted !== is) {
        throw new Error(`${name} is ${is}, not ${wanted}, in the first message`);
      }
    }
    return true;
  }

  #reached(least: number): boolean {
    if (this.#listener.attempts < least) return false;
    this.#listener.attempts = 0;
    return true;
  }

  #say(event: Event): boolean {
    return this.#call?.write({ event }) !== undefined;
  }
}
