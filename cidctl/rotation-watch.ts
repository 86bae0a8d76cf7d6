// SPDX-License-Identifier: Apache-2.0
import {
  contentsWanted,
  type PoolContents,
  progressOf,
  RotationPicture,
  type RotationProgress,
  readContents,
} from '../registry/etcd/fleet/index.js';
import type { OpenEtcd } from '../registry/etcd/index.js';

/** Milliseconds between looks at what has no event, such as IDs that are still to come. */
const LOOK_EVERY = 1_000;

/** How far the rotation of a pool is now. */
export async function readProgress(registry: OpenEtcd, pool: string): Promise<RotationProgress> {
  const { client, keys } = registry;
  const picture = new RotationPicture(keys, pool);
  let revision = 0;
  const entries = [];
  for (const each of RotationPicture.followed(keys, pool)) {
    const part = await client.kv.list(each, { revision });
    revision = part.revision;
    for (const entry of part.entries) entries.push(entry);
  }
  picture.begin(revision, entries);
  const contents = contentsWanted(picture.view)
    ? await readContents(client, keys, pool, registry)
    : undefined;
  return progressOf(picture.view, contents, registry);
}

/**
 * Follows a rotation until `tell` says that it has seen enough.
 *
 * @param tell is called with each progress that is another; returns whether to go on
 */
export async function watchProgress(
  registry: OpenEtcd,
  pool: string,
  tell: (progress: RotationProgress) => boolean,
): Promise<void> {
  const { client, keys } = registry;
  const picture = new RotationPicture(keys, pool);
  let contents: PoolContents | undefined;
  let told = '';
  let changed: () => void = () => {};
  let known = false;
  const follow = client.follow(RotationPicture.followed(keys, pool), {
    onSnapshot: ({ revision, entries }) => {
      picture.begin(revision, entries);
      known = true;
      changed();
    },
    onChanges: ({ revision, changes }) => {
      picture.apply(revision, changes);
      changed();
    },
  });
  try {
    for (;;) {
      const next = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_EVERY);
        changed = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (known) {
        contents = contentsWanted(picture.view)
          ? await readContents(client, keys, pool, registry)
          : undefined;
        const progress = progressOf(picture.view, contents, registry);
        const text = JSON.stringify(progress);
        if (text !== told && !tell(progress)) return;
        told = text;
      }
      await next;
    }
  } finally {
    follow.close();
  }
}
