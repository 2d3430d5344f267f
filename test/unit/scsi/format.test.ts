import { SENSE, StoreError } from "@pvscsi/scsi";
import { expect } from "chai";
import { pattern } from "./initiator.js";
import { Operated, SIZE } from "./operating.js";

const FORMAT = "04 00 00 00 00 00";
const WITH_LIST = "04 10 00 00 00 00";
const WITH_LONG_LIST = "04 30 00 00 00 00";

function written(options = {}): Operated {
  const operated = new Operated({ holding: false, ...options });
  operated.initiator.send("2a 00 00 00 00 00 00 00 40 00", { out: pattern(64 * 512) }).good();
  operated.store.seen.length = 0;
  return operated;
}

const all = (operated: Operated, value: number): boolean => operated.contents().every((byte) => byte === value);

describe("FORMAT UNIT", () => {
  it("leaves zeros, given back where the disk is thin", () => {
    const thin = written();
    thin.initiator.send(FORMAT).good();
    expect(thin.store.seen).to.deep.equal(["discard", "flush"]);
    expect(all(thin, 0)).to.equal(true);
    const fixed = written({ thin: false });
    fixed.initiator.send(FORMAT).good();
    expect(fixed.store.seen).to.deep.equal(["write-zeroes", "flush"]);
    expect(all(fixed, 0)).to.equal(true);
  });

  it("takes both headers, empty defect lists, and what is said of lists that there are none of", () => {
    for (const [cdb, out] of [
      [WITH_LIST, "00 00 00 00"],
      [WITH_LIST, "00 f0 00 00"],
      ["04 1c 00 00 00 00", "00 80 00 00"],
      [WITH_LONG_LIST, "00 80 00 00 00 00 00 00"],
      [WITH_LIST, "00 88 00 00 00 00 00 00"],
    ]) {
      const operated = written();
      operated.initiator.send(cdb, { out }).good();
      expect(all(operated, 0), out).to.equal(true);
    }
  });

  it("repeats an initialization pattern", () => {
    const operated = written();
    const sent = operated.initiator.send(WITH_LIST, { out: "00 88 00 00  00 01 00 02 ab cd" });
    expect(sent.good().task.transferLength).to.equal(10);
    const expected = Uint8Array.from({ length: SIZE }, (_, i) => (i % 2 === 0 ? 0xab : 0xcd));
    expect(operated.contents()).to.deep.equal(expected);
    operated.initiator.send(WITH_LONG_LIST, { out: "00 88 00 00 00 00 00 00  00 01 00 01 77" }).good();
    expect(all(operated, 0x77)).to.equal(true);
  });

  it("refuses what is not there, with a pointer, and changes nothing", () => {
    const operated = written();
    const before = operated.contents();
    const { initiator } = operated;
    initiator.send("04 90 00 00 00 00", { out: "00 00 00 00" }).checked(SENSE.invalidFieldInCdb, "cf 00 01");
    // A format of a list, where there is none; and one that is reserved.
    initiator.send("04 05 00 00 00 00").checked(SENSE.invalidFieldInCdb, "ca 00 01");
    initiator.send("04 17 00 00 00 00", { out: "00 00 00 00" }).checked(SENSE.invalidFieldInCdb, "ca 00 01");
    initiator.send(WITH_LIST).checked(SENSE.parameterListLengthError);
    initiator.send(WITH_LIST, { out: "00 00 00" }).checked(SENSE.parameterListLengthError);
    initiator.send(WITH_LONG_LIST, { out: "00 00 00 00 00 00 00" }).checked(SENSE.parameterListLengthError);
    for (const [out, pointer] of [
      ["01 00 00 00", "80 00 00"],
      ["00 81 00 00", "80 00 01"],
      ["00 08 00 00 00 00 00 00", "8f 00 01"],
      ["00 00 00 04 00 00 00 09", "80 00 02"],
      ["00 88 00 00 20 00 00 00", "80 00 04"],
      ["00 88 00 00 00 02 00 00", "80 00 05"],
      ["00 88 00 00 00 00 00 01 aa", "80 00 06"],
      ["00 88 00 00 00 01 00 00", "80 00 06"],
      ["00 88 00 00 00 01 02 01 aa", "80 00 06"],
    ]) {
      initiator.send(WITH_LIST, { out }).checked(SENSE.invalidFieldInParameterList, pointer);
    }
    for (const [out, pointer] of [
      ["00 80 00 01 00 00 00 00", "80 00 02"],
      ["00 80 00 00 00 00 00 08", "80 00 04"],
    ]) {
      initiator.send(WITH_LONG_LIST, { out }).checked(SENSE.invalidFieldInParameterList, pointer);
    }
    initiator.send(WITH_LIST, { out: "00 88 00 00 00 01" }).checked(SENSE.parameterListLengthError);
    initiator.send(WITH_LIST, { out: "00 88 00 00 00 01 00 02 aa" }).checked(SENSE.parameterListLengthError);
    expect(operated.contents()).to.deep.equal(before);
  });

  it("ends with IMMED at once, tells how far it is, and lets nothing run meanwhile", () => {
    const operated = new Operated();
    operated.initiator.send(WITH_LIST, { out: "00 8a 00 00 00 01 00 01 55" }).good();
    operated.release(1);
    expect(operated.said()).to.equal("2/4/4 16384");
    operated.initiator.send("00 00 00 00 00 00").checked(SENSE.formatInProgress, "80 40 00");
    operated.initiator.send("48 1f 00 00 00 00 00 00 00 00").checked(SENSE.formatInProgress);
    operated.release(4);
    operated.initiator.send("00 00 00 00 00 00").good();
  });

  it("that fails leaves a medium that is corrupted until the next one, or SANITIZE", () => {
    for (const again of [FORMAT, "48 22 00 00 00 00 00 00 00 00", "48 02 00 00 00 00 00 00 00 00"]) {
      const operated = new Operated();
      const sent = operated.initiator.send(FORMAT);
      operated.store.release(new StoreError("medium", "worn out"));
      sent.checked(SENSE.formatCommandFailed);
      operated.store.holding = false;
      for (const cdb of ["00 00 00 00 00 00", "28 00 00 00 00 00 00 00 01 00", "25 00 00 00 00 00 00 00 00 00"]) {
        operated.initiator.send(cdb).checked(SENSE.mediumFormatCorrupted);
      }
      operated.initiator.send("1a 08 3f 00 ff 00", { room: 255 }).good();
      operated.initiator.send("48 1f 00 00 00 00 00 00 00 00").good();
      operated.initiator.send("00 00 00 00 00 00").checked(SENSE.mediumFormatCorrupted);
      operated.initiator.send(again).good();
      operated.initiator.send("00 00 00 00 00 00").good();
    }
  });

  it("needs a medium that can be written", () => {
    new Operated({ readOnly: true }).initiator.send(FORMAT).checked(SENSE.writeProtected);
  });
});
