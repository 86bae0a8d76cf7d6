// SPDX-License-Identifier: Apache-2.0
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CidecarError } from '../../../core/index.js';
import { parseDocument } from '../../document/document.js';
import { runAtOnce } from '../../document/steps.js';
import { exportDocument } from '../document/export.js';
import { Keys } from '../layout/keys.js';
import { document, entriesOfDocument, keyFile, keyring } from '../testing/documents.js';
import { Assembly } from './assembly.js';

const keys = new Keys();

/** What somebody could put by hand in place of a value. */
const garbage = fc.constantFrom(
  '{',
  '[]',
  '{"server":"s1-1"}',
  '{"server":"s1-1","count":9}',
  '{"server":"nobody"}',
  '{"address":"198.51.100.1"}',
  '{"address":"10.0.1.1","weight":-1}',
  '{"vips":[{"address":"198.51.100.1","port":1,"protocol":"udp"}]}',
  '{"scheme":"quic-lb","id":0,"serverIdLength":2,"nonceLength":13,"state":"minting"}',
  '{"scheme":"quic-lb","id":1,"serverIdLength":3,"nonceLength":12,"state":"minting","key":{}}',
);

/** Keys beside those of documents. */
const oddKey = fc.constantFrom(
  `${keys.pools}p1/else`,
  keys.server('p2', 's1-1'),
  keys.id('p1', 0, '0000'),
  keys.id('p1', 1, '1000'),
  keys.config('p1', 0),
  keys.config('p1', 5),
  keys.pool('p9'),
);

interface Edit {
  readonly at: number;
  readonly key: string | undefined;
  readonly value: string | undefined;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(),
  key: fc.option(oddKey, { nil: undefined, freq: 3 }),
  value: fc.option(garbage, { nil: undefined }),
});

interface Change {
  readonly key: string;
  readonly value: string | undefined;
}

/** From some entries to others, in an order that `turn` decides. */
function changesTo(before: Map<string, string>, after: Map<string, string>, turn: number) {
  const all: Change[] = [];
  for (const key of before.keys()) if (!after.has(key)) all.push({ key, value: undefined });
  for (const [key, value] of after) if (before.get(key) !== value) all.push({ key, value });
  const at = all.length === 0 ? 0 : turn % all.length;
  const turned = [...all.slice(at), ...all.slice(0, at)];
  return turn % 2 === 0 ? turned : turned.reverse();
}

function assemblyOf(entries: Map<string, string>, revision: number): Assembly {
  const assembly = new Assembly({ keys, keyring: keyring() });
  for (const [key, value] of [...entries].sort(([a], [b]) => (a < b ? -1 : 1))) {
    assembly.change(key, Buffer.from(value), revision);
  }
  return assembly;
}

/** The state with warnings, or all errors, in a form that can be compared. */
function outcomeOf(assembly: Assembly): object {
  try {
    const { state, warnings } = runAtOnce(assembly.assemble());
    // Where everything is gone, only one of the two has seen a revision.
    const { pools } = state;
    return { pools, warnings: warnings.map((warning) => JSON.stringify(warning)).sort() };
  } catch (error) {
    if (!(error instanceof CidecarError)) throw error;
    return { errors: error.parts.map((part) => part.describe()).sort() };
  }
}

describe('a state that was put together piece by piece', () => {
  it('is the one that is put together in one go, and so are warnings and errors', () => {
    fc.assert(
      fc.property(
        fc.array(document, { minLength: 1, maxLength: 3 }),
        fc.array(edit, { maxLength: 6 }),
        fc.nat(),
        (documents, edits, turn) => {
          const assembly = new Assembly({ keys, keyring: keyring() });
          const entries = new Map<string, string>();
          let revision = 0;
          const take = ({ key, value }: Change) => {
            revision += 1;
            assembly.change(key, value === undefined ? undefined : Buffer.from(value), revision);
            if (value === undefined) entries.delete(key);
            else entries.set(key, value);
          };
          for (const text of documents) {
            for (const change of changesTo(new Map(entries), entriesOfDocument(text, keys), turn)) {
              take(change);
              if (revision % 5 === turn % 5) outcomeOf(assembly);
            }
            expect(outcomeOf(assembly)).toEqual(outcomeOf(assemblyOf(entries, revision)));
          }
          for (const { at, key, value } of edits) {
            const present = [...entries.keys()];
            take({ key: key ?? present[at % present.length] ?? keys.revision, value });
            expect(outcomeOf(assembly)).toEqual(outcomeOf(assemblyOf(entries, revision)));
          }
        },
      ),
      { numRuns: 100 },
    );
  }, 120_000);

  it('is that of the exported document', () => {
    fc.assert(
      fc.property(document, (text) => {
        const assembly = assemblyOf(entriesOfDocument(text, keys), 1);
        const { state } = runAtOnce(assembly.assemble());
        const exported = exportDocument(assembly, { all: false });
        const again = parseDocument(exported, { file: 'a', readKeyFile: keyFile });
        // The revisions of a document are of its text, which etcd does not keep.
        const { pools } = again.state;
        expect(pools).toEqual(state.pools);
      }),
    );
  }, 120_000);
});
