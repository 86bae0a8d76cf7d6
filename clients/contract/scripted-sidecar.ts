// SPDX-License-Identifier: Apache-2.0
import { rmSync } from 'node:fs';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { Server, ServerCredentials, type ServerDuplexStream, status } from '@grpc/grpc-js';
import {
  type Minting,
  type Question,
  type SessionOpen,
  type SessionRequest,
  type SessionResponse,
  SidecarServiceService,
} from '../../proto/gen/cidecar/v1/sidecar.js';
import { CidLedger } from './cid-ledger.js';
import type { SidecarStep } from './scenario.js';

type Call = ServerDuplexStream<SessionRequest, SessionResponse>;
type Event = NonNullable<SessionResponse['event']>;
type Step<Name extends SidecarStep['sidecar']> = Extract<SidecarStep, { sidecar: Name }>;

type Sessions = NonNullable<Step<'listen'>['sessions']>;

const CREDIT_LIMIT = 65_536;

/** A sidecar that does what a scenario says, and holds its client to the contract. */
export class ScriptedSidecar {
  readonly ledger = new CidLedger();
  readonly #socket: string;
  readonly #highWater: () => number;
  readonly #connections = new Set<Socket>();
  #grpc: Server | undefined;
  #listener: NetServer | undefined;
  #sessions: Sessions = 'serve';
  #call: Call | undefined;
  #filling = false;
  #lifetimeMs = 60_000;
  #attempts = 0;
  #form = { length: 12, zeroes: false };
  #minting: Minting = FIRST;
  /** What the client said on the present Session. */
  #open: SessionOpen | undefined;
  #instanceBefore: string | undefined;
  #credit = 0;
  #acknowledged = 0;
  #voidNumber = 0;
  #void: () => void = () => {};
  /** The generation of the CIDs that are good. */
  #batchGeneration = 1;
  #held: ReadonlyMap<number, number> | undefined;
  /** What the client did against the contract. */
  #fault: Error | undefined;

  /** @param highWater of the client's pool: more credit than that is a fault */
  constructor(socket: string, highWater: () => number) {
    this.#socket = socket;
    this.#highWater = highWater;
  }

  get form(): { readonly length: number; readonly zeroes: boolean } {
    return this.#form;
  }

  get attempts(): number {
    return this.#attempts;
  }

  /** Throws what the client did against the contract. */
  check(): void {
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Does a step; false where what it waits for has not come yet. */
  async play(step: SidecarStep): Promise<boolean> {
    switch (step.sidecar) {
      case 'listen':
        await this.#listen(step.sessions ?? 'serve');
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
    this.#listener?.close();
    for (const connection of this.#connections) connection.destroy();
    this.#connections.clear();
    this.#grpc?.forceShutdown();
    rmSync(this.#socket, { force: true });
    this.#call = undefined;
    this.#forgetClient();
  }

  async #listen(sessions: Sessions): Promise<void> {
    this.#sessions = sessions;
    if (this.#listener?.listening) return;
    const grpc = new Server();
    grpc.addService(SidecarServiceService, {
      ...Object.fromEntries(Object.keys(SidecarServiceService).map((name) => [name, refuse])),
      session: (call: Call) => this.#begun(call),
    } as unknown as Parameters<Server['addService']>[1]);
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#grpc = grpc;
    const listener = createServer((connection) => {
      this.#connections.add(connection);
      connection.on('error', () => {}).on('close', () => this.#connections.delete(connection));
      injector.injectConnection(connection);
    });
    this.#listener = listener;
    await new Promise<void>((resolve) => listener.listen(this.#socket, resolve));
  }

  #begun(call: Call): void {
    this.#attempts += 1;
    call.on('error', () => {});
    call.on('cancelled', () => {
      if (this.#call === call) this.#call = undefined;
    });
    if (this.#sessions === 'end') call.end();
    else if (this.#sessions === 'refuse') refuse(call);
    else if (this.#sessions === 'babble') call.write({ event: { $case: 'alive', value: {} } });
    if (this.#sessions !== 'serve') return;
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
    const most = Math.min(CREDIT_LIMIT, this.#highWater());
    if (this.#credit > most) throw new Error(`credit for ${this.#credit} CIDs, more than ${most}`);
    if (acknowledgedMinting > this.#minting.number) {
      throw new Error(`Minting ${acknowledgedMinting} was acknowledged, which was not sent`);
    }
    if (acknowledgedMinting > 0) this.#acknowledged = acknowledgedMinting;
    if (acknowledgedMinting > 0 && acknowledgedMinting === this.#voidNumber) this.#void();
    if (held !== undefined) {
      this.#held = new Map(held.generations.map((each) => [each.generation, each.connections]));
    }
    for (const question of questions) this.#answer(question);
    if (this.#filling) this.#fill();
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
    const lifetimeMs = step.lifetime_ms ?? 60_000;
    this.#lifetimeMs = lifetimeMs;
    return this.#say({
      $case: 'hello',
      value: {
        cidLength: this.#form.length,
        minting: this.#minting,
        lifetimeMs,
        aliveEveryMs: lifetimeMs / 4,
        creditLimit: CREDIT_LIMIT,
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
    if (this.#attempts < least) return false;
    this.#attempts = 0;
    return true;
  }

  #say(event: Event): boolean {
    return this.#call?.write({ event }) !== undefined;
  }
}

const FIRST: Minting = {
  number: 1,
  generation: 1,
  makesVoid: true,
  configId: 1,
  routable: true,
  reason: '',
  zeroHostId: false,
  resetTokens: 'cmac',
  serverUseLength: 1,
};

function parts(step: Step<'hello'> | Step<'minting'>): Partial<Minting> {
  return {
    ...(step.generation === undefined ? {} : { generation: step.generation }),
    ...(step.routable === undefined ? {} : { routable: step.routable }),
    ...(step.zero_host_id === undefined ? {} : { zeroHostId: step.zero_host_id }),
  };
}

function refuse(call: { emit(event: 'error', error: object): unknown }): void {
  call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'no room for more streams' });
}

function same(is: ReadonlyMap<number, number> | undefined, wanted: ReadonlyMap<string, number>) {
  if (is === undefined || is.size !== wanted.size) return false;
  return [...wanted].every(([generation, count]) => is.get(Number(generation)) === count);
}

function hexOf(octets: Uint8Array): string {
  return Buffer.from(octets).toString('hex');
}
