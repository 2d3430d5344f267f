// Knows what can be asked of the machine that this runs on, for what is to be checked before it is used. Judges nothing.

import { execFile } from "node:child_process";
import { access, readdir, readFile } from "node:fs/promises";
import { freemem, release } from "node:os";
import { loadNative, NativeMissing } from "@pvscsi/native";

/** The machine, or one that a test made up. */
export interface HostFacts {
  /** As in `process.versions`. */
  readonly node: string;
  /** The kernel's release. */
  readonly release: string;
  /** The effective user; null where there are none. */
  readonly user: number | null;
  /** Bytes. */
  readonly freeMemory: number;
  /** Whether a file of whatever kind is there. */
  exists(path: string): Promise<boolean>;
  /** A file's text; null where it cannot be read. */
  read(path: string): Promise<string | null>;
  /** Names in a folder; none where it cannot be read. */
  list(path: string): Promise<readonly string[]>;
  /** What a program prints to its end; null where it is not there, or fails. */
  output(program: string, words: readonly string[]): Promise<string | null>;
  /** Why there are no native calls; null where there are. */
  nativeMissing(): Promise<string | null>;
}

/** Milliseconds for a program. */
const PATIENCE = 10_000;

export function hostFacts(): HostFacts {
  return {
    node: process.versions.node,
    release: release(),
    user: process.geteuid?.() ?? null,
    freeMemory: freemem(),
    exists: (path) => succeeds(access(path)),
    read: (path) => readFile(path, "utf8").catch(() => null),
    list: (path) => readdir(path).catch(() => []),
    output: outputOf,
    nativeMissing,
  };
}

function outputOf(program: string, words: readonly string[]): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(program, words, { timeout: PATIENCE }, (error, output) => resolve(error === null ? output : null));
  });
}

async function nativeMissing(): Promise<string | null> {
  try {
    await loadNative();
    return null;
  } catch (error) {
    if (error instanceof NativeMissing) return error.message;
    throw error;
  }
}

async function succeeds(promise: Promise<unknown>): Promise<boolean> {
  return promise.then(
    () => true,
    () => false,
  );
}
