// SPDX-License-Identifier: Apache-2.0
import { createRequire } from 'node:module';
import { addonPath } from './package-root.js';

// The interface of the addon in bpf/binding/native. It throws a RangeError, a TypeError, or an
// Error with the properties of NativeFailure in errors.ts.

export interface NativeMapInfo {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

export interface NativeMap {
  info(): NativeMapInfo;
  lookup(key: Uint8Array | number): Uint8Array | undefined;
  update(key: Uint8Array | number, value: Uint8Array): void;
  setProgram(index: number, program: NativeProgram): void;
  delete(key: Uint8Array | number): boolean;
  nextKey(key: Uint8Array | number | undefined): Uint8Array | undefined;
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): void;
  lookupBatch(firstKey: number, count: number): Uint8Array;
  mmap(): Uint8Array;
  unmap(view: Uint8Array): void;
  pin(path: string): void;
  close(): void;
}

export interface NativeProgramInfo {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** Instructions that the verifier walked; 0 before Linux 5.16, which does not tell. */
  readonly verifiedInstructions: number;
  readonly translatedOctets: number;
  readonly jitedOctets: number;
  readonly mapIds: number[];
  /** 16 hex digits: the kernel's hash of the instructions. */
  readonly tag: string;
}

export interface NativeTestRunResult {
  readonly retval: number;
  readonly data: Uint8Array;
  readonly durationNs: number;
  readonly interruptions: number;
}

export interface NativeProgram {
  info(): NativeProgramInfo;
  testRun(
    data: Uint8Array,
    repeat: number,
    ingressIfindex: number | undefined,
    dataOutSize: number,
    cpu: number | undefined,
    live: boolean,
  ): NativeTestRunResult;
  attachXdp(ifindex: number, native: boolean): NativeLink;
  pin(path: string): void;
  close(): void;
}

export interface NativeLinkInfo {
  readonly id: number;
  readonly programId: number;
  /** 0 when the interface is gone or the link was detached. */
  readonly ifindex: number;
}

export interface NativeLink {
  info(): NativeLinkInfo;
  update(program: NativeProgram, expected: NativeProgram | undefined): void;
  detach(): void;
  pin(path: string): void;
  close(): void;
}

export interface NativeObject {
  maps(): string[];
  programs(): string[];
  map(name: string): NativeMap;
  program(name: string): NativeProgram;
  log(): string;
  close(): void;
}

export interface NativeRingBuffer {
  close(): void;
}

export type RawSocketKind = 'ipv4' | 'ipv6' | 'link' | 'icmp' | 'icmpv6';

export interface NativeRawSocket {
  send(packets: readonly Uint8Array[]): Int32Array;
  receive(into: Uint8Array): number | undefined;
  close(): void;
}

export interface NativeXdpProgram {
  readonly id: number;
  /** Empty where this process may not ask. */
  readonly name: string;
  readonly mode: 'native' | 'generic' | 'offloaded';
}

/** What cannot be read is left out. */
export interface NativeDriver {
  /** Of the interface. */
  readonly name?: string;
  readonly driver?: string;
  /** Octets. */
  readonly mtu?: number;
  readonly rxQueues?: number;
  readonly txQueues?: number;
  /** As many as `ethtool -L` could set. */
  readonly mostQueues?: number;
  /** Whether it joins packets, in hardware or in the driver. */
  readonly lro?: boolean;
  /** Whether the stack joins packets. */
  readonly gro?: boolean;
}

export interface NativeProbe {
  readonly release: string;
  readonly bpf: boolean;
  readonly permitted: boolean;
  readonly xdp: boolean;
  readonly ringbuf: boolean;
  readonly mmapableArrays: boolean;
  readonly coarseClock: boolean;
}

export interface NativeAddon {
  readonly Map: { openPinned(path: string): NativeMap };
  readonly Program: { openPinned(path: string): NativeProgram };
  readonly Link: { openPinned(path: string): NativeLink };
  readonly RingBuffer: new (
    map: NativeMap,
    onEvents: (octets: Uint8Array, lengths: Uint32Array) => void,
  ) => NativeRingBuffer;
  readonly RawSocket: new (kind: RawSocketKind) => NativeRawSocket;
  load(
    path: string,
    sizes: [string, number][],
    reuse: [string, NativeMap][],
    logLevel: number,
    programs: readonly string[] | undefined,
  ): Promise<NativeObject>;
  possibleCpus(): number;
  ifindex(name: string): number;
  isBpffs(path: string): boolean;
  mountBpffs(path: string): void;
  probe(): NativeProbe;
  /** By their numbers. Of all threads, in all sets. */
  limitCapabilities(keep: readonly number[]): void;
  /** Of whatever origin. */
  xdpPrograms(ifindex: number): readonly NativeXdpProgram[];
  driverOf(ifindex: number): NativeDriver;
  /** As `ethtool -S` names them. */
  driverCounters(ifindex: number): Readonly<Record<string, number>>;
}

/**
 * The addon. It is loaded at its first use and not at import, so that commands which never touch
 * the kernel work without it. Node keeps the loaded module.
 */
export function addon(): NativeAddon {
  return createRequire(import.meta.url)(addonPath()) as NativeAddon;
}
