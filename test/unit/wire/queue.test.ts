// A queue against an array, over growth and wrapping.

import { Queue } from "@pvscsi/wire";
import { expect } from "chai";
import fc from "fast-check";

describe("Queue", () => {
  it("gives back what an array would, however often it wraps and grows", () => {
    const step = fc.oneof(
      fc.nat(200).map((push) => ({ push })),
      fc.nat(200).map((shift) => ({ shift })),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const queue = new Queue<number>();
        const model: number[] = [];
        let next = 0;
        for (const each of steps) {
          if ("push" in each) {
            for (let i = 0; i < each.push; i++) {
              queue.push(next);
              model.push(next++);
            }
          } else {
            for (let i = 0; i < each.shift && model.length > 0; i++) {
              expect(queue.first()).to.equal(model[0]);
              expect(queue.shift()).to.equal(model.shift());
            }
          }
          expect(queue.length).to.equal(model.length);
        }
      }),
    );
  });

  it("takes one item out wherever it stands, and keeps the order of the others", () => {
    const queue = new Queue<string>();
    for (const item of ["a", "b", "c", "b"]) queue.push(item);
    expect(queue.remove("b")).to.equal(true);
    expect(queue.remove("x")).to.equal(false);
    expect([queue.shift(), queue.shift(), queue.shift(), queue.length]).to.deep.equal(["a", "c", "b", 0]);
  });
});
