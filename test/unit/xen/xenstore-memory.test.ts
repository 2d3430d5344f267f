// What a domain has of xenstored's memory, what becomes of its requests when it has all that it may, and how tools see and change
// the limits.

import { expect } from "chai";
import { type RawPeer, World } from "./xenstore-support.js";

/** Of a node with one permission, without its path, value and children. */
const RECORD = 24 + 8;
const HOME = "/local/domain/5";

/** What `quota` says of a domain: nodes, watches, transactions, outstanding requests, bytes. */
function useOf(tools: RawPeer, domain = 5): number[] {
  const text = tools.answer("CONTROL", `quota|${domain}|`);
  expect(text).to.match(
    /^Domain \d+:\nnodes {11}: +\d+\nwatches {9}: .*\ntransactions {4}: .*\nouts.*\nmemory {10}: +\d+\n\|$/,
  );
  return [...text.matchAll(/: +(\d+)$/gm)].map(([, number]) => Number(number));
}

describe("xenstore memory", () => {
  it("is that of a domain's nodes, watches, transactions and messages that wait", () => {
    const world = new World();
    const guest = world.introduce(5);
    const tools = world.tools();
    const home = HOME.length + RECORD;
    expect(useOf(tools)).to.deep.equal([1, 0, 0, 0, home]);
    guest.ask("WRITE", "ab|value");
    const all = home + "ab\0".length + HOME.length + "/ab".length + RECORD + "value".length;
    expect(useOf(tools)).to.deep.equal([2, 0, 0, 0, all]);
    guest.ask("WATCH", "ab|token|");
    expect(useOf(tools)).to.deep.equal([2, 1, 0, 0, all + HOME.length + "/abtoken".length]);
    guest.ask("UNWATCH", "ab|token|");
    guest.takes = false;
    for (let i = 0; i < 3; i++) guest.send("READ", "ab|");
    guest.taken();
    expect(useOf(tools)).to.deep.equal([2, 0, 0, 2, all + 2 * (16 + "value".length)]);
    guest.takes = true;
    guest.connection.drained();
    const id = guest.begin();
    guest.ask("READ", "ab|", id);
    const [nodes, , transactions, , bytes] = useOf(tools);
    expect([nodes, transactions]).to.deep.equal([2, 1]);
    expect(bytes - all).to.be.within(HOME.length + RECORD + 8 + 2, HOME.length + RECORD + 8 + 6);
    guest.ask("TRANSACTION_END", "F|", id);
    guest.ask("RM", "ab|");
    expect(useOf(tools)).to.deep.equal([1, 0, 0, 0, home]);
  });

  it("is refused with ENOMEM to whoever writes what a domain will own, and nothing is written", () => {
    const world = new World({ quotas: { memory: 400 } });
    const guest = world.introduce(5);
    const tools = world.tools();
    expect(guest.answer("WRITE", `a|${"v".repeat(200)}`)).to.equal("OK");
    const before = world.xenstored.dump();
    expect(guest.answer("WRITE", `b|${"v".repeat(100)}`)).to.equal("ENOMEM");
    expect(guest.answer("WRITE", `a|${"v".repeat(310)}`)).to.equal("ENOMEM");
    expect(guest.answer("WATCH", `a|${"t".repeat(150)}|`)).to.equal("ENOMEM");
    expect(tools.answer("WRITE", `${HOME}/b|${"v".repeat(100)}`)).to.equal("ENOMEM");
    expect(guest.answer("READ", "a|")).to.equal("ENOMEM", "a reply takes memory as well");
    expect(world.xenstored.dump()).to.equal(before);
    expect(tools.answer("WRITE", `/b|${"v".repeat(1000)}`)).to.equal("OK");
    expect(tools.answer("SET_PERMS", "/b|n5|")).to.equal("ENOMEM");
    expect(guest.answer("WRITE", "a|short")).to.equal("OK");
    expect(guest.answer("WRITE", `b|${"v".repeat(100)}`)).to.equal("OK");
  });

  it("is taken by what a transaction has looked at, and its writes are refused with ENOMEM", () => {
    const world = new World({ quotas: { memory: 500 } });
    const guest = world.introduce(5);
    const tools = world.tools();
    tools.ask("WRITE", `/open|${"v".repeat(150)}`);
    tools.ask("SET_PERMS", "/open|r0|");
    const id = guest.begin();
    guest.ask("DIRECTORY", "/open|", id);
    expect(guest.answer("WRITE", `a|${"v".repeat(200)}`, id)).to.equal("ENOMEM");
    expect(guest.answer("WRITE", `a|${"v".repeat(100)}`)).to.equal("OK");
    expect(guest.answer("WRITE", `b|${"v".repeat(40)}`)).to.equal("ENOMEM");
    expect(guest.answer("TRANSACTION_END", "F|", id)).to.equal("OK");
    expect(guest.answer("WRITE", `b|${"v".repeat(40)}`)).to.equal("OK");
  });

  it("is not taken by events: those for which there is none are not sent", () => {
    const world = new World({ quotas: { memory: 400 } });
    const guest = world.introduce(5);
    const tools = world.tools();
    guest.ask("WATCH", `${HOME}|t|`);
    guest.takes = false;
    const nodes = Array.from({ length: 7 }, (_, i) => `${HOME}/${i}`);
    for (const path of nodes) tools.send("WRITE", `${path}|`);
    for (const path of nodes) tools.send("RM", `${path}|`);
    while (world.simulation.busy) world.simulation.step();
    guest.takes = true;
    guest.connection.drained();
    // The first was sent; 36 bytes and a node of 49 later there is room for four nodes and their events.
    expect(guest.taken()).to.deep.equal(nodes.slice(0, 4).map((path) => `WATCH_EVENT ${path}|t|`));
    expect(useOf(tools)).to.deep.equal([1, 1, 0, 0, HOME.length + RECORD + HOME.length + 1]);
    expect(guest.ended).to.equal(null);
  });

  it("keeps who is beyond it from being read from, until it has less or may have more", () => {
    const world = new World({ quotas: { memory: 1000 } });
    const guest = world.introduce(5);
    const tools = world.tools();
    for (const name of ["x", "y"]) {
      tools.ask("WRITE", `/${name}|${"v".repeat(500)}`);
      tools.ask("SET_PERMS", `/${name}|r0|`);
    }
    const id = guest.begin();
    for (const name of ["x", "y"]) guest.send("DIRECTORY", `/${name}|`, id);
    guest.send("READ", "@|");
    while (world.simulation.now() < 5000) world.simulation.step();
    expect(guest.received).to.equal(2);
    tools.send("CONTROL", "quota|set|memory|2000|");
    while (world.simulation.now() < 6500 && world.simulation.step());
    expect(guest.received).to.equal(3);
  });
});

