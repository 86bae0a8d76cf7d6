// SPDX-License-Identifier: Apache-2.0
import type { Answer } from '../../../clients/contract/driver.js';
import { Authority } from '../../../sidecar/testing/certificates.js';
import { poolDocument, quicLb } from '../../../sidecar/testing/pool-document.js';
import { ask, checkDistinct, givenOut, type Hold, Rig, type TestProgram, until } from './rig.js';

const NONCES = { nonceLength: 8 };
const CID_LENGTH = 12;
const CIDS = 64;

/** What a client with something wrong says, in the words of whatever TLS library it has. */
interface Refusal {
  readonly title: string;
  readonly fields: Answer;
  readonly reason: RegExp;
}

/**
 * TCP with mutual TLS: a client with the right certificates gets CIDs. One that asks for another
 * name, trusts another authority, or shows a certificate of a foreign authority gets none, and says
 * why.
 */
export async function tls(program: TestProgram, hold?: Hold): Promise<void> {
  await Rig.with(program, refuseWhatIsWrong, hold);
}

async function refuseWhatIsWrong(rig: Rig): Promise<void> {
  const { path } = rig.folder;
  const ours = await Authority.create(path, 'ours');
  const theirs = await Authority.create(path, 'theirs');
  const [sidecar, client] = [await ours.issue('sidecar'), await ours.issue('client')];
  const foreign = await theirs.issue('foreign');
  const keyFile = await rig.folder.key('0.key');
  await rig.folder.write(poolDocument([quicLb(0, 'minting', keyFile, NONCES)]));
  const address = await rig.startTlsSidecar(sidecar, ours);

  const right = {
    address,
    name: 'localhost',
    authorities: ours.certificate,
    certificate: client.certificate,
    private_key: client.privateKey,
    high_water: CIDS,
  };
  // Without a name it is the address that the certificate has to be for.
  const { name: _, ...unnamed } = right;
  for (const fields of [right, unnamed]) await takeAll(rig, fields);

  const refusals: Refusal[] = [
    {
      title: 'another name',
      fields: { ...right, name: 'other.example' },
      reason: /name|valid for/i,
    },
    {
      title: 'another authority',
      fields: { ...right, authorities: theirs.certificate },
      reason: /issuer|authority|verify|self.signed/i,
    },
    {
      title: 'a foreign certificate',
      fields: { ...right, certificate: foreign.certificate, private_key: foreign.privateKey },
      // The sidecar ends the connection without an alert.
      reason: /reset|closed|broke|eof|alert/i,
    },
  ];
  for (const refusal of refusals) await checkRefused(rig, refusal);
  // The refusals were no trouble of the sidecar's.
  await takeAll(rig, right);
}

async function takeAll(rig: Rig, fields: Answer): Promise<void> {
  const driver = rig.driver();
  await ask(driver, 'start', fields);
  await ask(driver, 'ready', { timeout_ms: 60_000 });
  await until(
    'the pool is not full',
    () => ask(driver, 'stats'),
    ({ level }) => level === CIDS,
  );
  const { cids } = givenOut(await ask(driver, 'take', { count: CIDS }), CID_LENGTH);
  const other = cids.find((cid) => cid.startsWith('e'));
  if (other !== undefined) throw new Error(`${other} is a 0b111 CID`);
  checkDistinct(cids);
  await driver.stop();
}

async function checkRefused(rig: Rig, { title, fields, reason }: Refusal): Promise<void> {
  const driver = rig.driver();
  await ask(driver, 'start', fields);
  const { connected, level } = await until(
    `${title}: no reason like ${reason}`,
    () => ask(driver, 'stats'),
    (stats) => stats.connected === true || reason.test(String(stats.reason)),
  );
  if (connected === true || level !== 0) throw new Error(`${title}: the client is connected`);
  await driver.stop();
}
