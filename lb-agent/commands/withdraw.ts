// SPDX-License-Identifier: Apache-2.0
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { CidecarError } from '../../core/index.js';
import { type Announced, AnnouncedFile } from '../announcing/announced-file.js';
import { QUIET_MS, untilQuiet } from '../announcing/quiet.js';
import { WithdrawOrderFile } from '../announcing/withdraw-order.js';
import { AgentLock } from '../installation/pin-folder-lock.js';
import { type AnnounceOptions, stateFile, type WithdrawOptions } from '../options.js';
import { pinnedVipPackets } from './pinned-packets.js';

const LOOK_EVERY_MS = 50;

/**
 * `lb-agent withdraw`: has the agent tell the router to send no packets here, until `announce`
 * takes that back, and waits until none come.
 *
 * @throws CidecarError STEP_REFUSED where no agent runs here, or has no hook; WITHDRAW_INCOMPLETE
 * where the limit is over before that. The order then stands, and the agent goes on
 */
export async function withdraw(options: WithdrawOptions): Promise<void> {
  const announced = await requireHook(options);
  const order = new WithdrawOrderFile(stateFile(options));
  const end = performance.now() + options.within * 1000;
  const id = randomUUID();
  await order.write({ id, why: options.reason, since: new Date().toISOString() });
  const followed = await until(end, () => {
    const now = announced.read();
    return now?.announce === false && now.order === id;
  });
  if (!followed) throw incomplete(`the announce hook has not done it in ${options.within} s`);
  const quiet = await untilQuiet({
    packets: () => pinnedVipPackets(options.pinDir) ?? 0,
    quietMs: QUIET_MS,
    limitMs: Math.max(end - performance.now(), 0),
  });
  if (!quiet) throw incomplete(`packets still come after ${options.within} s`);
  process.stdout.write('withdrawn; packets have ended\n');
}

/**
 * `lb-agent announce`: takes the order of `withdraw` back. What else speaks against announcing
 * this host still does.
 *
 * @throws CidecarError STEP_REFUSED where no agent runs here, or has no hook; WITHDRAW_INCOMPLETE
 * where the agent has not followed within the limit
 */
export async function announce(options: AnnounceOptions): Promise<void> {
  const announced = await requireHook(options);
  new WithdrawOrderFile(stateFile(options)).remove();
  const end = performance.now() + options.within * 1000;
  let now: Announced | undefined;
  const followed = await until(end, () => {
    now = announced.read();
    return now?.told === true && now.order === null;
  });
  if (!followed) throw incomplete(`the announce hook has not done it in ${options.within} s`);
  const why = now?.reason === '' ? '' : ` (${now?.reason})`;
  process.stdout.write(`${now?.announce === true ? 'announced' : 'still withdrawn'}${why}\n`);
}

/** What the agent that runs here says it told its hook. */
async function requireHook(options: AnnounceOptions): Promise<AnnouncedFile> {
  if (!(await agentRuns(options.pinDir))) {
    throw new CidecarError(
      'STEP_REFUSED',
      'no agent runs here that could tell the router: start it, or change the route at the router',
    );
  }
  const announced = new AnnouncedFile(stateFile(options));
  if (announced.read() !== undefined) return announced;
  throw new CidecarError(
    'STEP_REFUSED',
    'the agent here was started without --announce-hook (or with another --state-dir): change the route at the router',
  );
}

async function agentRuns(pinDir: string): Promise<boolean> {
  try {
    const lock = await AgentLock.acquire(pinDir);
    await lock.release();
    return false;
  } catch (error) {
    if (error instanceof CidecarError && error.code === 'STATE_LOCKED') return true;
    throw error;
  }
}

async function until(end: number, reached: () => boolean): Promise<boolean> {
  while (!reached()) {
    if (performance.now() >= end) return false;
    await sleep(LOOK_EVERY_MS);
  }
  return true;
}

function incomplete(message: string): CidecarError {
  return new CidecarError('WITHDRAW_INCOMPLETE', message);
}
