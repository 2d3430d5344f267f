// What a connection sends: together once a turn, and each record ends once, when its bytes have left or never will.

import { type ByteSink, Outbox, type Runnable } from "@pvscsi/wire";
import { expect } from "chai";

interface Stand {
  readonly outbox: Outbox<string>;
  /** Batches as they were sent, in hex; call `leave` for the first of them. */
  readonly sent: string[];
  readonly leave: () => void;
  readonly released: string[];
  /** How often the owner heard that something has left. */
  readonly lefts: () => number;
  readonly turn: () => void;
}

function stand(): Stand {
  const queue: Runnable[] = [];
  const sent: string[] = [];
  const waiting: (() => void)[] = [];
  const released: string[] = [];
  let lefts = 0;
  const sink = {
    send(chunks, count, whenSent) {
      sent.push(Buffer.concat(chunks.slice(0, count)).toString("hex"));
      waiting.push(whenSent);
    },
  } as Partial<ByteSink> as ByteSink;
  const outbox = new Outbox<string>(
    sink,
    { soon: (runnable) => void queue.push(runnable) },
    (item) => released.push(item),
    () => {
      lefts += 1;
    },
  );
  const turn = (): void => {
    for (const runnable of queue.splice(0)) runnable.run();
  };
  return { outbox, sent, leave: () => waiting.shift()?.(), released, lefts: () => lefts, turn };
}

describe("an outbox", () => {
  it("sends all of a turn together, and ends what has left, in order", () => {
    const { outbox, sent, leave, released, lefts, turn } = stand();
    outbox.add(Uint8Array.of(1));
    outbox.finish("one");
    outbox.add(Uint8Array.of(2, 3));
    outbox.finish("two");
    expect([outbox.unsent, sent.length]).to.deep.equal([3, 0]);
    turn();
    outbox.add(Uint8Array.of(4));
    outbox.finish("three");
    turn();
    expect(sent).to.deep.equal(["010203", "04"]);
    expect(released).to.deep.equal([]);
    leave();
    expect([released, outbox.unsent, lefts()]).to.deep.equal([["one", "two"], 1, 1]);
    leave();
    expect([released, outbox.unsent, lefts()]).to.deep.equal([["one", "two", "three"], 0, 2]);
  });

  it("uses a batch again that has left", () => {
    const { outbox, sent, leave, turn } = stand();
    for (let i = 0; i < 5; i++) {
      outbox.add(Uint8Array.of(i));
      turn();
      leave();
    }
    expect(sent).to.deep.equal(["00", "01", "02", "03", "04"]);
  });

  it("drops what was not sent when it is closed, and ends all that comes later at once", () => {
    const { outbox, sent, leave, released, turn } = stand();
    outbox.add(Uint8Array.of(1));
    outbox.finish("sent");
    turn();
    outbox.add(Uint8Array.of(2));
    outbox.finish("gathered");
    outbox.close();
    outbox.close();
    expect(released).to.deep.equal(["gathered"]);
    outbox.add(Uint8Array.of(3));
    outbox.finish("late");
    turn();
    expect([sent, released, outbox.unsent]).to.deep.equal([["01"], ["gathered", "late"], 1]);
    leave();
    expect([released, outbox.unsent]).to.deep.equal([["gathered", "late", "sent"], 0]);
  });

  it("notices a batch that is said to have left twice", () => {
    const twice: (() => void)[] = [];
    const outbox = new Outbox<string>(
      { send: (_chunks, _count, whenSent) => void twice.push(whenSent) } as Partial<ByteSink> as ByteSink,
      { soon: (runnable) => runnable.run() },
      () => {},
      () => {},
    );
    outbox.add(Uint8Array.of(1));
    twice[0]();
    expect(() => twice[0]()).to.throw("sent twice");
  });
});
