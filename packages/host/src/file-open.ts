// Knows how a file or block device becomes a store: made when it is missing, checked, claimed. Knows no request.

import { constants, type Stats } from "node:fs";
import { type FileHandle, mkdir, open, readFile, stat, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { StoreError } from "@pvscsi/scsi";
import { codeOf, reasonOf } from "./file-errors.js";
import type { Holes } from "./file-extents.js";
import { FileStore, type ReadCache } from "./file-store.js";
import type { OpenFiles } from "./open-files.js";

/** What Node cannot do with files. */
export interface NativeFiles {
  /** Makes holes in files where their file system has them; absent: no space is given back. */
  readonly holes?: Holes | null;
  /** Reads what is in memory; absent: every read goes to another thread. */
  readonly cache?: ReadCache | null;
}

export interface FileStoreOptions extends NativeFiles {
  readonly access: "read-only" | "read-write";
  /** `writeback`: durable after a flush or fua. `writethrough`: every write is durable when it completes. */
  readonly sync: "writeback" | "writethrough";
  /** Bytes to make the file with, sparse, where there is none; its folders as well. */
  readonly createSize?: number | undefined;
  /** Bytes that it may come to have, for whoever knows how many there are: its size is not the store's then. */
  readonly room?: number | undefined;
  /** Where its use is entered. */
  readonly openFiles: OpenFiles;
}

const PAGE = 4096;

/** Opens a regular file or a block device as a store; throws `StoreError` with a reason for the person who named it. */
export async function openFileStore(path: string, options: FileStoreOptions): Promise<FileStore> {
  try {
    const found = await statOrMake(path, options.createSize);
    if (!found.isFile() && !found.isBlockDevice()) throw new Error(kindOf(found));
    return await openFound(path, found, options);
  } catch (error) {
    throw new StoreError("hardware", `cannot open ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

async function statOrMake(path: string, createSize: number | undefined): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT" || createSize === undefined) throw error;
  }
  await make(path, createSize);
  return await stat(path);
}

/** Nothing is left behind when the size cannot be given to it. */
async function make(path: string, size: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const handle = await open(path, "wx");
  try {
    await handle.truncate(size);
    await handle.sync();
  } catch (error) {
    await unlink(path);
    throw error;
  } finally {
    await handle.close();
  }
  await syncFolder(dirname(path));
}

/** What is flushed into a file is only safe once its name is. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function openFound(
  path: string,
  stats: Stats,
  { access, sync, openFiles, room, holes = null, cache = null }: FileStoreOptions,
): Promise<FileStore> {
  const handle = await open(path, access === "read-only" ? constants.O_RDONLY : flagsOf(stats, sync));
  try {
    const identity = await identityOf(handle);
    const size = await sizeOf(await handle.stat());
    const sparse = holes !== null && access === "read-write" && stats.isFile() && (await hasHoles(handle, size, holes));
    if (!openFiles.claim(identity, access)) throw new Error("another LUN has it open");
    return new FileStore({
      path,
      handle,
      size: room ?? size,
      growable: !stats.isBlockDevice() && room === undefined,
      readOnly: access === "read-only",
      writeBack: sync === "writeback",
      holes: sparse ? holes : null,
      cache,
      sizeNow: async () => room ?? sizeOf(await handle.stat()),
      closed: () => openFiles.release(identity),
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Whether holes can be made in a file and found: tried behind its end, where nothing is. */
async function hasHoles({ fd }: FileHandle, size: number, holes: Holes): Promise<boolean> {
  const made = await new Promise((resolve) => holes.punch(fd, Math.ceil(size / PAGE) * PAGE, PAGE, resolve));
  if (made !== null) return false;
  return (await new Promise((resolve) => holes.seek(fd, 0, "hole", resolve))) === null;
}

/** With O_EXCL the kernel refuses a block device that is mounted, or that something else has claimed. */
function flagsOf(stats: Stats, sync: FileStoreOptions["sync"]): number {
  const exclusive = stats.isBlockDevice() ? constants.O_EXCL : 0;
  return constants.O_RDWR | exclusive | (sync === "writethrough" ? constants.O_DSYNC : 0);
}

/** Inode numbers of some file systems have all 64 bits: as numbers two files would look like one. */
async function identityOf(handle: FileHandle): Promise<string> {
  const stats = await handle.stat({ bigint: true });
  return stats.isBlockDevice() ? `device ${stats.rdev}` : `${stats.dev}:${stats.ino}`;
}

/** fstat says 0 for a block device, and Node has neither lseek nor ioctl: sysfs counts its sectors of 512 bytes. */
async function sizeOf(stats: Stats): Promise<number> {
  if (!stats.isBlockDevice()) return stats.size;
  const { major, minor } = deviceNumber(stats.rdev);
  return 512 * Number(await readFile(`/sys/dev/block/${major}:${minor}/size`, "ascii"));
}

/** The encoding of dev_t in the C library; bits above 2^32 are left out, no kernel gives such numbers to disks. */
function deviceNumber(device: number): { major: number; minor: number } {
  return { major: (device >>> 8) & 0xfff, minor: (device & 0xff) | ((device >>> 12) & 0xfff00) };
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "it is a directory";
  return "it is neither a regular file nor a block device";
}
