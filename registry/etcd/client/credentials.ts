// SPDX-License-Identifier: Apache-2.0
import { type ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Secret } from '../../../core/index.js';

/** PEM texts. */
export interface EtcdTls {
  /** Whom to trust; default: the authorities that Node.js knows. */
  readonly ca?: Buffer;
  readonly certificate?: Buffer;
  readonly privateKey?: Secret;
  /** The name that the certificates of the members hold, if it is not their address. */
  readonly serverName?: string;
}

export interface EtcdLogin {
  readonly user: string;
  readonly password: Secret;
}

export function channelCredentials(tls: EtcdTls | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const key = tls.privateKey === undefined ? null : Buffer.from(tls.privateKey.reveal());
  return credentials.createSsl(tls.ca ?? null, key, tls.certificate ?? null);
}
