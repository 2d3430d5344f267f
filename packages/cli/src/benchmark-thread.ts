// Knows the second thread of a transport that is measured between two: it says where it is to be found, and when all is
// connected, and is ended by whoever has started it.

import { Worker } from "node:worker_threads";
import type { Counts } from "@pvscsi/bench";
import type { VirtioKind } from "./benchmark-virtio.js";

const SCRIPT = new URL("benchmark-thread-main.js", import.meta.url);

/** What the second thread is for. */
export type ThreadServerName = "xenbus" | "blocks" | VirtioKind;

/** What is served there: where, and what has been counted so far. */
export interface ThreadServer<Address> {
  readonly address: Address;
  counts(): Counts;
}

/** What it says, in this order, with counts as often as it is asked for them; or what went wrong. */
export type ThreadNews<Address> =
  | { readonly address: Address }
  | { readonly settled: true }
  | { readonly counts: Counts }
  | { readonly failure: string };

export class BenchmarkThread<Address> {
  readonly address: Promise<Address>;
  readonly settled: Promise<void>;
  /** Resolves with the reason of its end. */
  readonly ended: Promise<string>;
  readonly #worker: Worker;
  readonly #failed: Promise<never>;

  constructor(name: ThreadServerName) {
    const worker = new Worker(SCRIPT, { workerData: name });
    this.#worker = worker;
    this.ended = new Promise((resolve) => {
      worker.once("error", (error: Error) => resolve(error.message));
      worker.once("exit", () => resolve("its other thread has ended"));
    });
    const failed = this.ended.then((reason) => Promise.reject(new Error(reason)));
    this.address = Promise.race([this.#news("address"), failed]) as Promise<Address>;
    this.settled = Promise.race([this.#news("settled"), failed]).then(() => {});
    this.#failed = failed;
    // Whoever waits for one of them is told; nobody has to wait for both.
    for (const promise of [this.address, this.settled]) promise.catch(() => {});
  }

  /** What was counted there. One at a time. */
  async counts(): Promise<Counts> {
    const counts = this.#news("counts");
    this.#worker.postMessage("counts");
    return (await Promise.race([counts, this.#failed])) as Counts;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  #news(name: "address" | "settled" | "counts"): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const heard = (news: ThreadNews<Address>): void => {
        if ("failure" in news) reject(new Error(news.failure));
        else if (name in news) resolve((news as { readonly [Name in string]: unknown })[name]);
        else return;
        this.#worker.off("message", heard);
      };
      this.#worker.on("message", heard);
    });
  }
}
