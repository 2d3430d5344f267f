// The client: through a real xenstored in one process, and against a server that misbehaves.

import { ProtocolError } from "@pvscsi/wire";
import { type SessionOptions, type XenstoreAccess, XenstoreError, XenstoreSession } from "@pvscsi/xen";
import { expect } from "chai";
import { parseRaw, type RawMessage, rawBytes, typeNumber, World } from "./xenstore-support.js";

async function failure(promise: Promise<unknown>): Promise<XenstoreError> {
  try {
    await promise;
  } catch (error) {
    expect(error).to.be.instanceOf(XenstoreError);
    return error as XenstoreError;
  }
  throw new Error("it did not fail");
}

describe("a xenstore session in one process", () => {
  it("reads, writes, lists, removes", async () => {
    const world = new World();
    const tools = world.session(0, true);
    const all = async (): Promise<void> => {
      await tools.write("/a/b", "text\0\x01\xff");
      await tools.mkdir("/a/c");
      expect(await tools.read("/a/b")).to.equal("text\0\x01\xff");
      expect(await tools.read("/a/none")).to.equal(null);
      expect(await tools.list("/a")).to.deep.equal(["b", "c"]);
      expect(await tools.list("/a/c")).to.deep.equal([]);
      expect(await tools.list("/none")).to.equal(null);
      await tools.setPermissions("/a/b", ["n5", "r6"]);
      expect(await tools.permissions("/a/b")).to.deep.equal(["n5", "r6"]);
      await tools.remove("/a/b");
      await tools.remove("/a/b");
      await tools.remove("/none/of/this");
      expect(await tools.list("/a")).to.deep.equal(["c"]);
      expect((await failure(tools.permissions("/none"))).errno).to.equal("ENOENT");
      expect((await failure(tools.read("/bad path"))).message).to.equal("reading /bad path: EINVAL");
      expect((await failure(tools.write("/a", "\u0100"))).errno).to.equal("EINVAL");
      expect((await failure(tools.write("/a", "x".repeat(4096)))).errno).to.equal("E2BIG");
    };
    await world.run(all());
  });

  it("introduces and releases domains", async () => {
    const world = new World();
    const tools = world.session(0, true);
    const guest = world.session(5, false);
    const all = async (): Promise<void> => {
      expect(await tools.isIntroduced(5)).to.equal(false);
      await tools.introduce(5, 1, 2);
      expect(await tools.isIntroduced(5)).to.equal(true);
      expect(await tools.getDomainPath(5)).to.equal("/local/domain/5");
      expect((await failure(guest.release(5))).errno).to.equal("EACCES");
      await tools.release(5);
      expect((await failure(tools.release(5))).errno).to.equal("ENOENT");
      expect((await failure(guest.read("x"))).errno).to.equal("EIO");
      expect(guest.ended?.message).to.equal("domain 5 was released");
    };
    await world.run(all());
  });

  it("has many requests under way, in order, whatever order the scheduler takes", async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new World({ seed });
      const tools = world.session(0, true);
      const writes = Array.from({ length: 300 }, (_, i) => tools.write("/n", String(i)));
      const [value] = await world.run(Promise.all([tools.read("/n"), ...writes]));
      expect(value).to.equal("299");
    }
  });

  it("lists a directory that fits into no message, though it changes meanwhile", async () => {
    for (let seed = 1; seed <= 5; seed++) {
      const world = new World({ seed });
      const tools = world.session(0, true);
      const names = Array.from({ length: 700 }, (_, i) => `child-${String(i).padStart(10, "0")}`);
      await world.run(Promise.all(names.map((name) => tools.write(`/big/${name}`, ""))));
      expect(await world.run(tools.list("/big"))).to.deep.equal(names);
      const listed = tools.list("/big");
      for (let i = 0; i < 30; i++) world.simulation.step();
      await world.run(Promise.all([tools.remove("/big/child-0000000000"), tools.write("/big/last", "")]));
      const expected = new Set([...names, "last"]);
      for (const name of await world.run(listed).then((list) => list ?? [])) {
        expect(expected.delete(name), name).to.equal(true);
      }
      expect([...expected]).to.have.length.at.most(2);
    }
  });

  it("does a transaction again while others interfere", async () => {
    const world = new World({ seed: 3 });
    const sessions = Array.from({ length: 4 }, () => world.session(0, true));
    let tries = 0;
    const increment = async (access: XenstoreAccess): Promise<number> => {
      tries += 1;
      const value = Number(await access.read("/counter")) + 1;
      await access.write("/counter", String(value));
      return value;
    };
    const all = sessions.flatMap((session) => [1, 2, 3, 4, 5].map(() => session.transaction(increment)));
    const values = await world.run(Promise.all(all));
    expect(values.sort((a, b) => a - b)).to.deep.equal(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(tries).to.be.above(20);
  });

  it("does a transaction again whose removal meets what was removed outside, but not for ever", async () => {
    const world = new World();
    const [tools, others] = [world.session(0, true), world.session(0, true)];
    let tries = 0;
    const all = async (): Promise<void> => {
      await tools.write("/a/b", "");
      await tools.transaction(async (access) => {
        tries += 1;
        await access.list("/a");
        await others.remove("/a/b");
        await access.remove("/a");
      });
      expect([tries, await tools.list("/a")]).to.deep.equal([2, null]);
      const broken = tools.transaction(async () => {
        tries += 1;
        throw new XenstoreError("EIO", "a broken store");
      });
      expect((await failure(broken)).errno).to.equal("EIO");
      expect(tries).to.equal(2 + 17);
    };
    await world.run(all());
  });

  it("drops a transaction whose body throws, and refuses what comes after its end", async () => {
    const world = new World();
    const tools = world.session(0, true);
    let kept: XenstoreAccess | null = null;
    const all = async (): Promise<void> => {
      const broken = tools.transaction(async (access) => {
        kept = access;
        await access.write("/x", "1");
        throw new Error("changed my mind");
      });
      expect(await broken.catch((error: Error) => error.message)).to.equal("changed my mind");
      expect(await tools.read("/x")).to.equal(null);
      expect((await failure(kept!.read("/x"))).errno).to.equal("EINVAL");
    };
    await world.run(all());
  });

  it("watches, with as many listeners on a path as wanted", async () => {
    const world = new World();
    const tools = world.session(0, true);
    const heard: string[] = [];
    const stops = await world.run(
      Promise.all([1, 2].map((n) => tools.watch("/a", (path) => heard.push(`${n} ${path}`)))),
    );
    world.settle();
    expect(heard.splice(0).sort()).to.deep.equal(["1 /a", "2 /a"]);
    await world.run(tools.write("/a/b", ""));
    world.settle();
    expect(heard.splice(0).sort()).to.deep.equal(["1 /a/b", "2 /a/b"]);
    const stopped = stops[0]();
    await world.run(Promise.all([tools.write("/a/b", ""), stopped]));
    await world.run(stops[0]());
    expect(heard).to.deep.equal(["2 /a/b"]);
    expect((await world.run(failure(tools.watch("/bad path", () => {})))).errno).to.equal("EINVAL");
  });

  it("has more events under way than fit: none of its listeners misses the last change, and few hear of all", async () => {
    const world = new World({ seed: 2 });
    const tools = world.session(0, true);
    const heard: number[] = [];
    const watches = Array.from({ length: 200 }, (_, i) => {
      heard[i] = 0;
      return tools.watch("/state", () => (heard[i] += 1));
    });
    await world.run(Promise.all(watches));
    world.settle();
    expect(heard).to.deep.equal(watches.map(() => 1));
    const writer = world.tools();
    for (let i = 0; i < 50; i++) writer.send("WRITE", `/state|${i}`);
    writer.taken();
    expect(await world.run(tools.read("/state"))).to.equal("49");
    for (const count of heard) expect(count).to.be.at.least(2);
    expect(heard.reduce((sum, count) => sum + count)).to.be.below(200 * 25);
  });

  it("ends once: what is pending fails with EIO, listeners hear no more, stopping them is quiet", async () => {
    const world = new World();
    const tools = world.session(0, true);
    const other = world.tools();
    let heard = 0;
    const stop = await world.run(tools.watch("/a", () => (heard += 1)));
    world.settle();
    const stopping = (await world.run(tools.watch("/b", () => {})))();
    const pending = [tools.read("/a"), tools.write("/a", "x"), tools.transaction(async () => {})].map(failure);
    tools.close("done with it");
    tools.close("again");
    const errors = await world.run(Promise.all(pending));
    expect(errors.map(({ errno }) => errno)).to.deep.equal(["EIO", "EIO", "EIO"]);
    expect((errors[0].cause as Error).message).to.equal("done with it");
    await world.run(Promise.all([stop(), stopping]));
    other.ask("WRITE", "/a|");
    expect(heard).to.equal(1);
    expect((await failure(tools.watch("/a", () => {}))).errno).to.equal("EIO");
  });
});

