// Knows two sessions with one target: two paths to the same logical units, each a nexus of its own.

import { expect } from "chai";
import { copy, sumOnDisk } from "../qemu/contents.js";
import type { Stand } from "./stand.js";

const COPIED = 8;
const KEYS = ["0x111", "0x222"];

export async function judgePaths({ context, initiator, relay }: Stand): Promise<void> {
  const { guest } = initiator;
  await context.check("two sessions by two interfaces are two paths to one logical unit", async () => {
    await guest.run("iscsiadm -m iface -I second -o new 2>&1");
    await initiator.node("-o new -I second");
    await initiator.logIn();
    const sessions = (await guest.run("iscsiadm -m session")).trim().split("\n");
    expect(sessions.length).to.equal(2);
    const paths = [await initiator.disk(0, 1), await initiator.disk(0, 2)];
    const pages = await Promise.all(paths.map(({ generic }) => guest.run(`sg_vpd --page=0x83 --hex ${generic}`)));
    expect(pages[1], "page 0x83").to.equal(pages[0]);
    expect(paths[1].disk).not.to.equal(paths[0].disk);
    return `${paths.map(({ disk }) => disk).join(" and ")}; ${relay.connections} connections`;
  });
  await context.check("what is written by one path is read by the other", async () => {
    const sum = await copy(guest, (await initiator.disk(0, 1)).disk, COPIED);
    expect(await sumOnDisk(guest, (await initiator.disk(0, 2)).disk, COPIED)).to.equal(sum);
    return sum.slice(0, 16);
  });
  await context.check("sg_persist: a reservation of one path keeps the other out, until it is released", async () => {
    const [one, other] = [(await initiator.disk(0, 1)).generic, (await initiator.disk(0, 2)).generic];
    const out = (words: string, generic: string) => guest.run(`sg_persist --out ${words} ${generic} 2>&1`);
    await out(`--register --param-sark=${KEYS[0]}`, one);
    await out(`--register --param-sark=${KEYS[1]}`, other);
    await out(`--reserve --prout-type=3 --param-rk=${KEYS[0]}`, one);
    const keys = await guest.run(`sg_persist --in --read-keys ${other}`);
    for (const key of KEYS) expect(keys).to.contain(key);
    const refused = await guest.attempt(
      `sg_persist --out --reserve --prout-type=3 --param-rk=${KEYS[1]} ${other} 2>&1`,
    );
    expect(refused.status, refused.output).to.equal(24);
    await out(`--release --prout-type=3 --param-rk=${KEYS[0]}`, one);
    await out(`--clear --param-rk=${KEYS[1]}`, other);
    // CLEAR is a unit attention for the other path.
    expect(await guest.run(`sg_turs ${one} > /dev/null 2>&1; sg_persist --in --read-keys ${one}`)).to.match(
      /no registered reservation keys/i,
    );
    return "register, reserve, a conflict, release, clear";
  });
  await initiator.logOut();
  await initiator.node("-o delete -I second");
}
