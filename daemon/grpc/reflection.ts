// SPDX-License-Identifier: Apache-2.0
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import type { Server } from '@grpc/grpc-js';

const require = createRequire(import.meta.url);

/**
 * Offers gRPC server reflection, from the descriptors that `npm run build:proto` writes.
 * Returns false, and offers nothing, where they are missing.
 */
export function addReflection(server: Server): boolean {
  const path = descriptorsPath();
  if (path === undefined) return false;
  // The package's types name a transitive dependency of its own, hence no import.
  const { ReflectionService } = require('@grpc/reflection') as ReflectionPackage;
  const fileDescriptorProtos = filesOf(readFileSync(path));
  new ReflectionService({ cidecar: { fileDescriptorProtos } }).addToServer(server);
  return true;
}

interface ReflectionPackage {
  readonly ReflectionService: new (
    descriptors: Record<string, { fileDescriptorProtos: Buffer[] }>,
  ) => { addToServer(server: Server): void };
}

/** The source tree has them two folders up from here, dist/ three. */
function descriptorsPath(): string | undefined {
  return ['../../', '../../../']
    .map((up) => fileURLToPath(new URL(`${up}proto/gen/cidecar.binpb`, import.meta.url)))
    .find(existsSync);
}

/** The FileDescriptorProtos, serialized, of a FileDescriptorSet (its field 1). */
function filesOf(set: Uint8Array): Buffer[] {
  const reader = new BinaryReader(set);
  const files: Buffer[] = [];
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) files.push(Buffer.from(reader.bytes()));
    else reader.skip(wireType, field);
  }
  return files;
}
