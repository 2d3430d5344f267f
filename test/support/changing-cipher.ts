// Knows a cipher that hides nothing: a byte is changed by its place, the number of its block and a key that is counted up.

import { setImmediate } from "node:timers/promises";
import type { BlockCipher } from "@pvscsi/scsi";

export class ChangingCipher implements BlockCipher {
  changes = 0;
  /** The key cannot be changed. */
  broken = false;

  encrypt(bytes: Uint8Array, length: number, block: number): void {
    for (let i = 0; i < length; i++) bytes[i] ^= (0x5a + this.changes + i + block + Math.floor(i / 512)) & 0xff;
  }

  decrypt(bytes: Uint8Array, length: number, block: number): void {
    this.encrypt(bytes, length, block);
  }

  async changeKey(): Promise<void> {
    if (this.broken) throw new Error("broken on purpose");
    this.changes += 1;
  }

  /** Until who asked for it has heard of the new key. */
  changed(): Promise<void> {
    return setImmediate();
  }
}
