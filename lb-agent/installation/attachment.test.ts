// SPDX-License-Identifier: Apache-2.0
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BpfLink, BpfProgram } from '../../bpf/index.js';
import { Attachment } from './attachment.js';
import { PinFolder } from './pins.js';

const IFINDEX = 7;

/** A link as the kernel has it; an ifindex of 0 is one that holds nothing. */
class FakeLink {
  ifindex: number;
  readonly update = vi.fn();
  readonly close = vi.fn();
  readonly detach = vi.fn(() => {
    this.ifindex = 0;
  });

  constructor(ifindex = IFINDEX) {
    this.ifindex = ifindex;
  }

  info() {
    return { ifindex: this.ifindex, programId: 1 };
  }

  pinReplacing(path: string): void {
    writeFileSync(path, '');
  }
}

let folder: string;
let pinned: FakeLink | undefined;
let attached: FakeLink[];
let lines: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cdc-attachment-'));
  pinned = undefined;
  attached = [];
  lines = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const program = {
  attachXdp: () => {
    const link = new FakeLink();
    attached.push(link);
    return link;
  },
} as unknown as BpfProgram;

function open(link?: FakeLink): Attachment {
  pinned = link;
  const pins = new PinFolder(folder);
  pins.openLink = () => pinned as unknown as BpfLink | undefined;
  if (link !== undefined) link.pinReplacing(pins.linkPath);
  return Attachment.open({
    interface: { name: 'eth0', index: IFINDEX, xdpMode: link === undefined ? null : 'native' },
    mode: 'native',
    pins,
    indexOf: () => IFINDEX,
    log: pino({}, { write: (line: string) => lines.push(JSON.parse(line).msg) }),
  });
}

describe('a start that fails', () => {
  it.each([
    ['there was nothing', undefined],
    ['its interface was made anew', 0],
  ])('leaves nothing attached where %s', (_, ifindex) => {
    const attachment = open(ifindex === undefined ? undefined : new FakeLink(ifindex));
    attachment.use(program);
    expect(attachment.attached()).toBe(true);
    attachment.undo();
    expect(attachment.attached()).toBe(false);
    expect(attached[0]?.detach).toHaveBeenCalledOnce();
  });

  it('leaves attached what was', () => {
    const link = new FakeLink();
    const attachment = open(link);
    attachment.use(program);
    attachment.undo();
    expect(link.update).toHaveBeenCalledOnce();
    expect(attachment.attached()).toBe(true);
  });
});

describe('a program that is detached', () => {
  it('is attached again while the pins are there, and left alone without', () => {
    const link = new FakeLink();
    const attachment = open(link);
    link.detach();
    attachment.check(program);
    expect(attachment.attached()).toBe(true);
    expect(lines).toEqual(['the program had been detached; it is attached again']);

    attached[0]?.detach();
    rmSync(join(folder, 'link'));
    attachment.check(program);
    attachment.check(program);
    expect(attachment.attached()).toBe(false);
    expect(lines).toHaveLength(2);
    expect(() => attachment.requirePins()).toThrow(/the pins were removed/);
  });
});
