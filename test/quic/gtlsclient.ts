// SPDX-License-Identifier: Apache-2.0

export interface ObservedCid {
  /** In hex. */
  readonly cid: string;
  /** Stateless reset token, hex. */
  readonly token: string;
}

/** What ngtcp2's client says about a connection. */
export interface ClientLog {
  /** The server's first CID, with the token of its transport parameters. */
  readonly first: ObservedCid;
  /** The CIDs of NEW_CONNECTION_ID frames, without repetitions. */
  readonly further: readonly ObservedCid[];
  /** DCIDs of the packets with a short header that it sent, in the order of first use. */
  readonly destinations: readonly string[];
  /** Local ports that it sent from, in the order of first use. */
  readonly localPorts: readonly number[];
  readonly pathValidated: boolean;
  /** The token of the stateless reset that it accepted, in hex; null if there was none. */
  readonly resetToken: string | null;
}

const ISSUED =
  /frm rx .*NEW_CONNECTION_ID.* cid=0x([0-9a-f]+) .*stateless_reset_token=0x([0-9a-f]+)/;
const FIRST_TOKEN = /cry remote transport_parameters stateless_reset_token=0x([0-9a-f]+)/;
const FIRST_CID = /pkt rx .* scid=0x([0-9a-f]+) .*type=Initial/;
/** The client prints this when it knows the token from the server. */
const RESET = /pkt rx \d+ SR token=0x([0-9a-f]+)/;
const SENT = /pkt tx .* dcid=0x([0-9a-f]+) .*type=1RTT/;
const SENT_FROM = /^Sent packet: local=\[[^\]]*\]:(\d+)/;

/** Reads the debug output of gtlsclient 0.12. Throws if it does not show a handshake. */
export function readClientLog(text: string): ClientLog {
  const further = new Map<string, string>();
  const destinations = new Set<string>();
  const localPorts = new Set<number>();
  let firstCid: string | undefined;
  let firstToken: string | undefined;
  let pathValidated = false;
  let resetToken: string | null = null;
  for (const line of text.split('\n')) {
    firstCid ??= FIRST_CID.exec(line)?.[1];
    firstToken ??= FIRST_TOKEN.exec(line)?.[1];
    const [, cid, token] = ISSUED.exec(line) ?? [];
    if (cid !== undefined && token !== undefined) further.set(cid, token);
    const destination = SENT.exec(line)?.[1];
    if (destination !== undefined) destinations.add(destination);
    const port = SENT_FROM.exec(line)?.[1];
    if (port !== undefined) localPorts.add(Number(port));
    if (/^Path validation against path .* succeeded/.test(line)) pathValidated = true;
    resetToken ??= RESET.exec(line)?.[1] ?? null;
  }
  if (firstCid === undefined || firstToken === undefined) {
    throw new Error(`gtlsclient shows no handshake:\n${text.slice(-2000)}`);
  }
  return {
    first: { cid: firstCid, token: firstToken },
    further: [...further].map(([cid, token]) => ({ cid, token })),
    destinations: [...destinations],
    localPorts: [...localPorts],
    pathValidated,
    resetToken,
  };
}
