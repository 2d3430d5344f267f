// Bytes nobody should send: xenstored never throws, and who behaves is not harmed.

import { expect } from "chai";
import fc from "fast-check";
import { type RawPeer, rawBytes, World } from "./xenstore-support.js";

const PRIVILEGED = [true, false];

/** The other connection still gets all that is its due. */
function checkUnharmed(world: World, good: RawPeer): void {
  world.settle();
  expect(good.ended).to.equal(null);
  expect(good.answer("WRITE", "/good/x|1")).to.equal("OK");
  expect(good.answer("READ", "/good/x|")).to.equal("1");
  expect(world.xenstored.dump("/good")).to.match(/^x = "1" .*\n$/);
}

/** Payloads that look like requests, with every part wrong now and then. */
const word = fc.constantFrom(
  "",
  "/",
  "/a",
  "a",
  "//",
  "@x",
  "@releaseDomain",
  "0",
  "5",
  "-1",
  "T",
  "F",
  "n5",
  "check",
  "1",
  "99999999999",
);
const likely = fc.array(word, { maxLength: 4 }).map((words) => words.map((text) => `${text}\0`).join(""));
const garbage = fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes).toString("latin1"));
const payload = fc.oneof(
  likely,
  garbage,
  likely.map((text) => text.slice(0, -1)),
);
const message = fc.record({
  type: fc.integer({ min: 0, max: 26 }),
  transaction: fc.integer({ min: 0, max: 3 }),
  payload,
});

describe("xenstored under hostile bytes", () => {
  for (const privileged of PRIVILEGED) {
    const who = privileged ? "a tool" : "a guest";

    it(`random bytes of ${who}`, () => {
      fc.assert(
        fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 20 }), (pieces) => {
          const world = new World();
          const good = world.tools();
          const { connection } = privileged ? world.tools() : world.guest(5);
          for (const piece of pieces) connection.receive(piece);
          checkUnharmed(world, good);
        }),
      );
    });

    it(`random requests of ${who}, each answered once`, () => {
      fc.assert(
        fc.property(fc.array(message, { maxLength: 30 }), (messages) => {
          const world = new World();
          const good = world.tools();
          const bad = privileged ? world.tools() : world.guest(5);
          messages.forEach(({ type, transaction, payload: text }, id) => {
            bad.connection.receive(rawBytes({ type, id, transaction, payload: text }));
          });
          const replies = bad.takenRaw().filter(({ type }) => type !== 15);
          if (bad.ended === null) expect(replies.map(({ id }) => id)).to.deep.equal(messages.map((_, id) => id));
          checkUnharmed(world, good);
        }),
        { numRuns: 300 },
      );
    });
  }

  it("every type with payloads that do not fit", () => {
    const world = new World();
    const good = world.tools();
    const payloads = [
      "",
      "\0",
      "\0\0\0\0\0",
      "x",
      "\xff".repeat(4096),
      "\0".repeat(4096),
      "/",
      "/\0",
      "@\0@\0",
      "-1\0-1\0-1\0",
    ];
    for (const privileged of PRIVILEGED) {
      for (let type = 0; type <= 30; type++) {
        for (const text of payloads) {
          const bad = privileged ? world.tools() : world.guest(5);
          bad.connection.receive(rawBytes({ type, id: 1, transaction: 0, payload: text }));
          const replies = bad.takenRaw().filter((reply) => reply.type !== 15);
          expect(
            replies.map(({ id, transaction }) => [id, transaction]),
            `type ${type}`,
          ).to.deep.equal([[1, 0]]);
          bad.connection.close();
        }
      }
    }
    checkUnharmed(world, good);
  });

  it("types beyond all tables", () => {
    const tools = new World().tools();
    for (const type of ["15", "16", "20", "23", "65535", "4294967295"])
      expect(tools.answer(type, "/|")).to.equal("ENOSYS");
  });

  it("domain ids and ports that are none", () => {
    const tools = new World().tools();
    for (const payload of ["-1|1|1|", "32752|1|1|", "65536|1|1|", "5|1|0|", "5|1|-1|", "5|1|x|", "5|1|"]) {
      expect(tools.answer("INTRODUCE", payload), payload).to.equal("EINVAL");
    }
    expect(tools.answer("INTRODUCE", "32751|1|1|")).to.equal("OK");
    for (const payload of ["0|", "|", "x|", "", "5|6|"]) {
      expect(tools.answer("RELEASE", payload), payload).to.equal("EINVAL");
    }
  });

  it("parts of a directory from any offset, and of any sizes of names", () => {
    const tools = new World().tools();
    for (let length = 1; length <= 20; length++) {
      const names = Array.from({ length: 200 }, (_, i) => `${String(i).padStart(3, "0")}${"x".repeat(length + 15)}`);
      for (const name of names) tools.send("WRITE", `/d${length}/${name}|`);
      tools.taken();
      const whole = names.map((name) => `${name}|`).join("");
      let read = "";
      while (read.length < whole.length) {
        const part = tools.answer("DIRECTORY_PART", `/d${length}|${read.length}|`).replace(/^\d+\|/, "");
        read += part;
        const next = whole.slice(read.length).split("|")[0];
        if (next === "") break;
        expect(part.length).to.be.within(4080 - next.length, 4096);
      }
      expect(read).to.equal(`${whole}|`);
    }
    expect(tools.answer("DIRECTORY_PART", "/d1|-1|")).to.match(/^\d+\|\|$/);
    expect(tools.answer("DIRECTORY_PART", "/d1|3|")).to.match(/^\d+\|xxxxxxxxxxxxxxxx\|001x/);
  });

  it("a connection may be closed at any moment, from either side, and more than once", () => {
    const world = new World();
    const good = world.tools();
    const bad = world.tools();
    bad.send("WRITE", "/x|");
    bad.connection.close();
    bad.connection.close();
    bad.connection.receive(new Uint8Array(100));
    bad.connection.drained();
    expect(bad.taken()).to.deep.equal([]);
    expect(bad.ended).to.equal(null);
    checkUnharmed(world, good);
  });
});
