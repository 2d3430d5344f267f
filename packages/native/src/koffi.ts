// Knows how koffi, an optional package, is found, and the part of it that is used here. Its own types are not
// used, so that a machine where it is not installed builds all the same.

/** Of koffi 3; addresses are numbers below 2^53. */
export interface Koffi {
  load(path: null): KoffiLibrary;
  /** The errno of the last call. */
  errno(): number;
  /** The bytes at an address, not copied. The collector never ends the mapping behind them. */
  view(address: number, length: number): ArrayBuffer;
  readonly node: {
    poll(descriptor: number, events: { readonly readable: true }, callback: () => void): KoffiPoll;
  };
}

export interface KoffiLibrary {
  func(prototype: string): KoffiFunction;
}

export interface KoffiFunction {
  (...words: readonly unknown[]): number;
  /** In another thread; the last word is a callback, and the errno of the call is there while it runs. */
  async(...words: readonly unknown[]): void;
}

/** Closed by the collector when nobody has it any more. */
export interface KoffiPoll {
  close(): void;
}

/** Why there is nothing native here, in words for a person. */
export class NativeMissing extends Error {
  override readonly name = "NativeMissing";
}

/** Loads koffi. Rejects with NativeMissing where it is not installed, or its binary does not fit this machine. */
export async function loadKoffi(): Promise<Koffi> {
  if (process.platform !== "linux")
    throw new NativeMissing(`native calls are those of Linux, and this is ${process.platform}`);
  try {
    const { default: koffi } = await import("koffi");
    return koffi;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === "ERR_MODULE_NOT_FOUND" ? "the optional package koffi is not installed: npm install koffi" : message;
    throw new NativeMissing(reason, { cause: error });
  }
}
