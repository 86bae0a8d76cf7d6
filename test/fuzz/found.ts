// SPDX-License-Identifier: Apache-2.0
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

/** A case that kernel and model once answered differently. It is kept as a regression test. */
const foundCase = z.object({
  /** Describes the disagreement in a sentence. */
  sentence: z.string(),
  /** Seed and number of the random setup. */
  seed: z.number().int(),
  setup: z.number().int(),
  /** How many of the setup's random changes were made before the frames. */
  changes: z.number().int().default(0),
  /** The frames in hex, in order. State is kept from one to the next. */
  frames: z.array(z.string().regex(/^([0-9a-f]{2})+$/)),
});

export type FoundCase = z.infer<typeof foundCase>;

/** The folder is in the sources even when this runs from dist/. */
export function foundFolder(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return join(folder, 'test/fuzz/found');
}

export function foundCases(folder = foundFolder()): { file: string; found: FoundCase }[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => ({
      file,
      found: foundCase.parse(JSON.parse(readFileSync(join(folder, file), 'utf8'))),
    }));
}

/** Returns the path of the new file. */
export function keep(found: FoundCase, folder = foundFolder()): string {
  mkdirSync(folder, { recursive: true });
  const { seed, setup, changes, frames } = found;
  const path = join(folder, `seed-${seed}-${setup}-${changes}-${frames.length}.json`);
  writeFileSync(path, `${JSON.stringify(found, null, 2)}\n`);
  return path;
}
