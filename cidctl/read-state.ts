// SPDX-License-Identifier: Apache-2.0
import { type DesiredState, openRegistry, type RegistryOptions } from '../registry/index.js';

/** Reads a registry once. */
export async function readState(where: string, options: RegistryOptions): Promise<DesiredState> {
  const registry = openRegistry(where, options);
  try {
    return await registry.read();
  } finally {
    await registry.close?.();
  }
}
