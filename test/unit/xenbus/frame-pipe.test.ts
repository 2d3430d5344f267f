// Tests the pipe between two threads: any frames, across the ring's end, come out as they went in; a full pipe takes
// nothing; whoever sleeps is woken for what comes after, and only then; a ring that somebody has broken is told of.

import { ProtocolError, seededRandom } from "@pvscsi/wire";
import { FramePipe, PIPE_SIZE } from "@pvscsi/xenbus";
import { expect } from "chai";

const MEBIBYTE = 1024 * 1024;
const LONGEST = 256 * 1024;
/** The word of the ring's head that says how far it is written. */
const TAIL = 16;

function pipe(): { readonly memory: SharedArrayBuffer; readonly writer: FramePipe; readonly reader: FramePipe } {
  const memory = new SharedArrayBuffer(PIPE_SIZE);
  return { memory, writer: new FramePipe(memory), reader: new FramePipe(memory) };
}

describe("xenbus: the pipe between two threads", () => {
  for (const seed of [1, 2, 3]) {
    it(`brings 20,000 frames as they are and in order, seed ${seed}`, () => {
      const random = seededRandom(seed);
      const { writer, reader } = pipe();
      const sent: Uint8Array[] = [];
      const target = new Uint8Array(LONGEST);
      let read = 0;
      let refused = 0;
      for (let written = 0; read < 20_000; ) {
        const length = 1 + random.below(random.chance(0.01) ? LONGEST : 300);
        const frame = new Uint8Array(length).fill(written);
        if (written < 20_000 && random.chance(0.6)) {
          if (writer.write(frame)) {
            sent.push(frame);
            written += 1;
          } else refused += 1;
        } else {
          const got = reader.read(target);
          if (got === 0) continue;
          expect(Buffer.compare(target.subarray(0, got), sent.shift() as Uint8Array)).to.equal(0);
          read += 1;
        }
      }
      expect(sent).to.have.length(0);
      expect(refused).to.be.above(0);
    });
  }

  it("takes a frame that fits to the last byte, and then none", () => {
    const { writer, reader } = pipe();
    const quarter = new Uint8Array(LONGEST - 4).fill(7);
    for (let i = 0; i < MEBIBYTE / LONGEST; i++) expect(writer.write(quarter)).to.equal(true);
    expect(writer.write(new Uint8Array(1))).to.equal(false);
    expect(reader.read(new Uint8Array(LONGEST))).to.equal(quarter.length);
    expect(writer.write(quarter)).to.equal(true);
    expect(() => writer.write(new Uint8Array(MEBIBYTE))).to.throw(ProtocolError);
  });

  it("lets its reader sleep while it is empty, and tells the writer once", () => {
    const { writer, reader } = pipe();
    expect(reader.sleepForFrame()).to.equal(true);
    writer.write(new Uint8Array(8));
    expect([writer.takeSleepingReader(), writer.takeSleepingReader()]).to.deep.equal([true, false]);
    expect(reader.sleepForFrame(), "there is a frame").to.equal(false);
    expect(writer.takeSleepingReader(), "it has not gone to sleep").to.equal(false);
  });

  it("lets its writer sleep while there is something to read, and tells the reader once", () => {
    const { writer, reader } = pipe();
    expect(writer.sleepForRoom(), "all is read").to.equal(false);
    writer.write(new Uint8Array(8));
    expect(writer.sleepForRoom()).to.equal(true);
    expect([reader.takeSleepingWriter(), reader.takeSleepingWriter()]).to.deep.equal([true, false]);
  });

  it("refuses what no writer has written", () => {
    const target = new Uint8Array(LONGEST);
    for (const length of [0, 9, LONGEST + 1, 0xffff_ffff]) {
      const { memory, writer, reader } = pipe();
      writer.write(new Uint8Array(8));
      new DataView(memory, PIPE_SIZE - MEBIBYTE).setUint32(0, length, true);
      expect(() => reader.read(target), String(length)).to.throw(ProtocolError, `a frame of ${length} bytes`);
    }
    const { memory, reader } = pipe();
    new Int32Array(memory)[TAIL] = 2 * MEBIBYTE;
    expect(() => reader.read(target), "a tail beyond the ring").to.throw(ProtocolError);
  });
});
