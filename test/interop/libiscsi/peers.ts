// Knows what libiscsi's suite found in other targets, test by test, as it is recorded in test/golden.

import { expect } from "chai";
import { goldenText } from "../../support/repository.js";
import type { TestResult, Verdict } from "../qemu/cunit.js";

/** A target, and `name TAB verdict TAB reason` of each test, a line each. */
export interface Peer {
  readonly name: string;
  readonly golden: string;
}

export const QEMU: Peer = { name: "QEMU 7.2 scsi-hd", golden: "qemu-7.2-scsi-hd-libiscsi.txt" };
/** Each test by a process of its own, with the same LUN by two URLs; istgt started anew for each. */
export const PEERS: readonly Peer[] = [
  { name: "tgt 1.0.85", golden: "tgt-1.0.85-libiscsi.txt" },
  QEMU,
  { name: "istgt 0.4", golden: "istgt-0.4-libiscsi.txt" },
];

const VERDICTS: Readonly<Record<string, Verdict>> = {
  PASS: "passed",
  SKIP: "skipped",
  FAIL: "failed",
  CRASH: "incomplete",
  TIMEOUT: "incomplete",
};

/** What was found in it. */
export function peerResults({ golden }: Peer): TestResult[] {
  const lines = goldenText(golden).trimEnd().split("\n");
  return lines.map((line) => {
    const [name, word, reason = ""] = line.split("\t");
    return { name, verdict: VERDICTS[word] ?? expect.fail(line), reason };
  });
}
