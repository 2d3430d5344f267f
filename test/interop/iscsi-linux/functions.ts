// Knows task management as Linux asks for it: sg_reset of a device and of a target, under load.

import { ManagementFunctionCode, Opcode } from "@pvscsi/iscsi";
import { expect } from "chai";
import { verifyAtDepth } from "../qemu/contents.js";
import type { Stand } from "./stand.js";

/** Seconds of fio. */
const WORK = 6;

const RESETS = [
  { what: "device", code: ManagementFunctionCode.logicalUnitReset },
  { what: "target", code: ManagementFunctionCode.targetWarmReset },
] as const;

export async function judgeFunctions({ context, initiator, relay }: Stand): Promise<void> {
  const { guest } = initiator;
  await initiator.logIn();
  for (const { what, code } of RESETS) {
    await context.check(`sg_reset --${what} under load, three times: every block's MD5 verified`, async () => {
      const { disk, generic } = await initiator.disk(0);
      const before = relay.seen.length;
      const reset = `sleep 1; sg_reset --${what} ${generic}`;
      const figures = await verifyAtDepth(guest, disk, { seconds: WORK, meanwhile: `${reset}; ${reset}; ${reset}` });
      const asked = relay.seenSince(before, Opcode.management).map(({ header }) => header[1] & 0x7f);
      expect(asked.filter((each) => each === code).length, `functions ${asked}`).to.equal(3);
      const answered = relay.seenSince(before, Opcode.managementResponse).map(({ header }) => header[2]);
      expect(answered, "responses").to.deep.equal(asked.map(() => 0));
      return `${figures}; functions ${asked}`;
    });
  }
  await initiator.logOut();
}
