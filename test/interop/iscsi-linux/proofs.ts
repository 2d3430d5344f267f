// Knows who is let in by CHAP, one way and both, as iscsid asks for it.

import { expect } from "chai";
import type { Stand } from "./stand.js";

const USER = { user: "alice", secret: "correct-horse-battery" };
const TARGET = { user: "disks", secret: "staple-and-so-forth" };

const AUTH = "node.session.auth";
const oneWay = (secret: string) => ({
  [`${AUTH}.authmethod`]: "CHAP",
  [`${AUTH}.username`]: USER.user,
  [`${AUTH}.password`]: secret,
});
const bothWays = (secret: string) => ({
  ...oneWay(USER.secret),
  [`${AUTH}.username_in`]: TARGET.user,
  [`${AUTH}.password_in`]: secret,
});

interface Attempt {
  readonly name: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly enters: boolean;
}

const ATTEMPTS: readonly Attempt[] = [
  { name: "no proof", settings: {}, enters: false },
  { name: "the right secret", settings: oneWay(USER.secret), enters: true },
  { name: "a wrong secret", settings: oneWay("correct-horse-batterz"), enters: false },
  { name: "mutual, both secrets right", settings: bothWays(TARGET.secret), enters: true },
  { name: "mutual, another secret of the target than ours", settings: bothWays("staple-and-so-fortj"), enters: false },
];

/** The portal has to have ended. */
export async function judgeProofs(stand: Stand): Promise<void> {
  const { context, initiator } = stand;
  await stand.serveAgain({ chap: USER, chapTarget: TARGET });
  for (const { name, settings, enters } of ATTEMPTS) {
    await context.check(`CHAP: ${name}`, async () => {
      await initiator.set(settings);
      const { status, output } = await initiator.tryLogIn();
      if (status === 0) await initiator.logOut();
      expect(status === 0, output).to.equal(enters);
      return enters ? "let in" : (/\((\d+ - [^)]*)\)/.exec(output)?.[1] ?? output);
    });
  }
  await context.check("CHAP: the portal tells whom it did not let in, and no secret", async () => {
    const said = await stand.portal.end();
    expect(said.length, said.join("\n")).to.be.at.least(2);
    for (const { secret } of [USER, TARGET]) expect(said.join("\n")).not.to.contain(secret);
    return said[0];
  });
}
