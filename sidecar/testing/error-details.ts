// SPDX-License-Identifier: Apache-2.0
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { ServiceError } from '@grpc/grpc-js';

/** A google.rpc.ErrorInfo and the status that contained it. */
export interface ErrorDetails {
  readonly status: number;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
  readonly hint: string;
}

/** Decodes `grpc-status-details-bin`; throws where there is none. */
export function detailsOf(error: ServiceError): ErrorDetails {
  const [octets] = error.metadata.get('grpc-status-details-bin');
  if (!(octets instanceof Uint8Array)) throw new Error(`no details: ${error.message}`);
  const status = fields(octets);
  const any = fields(bytes(status, 3));
  if (text(any, 1) !== 'type.googleapis.com/google.rpc.ErrorInfo') throw new Error(text(any, 1));
  const info = fields(bytes(any, 2));
  const entry = fields(bytes(info, 3));
  if (text(entry, 1) !== 'hint') throw new Error(text(entry, 1));
  return {
    status: Number(status.get(1)),
    message: text(status, 2),
    reason: text(info, 1),
    domain: text(info, 2),
    hint: text(entry, 2),
  };
}

type Fields = ReadonlyMap<number, number | Uint8Array>;

/** Varints and octets of a message, by field number. */
function fields(octets: Uint8Array): Fields {
  const reader = new BinaryReader(octets);
  const found = new Map<number, number | Uint8Array>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType === 0) found.set(field, reader.int32());
    else if (wireType === 2) found.set(field, reader.bytes());
    else reader.skip(wireType, field);
  }
  return found;
}

function bytes(from: Fields, field: number): Uint8Array {
  const value = from.get(field);
  if (!(value instanceof Uint8Array)) throw new Error(`field ${field} is missing`);
  return value;
}

function text(from: Fields, field: number): string {
  return Buffer.from(bytes(from, field)).toString('utf8');
}
