// Knows what the operating system's error codes mean for a store, and in words.

import { StoreError, type StoreFailure } from "@pvscsi/scsi";

const FAILURES: { readonly [code: string]: StoreFailure } = {
  EIO: "medium",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "no-space",
  EROFS: "read-only",
  EACCES: "read-only",
  EPERM: "read-only",
};

const WORDS: { readonly [code: string]: string } = {
  ENOENT: "no such file",
  ENOTDIR: "a part of the path is no directory",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EEXIST: "file exists",
  EISDIR: "it is a directory",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on the device",
  EDQUOT: "the quota is used up",
  EFBIG: "the file would be too large",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many open files",
  EBUSY: "it is mounted, or something else uses it",
  ENXIO: "no such device",
  EIO: "input/output error",
};

/** The code of an error of `node:fs`, "" when it is another error. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Why the operating system refused, in words. */
export function reasonOf(error: unknown): string {
  return WORDS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}

/** What a failed read or write at `offset`, or a failed flush, is for the one who asked. */
export function storeError(error: unknown, what: string, offset?: number): StoreError {
  const failure = FAILURES[codeOf(error)] ?? "hardware";
  const place = offset === undefined ? { cause: error } : { offset, cause: error };
  return new StoreError(failure, `${what}: ${reasonOf(error)}`, place);
}
