// Tests how what passes rings is recorded from probes, said to another process, and shown in the order of its time.

import { Cursor, ProbeHub, ProtocolError, Simulation, seededRandom } from "@pvscsi/wire";
import { VSCSIIF_ENTRY_SIZE } from "@pvscsi/xen";
import { expect } from "chai";
import { type Moment, momentsText, parseMoments, recordRings, tellMoments, traceOf } from "pvscsi";
import { transfer, World } from "./world.js";

/** Two slots of a ring; the second one is written. */
function slots(): Cursor {
  return new Cursor(
    Uint8Array.from({ length: 2 * VSCSIIF_ENTRY_SIZE }, (_, i) => (i < VSCSIIF_ENTRY_SIZE ? 0xee : i & 0xff)),
    VSCSIIF_ENTRY_SIZE,
  );
}

function recorder() {
  const probes = new ProbeHub();
  const moments: Moment[] = [];
  let time = 0;
  const stop = recordRings({ probes, now: () => time++, domain: 3 }, (moment) => moments.push(moment));
  return { probes, moments, stop };
}

describe("what passes a ring", () => {
  it("is recorded with the bytes that its slot has at that moment, and with its time and place", () => {
    const { probes, moments } = recorder();
    const slot = slots();
    const written = slot.bytes.slice(VSCSIIF_ENTRY_SIZE);
    probes.emit("scsifront:request", slot);
    slot.bytes.fill(0);
    probes.emit("scsifront:push", true);
    probes.emit("guest:dmesg", "nothing of a ring");
    expect(moments).to.deep.equal([
      { at: 0, domain: 3, probe: "scsifront:request", entry: written },
      { at: 1, domain: 3, probe: "scsifront:push", event: true },
    ]);
  });

  it("leaves out a push that shows no entry, on each side for itself", () => {
    const { probes, moments } = recorder();
    probes.emit("scsiback:push", true);
    probes.emit("scsifront:request", slots());
    probes.emit("scsiback:push", true);
    probes.emit("scsifront:push", false);
    probes.emit("scsifront:push", true);
    expect(moments.map(({ probe, event }) => [probe, event])).to.deep.equal([
      ["scsifront:request", undefined],
      ["scsifront:push", false],
    ]);
  });

  it("is recorded until it is enough; then drivers tell nobody any more", () => {
    const { probes, moments, stop } = recorder();
    stop();
    probes.emit("scsifront:response", slots());
    expect(moments).to.deep.equal([]);
    expect(probes.listening).to.equal(false);
  });

  it("comes to another process as it was", () => {
    const { probes, moments } = recorder();
    probes.emit("scsiback:response", slots());
    probes.emit("scsiback:push", false);
    probes.emit("scsifront:response", slots());
    const there = parseMoments(momentsText(moments));
    expect(there.map((moment) => moment.entry && new Uint8Array(moment.entry))).to.deep.equal(
      moments.map(({ entry }) => entry),
    );
    expect(there.map(({ entry, ...rest }) => rest)).to.deep.equal(moments.map(({ entry, ...rest }) => rest));
    expect(parseMoments(momentsText([]))).to.deep.equal([]);
  });

  it("is told in pieces, once a turn, and to its last moment when nobody listens any more", async () => {
    const simulation = new Simulation(seededRandom(1));
    const probes = new ProbeHub();
    const pieces: string[][] = [];
    const left = new AbortController();
    const print = (piece: string) => pieces.push(parseMoments(piece).map(({ probe }) => probe));
    const told = tellMoments({ probes, now: () => 0, domain: 1 }, simulation, { print, signal: left.signal });
    expect(pieces, "that it has begun").to.deep.equal([[]]);
    probes.emit("scsiback:request", slots());
    probes.emit("scsifront:response", slots());
    expect(pieces, "not on the driver's stack").to.have.length(1);
    while (simulation.step());
    probes.emit("scsiback:request", slots());
    left.abort();
    expect(await told).to.deep.equal({ output: "", errors: "", status: 0 });
    expect(pieces).to.deep.equal([[], ["scsiback:request", "scsifront:response"], ["scsiback:request"]]);
    expect(probes.listening).to.equal(false);
  });

  for (const text of [
    "",
    "{}",
    "[1]",
    "[null]",
    '[{"at":1,"domain":1}]',
    '[{"at":"1","domain":1,"probe":"scsifront:push"}]',
    '[{"at":1,"domain":1,"probe":"toString"}]',
    '[{"at":1,"domain":1,"probe":"scsifront:request","entry":"00"}]',
    '[{"at":1,"domain":1,"probe":"scsifront:request","entry":7}]',
  ]) {
    it(`is refused as ${text || "nothing"}`, () => {
      expect(() => parseMoments(text)).to.throw(ProtocolError, "no list of moments");
    });
  }

  it("is shown in the order of its time, whoever has told of it first, counted from the first moment", () => {
    const moments: Moment[] = [
      { at: 1000.5, domain: 0, probe: "scsiback:request" },
      { at: 1000.75, domain: 0, probe: "task:begin", task: "READ(10) lba=8 blocks=8" },
      { at: 1000.25, domain: 2, probe: "scsifront:push", event: true },
      { at: 1001.25, domain: 2, probe: "scsifront:response" },
    ];
    const { text, ...counts } = traceOf(moments);
    expect(text.split("\n")).to.deep.equal([
      "    0 us  scsifront moves req_prod on, and sends an event",
      "  250 us  scsiback  copies the request out, checks the copy, maps the granted page",
      "  500 us  target    begins READ(10) lba=8 blocks=8",
      " 1000 us  scsifront takes the response, revokes the grant, completes the command",
    ]);
    expect(counts).to.deep.equal({ requests: 0, responses: 0, events: 1, processes: 2 });
    expect(traceOf([])).to.deep.equal({ text: "", requests: 0, responses: 0, events: 0, processes: 0 });
  });

  it("is followed in one process as well, on its clock, and with the slots' fields", async () => {
    const world = await World.start();
    const domain = await world.create(["0:0:0:0,0:0:0:0"]);
    const store = world.guest(domain).store(world.guest(domain).disk("sda") ?? expect.fail());
    const moments: Moment[] = [];
    const stop = await world.system.follow((moment) => moments.push(moment));
    expect(await world.done(transfer(store, "read", 4096, new Uint8Array(4096)))).to.equal(null);
    await stop();
    const after = moments.length;
    expect(await world.done(transfer(store, "read", 8192, new Uint8Array(4096)))).to.equal(null);
    expect(moments).to.have.length(after);
    const { text, ...counts } = traceOf(moments);
    expect(counts).to.deep.equal({ requests: 1, responses: 1, events: 2, processes: 1 });
    expect(text)
      .to.include("               4 cmnd             28 00 00 00 00 08 00 00 08 00 00 00 00 00 00 00\n")
      .and.include("             104 residualLen      0\n")
      .and.include("target    ends   0:0:0 READ(10) lba=8 blocks=8 -> GOOD 4096 bytes");
  });
});
