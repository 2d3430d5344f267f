import {
  type ByteStore,
  createDisk,
  decodeSense,
  type Fault,
  faulty,
  MemoryStore,
  Nexus,
  parseFault,
  readOnly,
  SENSE,
  type StoreOperation,
  StoreRequest,
  slow,
  Target,
  tracing,
} from "@pvscsi/scsi";
import { ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { BLOCKS, IDENTITY, Initiator, pattern } from "./initiator.js";

const fault = (text: string): Fault => parseFault(text, 512) as Fault;

function perform(
  store: ByteStore,
  operation: StoreOperation,
  offset = 0,
  length = 512,
): StoreRequest & { ends: number } {
  const request = Object.assign(new StoreRequest(), { operation, offset, length, ends: 0 });
  request.completed = () => {
    request.ends += 1;
  };
  store.submit(request);
  return request;
}

describe("the word for a fault", () => {
  it("has an operation, blocks and effects", () => {
    const none = { first: 0, end: Number.POSITIVE_INFINITY, delay: 0, failure: null, times: Number.POSITIVE_INFINITY };
    expect(fault("read@1000:medium-error")).to.deep.equal({
      ...none,
      operation: "read",
      first: 512_000,
      end: 512_512,
      failure: "medium",
    });
    expect(fault("write:delay=200ms")).to.deep.equal({ ...none, operation: "write", delay: 200 });
    expect(parseFault("read@8-15:delay=0.5s,hardware-error,times=2", 4096)).to.deep.equal({
      operation: "read",
      first: 32_768,
      end: 65_536,
      delay: 500,
      failure: "hardware",
      times: 2,
    });
    expect(fault("any:hang")).to.deep.equal({ ...none, operation: "any", delay: null });
  });

  const wrong: [string, string][] = [
    ["", 'no ":EFFECT"'],
    ["read", 'no ":EFFECT"'],
    ["reed:hang", "is not OPERATION"],
    ["read@:hang", "is not OPERATION"],
    ["read@x:hang", "is not OPERATION"],
    ["read@-5:hang", "is not OPERATION"],
    ["read@5-1:hang", "wrong order"],
    ["read:", '"" is not delay'],
    ["read:delay=5", '"delay=5" is not delay'],
    ["read:times=0,hang", '"times=0" is not'],
    ["read:toString", '"toString" is not'],
    ["read:times=2", "needs delay"],
    ["read:delay=0ms", "needs delay"],
  ];
  for (const [text, message] of wrong) {
    it(`"${text}": ${message}`, () => expect(parseFault(text, 512)).to.be.a("string").that.includes(message));
  }
});

describe("a store with faults", () => {
  const time = (): Simulation => new Simulation(seededRandom(1));

  it("fails the requests that touch the blocks, at the first of them, again and again", () => {
    const store = faulty(new MemoryStore(65_536), [fault("read@10-12:medium-error")], time());
    for (let i = 0; i < 3; i++) {
      expect(perform(store, "read", 0, 5120).error).to.equal(null);
      expect(perform(store, "read", 0, 5121).error).to.include({ failure: "medium", offset: 5120 });
      expect(perform(store, "read", 5632, 512).error).to.include({ failure: "medium", offset: 5632 });
      expect(perform(store, "read", 6656, 512).error).to.equal(null);
      expect(perform(store, "write", 5120, 512).error).to.equal(null);
    }
  });

  it("fails as many times as it was told", () => {
    const store = faulty(new MemoryStore(65_536), [fault("flush:hardware-error,times=2")], time());
    const failures = [1, 2, 3].map(() => perform(store, "flush").error?.failure);
    expect(failures).to.deep.equal(["hardware", "hardware", undefined]);
  });

  it("delays, then does it or fails it, and can be cancelled", () => {
    const clock = time();
    const faults = [fault("read:delay=5ms"), fault("write:delay=7ms,no-space"), fault("flush:hang")];
    const store = faulty(new MemoryStore(65_536), faults, clock);
    const requests = (["read", "write", "flush"] as const).map((operation) => perform(store, operation));
    const cancelled = perform(store, "read");
    store.cancel(cancelled);
    expect(cancelled).to.deep.include({ ends: 1 });
    expect(cancelled.error?.failure).to.equal("cancelled");
    while (clock.step());
    expect(clock.now()).to.equal(7);
    expect(requests.map(({ ends, error }) => [ends, error?.failure])).to.deep.equal([
      [1, undefined],
      [1, "no-space"],
      [0, undefined],
    ]);
    store.cancel(requests[2]);
    expect(requests[2].ends).to.equal(1);
  });

  it("that closes lets delayed requests go on, and cancels those that hang", async () => {
    const clock = time();
    const store = faulty(new MemoryStore(65_536), [fault("read:hang"), fault("any:delay=5ms")], clock);
    const hung = perform(store, "read");
    const delayed = perform(store, "write-zeroes");
    const closing = store.close();
    expect(hung.error?.failure).to.equal("cancelled");
    expect(delayed.ends).to.equal(0);
    while (clock.step());
    await closing;
    expect(delayed.ends).to.equal(1);
  });

  it("shows as sense data with the LBA", () => {
    const target = new Target();
    target.add(
      0,
      createDisk({
        ...IDENTITY,
        store: faulty(new MemoryStore(BLOCKS * 512), [fault("read@10:medium-error")], time()),
      }),
    );
    const initiator = new Initiator(target).settle();
    const sent = initiator.send("28 00 00 00 00 08 00 00 08 00", { room: 4096 }).checked(SENSE.unrecoveredReadError);
    expect(decodeSense(sent.task.sense)?.information).to.equal(10);
    const verify = initiator.send("2f 00 00 00 00 00 00 00 40 00").checked(SENSE.unrecoveredReadError);
    expect(decodeSense(verify.task.sense)?.information).to.equal(10);
    initiator.send("2a 00 00 00 00 08 00 00 08 00", { out: pattern(4096) }).good();
  });

  it("that hangs lets an aborted task end", async () => {
    const target = new Target();
    target.add(
      0,
      createDisk({ ...IDENTITY, store: faulty(new MemoryStore(BLOCKS * 512), [fault("read:hang")], time()) }),
    );
    const initiator = new Initiator(target, new Nexus(target)).settle();
    const sent = initiator.send("28 00 00 00 00 08 00 00 01 00", { room: 512 });
    expect(sent.ends).to.equal(0);
    await initiator.nexus.close();
    expect(sent.task.aborted).to.equal(true);
  });
});

describe("store decorators", () => {
  it("pass size, features and a change of size on", () => {
    const clock = new Simulation(seededRandom(1));
    const memory = new MemoryStore(4096, { writeBack: true });
    const store = tracing(readOnly(slow(faulty(memory, [], clock), 1, clock)), new ProbeHub());
    let changes = 0;
    store.resized = () => {
      changes += 1;
    };
    memory.resize(8192);
    expect(changes).to.equal(1);
    expect(store.size).to.equal(8192);
    expect(store.features).to.deep.equal({
      readOnly: true,
      writeBack: true,
      discard: false,
      optimalIo: 4096,
      atomicWrite: 1 << 20,
    });
  });

  it("read-only lets nothing change", () => {
    const store = readOnly(new MemoryStore(4096));
    const outcome = (operation: StoreOperation) => perform(store, operation, 0, 0).error?.failure;
    for (const operation of ["write", "discard", "write-zeroes"] as const)
      expect(outcome(operation)).to.equal("read-only");
    for (const operation of ["read", "flush", "extents"] as const) expect(outcome(operation)).to.equal(undefined);
  });

  it("slow can be cancelled while it waits", () => {
    const clock = new Simulation(seededRandom(1));
    const store = slow(new MemoryStore(4096), 100, clock);
    const request = perform(store, "read");
    store.cancel(request);
    expect(request.error?.failure).to.equal("cancelled");
    while (clock.step());
    expect(request.ends).to.equal(1);
  });

  it("tracing tells of the beginning and the end of each request, and gives it back as it was", () => {
    const probes = new ProbeHub();
    const store = tracing(new MemoryStore(4096), probes);
    const told: string[] = [];
    const unlisten = probes.listen((name, subject) => told.push(`${name} ${(subject as StoreRequest).operation}`));
    const request = perform(store, "flush");
    expect(told).to.deep.equal(["store:begin flush", "store:end flush"]);
    unlisten();
    store.submit(request);
    expect(request.ends).to.equal(2);
    expect(told).to.have.length(2);
  });
});

describe("a memory store", () => {
  it("keeps nothing of what was cut off", () => {
    const store = new MemoryStore(8192);
    const target = new Target();
    target.add(0, createDisk({ ...IDENTITY, store }));
    const initiator = new Initiator(target).settle();
    initiator.send("2a 00 00 00 00 00 00 00 10 00", { out: pattern(8192) }).good();
    store.resize(1000);
    store.resize(8192);
    initiator.settle();
    const bytes = initiator.send("28 00 00 00 00 00 00 00 10 00", { room: 8192 }).bytes;
    expect(bytes.subarray(0, 1000)).to.deep.equal(pattern(8192).subarray(0, 1000));
    expect(bytes.subarray(1000).every((value) => value === 0)).to.equal(true);
  });

  it("is sparse: a store of a petabyte costs what is written", () => {
    const store = new MemoryStore(2 ** 50);
    const request = perform(store, "extents", 2 ** 40, 2 ** 30);
    expect(request.extents).to.deep.equal([{ offset: 2 ** 40, length: 2 ** 30, state: "hole" }]);
    perform(store, "write-zeroes", 2 ** 40, 2 ** 30);
  });
});
