// Knows what is asked of three who have one disk by three wires: that they have the same bytes, and that reservations of each hold
// against the others, whichever type and whoever reserves.

import { expect } from "chai";
import { PACKAGES, prepareImages } from "../qemu/images.js";
import type { Suite, SuiteContext } from "../suite.js";
import { MEBIBYTES, SharedMachine } from "./machine.js";
import { EXIT, GuestParty, type Party } from "./parties.js";

const COPIED = 8;

interface ReservationType {
  readonly name: string;
  readonly type: number;
  /** Whether others than its holders may read. */
  readonly read: boolean;
  /** Who may do everything besides the holder. */
  readonly shared: "nobody" | "registered";
}

/** SPC-4 table 213; what others may do is 5.13.8. */
const TYPES: readonly ReservationType[] = [
  { name: "Write Exclusive", type: 1, read: true, shared: "nobody" },
  { name: "Exclusive Access", type: 3, read: false, shared: "nobody" },
  { name: "Write Exclusive, Registrants Only", type: 5, read: true, shared: "registered" },
  { name: "Exclusive Access, Registrants Only", type: 6, read: false, shared: "registered" },
  { name: "Write Exclusive, All Registrants", type: 7, read: true, shared: "registered" },
  { name: "Exclusive Access, All Registrants", type: 8, read: false, shared: "registered" },
];

export const sharedSuite: Suite = {
  name: "shared",
  judges: "one disk that a domU, a guest of QEMU's and an iSCSI initiator have at once, by sg3_utils in a stock Linux",
  packages: [...PACKAGES, "qemu-block-extra"],
  default: false,
  budgetSeconds: 300,
  run: judge,
};

async function judge(context: SuiteContext): Promise<void> {
  let machine: SharedMachine | null = null;
  await context.check("a domU, a guest of QEMU's and an initiator have the disk", async () => {
    machine = await SharedMachine.start(context, await prepareImages(context, "cloud"));
    for (const party of machine.parties) await party.told();
    return machine.parties.map(({ name }) => name).join(", ");
  });
  if (machine === null) return;
  await judgeParties(context, machine);
}

async function judgeParties(context: SuiteContext, machine: SharedMachine): Promise<void> {
  const { parties } = machine;
  for (const writer of parties) {
    await context.check(`${COPIED} MiB that the ${writer.name} writes`, () => readByAll(writer, parties));
  }
  await context.check("READ FULL STATUS shows each, by its own TransportID", () => showAll(parties));
  for (const type of TYPES) {
    await context.check(`${type.name}: whoever holds it`, () => holdAgainst(parties, type));
  }
  await context.check("each takes it from another, who hears of it", () => preempt(parties));
  await context.check("scsi-resize is told to each, and each has the size", () => resize(machine));
  await context.check("a guest that is killed stays registered, and is put out", () => outlive(machine));
  await context.check("dom0 ends in order", () => machine.finish());
}

async function readByAll(writer: Party, parties: readonly Party[]): Promise<string> {
  await writer.fill(COPIED);
  const sums: string[] = [];
  for (const party of parties) sums.push(await party.sum(COPIED));
  expect(new Set(sums).size, sums.join(" ")).to.equal(1);
  return sums[0].slice(0, 16);
}

/** Each has its place in the list, from 1, as its key. */
async function registerAll(parties: readonly Party[]): Promise<void> {
  for (const [i, party] of parties.entries()) {
    expect(await party.change("register", { key: 0, serviceKey: i + 1 }), party.name).to.equal(EXIT.good);
  }
}

async function clear(parties: readonly Party[], by: number): Promise<void> {
  expect(await parties[by].change("clear", { key: by + 1 }), "CLEAR").to.equal(EXIT.good);
  for (const party of parties) await party.told();
}

async function showAll(parties: readonly Party[]): Promise<string> {
  await registerAll(parties);
  const asked = parties.filter((party) => party instanceof GuestParty);
  const shown = await Promise.all(asked.map((party) => party.fullStatus()));
  for (const text of shown) {
    expect(text.match(/Key=0x\d/g)).to.deep.equal(["Key=0x1", "Key=0x2", "Key=0x3"]);
    expect(text.match(/SAS address: 0x3\w{15}/g), text).to.have.length(2);
    expect(text, text).to.include("iqn.2026-11.localhost:qemu");
  }
  await clear(parties, 0);
  return `${shown.length} answers: two SAS addresses, one iSCSI name`;
}