describe("xenstore limits", () => {
  it("are changed by tools, and hold from then on", () => {
    const world = new World();
    const tools = world.tools();
    const guest = world.introduce(5);
    expect(tools.answer("CONTROL", "quota|set|nodes|2|")).to.equal("OK");
    expect(tools.answer("CONTROL", "quota|")).to.match(/^nodes {12}: {8}2 Nodes per domain$/m);
    expect(guest.answer("WRITE", "a|")).to.equal("OK");
    expect(guest.answer("WRITE", "b|")).to.equal("ENOSPC");
    expect(tools.answer("CONTROL", "quota|set|outstanding|1|")).to.equal("OK");
    guest.takes = false;
    for (let i = 0; i < 5; i++) guest.send("READ", "a|");
    expect(guest.taken().length).to.equal(1);
    expect(useOf(tools)[3]).to.equal(1);
  });

  it("are positive, and there are no others than those that are shown", () => {
    const tools = new World().tools();
    for (const words of ["nodes|0", "nodes|-1", "nodes|x", "nodes", "nodes|1|1", "write-rate|1", "toString|1", ""]) {
      expect(tools.answer("CONTROL", `quota|set|${words}|`), words).to.equal("EINVAL");
    }
    expect(tools.answer("CONTROL", "quota|77|")).to.equal("ENOENT");
    expect(useOf(tools, 0).slice(1, 4)).to.deep.equal([0, 0, 0]);
  });
});
