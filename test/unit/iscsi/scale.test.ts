// Sessions with targets of very many LUNs, and with one of very many targets: what a command moves is counted, and is the same.

import { type IscsiServer, openGroup, serveIscsi } from "@pvscsi/iscsi";
import { MAX_LUNS, MemoryStore, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { blocksCdb } from "../../support/block-commands.js";
import { Session } from "../../support/iscsi-session.js";
import { realClock, realScheduler } from "../../support/node-platform.js";
import { memoryDisk } from "../../support/scsi-devices.js";

const COMMANDS = 100;
const READ = Uint8Array.from(blocksCdb(0x28, 0, 8));
const READY = new Uint8Array(16);
const HEAD = 8;

const nameOf = (number: number): string => `iqn.2026-11.test.scale:t${number}`;

/** So many targets, each with one unit at so many LUNs. */
async function serve(targets: number, luns: number): Promise<IscsiServer & { readonly served: readonly Target[] }> {
  const server = await serveIscsi({
    listen: [{ port: 0 }],
    clock: realClock,
    scheduler: realScheduler,
    unguessable: (size) => new Uint8Array(size),
  });
  const unit = memoryDisk(new MemoryStore(1 << 20));
  const served = Array.from({ length: targets }, (_, number) => {
    const target = new Target();
    for (let lun = 0; lun < luns; lun++) target.add(lun, unit);
    server.portal.add({ name: nameOf(number), groups: [openGroup(target)] });
    return target;
  });
  return Object.assign(server, { served });
}

const login = (server: IscsiServer, number = 0): Promise<Session> =>
  Session.login({ address: server.addresses[0], target: nameOf(number), initiator: "iqn.2026-11.test:scale" });

function reportLuns(room: number): { lun: number; cdb: Uint8Array; room: number; data: null } {
  const cdb = new Uint8Array(16);
  cdb[0] = 0xa0;
  new DataView(cdb.buffer).setUint32(6, room);
  return { lun: 0, cdb, room, data: null };
}

describe("an iSCSI session with 16384 LUNs", () => {
  it("is told of all in one answer of 131080 bytes, peripheral addressing below 256 and flat above, or of what there is room for", async () => {
    const server = await serve(1, MAX_LUNS);
    const session = await login(server);
    const { status, data, residual } = await session.execute(reportLuns(HEAD + 8 * MAX_LUNS));
    expect({ status, residual, length: data.length }).to.deep.equal({ status: 0, residual: 0, length: 131_080 });
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    expect(view.getUint32(0)).to.equal(8 * MAX_LUNS);
    for (let lun = 0; lun < MAX_LUNS; lun++) {
      const wanted = lun < 256 ? lun : 0x4000 | lun;
      if (view.getUint16(HEAD + 8 * lun) !== wanted)
        expect(view.getUint16(HEAD + 8 * lun), `LUN ${lun}`).to.equal(wanted);
    }
    for (const room of [16, 2056, 131_072]) {
      const cut = await session.execute(reportLuns(room));
      expect(cut.data).to.deep.equal(data.subarray(0, room));
    }
    await session.logout();
    await server.close();
  });

  it("finds the last of them with the same PDUs and the same places as the only one", async () => {
    for (const [targets, luns] of [
      [1, 1],
      [1, MAX_LUNS],
      [256, 64],
    ] as const) {
      const server = await serve(targets, luns);
      const session = await login(server, targets - 1);
      const lun = luns - 1;
      const first = await session.execute({ lun, cdb: READY, room: 0, data: null });
      expect(first.sense[12], "power on").to.equal(0x29);
      for (let i = 0; i < COMMANDS; i++) {
        const { status, data } = await session.execute({ lun, cdb: READ, room: 4096, data: null });
        expect({ status, length: data.length }).to.deep.equal({ status: 0, length: 4096 });
      }
      const nexuses = server.served.map((target) => target.nexuses.length);
      expect(nexuses).to.deep.equal([...Array(targets - 1).fill(0), 1]);
      expect([...server.served[targets - 1].nexuses[0].places()].map((place) => place.lun)).to.deep.equal([lun]);
      await session.logout();
      await server.close();
    }
  });

  it("hears once of LUNs that come and go, by a message and by a unit attention", async () => {
    const server = await serve(1, MAX_LUNS - 1);
    const [target] = server.served;
    const session = await login(server);
    const ready = async (lun: number): Promise<number> =>
      (await session.execute({ lun, cdb: READY, room: 0, data: null })).sense[12] ?? 0;
    expect([await ready(0), await ready(0)]).to.deep.equal([0x29, 0]);
    target.add(MAX_LUNS - 1, memoryDisk(new MemoryStore(1 << 20)));
    expect([await ready(0), await ready(0)]).to.deep.equal([0x3f, 0]);
    expect(session.announcements).to.equal(1);
    await target.remove(MAX_LUNS - 1);
    expect([await ready(0), await ready(0)]).to.deep.equal([0x3f, 0]);
    expect(session.announcements).to.equal(2);
    expect(target.nexuses.map((nexus) => [...nexus.places()].length)).to.deep.equal([1]);
    await session.logout();
    await server.close();
  });
});
