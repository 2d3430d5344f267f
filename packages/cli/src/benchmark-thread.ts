// Knows the second thread of a transport that is measured between two: it says where it is to be found, and when all is
// connected, and is ended by whoever has started it.

import { Worker } from "node:worker_threads";

const SCRIPT = new URL("benchmark-thread-main.js", import.meta.url);

/** What the second thread is for. */
export type ThreadServerName = "xenbus" | "blocks";

/** What it says, in this order; or what went wrong. */
export type ThreadNews<Address> =
  | { readonly address: Address }
  | { readonly settled: true }
  | { readonly failure: string };

export class BenchmarkThread<Address> {
  readonly address: Promise<Address>;
  readonly settled: Promise<void>;
  /** Resolves with the reason of its end. */
  readonly ended: Promise<string>;
  readonly #worker: Worker;

  constructor(name: ThreadServerName) {
    const worker = new Worker(SCRIPT, { workerData: name });
    this.#worker = worker;
    this.ended = new Promise((resolve) => {
      worker.once("error", (error: Error) => resolve(error.message));
      worker.once("exit", () => resolve("its other thread has ended"));
    });
    const failed = this.ended.then((reason) => Promise.reject(new Error(reason)));
    this.address = Promise.race([this.#news("address"), failed]);
    this.settled = Promise.race([this.#news("settled"), failed]).then(() => {});
    // Whoever waits for one of them is told; nobody has to wait for both.
    for (const promise of [this.address, this.settled]) promise.catch(() => {});
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #news<Name extends "address" | "settled">(name: Name): Promise<Address> {
    return new Promise((resolve, reject) => {
      this.#worker.on("message", (news: ThreadNews<Address>) => {
        if ("failure" in news) reject(new Error(news.failure));
        else if (name in news) resolve((news as { readonly address: Address }).address);
      });
    });
  }
}
