// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { BpfLink } from './link.js';
import { addon, type NativeProgram, type NativeProgramInfo } from './native.js';
import { pinAt, pinReplacingAt, removePin } from './pin.js';
import { circumstancesOf, explainRefusal } from './refusal.js';

export type ProgramInfo = NativeProgramInfo;

export interface TestRunOptions {
  /** The frame, at least 14 octets (an Ethernet header); about 3,500 fit. */
  readonly data: Uint8Array;
  /**
   * Number of runs, all on the same buffer: the second run sees what the first made of it. The
   * kernel may be interrupted between two runs, and does not say after how many; then all of them
   * are made again, on the frame as it was given. What maps count is exact only for one run, or
   * where the result has no interruptions.
   */
  readonly repeat?: number;
  /** The interface that xdp_md names. Default: the loopback interface that the kernel chooses. */
  readonly ingressIfindex?: number;
  /** Room for the resulting frame, in octets. Default: the length of `data` and 256 more. */
  readonly dataOutSize?: number;
  /** The CPU to run on. Default: the one that this thread is on. */
  readonly cpu?: number;
  /**
   * Really transmit or redirect each frame if the program says so (Linux 5.18). There is no
   * resulting frame then, and the next run gets the frame as the program left it.
   */
  readonly live?: boolean;
}

export interface TestRunResult {
  /** XDP_ABORTED 0, XDP_DROP 1, XDP_PASS 2, XDP_TX 3, XDP_REDIRECT 4. */
  readonly retval: number;
  /** The frame as the program left it. */
  readonly data: Uint8Array;
  /** Mean duration of one run, as the kernel reports it. */
  readonly durationNs: number;
  /** How often the runs began again. Always 0 for a single run. */
  readonly interruptions: number;
}

/** Where XDP runs: in the driver, or after it in the stack, which works on every interface. */
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
   * Runs the program in the kernel on a given frame (BPF_PROG_TEST_RUN), and blocks the thread
   * meanwhile.
   */
  testRun(options: TestRunOptions): TestRunResult {
    const { data, repeat = 1, ingressIfindex, cpu, live = false } = options;
    const { dataOutSize = live ? 0 : data.length + 256 } = options;
    return guarded(() => this.native.testRun(data, repeat, ingressIfindex, dataOutSize, cpu, live));
  }

  /**
   * Attaches the program to an interface as a bpf_link, which lasts while a handle or a pin
   * holds it.
   * @throws CidecarError INTERFACE_BUSY when another program is attached, INTERFACE_UNKNOWN,
   *   DRIVER_REFUSED when the driver has no native XDP or not for this interface as it is set up,
   *   KERNEL_PERMISSION.
   */
  attachXdp(ifindex: number, mode: XdpMode): BpfLink {
    try {
      return new BpfLink(guarded(() => this.native.attachXdp(ifindex, mode === 'native')));
    } catch (error) {
      throw explainRefusal(error, circumstancesOf(ifindex));
    }
  }

  /** @throws CidecarError PIN_INVALID when something is at the path, or it is not in bpffs. */
  pin(path: string): void {
    pinAt(this.native, path);
  }

  /** Like {@link pin}, but replaces what is pinned at the path, atomically. */
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
