// SPDX-License-Identifier: Apache-2.0

/**
 * The one catalogue of errors. Every error that cidecar raises on purpose is a
 * {@link CidecarError} with one of these codes. The text under a code says what to
 * do about it in general; the message of an instance says what happened, where.
 */
export const ERROR_CATALOGUE = {
  // Input of people: documents, flags, key files.
  DOCUMENT_SYNTAX: 'Correct the YAML at the line named, or the JSON of the key named.',
  DOCUMENT_INVALID: 'Correct the field named; nothing of the document was applied.',
  TRANSITION_REFUSED:
    'The state in force stays. Take the steps of docs/registry.md one by one (`cidctl validate --against` names all that is lost), or start the daemon without --guard to have the change as it is.',
  FILE_UNREADABLE: 'Check that the path exists and that this user may read it.',
  KEY_INVALID:
    'A key file holds exactly 32 hex digits (16 octets), for example from `openssl rand -hex 16`.',
  CLUSTER_SECRET_INVALID:
    'A file of cluster secrets has lines of an ID and 64 hex digits; `cidctl keygen --cluster-secret FILE` makes one.',
  KEY_SEALED:
    'Give this host the cluster secret that the message names (--cluster-secret FILE), or seal the keys anew (`cidctl reseal`) on a host that has it.',
  ARGUMENT_INVALID: 'Run the command with --help for what it accepts.',

  // Connection IDs.
  CID_CONFIG_INVALID:
    'Check the lengths against draft-ietf-quic-load-balancers, "Configuration Agent Actions".',
  SERVER_ID_INVALID:
    'A server ID has exactly the octets that its config says, and is not one the scheme reserves.',
  NONCE_INVALID: 'A nonce has exactly the octets that its config says.',
  NONCES_EXHAUSTED: 'Rotate to another config: under this key and server ID every nonce was used.',

  // Kernel.
  KERNEL_UNSUPPORTED:
    'cidecar needs Linux 5.15 or later with BPF and XDP; the message names what is missing.',
  KERNEL_PERMISSION: 'Run as root, or with CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.',
  PROGRAM_REJECTED:
    'The verifier log is attached as `log`; please report it with the kernel version.',
  INTERFACE_UNKNOWN: 'Check the interface name with `ip link`.',
  INTERFACE_WITHOUT_ADDRESS:
    'Give the interface an address (`ip address`), or name one to tunnel from (--source, --source6).',
  INTERFACE_BUSY:
    'If the program is that of another agent, name its folder with --pin-dir. Else have its owner detach it: `ip link set dev NAME xdp off`, or `bpftool link detach` where a link holds it (`bpftool net`, `bpftool link`).',
  DRIVER_REFUSED:
    'Drivers limit XDP by MTU, queues (`ethtool -L`) and offloads such as LRO (`ethtool -K`); `--mode generic` works above any driver. docs/lb-host.md, step 3, has more.',
  PIN_INVALID:
    'Name where a running program is pinned (--pin-dir of an agent, --decap-pin of a sidecar). `lb-agent detach` and `cid-sidecar detach` remove pins that are of no use.',
  MAP_FULL:
    'The kernel tables are too small for the desired state; the agent reloads with larger ones.',
  KERNEL_CALL_FAILED: 'The kernel refused the call named; see errno.',

  HOST_UNFIT: 'Do what stands under each error, and run `lb-agent preflight` again.',

  // The router.
  WITHDRAW_INCOMPLETE:
    'The agent goes on trying. Its log says what the announce hook met; a static route to this host has to be taken away at the router.',

  // State on disk.
  STATE_MISSING:
    'On the very first start add --init, or always --init-if-missing where the command line cannot change. If the state was lost, start with --reset-nonces and read what that risks.',
  STATE_CORRUPT: 'Start with --reset-nonces and read what that risks.',
  STATE_STALE: 'Start with --reset-nonces and read what that risks.',
  STATE_PRESENT: 'Leave --init out: it is for the first start only.',
  STATE_LOCKED: 'Another process uses this state folder; stop it first.',
  STATE_REPLACED:
    'The state folder was moved, removed or made anew under the running sidecar. Put the same folder back, or restart the sidecar; --reset-nonces if the state is lost.',
  STATE_UNWRITABLE: 'Check the permissions and the free space of the state folder.',

  // Registry and gRPC.
  REGISTRY_UNAVAILABLE: 'The last good state stays in force; check the registry.',
  REGISTRY_CHANGED:
    'Somebody else changed the registry meanwhile. Run the command again: it goes on from what is there now.',
  REGISTRY_REFUSED:
    'Check the user of this host (the CN of its certificate, or the name in the options file) and its role in etcd.',
  STEP_REFUSED:
    'Nothing was changed: the step could harm connections. The message says what has to be done first.',
  REGISTRY_FULL:
    'etcd is at its quota and takes no writes. Compact and defragment it, then run `etcdctl alarm disarm`.',
  REGISTRY_REQUEST_INVALID:
    'The registry refused the request as it is, so it would refuse it again: please report it with the message.',
  SERVER_UNKNOWN: 'Add the server to a pool in the registry, or correct --server.',
  SERVER_TAKEN:
    'Give this server another name (--server). If it takes the place of a server that is gone for good, release that one first: `cidctl ids release POOL --server NAME --gone`.',
  CONFIG_UNKNOWN: 'The config is not in the registry document in force.',
  CID_UNKNOWN:
    'Only 0b111 CIDs that the sidecar issued have a token that it can make again; those of a dry pool have not.',
  CONFIG_UNUSABLE: 'No config of this pool is minting for this server; 0b111 CIDs are issued.',
  FOREIGN_CID: 'Only CIDs of this server are answered for (RFC 9000 section 21.11).',
  LEASE_REFUSED:
    'Leases and reset keys hand out secrets; start the sidecar with --allow-key-export to permit it.',
  CREDIT_EXCEEDED: 'Give credit only for CIDs that there is room for; see SessionRequest.',
  STREAMS_EXHAUSTED: 'Close streams that are not needed; one Session per process is enough.',
  SOCKET_UNUSABLE: 'Choose another path for the socket, in a folder that this user may write to.',
  SOCKET_BUSY: 'Another process listens on this socket; stop it, or choose another path.',
  SIDECAR_UNAVAILABLE: 'The sidecar does not answer; the pool serves 0b111 CIDs until it does.',
} as const;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

