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

/** What targetcli saves of a target with one initiator, which has a CHAP secret of its own. */
const SAVED = {
  storage_objects: [{ name: "disk", plugin: "ramdisk", size: 8 << 20, attributes: { emulate_model_alias: 1 } }],
  targets: [
    {
      fabric: "iscsi",
      wwn: "iqn.2003-01.org.linux-iscsi.host.x8664:sn.0123456789ab",
      tpgs: [
        {
          attributes: { authentication: 1, generate_node_acls: 0 },
          enable: true,
          luns: [{ index: 0, storage_object: "/backstores/ramdisk/disk" }],
          node_acls: [
            {
              chap_password: CHAP.secret,
              chap_userid: CHAP.user,
              mapped_luns: [{ index: 0, tpg_lun: 0, write_protect: false }],
              node_wwn: INITIATOR,
            },
          ],
          portals: [{ ip_address: "0.0.0.0", iser: false, offload: false, port: 3260 }],
          tag: 1,
        },
      ],
    },
  ],
};

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
  [
    "LIO's saveconfig.json",
    { saveconfig: SAVED },
    [
      { name: "the initiator of its ACL, with its secret", initiator: INITIATOR, who: right, enters: true },
      { name: "that initiator, with another", initiator: INITIATOR, who: `${CHAP.user}%wrong-horse`, enters: false },
      { name: "another initiator, with the secret", initiator: `${INITIATOR}-not`, who: right, enters: false },
    ],
  ],
];

export async function judgeLogins(context: SuiteContext): Promise<void> {
  for (const [subject, wishes, attempts] of STANDS) {
    const portal = await ServedPortal.start(context, wishes.saveconfig === undefined ? ["mem:8MiB"] : [], wishes);
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
  expect(status === 0 && /^Vendor:(PVSCSI|LIO-ORG) *$/m.test(output), `${output}${errors}`).to.equal(enters);
  return enters ? "let in" : "not let in";
}
