// What a connection has received: the same bytes, however they were cut and in whatever pieces they are taken.

import { Assembly, Input, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";

const BYTES = Uint8Array.from({ length: 100 }, (_, i) => i);

describe("received bytes", () => {
  it("come out as they came in, over 500 ways to cut and take them", () => {
    const random = seededRandom(1);
    for (let round = 0; round < 500; round++) {
      const input = new Input();
      const taken = new Uint8Array(BYTES.length);
      let given = 0;
      let done = 0;
      while (done < BYTES.length) {
        const size = Math.min(random.below(40), BYTES.length - given);
        input.push(BYTES.subarray(given, given + size));
        given += size;
        expect(input.available).to.equal(given - done);
        const wanted = random.below(40);
        if (random.chance(0.2)) {
          const from = done;
          done += input.skip(wanted);
          taken.set(BYTES.subarray(from, done), from);
        } else done += input.read(taken, done, Math.min(wanted, BYTES.length - done));
      }
      expect(Buffer.from(taken).equals(BYTES), `round ${round}`).to.equal(true);
      expect(input.available).to.equal(0);
    }
  });

  it("are forgotten by clear", () => {
    const input = new Input();
    input.push(BYTES);
    input.push(BYTES);
    input.skip(7);
    input.clear();
    expect([input.available, input.skip(1)]).to.deep.equal([0, 0]);
    input.push(Uint8Array.of(9));
    const target = new Uint8Array(1);
    expect([input.read(target, 0, 5), target[0]]).to.deep.equal([1, 9]);
  });

  it("are put together to messages of fixed size", () => {
    const input = new Input();
    const assembly = new Assembly(10);
    assembly.begin(6);
    input.push(BYTES.subarray(0, 4));
    expect(assembly.fill(input)).to.equal(false);
    input.push(BYTES.subarray(4, 9));
    expect(assembly.fill(input)).to.equal(true);
    expect([...assembly.bytes.subarray(0, 6)]).to.deep.equal([0, 1, 2, 3, 4, 5]);
    assembly.begin(3);
    expect([assembly.fill(input), assembly.bytes[0], input.available]).to.deep.equal([true, 6, 0]);
  });
});
