// SPDX-License-Identifier: Apache-2.0
import { Counter, type Registry } from 'prom-client';
import { driverCounters, ifindex } from '../../bpf/index.js';
import type { Log } from '../../daemon/log.js';

/** Milliseconds between looks. */
const LOOK_MS = 10_000;

/** What drivers call frames that XDP gave them and that they did not send, or could not take. */
const ERRORS = /xdp.*(err|full|abort|invalid|fail|bad)|xdp_(tx|xmit)_drops?/i;

const HARMFUL =
  'the driver of this interface loses packets that the balancer counts as sent: more queues or larger rings (ethtool -L, -G) help where they are full, a native XDP program at the other end of a veth (docs/lb-host.md, "When it does not work")';

/**
 * Errors by their names without the number of the queue, such as `xdp_tx_errors`, summed over
 * queues.
 *
 * @param counters as `ethtool -S` names them
 */
export function interfaceErrors(counters: Readonly<Record<string, number>>): Map<string, number> {
  const errors = new Map<string, number>();
  for (const [name, count] of Object.entries(counters)) {
    if (!ERRORS.test(name)) continue;
    const kind = name.slice(name.search(/xdp/i)).replace(/[\s[]\d+\]?$/, '');
    errors.set(kind, (errors.get(kind) ?? 0) + count);
  }
  return errors;
}

/** Warns where errors have become more since the last look; the first only remembers them. */
export class InterfaceErrorWarnings {
  readonly #log: Log;
  readonly #interface: string;
  #before: ReadonlyMap<string, number> | undefined;

  constructor(name: string, log: Log) {
    this.#interface = name;
    this.#log = log;
  }

  look(errors: ReadonlyMap<string, number>): void {
    for (const [counter, count] of this.#before === undefined ? [] : errors) {
      const more = count - (this.#before?.get(counter) ?? 0);
      // Fewer: the interface was made anew.
      if (more <= 0) continue;
      this.#log.warn({ interface: this.#interface, counter, packets: more }, HARMFUL);
    }
    this.#before = errors;
  }
}

/** Looks every ten seconds, until it is closed. An interface that is gone has no errors. */
export function watchInterfaceErrors(name: string, log: Log): { close(): void } {
  const warnings = new InterfaceErrorWarnings(name, log);
  const look = () => warnings.look(readInterfaceErrors(name));
  look();
  const timer = setInterval(look, LOOK_MS).unref();
  return { close: () => clearInterval(timer) };
}

function readInterfaceErrors(name: string): Map<string, number> {
  try {
    return interfaceErrors(driverCounters(ifindex(name)));
  } catch {
    return new Map();
  }
}

/** Adds the errors as a metric; to be called once. */
export function observeInterfaceErrors(registry: Registry, name: string): void {
  new Counter({
    name: 'cidecar_interface_errors_total',
    help: 'Packets that XDP gave the driver and it did not send, or could not take, by its own word.',
    labelNames: ['interface', 'counter'] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const [counter, count] of readInterfaceErrors(name)) {
        this.inc({ interface: name, counter }, count);
      }
    },
  });
}
