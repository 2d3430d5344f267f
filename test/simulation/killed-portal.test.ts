// Durability over iSCSI: a portal is killed while sessions write, and its disks' power is cut. What was acknowledged with FUA or
// before a completed SYNCHRONIZE CACHE is there, and so are registrations and reservations with APTPL.

import { readFileSync } from "node:fs";
import { type Random, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import type { Session } from "../support/iscsi-session.js";
import { temporaryFolder } from "../support/temporary-folder.js";
import { mediumOf } from "../support/volatile-file.js";
import { ask, KilledPortal, type Lie, rangeCdb, SessionStore } from "./killed-portal.js";
import { Promises, SECTOR, VersionWriter } from "./versions.js";

const KILLS = Number(process.env.FUZZ_HISTORIES ?? 4);
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const SECTORS = 1024;
const SIZE = SECTORS * SECTOR;
const WRITERS = 3;
const APTPL = 0x01;
const REGISTER_AND_IGNORE = 0x06;
const RESERVE = 0x01;
/** Write Exclusive - Registrants Only. */
const TYPE = 0x05;
const RESERVATION_CONFLICT = 0x18;
const HOLDER_KEY = 0xa;

/** PERSISTENT RESERVE OUT; gives the status. */
async function reserveOut(session: Session, action: number, key: number, serviceKey: number, flags: number) {
  const list = Buffer.alloc(24);
  list.writeUInt32BE(key, 4);
  list.writeUInt32BE(serviceKey, 12);
  list[20] = flags;
  return (await ask(session, 0, [0x5f, action, TYPE, 0, 0, 0, 0, 0, 24], list)).status;
}

/** READ KEYS, sorted. */
async function keysOf(session: Session): Promise<number[]> {
  const { data } = await ask(session, 0, [0x5e, 0x00, 0, 0, 0, 0, 0, 1, 0], 256);
  const bytes = Buffer.from(data);
  return Array.from({ length: bytes.readUInt32BE(4) / 8 }, (_, i) => bytes.readUInt32BE(12 + 8 * i)).sort(
    (a, b) => a - b,
  );
}

/** Takes another key again and again, until its session has ended. */
class Registering {
  acknowledged = 0;
  sent = 0;

  async run(session: Session, random: Random, flags: number): Promise<void> {
    while (session.fault === null) {
      this.sent = 0x1000 + random.below(0x1000_0000);
      const status = await reserveOut(session, REGISTER_AND_IGNORE, 0, this.sent, flags).catch(() => null);
      if (status === null) return;
      expect(status, "status of a registration").to.equal(0);
      this.acknowledged = this.sent;
    }
  }
}

describe("an iSCSI portal that is killed while its initiators write", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();

  /** What was lost of the disks, or null; and what another portal says of the reservations afterwards. */
  async function kill(seed: number, { lie = "", flags = APTPL }: { readonly lie?: Lie; readonly flags?: number } = {}) {
    const random = seededRandom(seed, "killed portal");
    const disks = [folder.path(`back-${seed}.img`), folder.path(`through-${seed}.img`)] as const;
    const portal = await KilledPortal.start(disks, SIZE, lie);
    const holder = await portal.login("holder");
    const other = await portal.login("other");
    expect(await reserveOut(holder, REGISTER_AND_IGNORE, 0, HOLDER_KEY, flags)).to.equal(0);
    expect(await reserveOut(holder, RESERVE, HOLDER_KEY, 0, 0)).to.equal(0);
    const registering = new Registering();
    const registered = registering.run(other, random.fork("keys"), flags);
    const promises = disks.map(() => new Promises());
    await enough(200 + random.below(600), (answered) => {
      for (const [lun, { add }] of promises.entries()) {
        const store = new SessionStore(holder, lun, SIZE, answered);
        for (let i = 0; i < WRITERS; i++) {
          const [first, end] = [i, i + 1].map((part) => Math.floor((part * SECTORS) / WRITERS));
          void new VersionWriter(store, first, end, random.fork(`writer ${lun} ${i}`), add).run();
        }
      }
    });
    await portal.kill();
    await registered;
    const broken = promises.map((log, lun) => {
      return log.broken(readFileSync(disks[lun])) ?? log.broken(readFileSync(mediumOf(disks[lun])));
    });
    portal.cutPower();
    return { disks, registering, promised: promises.map(({ count }) => count), broken };
  }

  for (let seed = SEED; seed < SEED + KILLS; seed++) {
    it(`has all that it acknowledged as durable, its registrations and its reservation, seed ${seed}`, async () => {
      const { disks, registering, promised, broken } = await kill(seed);
      expect(broken).to.deep.equal([null, null]);
      expect(Math.min(...promised)).to.be.above(50);
      expect(registering.acknowledged).to.be.above(0);
      const anew = await KilledPortal.start(disks, SIZE, "");
      const holder = await anew.login("holder");
      const [first, second] = await keysOf(holder);
      expect([first, [registering.acknowledged, registering.sent].includes(second)]).to.deep.equal([HOLDER_KEY, true]);
      const stranger = await anew.login("stranger");
      const block = new Uint8Array(SECTOR);
      const written = await ask(stranger, 0, rangeCdb(0x2a, 0, 0, 1), block);
      expect(written.status, "a stranger's write").to.equal(RESERVATION_CONFLICT);
      for (const [lun, path] of disks.entries()) {
        const { data } = await ask(holder, lun, rangeCdb(0x28, 0, 0, SECTORS), SIZE);
        expect(Buffer.compare(data, readFileSync(path)), "what it reads").to.equal(0);
      }
      expect((await ask(holder, 0, rangeCdb(0x2a, 0, 0, 1), block)).status, "the holder's write").to.equal(0);
      for (const session of [holder, stranger]) session.close();
      await anew.kill();
    });
  }

  it("has no registration that it was not to keep", async () => {
    const { disks } = await kill(90, { flags: 0 });
    const anew = await KilledPortal.start(disks, SIZE, "");
    const session = await anew.login("holder");
    expect(await keysOf(session)).to.deep.equal([]);
    session.close();
    await anew.kill();
  });

  for (const lie of ["flush", "fua"] as const) {
    it(`would be noticed where it lies about ${lie}`, async () => {
      // A flush of another writer may have made true what was a lie.
      let found: string | null = null;
      for (let seed = 91; seed < 111 && found === null; seed++) [found] = (await kill(seed, { lie })).broken;
      expect(found).to.match(/was acknowledged as durable/);
    });
  }
});

/** Begins something that tells of answers, and waits for so many. */
function enough(count: number, begin: (answered: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    let answers = 0;
    begin(() => {
      answers += 1;
      if (answers === count) resolve();
    });
  });
}
