// Knows which targets an iSCSI server has: one of LUN words, or those of LIO's saveconfig.json.

import { type IscsiChap, iscsiNodes } from "@pvscsi/config";
import { readSaveconfig } from "@pvscsi/host";
import type { Authentication, ChapAccount } from "@pvscsi/iscsi";
import { type BusPlan, planOfTargets } from "./device-bus.js";
import type { ServedTarget } from "./iscsi-serve.js";

/** What is served, and to whom. */
export interface IscsiPlan {
  readonly plan: BusPlan;
  readonly targets: readonly ServedTarget[];
}

/** The iSCSI targets of a file. Throws `ConfigError`. */
export async function iscsiPlanOfFile(file: string): Promise<IscsiPlan> {
  const { targets, devices, warnings } = iscsiNodes(await readSaveconfig(file));
  const numbered = targets.map(({ luns }, target) => ({ target, luns }));
  return {
    plan: planOfTargets(file, devices, numbered, warnings),
    targets: targets.map(({ name, chap, initiators }) => ({
      name,
      authentication: authenticationOf(chap),
      initiators:
        initiators === null ? null : new Map([...initiators].map(([who, proof]) => [who, authenticationOf(proof)])),
    })),
  };
}

function authenticationOf(chap: IscsiChap | null): Authentication | null {
  if (chap === null) return null;
  const { user, password, mutual } = chap;
  const initiators = [account(user, password)];
  return mutual === null ? { initiators } : { initiators, target: account(mutual.user, mutual.password) };
}

function account(name: string, password: string): ChapAccount {
  return { name, secret: Buffer.from(password, "utf8") };
}
