// One transcript: the same 500 commands have the same status, sense data, residual and data by every wire, and leave
// the same disks behind.

import { expect } from "chai";
import { line, type Outcome, send } from "./exchange.js";
import { REQUESTS, transcriptRequests } from "./requests.js";
import { openIscsi, openVirtioPort, openWire, WIRES, type Wire } from "./wires.js";

interface Transcript {
  readonly outcomes: readonly Outcome[];
  readonly lines: readonly string[];
  readonly disks: readonly Uint8Array[];
}

async function transcribe(wire: Wire<string>): Promise<Transcript> {
  const outcomes: Outcome[] = [];
  for (const request of transcriptRequests()) outcomes.push(await send(wire, request));
  const lines = transcriptRequests().map((request, index) => line(request, outcomes[index]));
  const disks = wire.units.stores.map((_, lun) => wire.units.contents(lun));
  await wire.close();
  return { outcomes, lines, disks };
}

describe("one transcript of 500 commands", () => {
  let direct: Transcript;
  before(async () => {
    direct = await transcribe(await openWire("direct"));
  });

  it("is the same list every time", () => {
    expect(transcriptRequests()).to.have.length(REQUESTS);
    expect(transcriptRequests()).to.deep.equal(transcriptRequests());
  });

  it("has answers of every kind", () => {
    const ended = (wanted: number) => direct.outcomes.filter(({ status }) => status === wanted).length;
    expect(ended(0)).to.be.at.least(220);
    expect(ended(2)).to.be.at.least(150);
    expect(ended(0) + ended(2)).to.equal(REQUESTS);
    const codes = direct.outcomes.map(({ sense }) => codeOf(sense)).filter((code) => code !== "");
    expect([...new Set(codes)].sort()).to.deep.equal([
      "04 02",
      "0e 03",
      "1a 00",
      "1d 00",
      "20 00",
      "21 00",
      "24 00",
      "26 00",
      "29 03",
      "2a 09",
      "39 00",
      "3a 00",
      "53 02",
    ]);
    const opcodes = transcriptRequests().filter((_, index) => direct.outcomes[index].status === 0);
    expect(new Set(opcodes.map(({ cdb }) => cdb[0])).size).to.be.at.least(34);
    expect(direct.outcomes.filter(({ residual }) => residual > 0).length).to.be.greaterThan(50);
    expect(direct.disks.every((bytes) => bytes.some((byte) => byte !== 0))).to.equal(true);
  });

  const others: readonly (readonly [name: string, open: () => Promise<Wire<string>>])[] = [
    ...WIRES.slice(1).map((name) => [name, () => openWire(name)] as const),
    ["virtio-scsi and a port to another thread", openVirtioPort],
    ["iSCSI", openIscsi],
  ];
  for (const [name, open] of others) {
    it(`is the same over ${name}, and leaves the same disks behind`, async () => {
      const { lines, disks } = await transcribe(await open());
      for (const [index, text] of lines.entries()) {
        const model = direct.lines[index];
        if (name === "iSCSI" && isWrongWay(model) && text !== model) expect(text).to.include(" -> 0/0 residual 0 ");
        else expect(text, `command ${index}`).to.equal(model);
      }
      expect(disks.map((bytes, lun) => Buffer.compare(bytes, direct.disks[lun]))).to.deep.equal([0, 0]);
    });
  }
});

/**
 * A command that reads with data for the device: INVALID FIELD IN COMMAND INFORMATION UNIT where there is one buffer. iSCSI has a size for each
 * direction (RFC 7143 11.3.4, SAM-5 5.1): there it may read without room.
 */
const isWrongWay = (text: string): boolean => text.includes(" 0e 03 ");

/** Additional sense code and qualifier of either format. */
function codeOf(sense: string): string {
  const bytes = sense.split(" ");
  if (bytes.length < 8) return "";
  return (bytes[0] === "72" ? bytes.slice(2, 4) : bytes.slice(12, 14)).join(" ");
}
