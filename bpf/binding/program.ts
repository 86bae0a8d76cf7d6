// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { BpfLink } from './link.js';
import { addon, type NativeProgram, type NativeProgramInfo } from './native.js';
import { pinAt, pinReplacingAt, removePin } from './pin.js';

export type ProgramInfo = NativeProgramInfo;

export interface TestRunOptions {
  /** The frame, at least 14 octets (an Ethernet header); about 3,500 fit. */
  readonly data: Uint8Array;
  /** Runs in a row, all on the same buffer: the second sees what the first made of it. */
  readonly repeat?: number;
  /** The interface that xdp_md names; without it, the loopback of the kernel's choice. */
  readonly ingressIfindex?: number;
  /** Room for the frame that comes out, in octets. Default: that of `data` and 256 more. */
  readonly dataOutSize?: number;
  /** The CPU to run on; without it, whichever this thread is on. */
  readonly cpu?: number;
  /**
   * Do with each frame as the program says, transmit and redirect included (Linux 5.18).
   * Nothing comes out then, and a frame is used again as the program left it.
   */
  readonly live?: boolean;
}

export interface TestRunResult {
  /** XDP_ABORTED 0, XDP_DROP 1, XDP_PASS 2, XDP_TX 3, XDP_REDIRECT 4. */
  readonly retval: number;
  /** The frame as the program left it. */
  readonly data: Uint8Array;
  /** Mean of one run, as the kernel reports it. */
  readonly durationNs: number;
}

/** How XDP is attached: in the driver, or after it in the stack, which every interface can. */
export type XdpMode = 'native' | 'generic';

/** A loaded program. The handle keeps it alive until {@link close}. */
export class BpfProgram {
  /** @internal */
  readonly native: NativeProgram;
  readonly info: ProgramInfo;

  /** @internal Use {@link openPinned} or BpfObject.program. */
  constructor(native: NativeProgram) {
    this.native = native;
    this.info = guarded(() => native.info());
  }

  /** @throws CidecarError PIN_INVALID when the path holds no program, KERNEL_PERMISSION. */
  static openPinned(path: string): BpfProgram {
    return new BpfProgram(guarded(() => addon().Program.openPinned(path)));
  }

  /**
   * Runs the program in the kernel on a packet of ours (BPF_PROG_TEST_RUN). Blocks the
   * thread for as long as it runs.
   */
  testRun(options: TestRunOptions): TestRunResult {
    const { data, repeat = 1, ingressIfindex, cpu, live = false } = options;
    const { dataOutSize = live ? 0 : data.length + 256 } = options;
    return guarded(() => this.native.testRun(data, repeat, ingressIfindex, dataOutSize, cpu, live));
  }

  /**
   * Attaches to an interface, as a bpf_link: it lasts while a handle or a pin holds it.
   * @throws CidecarError INTERFACE_BUSY when another program is attached, INTERFACE_UNKNOWN,
   *   KERNEL_UNSUPPORTED when the driver has no native XDP, KERNEL_PERMISSION.
   */
  attachXdp(ifindex: number, mode: XdpMode): BpfLink {
    return new BpfLink(guarded(() => this.native.attachXdp(ifindex, mode === 'native')));
  }

  /** @throws CidecarError PIN_INVALID when something is at the path, or it is not in bpffs. */
  pin(path: string): void {
    pinAt(this.native, path);
  }

  /** Like {@link pin}, but takes the place of what is pinned there, atomically. */
  pinReplacing(path: string): void {
    pinReplacingAt(this.native, path);
  }

  unpin(path: string): void {
    removePin(path);
  }

  close(): void {
    this.native.close();
  }
}
