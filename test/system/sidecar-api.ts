// SPDX-License-Identifier: Apache-2.0
import { type CallOptions, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import {
  type InspectResponse,
  SidecarServiceClient,
  type StatusResponse,
} from '../../proto/gen/cidecar/v1/sidecar.js';

const DEADLINE_MS = 5000;

type Answer<T> = (error: ServiceError | null, response: T) => void;

/** The calls that tests make to a sidecar, as promises. */
export class SidecarApi {
  readonly #client: SidecarServiceClient;

  constructor(socket: string) {
    this.#client = new SidecarServiceClient(`unix:${socket}`, credentials.createInsecure());
  }

  inspect(cid: string): Promise<InspectResponse> {
    const request = { cid: Buffer.from(cid, 'hex') };
    return this.#ask((options, answer: Answer<InspectResponse>) =>
      this.#client.inspect(request, new Metadata(), options, answer),
    );
  }

  /** The token in hex. Rejects with a gRPC ServiceError for CIDs of other servers. */
  async resetToken(cid: string): Promise<string> {
    const request = { cid: Buffer.from(cid, 'hex') };
    const { token } = await this.#ask((options, answer: Answer<{ token: Uint8Array }>) =>
      this.#client.resetToken(request, new Metadata(), options, answer),
    );
    return Buffer.from(token).toString('hex');
  }

  status(): Promise<StatusResponse> {
    return this.#ask((options, answer: Answer<StatusResponse>) =>
      this.#client.status({}, new Metadata(), options, answer),
    );
  }

  close(): void {
    this.#client.close();
  }

  #ask<T>(call: (options: Partial<CallOptions>, answer: Answer<T>) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      call({ deadline: Date.now() + DEADLINE_MS }, (error, response) => {
        if (error === null) resolve(response);
        else reject(error);
      });
    });
  }
}
