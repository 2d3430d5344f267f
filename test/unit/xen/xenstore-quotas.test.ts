// What a guest may use up, what it is told when it wants more, and what becomes of peers that do not read.

import { expect } from "chai";
import { rawBytes, typeNumber, World } from "./xenstore-support.js";

describe("xenstore quotas", () => {
  it("nodes: 1000 a guest, home included, and nothing is made by a write that fails", () => {
    const world = new World();
    const guest = world.introduce(5);
    for (let i = 1; i < 998; i++) guest.send("WRITE", `d${i % 30}/${i}|`);
    expect(guest.taken().filter((line) => line !== "WRITE OK|").length).to.equal(997 - (1000 - 1 - 30));
    expect(guest.answer("WRITE", "last/two/three|")).to.equal("ENOSPC");
    expect(guest.answer("READ", "last|")).to.equal("ENOENT");
    expect(guest.answer("RM", "d1|")).to.equal("OK");
    expect(guest.answer("WRITE", "last/two/three|")).to.equal("OK");
  });

  it("nodes: at a transaction's end too", () => {
    const world = new World({ quotas: { nodes: 4 } });
    const guest = world.introduce(5);
    const id = guest.begin();
    for (const path of ["a", "b"]) expect(guest.answer("WRITE", `${path}|`, id)).to.equal("OK");
    expect(guest.answer("WRITE", "c|")).to.equal("OK");
    expect(guest.answer("WRITE", "d|")).to.equal("OK");
    expect(guest.answer("TRANSACTION_END", "T|", id)).to.equal("ENOSPC");
    expect(guest.answer("DIRECTORY", "/local/domain/5|")).to.equal("c|d|");
  });

  it("nodes: what the tools make for a guest is never refused", () => {
    const world = new World({ quotas: { nodes: 2 } });
    const guest = world.introduce(5);
    const tools = world.tools();
    for (let i = 0; i < 5; i++) expect(tools.answer("WRITE", `/local/domain/5/${i}|`)).to.equal("OK");
    expect(guest.answer("WRITE", "more|")).to.equal("ENOSPC");
    expect(guest.answer("WRITE", "0|new value")).to.equal("OK");
  });

  it("node size: below 2048 with its 24 bytes of header, permissions and children", () => {
    const world = new World();
    const guest = world.introduce(5);
    const largest = 2047 - 24 - 8;
    expect(guest.answer("WRITE", `x|${"v".repeat(largest)}`)).to.equal("OK");
    expect(guest.answer("WRITE", `x|${"v".repeat(largest + 1)}`)).to.equal("ENOSPC");
    expect(guest.answer("SET_PERMS", "x|n5|r6|")).to.equal("ENOSPC");
    expect(guest.answer("WRITE", "x/c|")).to.equal("ENOSPC");
    expect(world.tools().answer("WRITE", `/local/domain/5/x|${"v".repeat(4000)}`)).to.equal("OK");
  });

  it("watches: E2BIG beyond 128 over all of a domain's connections (4.17 lets one more through)", () => {
    const world = new World();
    const guests = [world.guest(5), world.guest(5)];
    for (let i = 0; i < 129; i++) expect(guests[i % 2].answer("WATCH", `/w|${i}|`), String(i)).to.equal("OK");
    expect(guests[0].answer("WATCH", "/w|129|")).to.equal("E2BIG");
    expect(guests[1].answer("UNWATCH", "/w|1|")).to.equal("OK");
    expect(guests[0].answer("WATCH", "/w|129|")).to.equal("OK");
    expect(world.guest(6).answer("WATCH", "/w|0|")).to.equal("OK");
  });

  it("transactions: ENOSPC beyond 10 (4.17 lets one more through)", () => {
    const world = new World();
    const guest = world.introduce(5);
    for (let i = 1; i <= 11; i++) expect(guest.answer("TRANSACTION_START", "|")).to.equal(`${i}|`);
    expect(guest.answer("TRANSACTION_START", "|")).to.equal("ENOSPC");
    expect(guest.answer("TRANSACTION_END", "F|", 3)).to.equal("OK");
    expect(guest.answer("TRANSACTION_START", "|")).to.equal("12|");
  });

  it("nodes of a transaction: ENOSPC beyond 1024, and then it cannot be committed", () => {
    const world = new World({ quotas: { "transaction-nodes": 10 } });
    const guest = world.introduce(5);
    const id = guest.begin();
    for (let i = 0; i < 8; i++) expect(guest.answer("WRITE", `${i}|`, id), String(i)).to.equal("OK");
    expect(guest.answer("READ", "8|", id)).to.equal("ENOENT");
    expect(guest.answer("READ", "9|", id)).to.equal("ENOSPC");
    expect(guest.answer("READ", "7|", id)).to.equal("", "what it has seen already it may see again");
    expect(guest.answer("TRANSACTION_END", "T|", id)).to.equal("ENOMEM");
    expect(guest.answer("DIRECTORY", "/local/domain/5|")).to.equal("");
  });

  it("permissions: 5 entries a node", () => {
    const world = new World();
    const guest = world.introduce(5);
    guest.ask("WRITE", "x|");
    expect(guest.answer("SET_PERMS", "x|n5|r1|r2|r3|r4|")).to.equal("OK");
    expect(guest.answer("SET_PERMS", "x|n5|r1|r2|r3|r4|r6|")).to.equal("ENOSPC");
    expect(world.tools().answer("SET_PERMS", "/local/domain/5/x|n5|r1|r2|r3|r4|r6|")).to.equal("OK");
  });

  it("paths: 2048 characters, a home in front of them not counted", () => {
    const world = new World();
    const guest = world.introduce(5);
    const tools = world.tools();
    const long = "x".repeat(2048);
    expect(guest.answer("WRITE", `${long}|`)).to.equal("ENOSPC", "the parent becomes too large a node");
    expect(tools.answer("WRITE", `/local/domain/5/${long}|`)).to.equal("OK");
    expect(guest.answer("READ", `${long}|`)).to.equal("");
    expect(guest.answer("READ", `${long}x|`)).to.equal("EINVAL");
    expect(tools.answer("WRITE", `/${long.slice(1)}|`)).to.equal("OK");
    expect(tools.answer("WRITE", `/${long}|`)).to.equal("EINVAL");
    expect(tools.answer("WATCH", `@${long}|t|`)).to.equal("EINVAL");
  });
});

