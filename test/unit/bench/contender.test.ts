import { adapterDisk, bareStore, blockDisk, type Contender, type Workload } from "@pvscsi/bench";
import { createDisk, directAdapter, MemoryStore, NullStore, type StoreRequest, Target } from "@pvscsi/scsi";
import { expect } from "chai";

const SIZE = 64 * 1024;
const READ: Workload = { name: "", operation: "read", size: 8192, pattern: "random", depth: 2 };

function memory(): MemoryStore {
  return new MemoryStore(SIZE);
}

function direct(store: MemoryStore): Contender {
  const target = new Target();
  const identity = { vendor: "V", product: "P", revision: "1", serial: "1", wwn: "5000000000000001" };
  target.add(0, createDisk({ ...identity, store, blockSize: 512 }));
  const adapter = directAdapter(target);
  return adapterDisk("direct", adapter, SIZE, () => adapter.close());
}

/** A disk that is no SCSI device; `out` are the pages that it has given away. */
function block(store: MemoryStore, out = new Set<Uint8Array>()): Contender {
  const adapter = {
    size: store.size,
    limits: { queueDepth: 4, maxTransfer: SIZE },
    allocate(count: number): Uint8Array[] {
      const pages = Array.from({ length: count }, () => new Uint8Array(4096));
      for (const page of pages) out.add(page);
      return pages;
    },
    free(pages: readonly Uint8Array[]): void {
      for (const page of pages) out.delete(page);
    },
    submit: (request: StoreRequest) => store.submit(request),
  };
  return blockDisk("block", adapter, async () => {});
}

/** Runs one operation on the first slot; gives why it failed, or null. */
function once(contender: Contender, workload: Workload, offset: number): string | null {
  const [slot] = contender.slots(workload);
  let ended = 0;
  slot.ended = () => {
    ended += 1;
  };
  slot.start(offset);
  expect(ended).to.equal(1);
  return slot.failure;
}

describe("contenders over a memory store", () => {
  for (const [name, make] of [
    ["bare copy", bareStore],
    ["direct", direct],
    ["block", block],
  ] as const) {
    it(`${name}: moves the blocks it is told to`, async () => {
      const store = memory();
      const contender = make(store);
      if (name === "direct") expect(once(contender, READ, 0), "the power-on unit attention").to.match(/status 2/);
      const reads: [number, number][] = [];
      const submit = store.submit.bind(store);
      store.submit = (request) => {
        reads.push([request.offset, request.places.length]);
        submit(request);
      };
      expect(once(contender, READ, 16384)).to.equal(null);
      expect(once(contender, { ...READ, operation: "write" }, 4096)).to.equal(null);
      expect(reads).to.deep.equal([
        [16384, 8192],
        [4096, 8192],
      ]);
      await contender.close();
    });

    it(`${name}: says why an operation has failed`, async () => {
      const contender = make(memory());
      expect(once(contender, READ, SIZE)).to.match(/read of 65536|status 2/);
      await contender.close();
    });

    it(`${name}: has a slot for each operation under way, each with memory of its own`, async () => {
      const contender = make(memory());
      expect(contender.slots(READ)).to.have.length(2);
      expect(contender.size).to.equal(SIZE);
      await contender.close();
    });
  }

  it("takes any depth without a wire", () => {
    expect(bareStore(new NullStore(SIZE)).depth).to.equal(Number.POSITIVE_INFINITY);
  });

  for (const [name, make] of [
    ["direct", direct],
    ["block", block],
  ] as const) {
    it(`refuses what the adapter cannot move in one command: ${name}`, async () => {
      const contender = make(memory());
      expect(() => contender.slots({ ...READ, size: 1024 ** 4 })).to.throw(`${name} moves at most`);
      await contender.close();
    });
  }

  it("gives back the pages that operations were moved in", async () => {
    const out = new Set<Uint8Array>();
    const contender = block(memory(), out);
    contender.slots({ ...READ, depth: 3 });
    expect(out.size).to.equal(6);
    await contender.close();
    expect(out.size).to.equal(0);
  });
});
