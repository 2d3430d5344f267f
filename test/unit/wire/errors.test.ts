// The three ways to say that something is wrong.

import { assert, fail, never, ProtocolError } from "@pvscsi/wire";
import { expect } from "chai";

describe("errors", () => {
  it("ProtocolError carries its name, message and cause", () => {
    const cause = new Error("what happened below");
    const error = new ProtocolError("req_prod 40 is 33 ahead", { cause });
    expect(error)
      .to.be.instanceOf(Error)
      .and.include({ name: "ProtocolError", message: "req_prod 40 is 33 ahead", cause });
  });

  it("assert passes what holds and throws a plain Error otherwise", () => {
    assert(true, "holds");
    expect(() => assert(0, "nothing is left")).to.throw(Error, "assertion failed: nothing is left");
    expect(() => fail("element 4 of 3")).to.throw(Error, "assertion failed: element 4 of 3");
  });

  it("never names the value that a switch did not know", () => {
    expect(() => never("closed" as never)).to.throw("unreachable: closed");
  });
});
