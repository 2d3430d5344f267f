// Knows which files are open as stores, so that no two of them write the same file by two names.

/** The files one host has open: each by many readers or by one writer. */
export class OpenFiles {
  readonly #users = new Map<string, { readers: number; writers: number }>();

  /** Claims a file by what identifies it; false when it is taken. */
  claim(identity: string, access: "read-only" | "read-write"): boolean {
    const { readers, writers } = this.#users.get(identity) ?? { readers: 0, writers: 0 };
    if (access === "read-only") {
      if (writers > 0) return false;
      this.#users.set(identity, { readers: readers + 1, writers });
    } else {
      if (writers + readers > 0) return false;
      this.#users.set(identity, { readers, writers: 1 });
    }
    return true;
  }

  /** Gives one claim back. */
  release(identity: string): void {
    const users = this.#users.get(identity);
    if (users !== undefined && users.readers > 1) users.readers -= 1;
    else this.#users.delete(identity);
  }
}
