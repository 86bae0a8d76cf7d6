// SPDX-License-Identifier: Apache-2.0
import { ask as call } from '../../../sidecar/testing/calls.js';
import { poolDocument, quicLb } from '../../../sidecar/testing/pool-document.js';
import { ask, checkDistinct, givenOut, type Hold, Rig, type TestProgram } from './rig.js';

const SERVER = { name: 'web-1', address: '10.0.1.11', serverId: 'ed793a' };
/** Server ID, nonce and server-use octets behind the first octet. */
const CASES = [
  { title: 'four pass', nonceLength: 8, serverUseLength: 0, keyed: true, resetTokens: 'cmac' },
  {
    title: 'single pass, HMAC tokens',
    nonceLength: 13,
    serverUseLength: 1,
    keyed: true,
    resetTokens: 'hmac-sha256',
  },
  { title: 'plaintext', nonceLength: 7, serverUseLength: 0, keyed: false, resetTokens: 'cmac' },
] as const;
const CIDS = 1_500;
const CALLS = 2;
/** CIDs whose tokens are compared with those of the sidecar, of each process. */
const ASKED = 20;
const ISSUED = 1_000;

/**
 * Two processes mint CIDs from leases, while the sidecar issues some: none comes twice, each is
 * the server's own, and has the token that the sidecar makes.
 */
export async function leases(program: TestProgram, hold?: Hold): Promise<void> {
  for (const one of CASES) {
    try {
      await Rig.with(program, (rig) => mintInTwo(rig, one), hold);
    } catch (error) {
      throw new Error(`${one.title}: ${(error as Error).message}`, { cause: error });
    }
  }
}

async function mintInTwo(rig: Rig, one: (typeof CASES)[number]): Promise<void> {
  const { nonceLength, serverUseLength, keyed, resetTokens } = one;
  const keyFile = keyed ? await rig.folder.key('0.key') : undefined;
  const config = quicLb(0, 'minting', keyFile, { nonceLength, serverUseLength });
  await rig.folder.write(poolDocument([config], [{ ...SERVER, resetTokens }]));
  await rig.startSidecar('--init', '--allow-key-export');
  const cidLength = 1 + SERVER.serverId.length / 2 + nonceLength + serverUseLength;

  const { batch } = await call(rig.client, 'issue', { count: ISSUED });
  const all = givenOut({ cids: base64(batch?.cids), tokens: base64(batch?.tokens) }, cidLength);
  const cids = [...all.cids];
  const processes = [rig.driver(), rig.driver()];
  for (let i = 0; i < CALLS; i += 1) {
    const fields = { socket: rig.folder.socket, count: CIDS };
    const answers = await Promise.all(processes.map((driver) => ask(driver, 'mint', fields)));
    for (const answer of answers) {
      const minted = givenOut(answer, cidLength);
      if (minted.cids.length !== CIDS) throw new Error(`${minted.cids.length} CIDs, not ${CIDS}`);
      await checkTokens(rig, minted.cids, minted.tokens);
      await checkOwn(rig, minted.cids, cidLength);
      cids.push(...minted.cids);
    }
  }
  checkDistinct(cids);
}

async function checkTokens(rig: Rig, cids: readonly string[], tokens: readonly string[]) {
  for (let i = 0; i < ASKED; i += 1) {
    const at = Math.floor((i * cids.length) / ASKED);
    const cid = Buffer.from(cids[at] ?? '', 'hex');
    const { token } = await call(rig.client, 'resetToken', { cid });
    const wanted = Buffer.from(token).toString('hex');
    if (tokens[at] !== wanted)
      throw new Error(`${cids[at]} has the token ${tokens[at]}, not ${wanted}`);
  }
}

async function checkOwn(rig: Rig, cids: readonly string[], cidLength: number): Promise<void> {
  const { own } = await call(rig.client, 'isOwn', {
    cids: Buffer.from(cids.join(''), 'hex'),
    cidLength,
  });
  const foreign = [...own].findIndex((octet) => octet !== 1);
  if (foreign >= 0) throw new Error(`${cids[foreign]} is no CID of this server`);
}

function base64(octets: Uint8Array | undefined): string {
  return Buffer.from(octets ?? []).toString('base64');
}
