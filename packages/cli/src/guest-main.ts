#!/usr/bin/env node
// Knows how a guest runs as a process of its own: dom0 starts it, tells it who it is on a file descriptor, and is where it
// connects to. Commands for it come on its own socket. It ends when its hub does.

import { ProbeHub } from "@pvscsi/wire";
import { connectXenbus } from "@pvscsi/xenbus";
import { serveSocket } from "./control-server.js";
import { GUEST_VERB } from "./domain-verbs.js";
import { type GuestSettings, readSettings, settingsLine, settingsSocket } from "./guest-settings.js";
import { nodeClock, nodeScheduler } from "./platform.js";
import { RunningGuest } from "./running-guest.js";
import { Exit, outcomeOf } from "./verb.js";

interface StartedGuest {
  /** Resolves with the reason of the guest's end. */
  readonly ended: Promise<string>;
}

async function start({ url, domain: id, secret, name, socket, authority }: GuestSettings): Promise<StartedGuest> {
  const parts = { clock: nodeClock, scheduler: nodeScheduler(), probes: new ProbeHub() };
  const trust = authority === "" ? {} : { authority };
  const joined = await connectXenbus({ ...parts, ...trust, url, domain: id, secret: Buffer.from(secret, "hex") });
  const running = new RunningGuest({ ...parts, name, domain: joined.domain });
  await running.driver.start();
  const control = await serveSocket(socket, ({ words, directory, program }) =>
    outcomeOf(GUEST_VERB, program, () => running.run(words, directory)),
  );
  const ended = joined.ended.then(async (reason) => {
    await control.close();
    for (const end of running.services.reverse()) await end();
    return reason;
  });
  return { ended };
}

const dom0 = settingsSocket();
// Who has started us is gone; the hub's connection says so too.
dom0.on("error", () => {});
try {
  const { ended } = await start(await readSettings(dom0));
  dom0.end(settingsLine({ failure: null }));
  process.stderr.write(`the guest has ended: ${await ended}\n`);
} catch (error) {
  dom0.end(settingsLine({ failure: error instanceof Error ? error.message : String(error) }));
}
process.exitCode = Exit.failed;
// What is still under way was for a hub that is gone.
setImmediate(() => process.exit());
