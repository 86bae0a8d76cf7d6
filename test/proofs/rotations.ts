// SPDX-License-Identifier: Apache-2.0
import type { ProvingFleet } from './proving-fleet.js';

export interface RotationsResult {
  readonly rotations: number;
  readonly connections: number;
  /** How many of them live at the end, after a migration and a rebind each. */
  readonly alive: number;
  /** Datagrams of the prober that came to the server that gave out their CID. */
  readonly probes: number;
}

/** Rotates again and again under live connections. Throws where one is lost, or led astray. */
export async function proveRotations(
  fleet: ProvingFleet,
  rotations: number,
): Promise<RotationsResult> {
  const { operator, connections, say } = fleet;
  const began = performance.now();
  for (let done = 1; done <= rotations; done += 1) {
    const before = await operator.mintingConfig();
    await fleet.checkUntil(operator.rotate());
    const config = await operator.mintingConfig();
    if (config === before) throw new Error(`config ${config} still mints after a rotation`);
    // What was replaced long ago is gone: a connection that still used it would be lost by now.
    const inUse = await fleet.configsInUse();
    const moved = inUse.get(config) ?? 0;
    if (moved !== connections) {
      throw new Error(`${moved} of ${connections} connections send to config ${config}`);
    }
    await fleet.traffic();
    await fleet.check();
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    say(`rotation ${done}: config ${before} -> ${config}, ${moved} alive, ${seconds} s so far`);
  }
  const alive = await fleet.finish();
  return { rotations, connections, alive, probes: fleet.witnesses.right };
}
