// Knows how the judges reach the disk: a server in a process of its own, and what it says of itself.

import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";
import type { Backing } from "./guest-disk.js";
import type { ServerState } from "./server.js";

const SERVER = fileURLToPath(new URL("./server.js", import.meta.url));

/** A disk of `DISK_SIZE` bytes that is there to be judged. */
export interface JudgedDisk {
  readonly uri: string;
  /** What its server holds, where somebody can ask it. */
  state?(): Promise<ServerState>;
}

export class ServedDisk implements JudgedDisk {
  readonly uri: string;
  readonly #server: Child;

  constructor(uri: string, server: Child) {
    this.uri = uri;
    this.#server = server;
  }

  /** What the server holds at this moment, and has seen so far. */
  async state(): Promise<ServerState> {
    return JSON.parse(await this.#server.ask("state"));
  }

  /** Ends the server; rejects when it dropped a client, still held anything, or failed. */
  async finish(): Promise<string> {
    const { opened, sessions, requests, pages, failures } = await this.state();
    expect({ failures, sessions, requests, pages }).to.deep.equal({ failures: [], sessions: 0, requests: 0, pages: 0 });
    const { status, errors } = await this.#server.finish();
    expect(`${status}${errors}`, "the server's end").to.equal("0");
    return `${opened} connections served`;
  }
}

/** Serves an empty disk of a guest; `flipEvery` spoils one bit in so many writes. */
export async function serveDisk(context: SuiteContext, backing: Backing, flipEvery?: number): Promise<ServedDisk> {
  const words = flipEvery === undefined ? [] : [String(flipEvery)];
  const folder = await mkdtemp(context.path(backing));
  const server = context.start(process.execPath, SERVER, backing, folder, join(folder, "disk.socket"), ...words);
  return new ServedDisk(await server.readLine(), server);
}
