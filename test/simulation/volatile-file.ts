// Knows how to give this process a disk cache that a power cut empties: what it writes to files reaches a second file, the
// medium, only when fdatasync has ended that began after the write had.

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

type AnyCall = (...args: unknown[]) => void;
type Callback = (error: Error | null, ...results: unknown[]) => void;

interface Written {
  readonly bytes: Uint8Array;
  readonly position: number;
}

/** From now on; the process writes one file only, and `medium` is what a power cut would leave of it. */
export function makeFilesVolatile(medium: string): void {
  const descriptor = fs.openSync(medium, "w");
  let cached: Written[] = [];
  const after = (name: "write" | "writev" | "fdatasync", prepare: (...args: unknown[]) => () => void): void => {
    const call = fs[name] as unknown as AnyCall;
    const replaced: AnyCall = (...args) => {
      const callback = args.pop() as Callback;
      const ended = prepare(...args);
      call(...args, (error: Error | null, ...results: unknown[]) => {
        if (error === null) ended();
        callback(error, ...results);
      });
    };
    Object.assign(fs, { [name]: replaced });
  };
  after("write", (_, bytes, offset, length, position) => {
    const copy = (bytes as Uint8Array).slice(offset as number, (offset as number) + (length as number));
    return () => void cached.push({ bytes: copy, position: position as number });
  });
  after("writev", (_, views, position) => {
    const bytes = Buffer.concat(views as Uint8Array[]);
    return () => void cached.push({ bytes, position: position as number });
  });
  after("fdatasync", () => {
    const covered = cached;
    cached = [];
    return () => {
      for (const { bytes, position } of covered) fs.writeSync(descriptor, bytes, 0, bytes.length, position);
    };
  });
  syncBuiltinESMExports();
}
