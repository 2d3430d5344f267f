import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NbdServer, type NbdStore, openNbdStore, serveNbd } from "@pvscsi/nbd";
import { type ByteStore, MemoryStore, StoreError, type StoreOperation, StoreRequest } from "@pvscsi/scsi";
import { Places } from "@pvscsi/wire";
import { expect } from "chai";
import { byteStoreContract, STORE_SIZE } from "../../contract/byte-store.js";
import { realClock as clock, realScheduler as scheduler } from "../../support/node-platform.js";

const folder = mkdtempSync(join(tmpdir(), "nbd-client-"));
const path = join(folder, "socket");
after(() => rmSync(folder, { recursive: true }));

const serve = (store: ByteStore, minimumBlock = 1): Promise<NbdServer> =>
  serveNbd({
    listen: { path },
    exports: [{ name: "disk", store, minimumBlock, maximumPayload: 32_768 }],
    clock,
    scheduler,
  });

const openStore = (reconnectTimeout = 5000): Promise<NbdStore> =>
  openNbdStore({ address: { path }, exportName: "disk", clock, scheduler, reconnectTimeout });

function begin(store: ByteStore, operation: StoreOperation, offset: number, bytes: Uint8Array): Promise<StoreRequest> {
  const request = new StoreRequest();
  const places = new Places();
  places.add(bytes, 0, bytes.length);
  Object.assign(request, { operation, offset, length: bytes.length, places });
  return new Promise((resolve) => {
    request.completed = () => resolve(request);
    store.submit(request);
  });
}

for (const minimumBlock of [1, 512]) {
  byteStoreContract(`an export of blocks of ${minimumBlock}`, async () => {
    const server = await serve(new MemoryStore(STORE_SIZE, { writeBack: true }), minimumBlock);
    return { store: await openStore(), unit: minimumBlock, dispose: () => server.close() };
  });
}

describe("nbd client", () => {
  it("says why an export cannot be opened", async () => {
    const server = await serve(new MemoryStore(STORE_SIZE));
    const opened = openNbdStore({ address: { path }, exportName: "other", clock, scheduler });
    const error = await opened.then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(StoreError);
    expect((error as StoreError).message).to.match(/cannot open export "other".*no such export/);
    await server.close();
  });

  it("goes on with another server after the first has gone, and ends what was asked meanwhile", async () => {
    const memory = new MemoryStore(STORE_SIZE);
    const first = await serve(memory);
    const store = await openStore();
    await first.close();
    const written = begin(store, "write", 4096, new Uint8Array(4096).fill(7));
    const second = await serve(memory);
    expect((await written).error).to.equal(null);
    const back = new Uint8Array(4096);
    expect((await begin(store, "read", 4096, back)).error).to.equal(null);
    expect(back.every((byte) => byte === 7)).to.equal(true);
    await store.close();
    await second.close();
  });

  it("notices that an export has another size after a reconnection", async () => {
    const first = await serve(new MemoryStore(STORE_SIZE));
    const store = await openStore();
    const resized = new Promise<void>((resolve) => (store.resized = resolve));
    await first.close();
    const second = await serve(new MemoryStore(2 * STORE_SIZE));
    await resized;
    expect(store.size).to.equal(2 * STORE_SIZE);
    await store.close();
    await second.close();
  });

  it("fails what waits too long for a connection", async () => {
    const server = await serve(new MemoryStore(STORE_SIZE));
    const store = await openStore(60);
    await server.close();
    const { error } = await begin(store, "read", 0, new Uint8Array(512));
    expect(error?.failure).to.equal("hardware");
    await store.close();
  });
});

describe("nbd client and a hostile server", () => {
  let server: Server;
  const sockets = new Set<Socket>();

  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  for (const [title, bytes] of [
    ["that is none", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")],
    ["whose reply is too long", greeted(0x3e889045565a9n, 8, 0xffff_ffff)],
    ["whose reply has another magic", greeted(1n, 8, 0)],
    ["that answers what was not asked", greeted(0x3e889045565a9n, 7, 0)],
  ] as const) {
    it(`refuses one ${title}`, async () => {
      server = createServer((socket) => {
        sockets.add(socket);
        socket.on("error", () => {});
        socket.write(bytes);
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      const address = { host: "127.0.0.1", port };
      const failed = await openNbdStore({ address, exportName: "", clock, scheduler }).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(failed).to.be.instanceOf(StoreError);
    });
  }
});

/** A greeting, and the head of one reply to an option. */
function greeted(magic: bigint, option: number, length: number): Buffer {
  const bytes = Buffer.alloc(38);
  bytes.write("NBDMAGICIHAVEOPT", 0, "ascii");
  bytes.writeUInt16BE(3, 16);
  bytes.writeBigUInt64BE(magic, 18);
  bytes.writeUInt32BE(option, 26);
  bytes.writeUInt32BE(1, 30);
  bytes.writeUInt32BE(length, 34);
  return bytes;
}
