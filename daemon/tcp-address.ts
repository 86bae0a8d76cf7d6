// SPDX-License-Identifier: Apache-2.0
import type { AddressInfo, Server } from 'node:net';
import { CidecarError } from '../core/index.js';

export interface TcpAddress {
  readonly host: string;
  readonly port: number;
}

/** Lets a server listen on TCP; resolves with `address:port`, as bound. Throws SOCKET_BUSY or SOCKET_UNUSABLE. */
export function listenOnTcp(server: Server, { host, port }: TcpAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    const refuse = (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'SOCKET_BUSY' : 'SOCKET_UNUSABLE';
      const message = `cannot listen on ${host} port ${port} (${cause.code})`;
      reject(new CidecarError(code, message, { cause }));
    };
    server.once('error', refuse);
    server.listen({ host, port }, () => {
      server.off('error', refuse);
      const bound = server.address() as AddressInfo;
      resolve(
        bound.family === 'IPv6'
          ? `[${bound.address}]:${bound.port}`
          : `${bound.address}:${bound.port}`,
      );
    });
  });
}