/** Each holds it once; of the others one is registered and one is not. */
async function holdAgainst(parties: readonly Party[], { type, read, shared }: ReservationType): Promise<string> {
  let asked = 0;
  for (const [i, holder] of parties.entries()) {
    const [registered, stranger] = [1, 2].map((step) => parties[(i + step) % parties.length]);
    await registerAll(parties);
    const number = parties.indexOf(stranger) + 1;
    expect(await stranger.change("register", { key: number }), stranger.name).to.equal(EXIT.good);
    expect(await holder.change("reserve", { key: i + 1, type }), holder.name).to.equal(EXIT.good);
    const rows = [
      { party: holder, reads: true, writes: true },
      { party: registered, reads: read || shared === "registered", writes: shared === "registered" },
      { party: stranger, reads: read, writes: false },
    ];
    for (const { party, reads, writes } of rows) {
      const who = `${party.name}, held by ${holder.name}`;
      expect(await party.read(), `READ of ${who}`).to.equal(reads ? EXIT.good : EXIT.reservationConflict);
      expect(await party.write(), `WRITE of ${who}`).to.equal(writes ? EXIT.good : EXIT.reservationConflict);
      asked += 2;
    }
    await clear(parties, i);
  }
  return `${asked} commands`;
}

async function preempt(parties: readonly Party[]): Promise<string> {
  const heard: string[] = [];
  for (const [i, victim] of parties.entries()) {
    const taker = (i + 1) % parties.length;
    await registerAll(parties);
    expect(await victim.change("reserve", { key: i + 1, type: 3 })).to.equal(EXIT.good);
    const change = { key: taker + 1, serviceKey: i + 1, type: 3 };
    expect(await parties[taker].change("preemptAndAbort", change), parties[taker].name).to.equal(EXIT.good);
    heard.push(...(await victim.told()));
    expect(await victim.read(), victim.name).to.equal(EXIT.reservationConflict);
    expect(await parties[taker].write(), parties[taker].name).to.equal(EXIT.good);
    await clear(parties, taker);
  }
  expect(new Set(heard)).to.deep.equal(new Set(["Registrations preempted"]));
  return `${heard.length} times "${heard[0]}"`;
}

/** Who does not tell it to us has told it to a kernel, which logs it. Two of them have one kernel. */
async function resize(machine: SharedMachine): Promise<string> {
  const { parties } = machine;
  const logs = () => Promise.all(parties.map((party) => party.logged()));
  const before = await logs();
  await machine.resize(2 * MEBIBYTES);
  const heard = await Promise.all(parties.map((party) => party.told()));
  const after = await logs();
  const sizes = await Promise.all(parties.map((party) => party.size()));
  expect(sizes).to.deep.equal(parties.map(() => 2 * MEBIBYTES * 1024 * 1024));
  const [own, shared] = [0, 1].map((i) => after[i] - before[i]);
  const told = heard.map((words) => words.filter((text) => text === "Capacity data has changed").length);
  expect(own + told[0], "the domU").to.be.at.least(1);
  expect(shared + told[1] + told[2], "the two of QEMU's guest").to.be.at.least(2);
  return `${2 * MEBIBYTES} MiB; to us ${told.join(", ")}, to kernels ${own}, ${shared}`;
}

/** Both of QEMU's parties are registered, one of them holds it, and QEMU is killed: the domU puts them out one by one. */
async function outlive({ parties, guest }: SharedMachine): Promise<string> {
  const [domain, overVhost] = parties;
  await registerAll(parties);
  expect(await overVhost.change("reserve", { key: 2, type: 3 })).to.equal(EXIT.good);
  await guest.kill();
  expect(await domain.read(), "while the guest that is gone holds it").to.equal(EXIT.reservationConflict);
  for (const serviceKey of [2, 3]) {
    expect(await domain.change("preempt", { key: 1, serviceKey, type: 3 })).to.equal(EXIT.good);
  }
  expect(await domain.write()).to.equal(EXIT.good);
  expect(await domain.change("clear", { key: 1 })).to.equal(EXIT.good);
  return "the domU has the disk";
}
