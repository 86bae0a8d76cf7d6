// SPDX-License-Identifier: Apache-2.0
import { until } from '../../etcd/until.js';
import { PATIENCE_MS, POOL } from '../operator.js';
import type { ProvingFleet } from '../proving-fleet.js';

/**
 * Everything is mended, and the fleet has to come to rest by itself: no rotation is under way, all
 * agents are live and hold everything, all servers issue, and their marks are of that alone.
 */
export async function settle(fleet: ProvingFleet): Promise<void> {
  const { operator, agents, servers } = fleet;
  for (const host of [...agents, ...servers]) if (host.isCut) await host.mend();
  await Promise.all(agents.map((host) => (host.agent.running ? undefined : host.start())));
  const serving = servers.filter(({ isIn }) => isIn);
  for (const { sidecar } of serving) if (!sidecar.running) sidecar.start();
  const { record } = await operator.rotation();
  if (record !== undefined && record.step !== 'over' && record.paused !== undefined) {
    await operator.must('rotate', POOL, '--resume', '--no-wait');
  }
  await operator.untilLive(agents.map(({ name }) => name));
  await operator.untilRotated();
  await operator.untilIssuing(serving.map(({ name }) => name));
  const config = await operator.mintingConfig();
  await until(
    `config ${config} is the only one in use`,
    async () => {
      const listed = await operator.servers();
      return serving.every(({ name }) =>
        listed.some(({ server, marks, issuing }) => {
          return server === name && issuing === config && marks.join() === String(config);
        }),
      );
    },
    PATIENCE_MS,
  );
  await until(
    'the router has all balancers back',
    () => agents.every(({ name }) => fleet.router.announced.includes(name)),
    PATIENCE_MS,
  );
  await fleet.traffic();
  await fleet.check();
}
