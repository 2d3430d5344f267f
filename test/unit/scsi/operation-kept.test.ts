// SANITIZE and FORMAT UNIT through a loss of power: what is written down and when, and that a disk that is made anew goes on.

import { setImmediate } from "node:timers/promises";
import { type DiskOptions, readOperation, SENSE, Status, StoreError } from "@pvscsi/scsi";
import { expect } from "chai";
import { ScriptedKeeper } from "../../support/scripted-keeper.js";
import { Operated } from "./operating.js";

const READY = "00 00 00 00 00 00";
const OVERWRITE = { cdb: "48 01 00 00 00 00 00 00 05 00", out: "01 00 00 01 77" };
const OVERWRITE_IMMED = { cdb: "48 81 00 00 00 00 00 00 05 00", out: "01 00 00 01 77" };
const FORMAT = "04 00 00 00 00 00";
const EXIT = "48 1f 00 00 00 00 00 00 00 00";

/** A disk whose operations are kept; its store holds nothing back unless the test says so. */
function kept(keeper = new ScriptedKeeper(), options: Partial<DiskOptions> & { holding?: boolean } = {}) {
  const operated = new Operated({ holding: false, operations: keeper, ...options });
  const send = (cdb: string, out?: string) => operated.initiator.send(cdb, out === undefined ? {} : { out });
  return { operated, keeper, send, store: operated.store };
}

const settle = (): Promise<void> => setImmediate();

describe("an operation that is kept", () => {
  it("is written down after the writes before it and before it writes, and is gone when it has ended", async () => {
    const { operated, keeper, send, store } = kept();
    keeper.holding = true;
    const sent = send(OVERWRITE.cdb, OVERWRITE.out);
    expect(store.seen).to.deep.equal(["flush"]);
    expect(keeper.asked).to.deep.equal([
      `pvscsi operation, version 1\nkind sanitize\nfailed false\nexits false\npass write ${"77".repeat(512)}\nend\n`,
    ]);
    keeper.held?.resolve();
    await settle();
    expect(store.seen).to.deep.equal(["flush", "write", "write", "write", "write", "flush"]);
    expect(sent.ends).to.equal(0);
    expect(operated.said()).to.equal("2/4/1b 65535");
    expect(keeper.asked[1]).to.equal(null);
    keeper.held?.resolve();
    await settle();
    sent.good();
    send(READY).good();
    expect(operated.contents().every((byte) => byte === 0x77)).to.equal(true);
  });

  it("is answered with IMMED when it is kept, and not before", async () => {
    const { keeper, send } = kept();
    keeper.holding = true;
    const sent = send(OVERWRITE_IMMED.cdb, OVERWRITE_IMMED.out);
    await settle();
    expect(sent.ends).to.equal(0);
    send(READY).checked(SENSE.sanitizeInProgress);
    keeper.held?.resolve();
    await settle();
    sent.good();
  });

  it("does not begin where it cannot be kept, and nothing has failed", async () => {
    const { operated, keeper, send, store } = kept();
    keeper.holding = true;
    for (const { cdb, out } of [OVERWRITE, OVERWRITE_IMMED]) {
      const sent = send(cdb, out);
      keeper.held?.reject(new Error("full"));
      await settle();
      sent.checked(SENSE.internalTargetFailure);
      send(READY).good();
    }
    expect(store.seen).to.deep.equal(["flush", "flush"]);
    expect(operated.contents().every((byte) => byte === 0)).to.equal(true);
  });

  it("has failed where it cannot be forgotten: what is written later would be lost to it", async () => {
    const { keeper, send } = kept();
    keeper.holding = true;
    const sent = send(FORMAT);
    keeper.held?.resolve();
    await settle();
    keeper.held?.reject(new Error("gone"));
    await settle();
    keeper.held?.resolve();
    await settle();
    sent.checked(SENSE.formatCommandFailed);
    send("28 00 00 00 00 00 00 00 01 00").checked(SENSE.mediumFormatCorrupted);
    expect(keeper.kept).to.include("kind format\nfailed true");
  });

  it("goes on for a task that was aborted meanwhile", async () => {
    const { operated, keeper, send } = kept();
    keeper.holding = true;
    const { task } = send(OVERWRITE_IMMED.cdb, OVERWRITE_IMMED.out);
    operated.initiator.nexus.manage({ function: "abort-task", lun: 0, tag: task.tag, completed: () => {} });
    expect(task.aborted).to.equal(true);
    keeper.holding = false;
    keeper.held?.resolve();
    await settle();
    expect(operated.contents().every((byte) => byte === 0x77)).to.equal(true);
  });
});

