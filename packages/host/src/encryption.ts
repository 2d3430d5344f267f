// Knows whether a LUN is encrypted, and where its key is: beside its file, or in memory for as long as its bytes are.

import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { LunSpec } from "@pvscsi/config";
import { type BlockCipher, StoreError } from "@pvscsi/scsi";
import { isDevice, type Surroundings } from "./backing.js";
import { reasonOf } from "./file-errors.js";
import { openKeyFile, type Unguessable } from "./key-file.js";
import { KEY_BYTES, type KeyKeeper, XtsCipher } from "./xts-cipher.js";

/** Gives a LUN its cipher, once its bytes are open; throws `StoreError` where it has no key. Null: it is not encrypted. */
export function encryptionOf(
  lun: LunSpec,
  { directory, unguessable }: Surroundings,
): (() => Promise<BlockCipher>) | null {
  const { backing, blockSize, encrypt } = lun;
  if (encrypt === undefined) return null;
  const random = unguessable ?? unknown;
  if (backing.kind === "file") return () => openCipher(lun, resolve(directory, backing.path), random);
  let kept: XtsCipher | null = null;
  return async () => (kept ??= new XtsCipher(new KeyInMemory(random), blockSize));
}

const unknown: Unguessable = () => {
  throw new StoreError("hardware", "no random numbers are given that a key could be made of");
};

class KeyInMemory implements KeyKeeper {
  readonly #unguessable: Unguessable;
  key: Uint8Array;

  constructor(unguessable: Unguessable) {
    this.#unguessable = unguessable;
    this.key = unguessable(KEY_BYTES);
  }

  async change(): Promise<void> {
    const key = this.#unguessable(KEY_BYTES);
    this.key.fill(0);
    this.key = key;
  }
}

async function openCipher(
  { blockSize, readOnly }: LunSpec,
  path: string,
  unguessable: Unguessable,
): Promise<BlockCipher> {
  const key = `${path}.key`;
  const make = async (): Promise<void> => {
    if (readOnly) throw new Error("there is none, and the LUN is read-only");
    // A key that was lost is not made up for: what was written with it could be read no more.
    if ((await stat(path)).blocks > 0)
      throw new Error(`there is none, and ${path} has been written: its key is missing`);
  };
  try {
    if (isDevice(path)) throw new Error("a device's name is made anew at every boot, and no key is kept beside it");
    return new XtsCipher(await openKeyFile(key, unguessable, make), blockSize);
  } catch (cause) {
    throw new StoreError("hardware", `cannot use the key in ${key}: ${reasonOf(cause)}`, { cause });
  }
}
