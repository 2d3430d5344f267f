// Knows the archive that Linux unpacks as its first file system: cpio in the format "newc", uncompressed. Written here, because
// what is in it belongs to root and has device nodes, whoever runs this.

import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { dirname } from "node:path";

const FOLDER = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;
const CHARACTER_DEVICE = 0o020000;
const END = "TRAILER!!!";

interface Entry {
  readonly mode: number;
  readonly content?: Uint8Array;
  readonly device?: readonly [major: number, minor: number];
}

/** What is to be unpacked, by absolute paths. Folders come by themselves. Several archives may stand one after the other. */
export class Archive {
  readonly #parts: Uint8Array[] = [];
  readonly #folders = new Set<string>(["/"]);
  #entries = 0;

  folder(path: string): void {
    if (this.#folders.has(path)) return;
    this.#folders.add(path);
    this.#add(path, { mode: FOLDER | 0o755 });
  }

  file(path: string, content: Uint8Array | string, mode = 0o644): void {
    this.#add(path, { mode: FILE | mode, content: Buffer.from(content) });
  }

  link(path: string, target: string): void {
    this.#add(path, { mode: LINK | 0o777, content: Buffer.from(target) });
  }

  characterDevice(path: string, major: number, minor: number): void {
    this.#add(path, { mode: CHARACTER_DEVICE | 0o600, device: [major, minor] });
  }

  /** A file as it lies here, with its mode. */
  async copy(path: string, from: string): Promise<void> {
    this.file(path, await readFile(from), (await stat(from)).mode & 0o777);
  }

  /** All files below a folder whose names pass, and its links as they are. */
  async copyAll(path: string, from: string, passes: (name: string) => boolean = () => true): Promise<void> {
    for (const entry of await readdir(from, { recursive: true, withFileTypes: true })) {
      const file = `${entry.parentPath}/${entry.name}`;
      const inside = `${path}${file.slice(from.length)}`;
      if (!passes(inside)) continue;
      if (entry.isFile()) await this.copy(inside, file);
      else if (entry.isSymbolicLink()) this.link(inside, await readlink(file));
    }
  }

  /** All of it, with its end. */
  finish(): readonly Uint8Array[] {
    this.#add(END, { mode: 0 });
    return this.#parts;
  }

  #add(path: string, { mode, content = new Uint8Array(), device = [0, 0] }: Entry): void {
    if (path !== END) this.folder(dirname(path));
    const name = path.replace(/^\//, "");
    const inode = ++this.#entries;
    const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, ...device, name.length + 1, 0];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
    this.#parts.push(padded(Buffer.from(header)), padded(content));
  }
}

/** Headers and contents begin at multiples of four. */
function padded(bytes: Uint8Array): Uint8Array {
  if (bytes.length % 4 === 0) return bytes;
  return Buffer.concat([bytes, new Uint8Array(4 - (bytes.length % 4))]);
}
