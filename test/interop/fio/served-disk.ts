// Knows how the judges reach the disk: a server in a process of its own, and what it says of itself.

import { fileURLToPath } from "node:url";
import { expect } from "chai";
import type { Child } from "../children.js";
import type { SuiteContext } from "../suite.js";
import type { ServerState } from "./server.js";

const SERVER = fileURLToPath(new URL("./server.js", import.meta.url));

export class ServedDisk {
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

/** Serves an empty disk on a socket in the suite's folder; `flipEvery` spoils one bit in so many writes. */
export async function serveDisk(context: SuiteContext, socket: string, flipEvery?: number): Promise<ServedDisk> {
  const words = flipEvery === undefined ? [] : [String(flipEvery)];
  const server = context.start(process.execPath, SERVER, context.path(socket), ...words);
  return new ServedDisk(await server.readLine(), server);
}
