// SPDX-License-Identifier: Apache-2.0
import {
  Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { CidecarError } from '../../core/index.js';
import type { Connections } from './connections.js';
import { toServiceError } from './status-details.js';

/**
 * Stands before every method: counts calls to the connection that they came on, and refuses
 * streams over its limits. `onClosed` hears of a connection that was closed for the streams that it
 * opened. gRPC tells nothing of connections but the name of the peer, so that
 * is what connections are told apart by.
 */
export function admission(
  connections: Connections,
  onRefusal: (method: string, error: CidecarError) => void,
  onClosed: () => void,
): ServerInterceptor {
  return ({ path, responseStream }, call) => {
    const peer = call.getPeer();
    connections.called(peer);
    if (!responseStream) return new ServerInterceptingCall(call);
    const method = path.slice(path.lastIndexOf('/') + 1);
    let isOpen = false;
    try {
      isOpen = connections.opened(peer);
    } catch (error) {
      if (!(error instanceof CidecarError)) throw error;
      onClosed();
      onRefusal(method, error);
    }
    // Nobody is left to be told.
    if (!isOpen) return new ServerInterceptingCall(call, { start: () => {} });

    let release = () => {};
    return new ServerInterceptingCall(call, {
      start: (next) =>
        next({
          // From here on, and not before, gRPC tells the end of the call by onCancel, however
          // it ends: one that was reset already does not get here.
          onReceiveMetadata: (metadata, goOn) => {
            try {
              release = connections.hold(peer, path);
            } catch (error) {
              if (!(error instanceof CidecarError)) throw error;
              onRefusal(method, error);
              refuse(call, error);
              return;
            }
            goOn(metadata);
          },
          onCancel: () => release(),
        }),
    });
  };
}

function refuse(call: ServerInterceptingCallInterface, error: CidecarError): void {
  const { code, details, metadata = new Metadata() } = toServiceError(error);
  call.sendStatus({ code, details, metadata });
}
