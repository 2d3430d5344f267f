// Knows a machine as a test wants it: its files, what its programs print, and what else is asked of it.

import type { HostFacts } from "pvscsi";

export class MadeUpHost implements HostFacts {
  node = "20.19.0";
  release = "6.1.0-1-amd64";
  user: number | null = 0;
  freeMemory = 2 ** 30;
  /** Why there are no native calls. */
  native: string | null = null;
  /** By path. */
  readonly files = new Map<string, string>();
  /** What programs print, by their command lines; one that is not named fails. */
  readonly programs = new Map<string, () => string>();
  /** The command lines that were run. */
  readonly ran: string[] = [];

  async exists(path: string): Promise<boolean> {
    return this.files.has(path) || (await this.list(path)).length > 0;
  }

  async read(path: string): Promise<string | null> {
    return this.files.get(path) ?? null;
  }

  async list(path: string): Promise<readonly string[]> {
    const below = [...this.files.keys()].filter((file) => file.startsWith(`${path}/`));
    return [...new Set(below.map((file) => file.slice(path.length + 1).split("/")[0]))];
  }

  async output(program: string, words: readonly string[]): Promise<string | null> {
    const line = [program, ...words].join(" ");
    this.ran.push(line);
    return this.programs.get(line)?.() ?? null;
  }

  async nativeMissing(): Promise<string | null> {
    return this.native;
  }
}
