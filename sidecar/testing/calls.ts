// SPDX-License-Identifier: Apache-2.0
import { credentials } from '@grpc/grpc-js';
import { SidecarServiceClient, SidecarServiceService } from '../../proto/gen/cidecar/v1/sidecar.js';
import type { SidecarFolder } from './sidecar-folder.js';

export function clientOf(folder: SidecarFolder): SidecarServiceClient {
  return new SidecarServiceClient(`unix:${folder.socket}`, credentials.createInsecure());
}

type Service = typeof SidecarServiceService;
type UnaryMethod = Exclude<keyof Service, 'issueStream' | 'watch' | 'session'>;
type RequestOf<M extends UnaryMethod> = ReturnType<Service[M]['requestDeserialize']>;
type ResponseOf<M extends UnaryMethod> = ReturnType<Service[M]['responseDeserialize']>;

/** Makes a unary call. */
export function ask<M extends UnaryMethod>(
  client: SidecarServiceClient,
  method: M,
  request: RequestOf<M>,
): Promise<ResponseOf<M>> {
  const { path, requestSerialize, responseDeserialize } = SidecarServiceService[method];
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize as (value: RequestOf<M>) => Buffer,
      responseDeserialize as (octets: Buffer) => ResponseOf<M>,
      request,
      (error, response) =>
        error === null && response !== undefined ? resolve(response) : reject(error),
    );
  });
}
