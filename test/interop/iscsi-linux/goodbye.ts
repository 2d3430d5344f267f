// Knows how a portal ends that is told to: it asks its initiators to log out, and waits for them (RFC 7143 11.9.1).

import { setTimeout } from "node:timers/promises";
import { Opcode } from "@pvscsi/iscsi";
import { expect } from "chai";
import { clock } from "../qemu/clock.js";
import { verifySlowly } from "../qemu/contents.js";
import type { Stand } from "./stand.js";

/** Milliseconds that a portal may take to end. */
const PATIENCE = 10_000;
/** Milliseconds of fio's work before the portal ends. */
const LOADED = 3000;

export async function judgeGoodbye(stand: Stand): Promise<void> {
  const { context, initiator } = stand;
  await initiator.logIn();
  await context.check("SIGTERM: Linux is asked to log out, does, and comes again when the portal does", async () => {
    await initiator.disk(0);
    const farewell = await endPolitely(stand);
    await stand.serveAgain();
    await initiator.recovered();
    return farewell;
  });
  await context.check("the same under load: verified writes go on", async () => {
    const load = verifySlowly(initiator.guest, (await initiator.disk(0)).disk);
    load.catch(() => {});
    await setTimeout(LOADED);
    const farewell = await endPolitely(stand);
    await stand.serveAgain();
    const figures = await load;
    await initiator.recovered();
    return `${farewell}; ${figures}`;
  });
  await initiator.logOut();
}

async function endPolitely({ relay, portal }: Stand): Promise<string> {
  const before = relay.seen.length;
  const since = clock();
  await portal.end();
  const milliseconds = since();
  const [message] = relay.seenSince(before, Opcode.asynchronous);
  expect(message?.header[36], "event").to.equal(1);
  const answers = relay.seenSince(before, Opcode.logoutResponse).map(({ header }) => header[2]);
  expect(answers, "logout responses").to.deep.equal([0]);
  expect(milliseconds).to.be.below(PATIENCE);
  relay.lead(null);
  return `logged out and ended after ${milliseconds} ms`;
}