describe("an operation that a loss of power has met", () => {
  /** What is kept when `count` requests of it were served. */
  async function interrupted(cdb: string, out: string | undefined, count: number): Promise<ScriptedKeeper> {
    const { keeper, send, operated } = kept(new ScriptedKeeper(), { holding: true });
    send(cdb, out);
    for (let i = 0; i < 1 + count; i++) {
      operated.release(1);
      await settle();
    }
    return Object.assign(new ScriptedKeeper(), { kept: keeper.kept });
  }

  it("begins again, keeps commands out until it has ended, and says how far it is", async () => {
    for (const count of [0, 1, 3]) {
      const keeper = await interrupted(OVERWRITE.cdb, OVERWRITE.out, count);
      const { operated, send } = kept(keeper, { holding: true });
      send(READY).checked(SENSE.sanitizeInProgress);
      expect(operated.said()).to.equal("2/4/1b 0");
      for (let i = 0; i < 6; i++) {
        operated.release(1);
        await settle();
      }
      send(READY).good();
      expect(operated.contents().every((byte) => byte === 0x77)).to.equal(true);
      expect(keeper.kept).to.equal(null);
    }
    const { operated } = kept(await interrupted(FORMAT, undefined, 0), { holding: true });
    expect(operated.said()).to.equal("2/4/4 0");
  });

  it("stays failed where it had failed, and AUSE decides what leads back", async () => {
    for (const ause of [false, true]) {
      const { keeper, send, operated } = kept(new ScriptedKeeper(), { holding: true });
      const sent = send(ause ? "48 21 00 00 00 00 00 00 05 00" : OVERWRITE.cdb, OVERWRITE.out);
      operated.release(1);
      await settle();
      operated.store.release(new StoreError("medium", "worn out", { offset: 0 }));
      await settle();
      sent.checked(SENSE.sanitizeCommandFailed);
      expect(readOperation(keeper.kept as string)).to.include({ failed: true, exits: ause });
      const again = kept(Object.assign(new ScriptedKeeper(), { kept: keeper.kept }));
      expect(again.store.seen).to.deep.equal([]);
      again.send(READY).checked(SENSE.sanitizeCommandFailed);
      const exit = again.send(EXIT);
      await settle();
      if (ause) exit.good();
      else exit.checked(SENSE.invalidFieldInCdb, "cc 00 01");
      const erase = again.send("48 02 00 00 00 00 00 00 00 00");
      await settle();
      erase.good();
      again.send(READY).good();
      expect(again.keeper.kept).to.equal(null);
    }
  });

  it("stays failed when EXIT FAILURE MODE cannot be kept", async () => {
    const text = "pvscsi operation, version 1\nkind sanitize\nfailed true\nexits true\npass discard\nend\n";
    const { keeper, send } = kept(Object.assign(new ScriptedKeeper(), { kept: text }));
    keeper.holding = true;
    const exit = send(EXIT);
    keeper.held?.reject(new Error("gone"));
    await settle();
    exit.checked(SENSE.internalTargetFailure);
    send(READY).checked(SENSE.sanitizeCommandFailed);
  });

  it("does not undo a SANITIZE that waits behind EXIT FAILURE MODE", async () => {
    const text = "pvscsi operation, version 1\nkind sanitize\nfailed true\nexits true\npass discard\nend\n";
    const { keeper, send, operated } = kept(Object.assign(new ScriptedKeeper(), { kept: text }), { holding: true });
    const exit = send(EXIT);
    const sent = send("48 22 00 00 00 00 00 00 00 00");
    operated.release(1);
    await settle();
    expect(exit.status).to.equal(Status.good);
    send(READY).checked(SENSE.sanitizeInProgress);
    for (let i = 0; i < 3; i++) {
      operated.release(1);
      await settle();
    }
    sent.good();
    expect(keeper.kept).to.equal(null);
  });

  it("is a failed one where it cannot go on: read-only, or without the key that it was to change", () => {
    const text = "pvscsi operation, version 1\nkind sanitize\nfailed false\nexits false\npass change-key\nend\n";
    for (const options of [{}, { readOnly: true }]) {
      const { send, store } = kept(Object.assign(new ScriptedKeeper(), { kept: text }), options);
      send(READY).checked(SENSE.sanitizeCommandFailed);
      expect(store.seen).to.deep.equal([]);
    }
  });

  it("is no reason to lose what was written after it", async () => {
    const { keeper, send } = kept();
    const sent = send(FORMAT);
    await settle();
    sent.good();
    send("2a 00 00 00 00 00 00 00 01 00", "ab".repeat(512)).good();
    expect(keeper.kept).to.equal(null);
    expect(keeper.asked.length).to.equal(2);
  });

  it("is refused with any line changed", () => {
    const good = `pvscsi operation, version 1\nkind format\nfailed false\nexits true\npass discard\npass write ${"00".repeat(512)}\nend\n`;
    expect(readOperation(good).passes.length).to.equal(2);
    const bad = good
      .split("\n")
      .slice(0, -1)
      .map((_, i) =>
        good
          .split("\n")
          .map((line, j) => (i === j ? `${line}x` : line))
          .join("\n"),
      );
    for (const text of [
      ...bad,
      "",
      good.slice(0, -1),
      good.replace("pass discard\n", "").replace(/pass write.*\n/, ""),
    ]) {
      expect(() => readOperation(text), text).to.throw(/^line \d is .*, expected /);
    }
    const many = good.replace("pass discard\n", "pass discard\n".repeat(31));
    expect(() => readOperation(many)).to.throw("1 to 31 passes");
  });
});
