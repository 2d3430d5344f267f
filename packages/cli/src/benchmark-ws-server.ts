// Knows the end of the plain WebSocket that has the store: it answers each request with one frame.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type ByteStore, StoreRequest } from "@pvscsi/scsi";
import { type WebSocket, WebSocketServer } from "ws";
import { addCounts, NO_COUNTS, storeCounts } from "./benchmark-counts.js";
import { filledStore } from "./benchmark-disk.js";
import type { ProcessServer } from "./benchmark-process.js";
import { FrameCounts, FrameHead, type FrameSizes, frameSizes, pagesOf } from "./benchmark-ws-frames.js";

const SECRET_SIZE = 32;

/** Listens, on this machine only, for whoever knows the secret. */
export async function serveBlocks(): Promise<ProcessServer> {
  const store = await filledStore();
  const counts = new FrameCounts();
  const secret = randomBytes(SECRET_SIZE).toString("hex");
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, path: `/${secret}`, perMessageDeflate: false });
  server.on("connection", (socket) => {
    const blocks = new BlockServer(socket, store, counts);
    socket.on("message", (frame: Buffer) => blocks.receive(frame));
    // Its other end sees to that.
    socket.on("error", () => {});
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    address: Promise.resolve({ url: `ws://127.0.0.1:${port}`, secret }),
    settled: Promise.resolve(null),
    counts: () => addCounts({ ...NO_COUNTS, ...counts }, storeCounts(store)),
  };
}

/** One connection. */
class BlockServer {
  readonly #socket: WebSocket;
  readonly #store: ByteStore;
  readonly #counts: FrameCounts;
  readonly #places: (BlockPlace | undefined)[] = [];

  constructor(socket: WebSocket, store: ByteStore, counts: FrameCounts) {
    this.#socket = socket;
    this.#store = store;
    this.#counts = counts;
  }

  receive(frame: Buffer): void {
    const head = new FrameHead(frame);
    const { slot, operation, length } = head;
    let place = this.#places[slot];
    if (place === undefined || !place.fits(operation, length)) {
      place = new BlockPlace(this.#socket, this.#store, this.#counts, head);
      this.#places[slot] = place;
    }
    place.run(frame, head.offset);
  }
}

/** What one slot moves its blocks with: its pages stand for those that a back end has mapped. */
class BlockPlace {
  readonly #store: ByteStore;
  readonly #counts: FrameCounts;
  readonly #request = new StoreRequest();
  readonly #sizes: FrameSizes;

  constructor(socket: WebSocket, store: ByteStore, counts: FrameCounts, { slot, operation, length }: FrameHead) {
    this.#store = store;
    this.#counts = counts;
    this.#sizes = frameSizes({ operation, size: length });
    const { response, responseHead } = this.#sizes;
    const answer = Buffer.alloc(response);
    new FrameHead(answer).slot = slot;
    const data = answer.subarray(responseHead);
    const request = this.#request;
    request.operation = operation;
    request.length = length;
    request.places = pagesOf(length);
    request.completed = ({ error }) => {
      if (error !== null) return socket.terminate();
      if (operation === "read") counts.copiedBytes += request.places.read(data);
      counts.notifications += 1;
      socket.send(answer, { binary: true });
    };
  }

  fits(operation: string, length: number): boolean {
    return this.#request.operation === operation && this.#request.length === length;
  }

  run(frame: Buffer, offset: number): void {
    const request = this.#request;
    if (request.operation === "write") {
      this.#counts.copiedBytes += request.places.write(frame.subarray(this.#sizes.requestHead));
    }
    request.offset = offset;
    this.#store.submit(request);
  }
}
