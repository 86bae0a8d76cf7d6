// SPDX-License-Identifier: Apache-2.0
import type { ErrorPlace } from '../../../core/index.js';
import type { Places } from '../../document/report.js';
import { fieldName, type Path } from '../../document/source.js';
import type { Keys } from '../layout/keys.js';
import { sealedField } from '../layout/values/config.js';
import type { PoolAssembly } from './pool-assembly.js';

type KeyPlace = { readonly file: string; readonly field?: string };

/**
 * The keys of what stands at a path of the document that a state would be: checks that are made
 * for documents name their findings so. A server may be named in the path in place of its index.
 */
export function keyPlaces(keys: Keys, pool: (name: string) => PoolAssembly | undefined): Places {
  const placeOf = (path: Path): KeyPlace => {
    const [, name, what, ref, ...rest] = path;
    if (name === undefined) return { file: keys.pools };
    const poolName = String(name);
    if (what === undefined) return { file: keys.pool(poolName) };
    const assembly = pool(poolName);
    if (what === 'configs') {
      const id = assembly?.configs.list[Number(ref)]?.id;
      if (ref === undefined || id === undefined) return { file: keys.configs(poolName) };
      return withField(keys.config(poolName, id), rest.map(fieldInEtcd));
    }
    if (what === 'servers') {
      const server = typeof ref === 'number' ? assembly?.servers.list[ref]?.name : ref;
      if (server === undefined) return { file: keys.servers(poolName) };
      const [field, config, index] = rest;
      if (field !== 'serverIds') return withField(keys.server(poolName, server), rest);
      const run = assembly?.ids.runAt(server, Number(config), Number(index ?? 0));
      return { file: run?.key ?? keys.ids(poolName, Number(config)) };
    }
    return withField(keys.pool(poolName), path.slice(2));
  };
  return {
    placeOf,
    textOf: (path) => {
      const { file, field }: ErrorPlace = placeOf(path);
      return field === undefined ? String(file) : `${file}, ${field}`;
    },
  };
}

function withField(file: string, field: Path): KeyPlace {
  return field.length === 0 ? { file } : { file, field: fieldName(field) };
}

/** A document names the file of a key, which stands in etcd itself. */
function fieldInEtcd(part: string | number): string | number {
  return typeof part === 'string' ? sealedField(part) : part;
}
