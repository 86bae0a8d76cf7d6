// SPDX-License-Identifier: Apache-2.0
import { SayOnce } from '../../core/index.js';
import type { Log } from '../../daemon/log.js';
import type { Issuer } from './issuer.js';

/** Logs what happens to an issuer, the same trouble once. */
export function logIssuer(issuer: Issuer, log: Log): void {
  const trouble = new SayOnce();
  issuer.on('trouble', (error) => {
    if (trouble.isNews(error)) log.error({ error }, 'nonces cannot be recorded');
  });
  issuer.on('recovered', () => {
    trouble.over();
    log.info('nonces can be recorded again');
  });
  issuer.on('reissue', (order) => log.info(order, 'live connections are to get new CIDs'));
  issuer.on('tokensChanged', ({ id }) =>
    log.warn(
      { configId: id },
      'reset tokens of a live config are made in another way now: until the reissue is over, the tokens of CIDs issued before cannot be made again; take another reset key with another config',
    ),
  );
}
