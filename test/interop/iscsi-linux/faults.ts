// Knows what is broken between an initiator and the portal, and that nothing which was written is lost by it: the portal killed under
// load, the connection cut, an initiator that stands still.

import { setTimeout } from "node:timers/promises";
import { Opcode } from "@pvscsi/iscsi";
import { expect } from "chai";
import { clock } from "../qemu/clock.js";
import { copy, sumOfFile, verifySlowly } from "../qemu/contents.js";
import type { Stand } from "./stand.js";

/** Milliseconds after which something is broken, and between. */
const LOADED = 3000;
/** Seconds after which a silent initiator has to have been given up (60 to be asked, 15 to answer), and those besides. */
const SILENCE = 75;
const SLACK = 15;
const COPIED = 8;

export async function judgeFaults(stand: Stand): Promise<void> {
  const { context, initiator, relay } = stand;
  const { guest } = initiator;
  await initiator.logIn();
  const { disk } = await initiator.disk(0);
  const underLoad = async (breaking: () => Promise<void>) => {
    const load = verifySlowly(guest, disk);
    load.catch(() => {});
    await setTimeout(LOADED);
    await breaking();
    const figures = await load;
    await initiator.recovered();
    return figures;
  };
  await context.check("the portal is killed under load and started again: verified writes go on", async () => {
    const before = relay.seen.length;
    const figures = await underLoad(() => stand.killPortal());
    return `${figures}, ${relay.seenSince(before, Opcode.login).length} login requests`;
  });
  await context.check("the connection is cut three times under load: verified writes go on", async () => {
    const figures = await underLoad(async () => {
      for (let i = 0; i < 3; i++) {
        relay.cut();
        await setTimeout(LOADED);
      }
    });
    return figures;
  });
  await context.check("it is cut and the portal does not hear of it: the session is reinstated", async () => {
    const [seen, closed] = [relay.seen.length, relay.targetsClosed];
    const figures = await underLoad(async () => relay.cut({ targetHears: false }));
    const [login] = relay.seenSince(seen, Opcode.login);
    expect(login.header.readUInt16BE(14), "TSIH of the login").to.equal(0);
    expect(relay.targetsClosed - closed, "former connections that the portal ended").to.equal(1);
    return `${figures}; ISID ${login.header.toString("hex", 8, 14)}`;
  });
  await context.check("an initiator that stands still is given up, and comes again", async () => {
    const since = clock();
    let given = 0;
    await guest.standStill(async () => {
      while (relay.connections > 0 && since() < (SILENCE + SLACK) * 1000) await setTimeout(200);
      given = since();
    });
    expect(relay.connections, "connections after that time").to.equal(0);
    expect(given / 1000).to.be.above(SILENCE - SLACK);
    await initiator.recovered();
    const sum = await copy(guest, disk, COPIED);
    expect(await sumOfFile(stand.file, COPIED), "in the file").to.equal(sum);
    return `given up after ${(given / 1000).toFixed(0)} s, ${sum.slice(0, 16)}`;
  });
  await initiator.logOut();
}
