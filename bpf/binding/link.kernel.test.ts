// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { BpfLink } from './link.js';
import { BpfMap } from './map.js';
import type { BpfObject } from './object.js';
import { BpfProgram } from './program.js';
import { ifindex } from './system.js';
import { frame, loadFixture, PinFolder, VethPair } from './testing/fixture.js';

let object: BpfObject;
let touch: BpfProgram;
let drop: BpfProgram;
let veth: VethPair;
let folder: PinFolder;

beforeAll(async () => {
  object = await loadFixture();
  touch = object.program('touch');
  drop = object.program('drop');
});
afterAll(() => {
  touch.close();
  drop.close();
  object.close();
});
beforeEach(() => {
  veth = new VethPair();
  folder = new PinFolder();
});
afterEach(() => {
  folder.close();
  veth.close();
});

const busy = expect.objectContaining({ code: 'INTERFACE_BUSY' });
const invalid = expect.objectContaining({ code: 'PIN_INVALID' });

function caught(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

describe.each(['native', 'generic'] as const)('%s XDP', (mode) => {
  test('is attached while a handle is open', () => {
    const link = touch.attachXdp(veth.ifindex, mode);
    expect(link.info()).toMatchObject({ programId: touch.info.id, ifindex: veth.ifindex });
    expect(caught(() => drop.attachXdp(veth.ifindex, mode))).toEqual(busy);
    link.close();
    link.close();
    expect(() => link.info()).toThrow(/is closed/);
    drop.attachXdp(veth.ifindex, mode).close();
  });

  test('changes its program, but only from the one expected', () => {
    const link = touch.attachXdp(veth.ifindex, mode);
    expect(caught(() => link.update(touch, drop))).toEqual(busy);
    link.update(drop, touch);
    expect(link.info().programId).toBe(drop.info.id);
    link.update(touch);
    expect(link.info().programId).toBe(touch.info.id);
    link.close();
  });

  test('stays with its pin, and is found again', () => {
    const link = touch.attachXdp(veth.ifindex, mode);
    link.pin(folder.at('link'));
    link.close();
    expect(caught(() => drop.attachXdp(veth.ifindex, mode))).toEqual(busy);

    const again = BpfLink.openPinned(folder.at('link'));
    expect(again.info().programId).toBe(touch.info.id);
    again.unpin(folder.at('link'));
    again.unpin(folder.at('link'));
    again.close();
    drop.attachXdp(veth.ifindex, mode).close();
  });

  test('is detached even while others hold it', () => {
    const link = touch.attachXdp(veth.ifindex, mode);
    link.pin(folder.at('link'));
    link.detach();
    expect(link.info().ifindex).toBe(0);
    drop.attachXdp(veth.ifindex, mode).close();
    link.close();
  });
});

test('one interface takes one mode', () => {
  const link = touch.attachXdp(veth.ifindex, 'generic');
  expect(caught(() => drop.attachXdp(veth.ifindex, 'native'))).toEqual(busy);
  link.close();
});

test('an interface that is not there', () => {
  expect(caught(() => ifindex('cdc-nobody'))).toMatchObject({
    code: 'INTERFACE_UNKNOWN',
    message: 'no interface is named cdc-nobody',
  });
  expect(caught(() => touch.attachXdp(999_999, 'native'))).toMatchObject({
    code: 'INTERFACE_UNKNOWN',
  });
});

test('a driver without native XDP', () => {
  expect(caught(() => touch.attachXdp(ifindex('lo'), 'native'))).toMatchObject({
    code: 'DRIVER_REFUSED',
    message: expect.stringMatching(/the kernel says ".*native mode"; lo has driver/),
  });
});

describe('pins', () => {
  test('keep maps and programs, and say what they are', () => {
    const map = object.map('plain');
    map.update(1, new Uint8Array(12).fill(3));
    map.pin(folder.at('map'));
    drop.pin(folder.at('program'));

    const reopened = BpfMap.openPinned(folder.at('map'));
    expect(reopened.info).toEqual(map.info);
    expect(reopened.lookup(1)).toEqual(new Uint8Array(12).fill(3));
    const program = BpfProgram.openPinned(folder.at('program'));
    expect(program.info).toEqual(drop.info);
    expect(program.testRun({ data: frame() }).retval).toBe(1);

    expect(caught(() => BpfProgram.openPinned(folder.at('map')))).toEqual(invalid);
    expect(caught(() => BpfLink.openPinned(folder.at('map')))).toEqual(invalid);
    expect(caught(() => BpfMap.openPinned(folder.at('program')))).toEqual(invalid);
    expect(caught(() => BpfMap.openPinned(folder.at('nobody')))).toEqual(invalid);
    for (const handle of [map, reopened, program]) handle.close();
  });

  test('are not overwritten, unless that is meant', () => {
    const plain = object.map('plain');
    const table = object.map('table');
    plain.pin(folder.at('map'));
    expect(caught(() => table.pin(folder.at('map')))).toEqual(invalid);
    table.pinReplacing(folder.at('map'));
    table.pinReplacing(folder.at('map'));
    const found = BpfMap.openPinned(folder.at('map'));
    expect(found.info.id).toBe(table.info.id);
    expect(existsSync(`${folder.at('map')}-new-${process.pid}`)).toBe(false);
    for (const handle of [plain, table, found]) handle.close();
  });

  test('go to bpffs alone', () => {
    for (const path of [join(tmpdir(), 'cdc-nobody'), folder.at('none/map')]) {
      expect(caught(() => drop.pin(path))).toMatchObject({
        code: 'PIN_INVALID',
        message: expect.stringContaining('not a folder of bpffs'),
      });
    }
  });
});
