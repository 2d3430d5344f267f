// Knows Node's files, as commands of a guest are lent them.

import { constants, type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import type { Files, OpenFile } from "@pvscsi/guest";

/** strerror's words for what happens to users; other errors keep their code. */
const WORDS: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EISDIR: "Is a directory",
  EIO: "Input/output error",
  ENOENT: "No such file or directory",
  ENOSPC: "No space left on device",
  ENOTDIR: "Not a directory",
  EROFS: "Read-only file system",
};

function wordsOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  return WORDS[code] ?? message;
}

/** A path as it was typed in `directory`; it stays as it is where that is this process's own. */
export function pathIn(directory: string, path: string): string {
  return directory === process.cwd() ? path : resolve(directory, path);
}

/** Files of this machine, by paths that begin at `directory`; there is no standard input or output. */
export function filesIn(directory: string): Files {
  return {
    async open(path, access, truncate) {
      if (path === null) return "No standard input or output here";
      try {
        const flags = access === "read" ? constants.O_RDONLY : constants.O_WRONLY | constants.O_CREAT;
        const handle = await open(pathIn(directory, path), flags);
        if (truncate !== null && access === "write") await handle.truncate(truncate);
        return new NodeFile(handle);
      } catch (error) {
        return wordsOf(error);
      }
    },
  };
}

class NodeFile implements OpenFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(target: Uint8Array, offset: number): Promise<number | string> {
    try {
      return (await this.#handle.read(target, 0, target.length, offset)).bytesRead;
    } catch (error) {
      return wordsOf(error);
    }
  }

  async write(source: Uint8Array, offset: number): Promise<number | string> {
    try {
      return (await this.#handle.write(source, 0, source.length, offset)).bytesWritten;
    } catch (error) {
      return wordsOf(error);
    }
  }

  async sync(): Promise<string | null> {
    try {
      await this.#handle.datasync();
      return null;
    } catch (error) {
      return wordsOf(error);
    }
  }

  close(): Promise<void> {
    return this.#handle.close();
  }
}
