// What a transaction is told of a tree that was changed behind its back. It can never be committed; 4.17's answers are kept.

import { expect } from "chai";
import { type RawPeer, World } from "./xenstore-support.js";

/** A tree /a with nodes b to e, and a transaction that has seen `seen` of it before `change` was made outside. */
function changed(seen: string, change: (outside: RawPeer) => void): { inside: RawPeer; id: number } {
  const world = new World();
  const [inside, outside] = [world.tools(), world.tools()];
  for (const name of ["b", "c/x", "d", "e"]) outside.ask("WRITE", `/a/${name}|`);
  const id = inside.begin();
  inside.ask("DIRECTORY", `${seen}|`, id);
  change(outside);
  return { inside, id };
}

describe("xenstore transactions", () => {
  it("end a removal with EIO where a node below has gone outside, and keep what comes after it", () => {
    const { inside, id } = changed("/a", (outside) => outside.ask("RM", "/a/d|"));
    expect(inside.answer("RM", "/a|", id)).to.equal("EIO");
    expect(inside.answer("DIRECTORY", "/a|", id)).to.equal("d|e|");
    expect(inside.answer("READ", "/a/b|", id)).to.equal("ENOENT");
    expect(inside.answer("READ", "/a/c/x|", id)).to.equal("ENOENT");
    expect(inside.answer("TRANSACTION_END", "T|", id)).to.equal("EAGAIN");
    expect(inside.answer("DIRECTORY", "/a|")).to.equal("b|c|e|");
  });

  it("end a removal with EIO where the node has come outside, and it is gone all the same", () => {
    const { inside, id } = changed("/a", (outside) => outside.ask("WRITE", "/a/new|"));
    expect(inside.answer("RM", "/a/new|", id)).to.equal("EIO");
    expect(inside.answer("READ", "/a/new|", id)).to.equal("ENOENT");
    expect(inside.answer("TRANSACTION_END", "T|", id)).to.equal("EAGAIN");
    expect(inside.answer("DIRECTORY", "/a|")).to.equal("b|c|d|e|new|");
  });

  it("list a node twice that has gone outside and is made inside; a removal takes one of them", () => {
    const { inside, id } = changed("/a", (outside) => outside.ask("RM", "/a/c|"));
    expect(inside.answer("WRITE", "/a/c|", id)).to.equal("OK");
    expect(inside.answer("DIRECTORY", "/a|", id)).to.equal("b|c|d|e|c|");
    expect(inside.answer("RM", "/a/c|", id)).to.equal("OK");
    expect(inside.answer("DIRECTORY", "/a|", id)).to.equal("b|d|e|c|");
    expect(inside.answer("TRANSACTION_END", "T|", id)).to.equal("EAGAIN");
  });

  it("have looked at the parent of a node that they may not use", () => {
    const world = new World();
    const [guest, tools] = [world.introduce(5), world.tools()];
    tools.ask("WRITE", "/a/secret|");
    for (const change of ["WRITE /b|", "WRITE /a/other|"]) {
      const id = guest.begin();
      expect(guest.answer("READ", "/a/secret|", id)).to.equal("EACCES");
      const [name, payload] = change.split(" ");
      tools.ask(name, payload);
      expect(guest.answer("TRANSACTION_END", "T|", id)).to.equal(change.startsWith("WRITE /b") ? "OK" : "EAGAIN");
    }
  });

  it("remove a tree that nobody else has changed", () => {
    const { inside, id } = changed("/a", () => {});
    expect(inside.answer("RM", "/a|", id)).to.equal("OK");
    expect(inside.answer("TRANSACTION_END", "T|", id)).to.equal("OK");
    expect(inside.answer("READ", "/a|")).to.equal("ENOENT");
  });
});
