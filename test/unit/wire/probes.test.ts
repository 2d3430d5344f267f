// Named probes: free until somebody listens.

import { nullProbes, ProbeHub } from "@pvscsi/wire";
import { expect } from "chai";

describe("ProbeHub", () => {
  it("says whether anybody listens", () => {
    const hub = new ProbeHub();
    expect(hub.listening).to.equal(false);
    const first = hub.listen(() => {});
    const second = hub.listen(() => {});
    first();
    expect(hub.listening).to.equal(true);
    second();
    expect(hub.listening).to.equal(false);
  });

  it("gives name and subject to every listener, in the order they came", () => {
    const hub = new ProbeHub();
    const heard: unknown[] = [];
    const subject = { rqid: 3 };
    hub.listen((name, what) => heard.push(["first", name, what]));
    hub.listen((name, what) => heard.push(["second", name, what]));
    hub.emit("ring:push", subject);
    expect(heard).to.deep.equal([
      ["first", "ring:push", subject],
      ["second", "ring:push", subject],
    ]);
  });

  it("takes off only the listener asked for, also when one function listens twice", () => {
    const hub = new ProbeHub();
    let heard = 0;
    const hear = () => heard++;
    const first = hub.listen(hear);
    hub.listen(hear);
    first();
    first();
    hub.emit("task:begin", null);
    expect(heard).to.equal(1);
  });

  it("lets a listener stop while it listens", () => {
    const hub = new ProbeHub();
    const heard: string[] = [];
    const stop = hub.listen(() => {
      heard.push("once");
      stop();
    });
    hub.listen(() => heard.push("always"));
    hub.emit("a", null);
    hub.emit("b", null);
    expect(heard).to.deep.equal(["once", "always", "always"]);
  });
});

describe("nullProbes", () => {
  it("is never listened to, and takes what is fired all the same", () => {
    expect(nullProbes.listening).to.equal(false);
    nullProbes.emit("a", null);
  });
});