describe("a peer that does not take what is sent", () => {
  it("is told of each change once when it reads again", () => {
    const world = new World();
    const tools = world.tools();
    const slow = world.tools();
    slow.ask("WATCH", "/a|t|");
    slow.takes = false;
    tools.ask("WRITE", "/a/first|");
    expect(slow.taken()).to.deep.equal(["WATCH_EVENT /a/first|t|"]);
    for (let i = 0; i < 100; i++) tools.ask("WRITE", `/a/${i % 3}|${i}`);
    expect(slow.taken()).to.deep.equal([]);
    slow.takes = true;
    slow.connection.drained();
    expect(slow.taken()).to.deep.equal(["WATCH_EVENT /a/0|t|", "WATCH_EVENT /a/1|t|", "WATCH_EVENT /a/2|t|"]);
    tools.ask("WRITE", "/a/0|");
    expect(slow.taken()).to.deep.equal(["WATCH_EVENT /a/0|t|"]);
  });

  it("has 20 replies waiting at most: no more of its requests are taken, and none is lost", () => {
    const world = new World();
    const guest = world.introduce(5);
    guest.takes = false;
    for (let i = 0; i < 100; i++) guest.send("WRITE", `n${i}|`);
    expect(guest.taken().length).to.equal(1);
    expect(world.tools().answer("DIRECTORY", "/local/domain/5|").split("|").length - 1).to.equal(21);
    guest.takes = true;
    guest.connection.drained();
    expect(guest.taken().length).to.equal(99);
    expect(guest.ended).to.equal(null);
  });

  it("is ended when more waits for it than its memory quota", () => {
    const world = new World({ quotas: { memory: 10_000 } });
    const guest = world.introduce(5);
    guest.takes = false;
    const request = rawBytes({ type: typeNumber("READ"), id: 1, transaction: 0, payload: "x\0" });
    for (let i = 0; i < 1000 && guest.ended === null; i++) guest.connection.receive(request);
    world.settle();
    expect(guest.ended).to.match(/10000 at most/);
    expect(world.tools().answer("READ", "/tool|")).to.equal("");
  });
});
