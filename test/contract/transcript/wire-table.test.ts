// docs/WIRES.md: the table is the code's, and what a wire cannot carry ends as the table says, compared with no wire.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type AdapterLimits, COMMANDS, HostByte, MAX_CDB, REPORT_LUNS_UNIT } from "@pvscsi/scsi";
import { expect } from "chai";
import { repositoryRoot } from "../../support/repository.js";
import { type Outcome, type Request, send } from "./exchange.js";
import { cdbOf } from "./requests.js";
import { BLOCKS, DISK, NOTHING, TALKER } from "./units.js";
import { CARRIES, printWires } from "./wire-table.js";
import { openWire, WIRES, type Wire, type WireName } from "./wires.js";

const READ = cdbOf(COMMANDS.read10, { lba: 0, blocks: 2 });
const INQUIRY = cdbOf(COMMANDS.inquiry, { alloc: 36 });
const padded = (cdb: readonly number[], length: number): number[] => [
  ...cdb,
  ...new Array(Math.max(0, length - cdb.length)).fill(0),
];

const ended = (hostByte: number, residual = 0) => ({ hostByte, status: 0, residual, sense: "" });
const withoutData = ({ data: _, ...rest }: Outcome) => rest;

describe("the table of wires", () => {
  it("is the one that docs/WIRES.md prints", async () => {
    const limits: { [Name in WireName]?: AdapterLimits } = {};
    for (const name of WIRES) {
      const wire = await openWire(name);
      limits[name] = wire.adapter.limits;
      await wire.close();
    }
    const page = readFileSync(join(repositoryRoot, "docs", "WIRES.md"), "utf8");
    expect(page).to.include(printWires(limits as { [Name in WireName]: AdapterLimits }));
  });

  for (const name of WIRES) {
    describe(`by ${name}`, () => {
      const carries = CARRIES[name];
      let wire: Wire;
      let direct: Wire;
      beforeEach(async () => {
        [wire, direct] = [await openWire(name), await openWire("direct")];
      });
      afterEach(async () => {
        await wire.close();
        await direct.close();
      });

      /** What comes of a request by this wire and, of what it becomes on it, without one. */
      async function both(request: Request, carried: Request = request): Promise<[Outcome, Outcome]> {
        return [await send(wire, request), await send(direct, carried)];
      }

      it("carries a CDB of the longest kind, and refuses a longer one", async () => {
        const { maxCdb } = wire.adapter.limits;
        const [longest, model] = await both({ lun: DISK, cdb: padded(INQUIRY, maxCdb), room: 36 });
        expect(longest).to.deep.equal(model);
        expect(longest.data[2]).to.equal(6);
        if (maxCdb === MAX_CDB) return;
        for (const length of [maxCdb + 1, MAX_CDB]) {
          const answer = await send(wire, { lun: DISK, cdb: padded(INQUIRY, length), room: 36 });
          expect(withoutData(answer)).to.deep.equal(ended(HostByte.error, carries.refusedResidual ? 36 : 0));
        }
      });

      it("judges a CDB that is cut by its length, or with zeros behind it", async () => {
        const cut: Request = { lun: DISK, cdb: READ.slice(0, 9), room: 1024 };
        const { maxCdb } = wire.adapter.limits;
        const [answer, model] = await both(cut, carries.cdbLength ? cut : { ...cut, cdb: padded(cut.cdb, maxCdb) });
        expect(answer).to.deep.equal(model);
        expect(answer.status).to.equal(carries.cdbLength ? 2 : 0);
      });

      it("carries as much sense data as it has room for", async () => {
        const [answer, model] = await both({ lun: TALKER, cdb: INQUIRY });
        expect(answer.status).to.equal(2);
        expect(answer.sense.split(" ")).to.deep.equal(model.sense.split(" ").slice(0, carries.sense));
      });

      it("carries a buffer for both ways, or as room", async () => {
        const out = new Uint8Array(1024).fill(7);
        const write: Request = { lun: DISK, cdb: cdbOf(COMMANDS.write10, { lba: 4, blocks: 2 }), out };
        const direction = carries.bidirectional ? "bidirectional" : "from-device";
        const [answer, model] = await both({ ...write, direction: "bidirectional" }, { ...write, direction });
        expect(answer).to.deep.equal(model);
        expect(answer.status).to.equal(carries.bidirectional ? 0 : 2);
        expect(wire.units.contents(DISK).includes(7)).to.equal(carries.bidirectional);
      });

      for (const [what, request] of [
        ["read", { lun: DISK, cdb: READ, room: 700 }],
        ["write", { lun: DISK, cdb: cdbOf(COMMANDS.write10, { lba: 1, blocks: 2 }), out: new Uint8Array(700).fill(9) }],
        ["inquiry", { lun: DISK, cdb: INQUIRY, room: 20 }],
      ] as const) {
        it(`moves what there is room for (${what}), and says whether that is GOOD`, async () => {
          const [answer, model] = await both(request);
          expect(model).to.deep.include({ hostByte: HostByte.ok, status: 0, residual: 0 });
          const hostByte = carries.cut ? HostByte.ok : HostByte.error;
          expect(answer).to.deep.equal({ ...model, hostByte });
          expect(Buffer.compare(wire.units.contents(DISK), direct.units.contents(DISK))).to.equal(0);
        });
      }

      it("answers for a LUN without a unit, or has no such place", async () => {
        for (const cdb of [INQUIRY, READ, cdbOf(COMMANDS.reportLuns, { alloc: 64 })]) {
          const [answer, model] = await both({ lun: NOTHING, cdb, room: 1024 });
          if (carries.missing) expect(answer).to.deep.equal(model);
          else expect(withoutData(answer)).to.deep.equal(ended(HostByte.noConnect, carries.refusedResidual ? 1024 : 0));
        }
      });

      it("carries the task attribute, or all are SIMPLE", async () => {
        for (const attribute of ["ordered", "head-of-queue", "aca", "reserved"] as const) {
          const [answer, model] = await both({ lun: DISK, cdb: INQUIRY, room: 36, attribute });
          expect(model.sense.split(" ")[12] === "49").to.equal(attribute === "aca" || attribute === "reserved");
          if (carries.attribute) expect(answer).to.deep.equal(model);
          else expect(withoutData(answer)).to.deep.equal(ended(HostByte.ok));
        }
      });

      it("names the REPORT LUNS well-known unit, or does not", async () => {
        const list = cdbOf(COMMANDS.reportLuns, { select: 1, alloc: 64 });
        const { data } = await send(wire, { lun: DISK, cdb: list, room: 64 });
        expect([...data.subarray(0, 10)]).to.deep.equal(
          carries.wellKnown ? [0, 0, 0, 8, 0, 0, 0, 0, 0xc1, 1] : [0, 0, 0, 0, 0, 0, 0, 0, 0xa5, 0xa5],
        );
        const answer = await send(wire, { lun: REPORT_LUNS_UNIT, cdb: INQUIRY, room: 36 });
        expect(answer.hostByte === HostByte.ok && answer.data[0] === 0x1e).to.equal(carries.wellKnown);
      });

      it("moves the largest transfer that it says it can", async () => {
        const { maxTransfer } = wire.adapter.limits;
        const blocks = Math.min(BLOCKS, Math.floor(maxTransfer / 512));
        const out = Uint8Array.from({ length: blocks * 512 }, (_, i) => i * 13);
        const cdb = cdbOf(COMMANDS.write10, { lba: 0, blocks });
        expect(withoutData(await send(wire, { lun: DISK, cdb, out }))).to.deep.equal(ended(HostByte.ok));
        expect(Buffer.compare(wire.units.contents(DISK).subarray(0, out.length), out)).to.equal(0);
      });
    });
  }
});
