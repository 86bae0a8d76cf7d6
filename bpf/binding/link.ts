// SPDX-License-Identifier: Apache-2.0
import { guarded } from './errors.js';
import { addon, type NativeLink, type NativeLinkInfo, type NativeProgram } from './native.js';
import { pinAt, pinReplacingAt, removePin } from './pin.js';

export type LinkInfo = NativeLinkInfo;

/**
 * A program that a link can run, which is a BpfProgram. A link needs only the handle of it, and
 * so does not import the class, whose `attachXdp` makes links.
 */
export interface LinkableProgram {
  /** @internal */
  readonly native: NativeProgram;
}

/**
 * An attachment of a program to an interface. It ends when no handle and no pin holds it any
 * more, or with {@link detach}.
 */
export class BpfLink {
  readonly #native: NativeLink;

  /** @internal Use {@link openPinned} or BpfProgram.attachXdp. */
  constructor(native: NativeLink) {
    this.#native = native;
  }

  /** @throws CidecarError PIN_INVALID when the path holds no link, KERNEL_PERMISSION. */
  static openPinned(path: string): BpfLink {
    return new BpfLink(guarded(() => addon().Link.openPinned(path)));
  }

  /** What the kernel says at this moment. */
  info(): LinkInfo {
    return guarded(() => this.#native.info());
  }

  /**
   * Puts another program in the place of the present one. Each packet meets either of them.
   * @param expected the program that must be the present one, if given
   * @throws CidecarError INTERFACE_BUSY when the present program is another one
   */
  update(program: LinkableProgram, expected?: LinkableProgram): void {
    guarded(() => this.#native.update(program.native, expected?.native));
  }

  /** Ends the attachment, even if other handles or pins hold the link. */
  detach(): void {
    guarded(() => this.#native.detach());
  }

  /** @throws CidecarError PIN_INVALID when something is at the path, or it is not in bpffs. */
  pin(path: string): void {
    pinAt(this.#native, path);
  }

  /** Like {@link pin}, but replaces what is pinned at the path, atomically. */
  pinReplacing(path: string): void {
    pinReplacingAt(this.#native, path);
  }

  unpin(path: string): void {
    removePin(path);
  }

  close(): void {
    this.#native.close();
  }
}