describe("a xenstore session with a server that misbehaves", () => {
  /** A session whose requests a test answers itself. */
  function session(options?: SessionOptions): {
    client: XenstoreSession;
    sent: RawMessage[];
    reply: (message: RawMessage) => void;
    closed: () => number;
  } {
    const sent: RawMessage[] = [];
    let closes = 0;
    const transport = {
      send: (bytes: Uint8Array) => void sent.push(parseRaw(bytes)),
      close: () => {
        closes += 1;
      },
    };
    const client = new XenstoreSession(transport, options);
    return { client, sent, reply: (message) => client.receive(rawBytes(message)), closed: () => closes };
  }

  const broken: [string, (request: RawMessage) => Uint8Array][] = [
    ["a reply to no request", ({ id, ...rest }) => rawBytes({ ...rest, id: id + 1 })],
    ["a reply of another type", (request) => rawBytes({ ...request, type: typeNumber("WRITE") })],
    [
      "an event without a token",
      (request) => rawBytes({ ...request, type: typeNumber("WATCH_EVENT"), payload: "/a\0" }),
    ],
    [
      "an event with too much",
      (request) => rawBytes({ ...request, type: typeNumber("WATCH_EVENT"), payload: "/a\x000\0x\0" }),
    ],
    ["a message too long", (request) => rawBytes(request, 4097)],
  ];
  for (const [what, make] of broken) {
    it(`${what} ends it with a ProtocolError`, async () => {
      const { client, sent, closed } = session();
      const pending = failure(client.read("/a"));
      client.receive(make(sent[0]));
      expect((await pending).errno).to.equal("EIO");
      expect(client.ended).to.be.instanceOf(ProtocolError);
      expect(closed()).to.equal(1);
    });
  }

  for (const id of ["", "0\0", "-1\0", "x\0", "4294967296\0", "1"]) {
    it(`the transaction id ${JSON.stringify(id)} ends it: nothing runs outside of a transaction by mistake`, async () => {
      const { client, sent, reply } = session();
      const result = client.transaction((access) => access.write("/a", "1")).catch((error: unknown) => error);
      reply({ ...sent[0], payload: id });
      expect(await result).to.be.instanceOf(ProtocolError);
      expect(sent).to.have.length(1);
    });
  }

  it("an error nobody knows is EINVAL, and an event for nobody is nothing", async () => {
    const { client, sent, reply } = session();
    const pending = failure(client.read("/a"));
    reply({ ...sent[0], type: typeNumber("WATCH_EVENT"), payload: "/a\x0099\0" });
    reply({ ...sent[0], type: typeNumber("ERROR"), payload: "EWHATEVER\0" });
    expect((await pending).errno).to.equal("EINVAL");
    expect(client.ended).to.equal(null);
  });

  it("a directory that changes between two parts is read from its start again", async () => {
    const { client, sent, reply } = session();
    const result = client.list("/big");
    const answers = ["E2BIG\0", "7\0a\0b\0", "8\0d\0\0", "8\0b\0c\0", "8\0d\0\0"];
    const offsets: string[] = [];
    for (const [index, payload] of answers.entries()) {
      for (let i = 0; sent.length <= index && i < 20; i++) await Promise.resolve();
      offsets.push(sent[index].payload);
      reply({ ...sent[index], ...(index === 0 ? { type: typeNumber("ERROR") } : {}), payload });
    }
    expect(await result).to.deep.equal(["b", "c", "d"]);
    expect(offsets).to.deep.equal(["/big\0", ...["0", "4", "0", "4"].map((at) => `/big\0${at}\0`)]);
  });

  it("parts of a directory that never end fail", async () => {
    const { client, sent, reply } = session();
    const result = client.list("/big").catch((error: unknown) => error);
    reply({ ...sent[0], type: typeNumber("ERROR"), payload: "E2BIG\0" });
    for (let i = 0; sent.length < 2 && i < 10; i++) await Promise.resolve();
    reply({ ...sent[1], payload: "7\0" });
    expect(await result).to.be.instanceOf(ProtocolError);
  });

  it("sends a request after the answer to the one before, where it is told to", async () => {
    const { client, sent, reply } = session({ oneAtATime: true });
    const reads = ["/a", "/b", "/c"].map((path) => client.read(path));
    const paths = () => sent.map(({ payload }) => payload.slice(0, -1));
    expect(paths()).to.deep.equal(["/a"]);
    reply({ ...sent[0], type: typeNumber("WATCH_EVENT"), payload: "/x\x000\0" });
    expect(paths(), "an event is no answer").to.deep.equal(["/a"]);
    reply({ ...sent[0], payload: "is a" });
    expect(paths()).to.deep.equal(["/a", "/b"]);
    reply({ ...sent[1], type: typeNumber("ERROR"), payload: "EACCES\0" });
    expect(paths()).to.deep.equal(["/a", "/b", "/c"]);
    expect(await reads[0]).to.equal("is a");
    expect((await failure(reads[1])).errno).to.equal("EACCES");
    const late = client.read("/d");
    client.close();
    for (const read of [reads[2], late]) expect((await failure(read)).errno).to.equal("EIO");
    expect(paths(), "nothing is sent after the end").to.deep.equal(["/a", "/b", "/c"]);
  });

  it("replies may come in any order and in any pieces", async () => {
    const { client, sent } = session();
    const reads = ["/a", "/b", "/c"].map((path) => client.read(path));
    const bytes = Buffer.concat(
      [...sent].reverse().map((request) => rawBytes({ ...request, payload: `is ${request.payload[1]}` })),
    );
    for (const byte of bytes) client.receive(Uint8Array.of(byte));
    expect(await Promise.all(reads)).to.deep.equal(["is a", "is b", "is c"]);
  });
});
