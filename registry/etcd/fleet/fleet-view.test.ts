// SPDX-License-Identifier: Apache-2.0
import { expect, it } from 'vitest';
import { acknowledgement } from '../layout/index.js';
import { entry, keys, pictureOf } from './testing/picture.js';

it('sorts keys into tables, by agent, by pool, and by pool and config', () => {
  const { view } = pictureOf([
    entry(keys.ack('lb-1'), acknowledgement(7)),
    entry(keys.stale('lb-2'), acknowledgement(4)),
    entry(keys.liveAgent('lb-1'), { identity: 'a', since: 2 }),
    entry(keys.liveServer('web', 'web-1'), { identity: 'b' }),
    entry(keys.use('web', 1, 'web-1'), { identity: 'b', since: 6 }),
    entry(keys.use('web', 2, 'web-1'), { identity: 'b' }),
    entry(keys.restId('web', 1, '00ff'), { server: 'web-1', removedAt: 8 }),
    entry(keys.controller('web'), { agent: 'lb-1' }),
    entry(keys.rotation('web'), { any: 'thing' }),
  ]);
  expect(view.revision).toBe(9);
  expect(view.acks.get('lb-1')).toEqual({
    key: keys.ack('lb-1'),
    value: 7,
    createRevision: 3,
    modRevision: 5,
    lease: '0',
  });
  expect(view.acks.in('').size).toBe(1);
  expect(view.stale.get('lb-2')?.value).toBe(4);
  expect(view.liveAgents.get('lb-1')?.value.since).toBe(2);
  expect(view.liveServers.get('web/web-1')?.value.issuing).toBeNull();
  expect([...view.uses.folders]).toEqual(['web/1', 'web/2']);
  expect(view.uses.in('web/1').get('web-1')?.value.since).toBe(6);
  expect(view.rests.in('web/1').get('00ff')?.value.removedAt).toBe(8);
  expect(view.controllers.get('web')?.value.agent).toBe('lb-1');
  expect(view.rotations.get('web')?.value).toEqual({ any: 'thing' });
  expect(view.requests.size + view.held.size).toBe(0);
});

it('follows changes, and is at their revision', () => {
  const picture = pictureOf([
    entry(keys.ack('lb-1'), acknowledgement(7)),
    entry(keys.ack('lb-2'), acknowledgement(7)),
    entry(keys.use('web', 1, 'web-1'), { identity: 'b' }),
  ]);
  picture.apply(12, [
    { kind: 'put', entry: entry(keys.ack('lb-1'), acknowledgement(11), 12) },
    { kind: 'removed', key: keys.ack('lb-2') },
    { kind: 'removed', key: keys.ack('lb-3') },
    { kind: 'removed', key: keys.use('web', 1, 'web-1') },
  ]);
  const { view } = picture;
  expect([...view.acks.in('').keys()]).toEqual(['lb-1']);
  expect(view.acks.get('lb-1')).toMatchObject({ value: 11, modRevision: 12 });
  expect(view.uses.size).toBe(0);
  expect([...view.uses.folders]).toEqual([]);
  expect(view.revision).toBe(12);
  picture.reach(20);
  picture.reach(15);
  expect(view.revision).toBe(20);
});

it('counts what it cannot read as absent, also where it could be read before', () => {
  const unreadable: string[] = [];
  const picture = pictureOf(
    [entry(keys.ack('lb-1'), acknowledgement(7)), entry(keys.held('lb-1'), '{')],
    { onUnreadable: (key) => unreadable.push(key) },
  );
  const bad = entry(keys.ack('lb-1'), '7');
  picture.apply(10, [{ kind: 'put', entry: bad }]);
  expect(picture.view.acks.size + picture.view.held.size).toBe(0);
  expect(unreadable).toEqual([keys.held('lb-1'), keys.ack('lb-1')]);
});

it('leaves out parts that nobody asked for, and keys of another depth', () => {
  const { view, prefixes } = pictureOf(
    [entry(`${keys.acks}lb-1/x`, acknowledgement(1)), entry(keys.held('lb-1'), {})],
    { parts: ['acks', 'uses'] },
  );
  expect(prefixes).toEqual([keys.acks, `${keys.root}uses/`]);
  expect(view.acks.size + view.held.size).toBe(0);
});
