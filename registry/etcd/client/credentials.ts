// SPDX-License-Identifier: Apache-2.0
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
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

/** @param target host:port of the member */
export function channelCredentials(
  target: string,
  tls: EtcdTls | undefined,
): { readonly credentials: ChannelCredentials; readonly options: ChannelOptions } {
  if (tls === undefined) return { credentials: credentials.createInsecure(), options: {} };
  const key = tls.privateKey === undefined ? null : Buffer.from(tls.privateKey.reveal());
  const address = tls.serverName === undefined ? addressIn(target) : undefined;
  return {
    credentials: credentials.createSsl(
      tls.ca ?? null,
      key,
      tls.certificate ?? null,
      address === undefined
        ? {}
        : { checkServerIdentity: (_, certificate) => checkServerIdentity(address, certificate) },
    ),
    options: nameOptions(tls.serverName ?? (address && NO_NAME)),
  };
}

/**
 * What is said in place of a name to a member that is known by its address. gRPC would give the
 * address, which is no server name (RFC 6066, section 3), and Node 26 refuses it.
 */
const NO_NAME = 'member.invalid';

function nameOptions(name: string | undefined): ChannelOptions {
  return name === undefined ? {} : { 'grpc.ssl_target_name_override': name };
}

function addressIn(target: string): string | undefined {
  const host = target.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 0 ? undefined : host;
}
