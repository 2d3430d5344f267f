// What went wrong in real xenstoreds, an advisory a test.

import { expect } from "chai";
import { rawBytes, World } from "./xenstore-support.js";

const NODE_REQUESTS = ["READ", "DIRECTORY", "GET_PERMS", "MKDIR", "RM"];

describe("xenstore, after Xen's advisories", () => {
  it("XSA-38, XSA-72: a length of 0xffffffff ends the connection and no other", () => {
    for (const length of [4097, 0x7fffffff, 0x80000000, 0xffffffff]) {
      const world = new World();
      const [bad, good] = [world.guest(5), world.tools()];
      bad.connection.receive(rawBytes({ type: 2, id: 1, transaction: 0, payload: "" }, length));
      expect(bad.taken()).to.deep.equal([]);
      expect(bad.ended).to.match(/4096 at most/);
      expect(good.answer("READ", "/tool|")).to.equal("");
    }
  });

  it("XSA-115: no events of nodes a watcher cannot read", () => {
    const world = new World();
    const tools = world.tools();
    const guest = world.introduce(5);
    for (const path of ["/", "/secret", "/local/domain"]) guest.ask("WATCH", `${path}|${path}|`);
    const told = (name: string, payload: string): string[] => {
      expect(tools.answer(name, payload)).to.equal("OK");
      return guest.taken();
    };
    expect(told("WRITE", "/secret/x|1")).to.deep.equal([]);
    expect(told("SET_PERMS", "/secret/x|n0|w5|")).to.deep.equal([]);
    expect(told("SET_PERMS", "/secret/x|n0|r5|")).to.have.length(2);
    expect(told("WRITE", "/secret/x|2")).to.have.length(2);
    expect(told("SET_PERMS", "/secret/x|n0|")).to.have.length(2, "it could read the node before");
    expect(told("RM", "/secret|")).to.deep.equal([]);
    expect(told("INTRODUCE", "9|1|1|")).to.deep.equal([]);
    expect(told("RELEASE", "9|")).to.deep.equal([]);
  });

  it("XSA-115: nor at the end of a transaction", () => {
    const world = new World();
    const tools = world.tools();
    const guest = world.guest(5);
    guest.ask("WATCH", "/|t|");
    const id = tools.begin();
    tools.ask("WRITE", "/secret/x|1", id);
    tools.ask("WRITE", "/open|1", id);
    tools.ask("SET_PERMS", "/open|r0|", id);
    tools.ask("TRANSACTION_END", "T|", id);
    expect(guest.taken()).to.deep.equal(["WATCH_EVENT /open|t|"]);
  });

  it("XSA-206: a busy connection does not hold up the others, nor their transactions elsewhere in the tree", () => {
    const world = new World();
    const busy = world.introduce(5);
    const other = world.introduce(6);
    const id = other.begin();
    for (let i = 0; i < 1000; i++) busy.send("WRITE", `x|${i}`);
    for (let i = 0; i < 20; i++) world.simulation.step();
    other.send("WRITE", "mine|1", id);
    other.send("TRANSACTION_END", "T|", id);
    let turns = 0;
    while (world.xenstored.dump("/local/domain/6") === "" && world.simulation.step()) turns += 1;
    expect(turns).to.be.below(100);
    expect(other.taken()).to.deep.equal(["WRITE OK|", "TRANSACTION_END OK|"]);
  });

  it("XSA-322, XSA-419: a domain id that is used again inherits neither nodes nor rights", () => {
    const world = new World();
    const tools = world.tools();
    const first = world.introduce(5);
    const neighbour = world.introduce(6);
    first.ask("WRITE", "own/deep|");
    tools.ask("WRITE", "/shared/x|secret");
    tools.ask("SET_PERMS", "/shared/x|n0|r6|b5|");
    neighbour.ask("WRITE", "for-five|");
    neighbour.ask("SET_PERMS", "for-five|n6|b5|");
    tools.ask("SET_PERMS", "@releaseDomain|n0|r5|");
    tools.ask("WRITE", "/local/domain/6/of-five/below|");
    tools.ask("SET_PERMS", "/local/domain/6/of-five|n5|");
    first.ask("WATCH", "/shared|w|");
    expect(tools.answer("RELEASE", "5|")).to.equal("OK");
    expect(first.ended).to.match(/released/);
    // They are shown, as by 4.17, and hold no longer.
    expect(tools.answer("GET_PERMS", "/shared/x|")).to.equal("n0|r6|b5|");
    expect(tools.answer("GET_PERMS", "/local/domain/6/for-five|")).to.equal("n6|b5|");
    expect(tools.answer("DIRECTORY", "/local/domain|")).to.equal("6|");
    expect(tools.answer("DIRECTORY", "/local/domain/6|")).to.equal("for-five|");
    const second = world.introduce(5);
    second.ask("WATCH", "@releaseDomain|w|");
    expect(second.answer("READ", "/shared/x|")).to.equal("EACCES");
    expect(second.answer("READ", "own/deep|")).to.equal("ENOENT");
    expect(second.answer("READ", "/local/domain/6/for-five|")).to.equal("EACCES");
    expect(tools.answer("WRITE", "/shared/x/below|")).to.equal("OK");
    expect(second.answer("READ", "/shared/x/below|")).to.equal("EACCES");
    tools.ask("RELEASE", "6|");
    tools.ask("WRITE", "/shared/x|");
    expect(second.taken()).to.deep.equal([]);
  });

  it("XSA-322, XSA-419: nor the root, nor the two domain names, if they were its own", () => {
    const world = new World();
    const tools = world.tools();
    world.introduce(5);
    for (const name of ["/", "@introduceDomain", "@releaseDomain"]) tools.ask("SET_PERMS", `${name}|n5|`);
    tools.ask("RELEASE", "5|");
    expect(tools.answer("GET_PERMS", "/|")).to.equal("n0|");
    const second = world.guest(5);
    for (const name of ["@introduceDomain", "@releaseDomain"]) second.ask("WATCH", `${name}|t|`);
    tools.ask("INTRODUCE", "6|1|1|");
    tools.ask("RELEASE", "6|");
    expect(second.taken()).to.deep.equal([]);
  });

  it("XSA-322: an open transaction brings nothing of a released domain back", () => {
    for (const [change, end] of [
      ["SET_PERMS /new|n0|b5|", "OK"],
      ["SET_PERMS /new|n5|", "EAGAIN"],
      ["WRITE /local/domain/5/x|", "EAGAIN"],
      ["WRITE /shared|1", "OK"],
    ]) {
      const world = new World();
      const tools = world.tools();
      world.introduce(5);
      tools.ask("WRITE", "/shared|");
      tools.ask("SET_PERMS", "/shared|n0|b5|");
      const id = tools.begin();
      tools.ask("MKDIR", "/new|", id);
      const [name, payload] = change.split(" ");
      expect(tools.answer(name, payload, id)).to.equal("OK");
      tools.ask("RELEASE", "5|");
      expect(tools.answer("TRANSACTION_END", "T|", id), change).to.equal(end);
      expect(world.xenstored.dump()).not.to.match(/\(.5/);
      const second = world.introduce(5);
      for (const path of ["/new", "/shared"]) expect(second.answer("READ", `${path}|`), change).to.equal("EACCES");
    }
  });

  it("XSA-323: a path is bounded before it is used", () => {
    const guest = new World().introduce(5);
    for (const name of NODE_REQUESTS) expect(guest.answer(name, `${"/x".repeat(1100)}|`), name).to.equal("EINVAL");
  });

  it("XSA-352: a guest cannot give a node away, nor take one by naming itself", () => {
    const world = new World();
    const guest = world.introduce(5);
    guest.ask("WRITE", "x|");
    expect(guest.answer("SET_PERMS", "x|n0|")).to.equal("EPERM");
    expect(guest.answer("SET_PERMS", "/tool|n5|")).to.equal("EACCES");
  });

  it("XSA-353: the root's permissions are checked as any other's", () => {
    const world = new World();
    const guest = world.introduce(5);
    expect(guest.answer("SET_PERMS", "/|b5|")).to.equal("EACCES");
    expect(guest.answer("WRITE", "/|x")).to.equal("EACCES");
    expect(guest.answer("RM", "/|")).to.equal("EACCES");
    expect(guest.answer("DIRECTORY", "/|")).to.equal("EACCES");
    world.tools().ask("SET_PERMS", "/|r0|");
    expect(guest.answer("DIRECTORY", "/|")).to.equal("tool|local|");
  });

  it("XSA-324: an event that fits into no message is left out, and the next one comes", () => {
    const world = new World();
    const tools = world.tools();
    const token = "t".repeat(4000);
    tools.ask("WATCH", `/a|${token}|`);
    expect(tools.ask("WRITE", `/a/${"b".repeat(100)}|`)).to.deep.equal(["WRITE OK|"]);
    expect(tools.ask("WRITE", "/a/c|")).to.deep.equal([`WATCH_EVENT /a/c|${token}|`, "WRITE OK|"]);
  });

  it("XSA-325: a connection that is ended in the middle of its requests leaves nothing behind", () => {
    const world = new World();
    const [bad, tools] = [world.tools(), world.tools()];
    bad.ask("WATCH", "/a|t|");
    const id = bad.begin();
    bad.ask("WRITE", "/a/open|", id);
    bad.send("WRITE", "/a/1|");
    bad.connection.receive(rawBytes({ type: 2, id: 1, transaction: 0, payload: "" }, 0xffffffff));
    bad.send("WRITE", "/a/2|");
    expect(bad.taken()).to.deep.equal(["WATCH_EVENT /a/1|t|", "WRITE OK|"]);
    tools.ask("WRITE", "/a/3|");
    expect(bad.taken()).to.deep.equal([]);
    expect(tools.answer("DIRECTORY", "/a|")).to.equal("1|3|");
  });

  it("XSA-326: what a guest can make xenstored keep is bounded (see the quotas)", () => {
    const world = new World();
    const guest = world.introduce(5);
    for (let i = 0; i < 300; i++) guest.send("WATCH", `/w|${i}|`);
    for (let i = 0; i < 30; i++) guest.send("TRANSACTION_START", "|");
    for (let i = 0; i < 1100; i++) guest.send("WRITE", `d${i % 20}/${i}|`);
    const refused = guest.taken().filter((line) => line.startsWith("ERROR"));
    expect(refused.filter((line) => line === "ERROR E2BIG|").length).to.equal(300 - 129);
    expect(refused.filter((line) => line === "ERROR ENOSPC|").length).to.equal(30 - 11 + 1100 - 979);
    expect(refused.length).to.equal(171 + 140);
  });

  it("XSA-330: RESET_WATCHES leaves no watch, and no transaction", () => {
    const world = new World();
    const tools = world.tools();
    tools.ask("WATCH", "/a|t|");
    tools.ask("WATCH", "@introduceDomain|t|");
    const id = tools.begin();
    expect(tools.answer("RESET_WATCHES", "|", id)).to.equal("OK");
    expect(tools.ask("WRITE", "/a|")).to.deep.equal(["WRITE OK|"]);
    expect(tools.ask("INTRODUCE", "5|1|1|")).to.deep.equal(["INTRODUCE OK|"]);
    expect(tools.answer("TRANSACTION_END", "T|", id)).to.equal("ENOENT");
    expect(tools.answer("WATCH", "/a|t|")).to.equal("OK");
  });

  it("XSA-349: a node rewritten 100000 times is one event for a backend that does not read", () => {
    const world = new World();
    const guest = world.introduce(5);
    const backend = world.tools();
    backend.ask("WATCH", "/local/domain/5/state|t|");
    backend.takes = false;
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 1000; i++) guest.send("WRITE", `state|${i}`);
      guest.taken();
    }
    expect(backend.taken()).to.have.length(1);
    backend.takes = true;
    backend.connection.drained();
    expect(backend.taken()).to.deep.equal(["WATCH_EVENT /local/domain/5/state|t|"]);
  }).timeout(60_000);

  it("XSA-414 to 418: a tree a thousand deep is made, read and removed, in a transaction too", () => {
    const world = new World();
    const tools = world.tools();
    const deep = "/x".repeat(1000);
    for (const id of [0, tools.begin()]) {
      expect(tools.answer("WRITE", `${deep}|v`, id)).to.equal("OK");
      expect(tools.answer("READ", `${deep}|`, id)).to.equal("v");
      expect(tools.answer("RM", "/x|", id)).to.equal("OK");
      expect(tools.answer("READ", "/x|", id)).to.equal("ENOENT");
      if (id !== 0) expect(tools.answer("TRANSACTION_END", "T|", id)).to.equal("OK");
    }
    expect(tools.answer("DIRECTORY", "/|")).to.equal("tool|");
  });

  it("XSA-417: a node below an unwritable one is not made, whoever is above", () => {
    const world = new World();
    const guest = world.introduce(5);
    world.tools().ask("WRITE", "/local/domain/5/closed|");
    world.tools().ask("SET_PERMS", "/local/domain/5/closed|n0|r5|");
    expect(guest.answer("WRITE", "closed/x/y|")).to.equal("EACCES");
    expect(guest.answer("MKDIR", "closed/x|")).to.equal("EACCES");
    expect(guest.answer("READ", "closed/x|")).to.equal("ENOENT");
  });

  it("XSA-420, XSA-421: nodes made and removed in one transaction cost nothing and leave no trace", () => {
    const world = new World({ quotas: { nodes: 3 } });
    const guest = world.introduce(5);
    for (let round = 0; round < 5; round++) {
      const id = guest.begin();
      for (const payload of ["a|", "b|"]) expect(guest.answer("WRITE", payload, id)).to.equal("OK");
      expect(guest.answer("RM", "a|", id)).to.equal("OK");
      expect(guest.answer("WRITE", "c|", id)).to.equal("OK");
      for (const payload of ["b|", "c|"]) expect(guest.answer("RM", payload, id)).to.equal("OK");
      expect(guest.answer("TRANSACTION_END", "T|", id)).to.equal("OK");
    }
    expect(guest.answer("DIRECTORY", "/local/domain/5|")).to.equal("");
    for (const payload of ["a|", "b|"]) expect(guest.answer("WRITE", payload)).to.equal("OK");
    expect(guest.answer("WRITE", "c|")).to.equal("ENOSPC");
  });

  it("XSA-481: /local/domain/ is refused by every request that takes a path", () => {
    const world = new World();
    for (const peer of [world.tools(), world.introduce(5)]) {
      for (const path of ["/local/domain/", "/local/domain//", "/local/domain/5/", "/local/domain/5//x"]) {
        for (const name of NODE_REQUESTS) expect(peer.answer(name, `${path}|`), name).to.equal("EINVAL");
        expect(peer.answer("WRITE", `${path}|v`)).to.equal("EINVAL");
        expect(peer.answer("SET_PERMS", `${path}|n0|`)).to.equal("EINVAL");
        expect(peer.answer("DIRECTORY_PART", `${path}|0|`)).to.equal("EINVAL");
        expect(peer.answer("WATCH", `${path}|t|`)).to.equal("EINVAL");
        expect(peer.answer("UNWATCH", `${path}|t|`)).to.equal("ENOENT");
      }
    }
  });

  it("XSA-483: what a domain used up is given back with it", () => {
    const world = new World({ quotas: { nodes: 20, watches: 3, transactions: 2 } });
    const tools = world.tools();
    for (let life = 0; life < 3; life++) {
      const guest = world.introduce(5);
      for (let i = 1; i < 20; i++) expect(guest.answer("WRITE", `${i}|`)).to.equal("OK");
      expect(guest.answer("WRITE", "20|")).to.equal("ENOSPC");
      for (let i = 0; i < 4; i++) expect(guest.answer("WATCH", `/w|${i}|`)).to.equal("OK");
      for (let i = 0; i < 3; i++) expect(guest.begin()).to.equal(i + 1);
      expect(tools.answer("RELEASE", "5|")).to.equal("OK");
    }
  });
});
