// Knows what sessions agree on about how data moves, and that data moves under all of it.

import { Opcode } from "@pvscsi/iscsi";
import { expect } from "chai";
import { verifyOnce } from "../qemu/contents.js";
import type { Initiator } from "./initiator.js";
import type { Stand } from "./stand.js";

/** MiB that are written and read. */
const WORK = 8;
/** R2Ts of one command: ours, and a power of two as Linux wants it. */
const TRANSFERS = 8;

/** What the initiator asks for, by the RFC's names, and what kind of PDU has to be there, or must not. */
interface Combination {
  readonly initialR2T: "Yes" | "No";
  readonly immediateData: "Yes" | "No";
  readonly firstBurst: number;
  readonly maxBurst: number;
  /** Its own MaxRecvDataSegmentLength, and the most that it sends in one data segment. */
  readonly receives: number;
  readonly sends: number;
}

const of = (
  initialR2T: "Yes" | "No",
  immediateData: "Yes" | "No",
  [firstBurst, maxBurst]: readonly [number, number],
  [receives, sends]: readonly [number, number],
): Combination => ({ initialR2T, immediateData, firstBurst, maxBurst, receives, sends });

const KIB = 1024;
const COMBINATIONS: readonly Combination[] = [
  of("No", "Yes", [256 * KIB, 1024 * KIB], [256 * KIB, 0]),
  of("Yes", "Yes", [64 * KIB, 256 * KIB], [64 * KIB, 0]),
  of("Yes", "No", [64 * KIB, 256 * KIB], [256 * KIB, 0]),
  of("No", "No", [64 * KIB, 64 * KIB], [8 * KIB, 8 * KIB]),
  of("No", "Yes", [512, 512], [512, 512]),
  of("Yes", "Yes", [4 * KIB, 4 * KIB], [4 * KIB, 4 * KIB]),
  of("No", "Yes", [128 * KIB, 16384 * KIB - KIB], [1024 * KIB, 0]),
  of("No", "No", [512, 16 * KIB], [16 * KIB, 512]),
];

export async function judgeParameters(stand: Stand): Promise<void> {
  for (const combination of COMBINATIONS) {
    await stand.context.check(titleOf(combination), () => moveUnder(stand, combination));
  }
  await stand.context.check(`MaxOutstandingR2T=${TRANSFERS}: so many R2Ts of one command are outstanding`, () =>
    moveByTransfers(stand),
  );
  await stand.initiator.renew();
}

function titleOf({ initialR2T, immediateData, firstBurst, maxBurst, receives, sends }: Combination): string {
  const bursts = `bursts ${firstBurst} and ${maxBurst}`;
  return `InitialR2T=${initialR2T}, ImmediateData=${immediateData}, ${bursts}, segments ${receives} and ${sends || "as told"}`;
}

function settingsOf(combination: Combination): Record<string, string | number> {
  return {
    "node.session.iscsi.InitialR2T": combination.initialR2T,
    "node.session.iscsi.ImmediateData": combination.immediateData,
    "node.session.iscsi.FirstBurstLength": combination.firstBurst,
    "node.session.iscsi.MaxBurstLength": combination.maxBurst,
    "node.conn[0].iscsi.MaxRecvDataSegmentLength": combination.receives,
    "node.conn[0].iscsi.MaxXmitDataSegmentLength": combination.sends,
  };
}

async function moveUnder({ initiator, relay }: Stand, combination: Combination): Promise<string> {
  await initiator.set(settingsOf(combination));
  return await initiator.within(async () => {
    expect(await agreedOn(initiator)).to.deep.equal(wantedOf(combination));
    const before = [relay.count(Opcode.readyToTransfer), relay.count(Opcode.dataOut)];
    const figures = await verifyOnce(initiator.guest, (await initiator.disk(0)).disk, WORK);
    const transfers = relay.count(Opcode.readyToTransfer) - before[0];
    return `${figures}, ${transfers} R2Ts, ${relay.count(Opcode.dataOut) - before[1]} Data-Outs`;
  });
}

/** Where nothing comes unasked, and a burst is a page. */
async function moveByTransfers(stand: Stand): Promise<string> {
  const { initiator, relay } = stand;
  await initiator.set({ "node.session.iscsi.MaxOutstandingR2T": TRANSFERS });
  relay.mostOutstanding = 0;
  const figures = await moveUnder(stand, of("Yes", "No", [4 * KIB, 4 * KIB], [64 * KIB, 0]));
  expect(relay.mostOutstanding, "R2Ts outstanding").to.equal(TRANSFERS);
  return figures;
}

async function agreedOn(initiator: Initiator): Promise<string[]> {
  const names = ["initial_r2t", "immediate_data", "first_burst_len", "max_burst_len", "max_recv_dlength"];
  return await Promise.all(names.map((name) => initiator.attribute(name)));
}

function wantedOf({ initialR2T, immediateData, firstBurst, maxBurst, receives }: Combination): string[] {
  const yes = (word: string) => (word === "Yes" ? "1" : "0");
  return [yes(initialR2T), yes(immediateData), `${firstBurst}`, `${Math.min(maxBurst, 1024 * KIB)}`, `${receives}`];
}
