// Knows the logins of an initiator that means harm: which target it comes to, what it offers, and its way through the stages.

import { CONTINUE, chapResponse, formatText, IMMEDIATE, type KeyValue, Opcode, Stage, TRANSIT } from "@pvscsi/iscsi";
import type { Random } from "@pvscsi/wire";
import { pick } from "../../support/random-command.js";
import { headerOf, type Parts } from "./hostile-pdu.js";
import { identityOf, pairsOf } from "./peer.js";

export const HOSTILE_TARGET = "iqn.2026-11.localhost:hostile";
export const SECRET_TARGET = "iqn.2026-11.localhost:secret";
export const ACCOUNT = { name: "somebody", secret: Buffer.from("twelve-bytes") };
export const TARGET_ACCOUNT = { name: "target", secret: Buffer.from("other-secret") };

/** Null is discovery. */
const TARGETS = [...Array<string>(8).fill(HOSTILE_TARGET), SECRET_TARGET, SECRET_TARGET, null];
const SIZES: readonly number[] = [512, 1024, 8192, 65536, 262144];

/** What one login wants. */
export interface LoginPlan {
  readonly initiator: string;
  readonly isid: number;
  readonly target: string | null;
  readonly keys: Readonly<Record<string, string>>;
  readonly maximumData: number;
  /** The secret it knows, or thinks it does; null where it does not try. */
  readonly secret: Uint8Array | null;
  readonly mutual: boolean;
  /** All in one request, or stage by stage. */
  readonly whole: boolean;
}

export function randomPlan(random: Random): LoginPlan {
  const target = pick(random, TARGETS);
  const secret = target !== SECRET_TARGET ? null : random.chance(0.8) ? ACCOUNT.secret : Buffer.from("wrong-secret");
  const maximumData = pick(random, SIZES);
  const yes = (): string => (random.chance(0.5) ? "Yes" : "No");
  return {
    initiator: `iqn.2026-11.localhost:hostile${random.below(3)}`,
    isid: random.below(4),
    target,
    secret,
    maximumData,
    mutual: random.chance(0.3),
    whole: secret === null && random.chance(0.6),
    keys: {
      HeaderDigest: pick(random, ["None", "CRC32C,None", "None,CRC32C"]),
      DataDigest: pick(random, ["None", "CRC32C,None", "None,CRC32C"]),
      InitialR2T: yes(),
      ImmediateData: yes(),
      MaxRecvDataSegmentLength: String(maximumData),
      MaxBurstLength: String(pick(random, SIZES)),
      FirstBurstLength: String(pick(random, SIZES)),
      MaxOutstandingR2T: String(1 + random.below(10)),
      ErrorRecoveryLevel: String(random.below(3)),
    },
  };
}

/** Goes through the stages as the answers come. */
export class HostileLogin {
  readonly plan: LoginPlan;
  readonly #random: Random;
  readonly #cmdSN: number;
  #step: "first" | "algorithm" | "response" | "operational" | "done" = "first";
  #answers: ReadonlyMap<string, string> = new Map();
  /** Whether an answer is waited for. */
  #waits = false;

  constructor(plan: LoginPlan, cmdSN: number, random: Random) {
    this.plan = plan;
    this.#cmdSN = cmdSN;
    this.#random = random;
  }

  answered(pairs: readonly KeyValue[]): void {
    this.#answers = new Map(pairs.map(({ key, value }) => [key, value]));
    this.#waits = false;
  }

  /** The next request; null where an answer has to come first. */
  next(): Parts | null {
    if (this.#waits && this.#random.chance(0.9)) return null;
    this.#waits = true;
    const { plan } = this;
    const identity = identityOf({ initiator: plan.initiator, target: plan.target });
    const operational = TRANSIT | (Stage.operational << 2) | Stage.fullFeature;
    switch (this.#step) {
      case "first":
        this.#step = plan.whole ? "done" : plan.secret === null ? "operational" : "algorithm";
        if (plan.whole) return this.#request(operational, [...identity, ...pairsOf(plan.keys)]);
        if (plan.secret !== null) return this.#request(Stage.operational, [...identity, ...method("CHAP")]);
        return this.#request(TRANSIT | Stage.operational, [...identity, ...method("None")]);
      case "algorithm":
        this.#step = "response";
        return this.#request(Stage.operational, pairsOf({ CHAP_A: pick(this.#random, ["5", "7", "6,5", "9,5"]) }));
      case "response":
        this.#step = "operational";
        return this.#request(TRANSIT | Stage.operational, this.#prove());
      default:
        this.#step = "done";
        return this.#request(operational, pairsOf(plan.keys));
    }
  }

  #prove(): KeyValue[] {
    const digest = { "5": "md5", "6": "sha1", "7": "sha256" }[this.#answers.get("CHAP_A") ?? "5"] ?? "md5";
    const challenge = Buffer.from((this.#answers.get("CHAP_C") ?? "0x00").slice(2), "hex");
    const identifier = Number(this.#answers.get("CHAP_I") ?? 0);
    const response = chapResponse(digest, identifier, this.plan.secret ?? challenge, challenge);
    const answer = pairsOf({ CHAP_N: ACCOUNT.name, CHAP_R: `0x${Buffer.from(response).toString("hex")}` });
    if (!this.plan.mutual) return answer;
    return [...answer, ...pairsOf({ CHAP_I: "77", CHAP_C: "0x00112233445566778899aabbccddeeff" })];
  }

  #request(flags: number, pairs: readonly KeyValue[]): Parts {
    const goesOn = this.#random.chance(0.03) ? CONTINUE : 0;
    const header = headerOf(Opcode.login | IMMEDIATE, flags | goesOn, 1);
    header[8] = 0x80;
    header[13] = this.plan.isid;
    header.writeUInt32BE(this.#cmdSN, 24);
    return { header, data: formatText(pairs) };
  }
}

function method(name: string): KeyValue[] {
  return pairsOf({ AuthMethod: name });
}
