// SPDX-License-Identifier: Apache-2.0
export { type Capability, effectiveCapabilities, limitCapabilities } from './capabilities.js';
export { driverCounters, type InterfaceFacts, interfaceFacts } from './interface.js';
export { BpfLink, type LinkInfo } from './link.js';
export { BPF_F_MMAPABLE, BpfMap, type MapInfo, type MapKind } from './map.js';
export { BpfObject, type LoadOptions } from './object.js';
export { objectPath } from './package-root.js';
export {
  BpfProgram,
  type ProgramInfo,
  type TestRunOptions,
  type TestRunResult,
  type XdpMode,
} from './program.js';
export { RingBuffer } from './ring-buffer.js';
export {
  ensureBpffs,
  ifindex,
  isBpffs,
  type KernelSupport,
  kernelSupport,
  possibleCpus,
  requireKernelSupport,
} from './system.js';
