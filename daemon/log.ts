// SPDX-License-Identifier: Apache-2.0
import { pino } from 'pino';
import { CidecarError } from '../core/index.js';

export type SidecarLog = pino.Logger;

/**
 * JSON lines on stderr. Secrets stay out of it by their type (class Secret), not by the
 * names of fields.
 */
export function createLog(level: string): SidecarLog {
  return pino(
    { level, serializers: { error: describeError }, base: { program: 'cid-sidecar' } },
    pino.destination(2),
  );
}

function describeError(error: unknown): unknown {
  if (error instanceof CidecarError) return { code: error.code, text: error.describe() };
  return error instanceof Error ? { text: error.message, stack: error.stack } : String(error);
}
