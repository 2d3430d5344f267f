// Knows how the tests of this package ask a store, and where they put files.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ByteStore, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";

type Asked = Partial<Pick<StoreRequest, "operation" | "offset" | "length" | "places" | "fua">>;

/** Submits one request; the promise ends with the completed record. */
export function ask(store: ByteStore, asked: Asked): Promise<StoreRequest> {
  return new Promise((resolve) => store.submit(prepared(asked, resolve)));
}

/** A request that is ready to be submitted. */
export function prepared(asked: Asked, completed: (request: StoreRequest) => void): StoreRequest {
  const request = new StoreRequest();
  Object.assign(request, { length: asked.places?.length ?? 0, completed }, asked);
  return request;
}

/** Places of these pieces; each lies in the middle of a page of its own. */
export function placesOf(...pieces: ReadonlyArray<Uint8Array | number>): Places {
  const places = new Places();
  for (const piece of pieces) {
    const bytes = typeof piece === "number" ? new Uint8Array(piece) : piece;
    const page = new Uint8Array(bytes.length + 64);
    page.set(bytes, 32);
    places.add(page, 32, bytes.length);
  }
  return places;
}

/** All bytes of the places. */
export function bytesOf(places: Places): Buffer {
  const bytes = Buffer.alloc(places.length);
  places.read(bytes);
  return bytes;
}

/** A folder that is gone after each test: `folder()` is its path. */
export function temporaryFolder(): () => string {
  let path = "";
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), "pvscsi-host-"));
  });
  afterEach(() => rmSync(path, { recursive: true }));
  return () => path;
}

/** The reason of a refusal; fails when there was none. */
export function refused(answer: unknown): string {
  if (typeof answer === "string") return answer;
  throw new Error("it was not refused");
}
