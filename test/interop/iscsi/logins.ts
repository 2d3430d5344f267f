// Knows who is let in and who is not, as libiscsi sees it: CHAP one way and both, and names.

import { expect } from "chai";
import type { SuiteContext } from "../suite.js";
import { type PortalWishes, ServedPortal } from "./portal.js";

const CHAP = { user: "alice", secret: "correct-horse-battery" };
const TARGET = { user: "disks", secret: "staple-and-so-forth" };
const INITIATOR = "iqn.2026-11.localhost:known";

/** One attempt: what stands in the URL, and whether it gets in. */
interface Attempt {
  readonly name: string;
  readonly who?: string;
  readonly what?: string;
  readonly initiator?: string;
  readonly enters: boolean;
}

const right = `${CHAP.user}%${CHAP.secret}`;

const STANDS: readonly (readonly [string, PortalWishes, readonly Attempt[]])[] = [
  [
    "CHAP",
    { chap: CHAP, chapTarget: TARGET },
    [
      { name: "the right secret", who: right, enters: true },
      {
        name: "both sides",
        who: right,
        what: `target_user=${TARGET.user}&target_password=${TARGET.secret}`,
        enters: true,
      },
      { name: "no secret", enters: false },
      { name: "a wrong secret", who: `${CHAP.user}%correct-horse-batterz`, enters: false },
      { name: "an unknown user", who: `bob%${CHAP.secret}`, enters: false },
      {
        name: "another secret of the target than ours",
        who: right,
        what: `target_user=${TARGET.user}&target_password=staple-and-so-fortj`,
        enters: false,
      },
    ],
  ],
  [
    "names",
    { initiator: INITIATOR },
    [
      { name: "the initiator that may log in", initiator: INITIATOR, enters: true },
      { name: "another one", initiator: `${INITIATOR}-not`, enters: false },
    ],
  ],
];

export async function judgeLogins(context: SuiteContext): Promise<void> {
  for (const [subject, wishes, attempts] of STANDS) {
    const portal = await ServedPortal.start(context, ["mem:8MiB"], wishes);
    for (const attempt of attempts) {
      await context.check(`iscsi-inq, ${subject}: ${attempt.name}`, () => tryLogin(context, portal, attempt));
    }
    await context.check(`${subject}: the portal tells whom it did not let in`, async () => {
      const said = await portal.end();
      const refused = attempts.filter(({ enters, what }) => !enters && what === undefined).length;
      expect(said.filter((line) => line.startsWith("refused: ")).length, said.join("\n")).to.be.at.least(refused);
      for (const { secret } of [CHAP, TARGET]) expect(said.join("\n")).not.to.contain(secret);
      return `${said.length} lines`;
    });
  }
}

async function tryLogin(context: SuiteContext, portal: ServedPortal, attempt: Attempt): Promise<string> {
  const { who, what, initiator, enters } = attempt;
  const names = initiator === undefined ? [] : [`--initiator-name=${initiator}`];
  const { status, output, errors } = await context.run("iscsi-inq", ...names, portal.url(0, who, what));
  expect(status === 0 && output.includes("Vendor:PVSCSI"), `${output}${errors}`).to.equal(enters);
  return enters ? "let in" : "not let in";
}