/** Where in the input the error lies. `field` is a path like `pools.web.vips[0].port`. */
export interface ErrorPlace {
  readonly file?: string;
  /** First line is 1. */
  readonly line?: number;
  readonly field?: string;
}

export interface ErrorDetails extends ErrorPlace {
  readonly cause?: unknown;
  /** Extra text for people who debug, such as a verifier log. Never holds secrets. */
  readonly log?: string;
  readonly errno?: number;
}

export class CidecarError extends Error {
  override readonly name = 'CidecarError';
  readonly code: ErrorCode;
  readonly place: ErrorPlace;
  readonly log: string | undefined;
  readonly errno: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.place = {
      ...(details.file === undefined ? {} : { file: details.file }),
      ...(details.line === undefined ? {} : { line: details.line }),
      ...(details.field === undefined ? {} : { field: details.field }),
    };
    this.log = details.log;
    this.errno = details.errno;
  }

  /** The errors that it stands for: itself, unless it gathers several. */
  get parts(): readonly CidecarError[] {
    return [this];
  }

  /** What to do about it, from the catalogue. */
  get hint(): string {
    return ERROR_CATALOGUE[this.code];
  }

  /** One line for a person: `file:line: field: message (CODE). What to do.` */
  describe(): string {
    const { file, line, field } = this.place;
    const where = [
      file === undefined ? undefined : line === undefined ? file : `${file}:${line}`,
      field,
    ]
      .filter((part) => part !== undefined)
      .map((part) => `${part}: `)
      .join('');
    return `${where}${this.message} (${this.code}). ${this.hint}`;
  }
}

/**
 * Errors in what a person wrote, or of a state that only a person can decide about: to start
 * once more does not help. A file that cannot be read is none of them, because a document or a
 * key may come later than the daemon that needs it.
 */
const INPUT_ERRORS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'DOCUMENT_SYNTAX',
  'DOCUMENT_INVALID',
  'KEY_INVALID',
  'CLUSTER_SECRET_INVALID',
  'ARGUMENT_INVALID',
  'CID_CONFIG_INVALID',
  'SERVER_ID_INVALID',
  'NONCE_INVALID',
  'SERVER_UNKNOWN',
  'CONFIG_UNKNOWN',
  'STEP_REFUSED',
  'STATE_MISSING',
  'STATE_CORRUPT',
  'STATE_STALE',
  'STATE_PRESENT',
]);

/**
 * Exit code of a program that ends by this error: 2 for bad input, 1 for all else. A service
 * manager does not restart what ended with 2, so whatever can pass by itself is 1: a full disk,
 * a file that is still to come, a lock that another process holds.
 */
export function exitCodeFor(error: unknown): 1 | 2 {
  if (!(error instanceof CidecarError)) return 1;
  return error.parts.some(({ code }) => INPUT_ERRORS.has(code)) ? 2 : 1;
}

/**
 * The same for a daemon, which may be started while a key file is being written: a key that is
 * not valid is 1, unless something else is wrong as well.
 */
export function exitCodeForDaemon(error: unknown): 1 | 2 {
  if (!(error instanceof CidecarError)) return 1;
  const others = error.parts.filter(({ code }) => code !== 'KEY_INVALID');
  return others.some((each) => exitCodeFor(each) === 2) ? 2 : 1;
}

/**
 * What a program prints when it ends by this error. Errors of ours explain themselves; any
 * other is a fault in the program, and its stack says where.
 */
export function describeError(error: unknown): string {
  if (error instanceof CidecarError) return error.describe();
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
