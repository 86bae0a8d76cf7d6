// SPDX-License-Identifier: Apache-2.0
import { z } from 'zod';
import type { HealthCheck, Vip } from '../types.js';
import { choice, integer, needs } from './form.js';
import type { Report } from './report.js';
import type { Path } from './source.js';

const milliseconds = (minimum: number, maximum: number) =>
  integer(minimum, maximum, ' (milliseconds)');

const LATER = 'is not checked by this version; take quic or udp';

/** The form of a pool's `health`: fields, ranges, defaults, and what one field asks of another. */
export const healthShape = z
  .strictObject(
    {
      check: choice(['quic', 'udp', 'tcp', 'http']),
      interval: milliseconds(100, 60_000).default(800),
      timeout: milliseconds(50, 60_000).optional(),
      up: integer(1, 100).default(2),
      down: integer(1, 100).default(3),
      floor: integer(0, 100, ' (percent)').default(50),
      port: integer(1, 65535).optional(),
      path: z.unknown().optional(),
      ownAddress: z.boolean(needs('true or false')).default(false),
      cids: choice(['keep', 'fall-back']).default('keep'),
      start: choice(['unproven', 'proven']).default('unproven'),
    },
    needs('a mapping with the fields of a health check'),
  )
  .superRefine(({ check, interval, timeout, path }, context) => {
    const issue = (field: string, message: string) =>
      context.addIssue({ code: 'custom', path: [field], message });
    if (check === 'tcp' || check === 'http') issue('check', `${check} ${LATER}`);
    if (path !== undefined) issue('path', 'is of check: http only');
    if (timeout !== undefined && timeout > interval) {
      issue('timeout', `must be at most interval, which is ${interval}`);
    }
  })
  .transform(({ path: _, check, timeout, ...fields }): HealthCheck => {
    // Refused above, where it is another one.
    const known = check === 'udp' ? 'udp' : 'quic';
    return { check: known, ...fields, timeout: timeout ?? Math.ceil(fields.interval / 2) };
  });

/** What {@link checkHealth} needs of a pool. */
interface CheckedPool {
  readonly vips: readonly Pick<Vip, 'address' | 'port' | 'protocol'>[];
  readonly health?: HealthCheck | undefined;
}

/** A check goes to a VIP of its protocol, and needs to know the port. */
export function checkHealth({ vips, health }: CheckedPool, path: Path, report: Report): void {
  // No packet comes for a pool without a VIP.
  if (health === undefined || vips.length === 0) return;
  const udp = vips.filter(({ protocol }) => protocol === 'udp');
  if (udp.length === 0) {
    report.error(
      [...path, 'health', 'check'],
      `${health.check} needs a VIP of udp, and the pool has none`,
    );
  } else if (health.port === undefined && udp.some(({ port }) => port === 0)) {
    report.error(
      [...path, 'health'],
      'needs a port, because a VIP of the pool has port 0, which is every port',
    );
  }
}
