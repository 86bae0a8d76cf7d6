// SPDX-License-Identifier: Apache-2.0
import { CidecarError } from '../../core/errors.js';
import { addon, type NativeDriver, type NativeXdpProgram } from './native.js';

/** What the interface itself says when it takes no program. */
export interface Circumstances {
  readonly name: string;
  readonly programs: readonly NativeXdpProgram[];
  readonly driver: NativeDriver;
}

/** The kernel's own words, as libbpf prints them of an extended acknowledgement. */
const KERNEL_WORDS = /Kernel error message: (.+)/;

/** What helps against a refusal in such words, beside what the catalogue says. */
const REMEDIES: readonly (readonly [RegExp, (name: string) => string])[] = [
  [
    /\b(mtu|too (large|big)|jumbo|frag|frame)/i,
    (name) => `lower the MTU, on both ends: ip link set dev ${name} mtu N`,
  ],
  [/\b(lro|gro|hw-gro|tso|rsc|offload)\b/i, (name) => `ethtool -K ${name} lro off gro off`],
  [/\b(queue|channel|ring|cpu)/i, (name) => `ethtool -L ${name} combined N, with fewer queues`],
];

/**
 * Says of an attachment that was refused what the operator has to know: the program that is in
 * the way, or the kernel's words, the driver and its limits. Other errors are returned as they
 * are.
 */
export function explainRefusal(error: unknown, circumstances: Circumstances): unknown {
  if (!(error instanceof CidecarError)) return error;
  const text = textOf(error, circumstances);
  if (text === undefined) return error;
  const { code, errno, log } = error;
  return new CidecarError(code, text, {
    cause: error,
    ...(errno === undefined ? {} : { errno }),
    ...(log === undefined ? {} : { log }),
  });
}

/** Reads what {@link explainRefusal} needs; what cannot be read is left out. */
export function circumstancesOf(ifindex: number): Circumstances {
  const { name = `interface ${ifindex}`, ...driver } = addon().driverOf(ifindex);
  return { name, programs: addon().xdpPrograms(ifindex), driver };
}

function textOf(
  error: CidecarError,
  { name, programs, driver }: Circumstances,
): string | undefined {
  if (error.code === 'INTERFACE_BUSY') {
    const [present] = programs;
    if (present === undefined) return undefined;
    const { id, name: program, mode } = present;
    return `${name} has the XDP program ${program === '' ? '' : `"${program}" `}(ID ${id}, ${mode}) already`;
  }
  if (error.code !== 'DRIVER_REFUSED') return undefined;
  const words = KERNEL_WORDS.exec(error.log ?? '')?.[1];
  const remedy = REMEDIES.find(([pattern]) => words !== undefined && pattern.test(words))?.[1];
  return [
    error.message,
    words === undefined ? 'the kernel gives no reason' : `the kernel says "${words}"`,
    `${name} has ${factsOf(driver)}`,
    ...(remedy === undefined ? [] : [remedy(name)]),
  ].join('; ');
}

function factsOf({ driver, mtu, rxQueues, txQueues, mostQueues }: NativeDriver): string {
  const most = mostQueues === undefined || mostQueues === 0 ? '' : ` of at most ${mostQueues}`;
  const queues = rxQueues === undefined ? 'unknown' : `${rxQueues} in, ${txQueues} out${most}`;
  return `driver ${driver ?? 'unknown'}, MTU ${mtu ?? 'unknown'}, queues ${queues}`;
}
