import { createDisk, type ManagementFunction, SENSE, Status, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { BLOCKS, IDENTITY, Initiator, pattern, type Sent } from "./initiator.js";

const READ = "28 00 00 00 00 00 00 00 01 00";
const WRITE = "2a 00 00 00 00 00 00 00 01 00";

function held(luns = 1) {
  const target = new Target();
  const stores = Array.from({ length: luns }, () => new HeldStore(BLOCKS * 512));
  for (const [lun, store] of stores.entries()) target.add(lun, createDisk({ ...IDENTITY, store }));
  const initiator = new Initiator(target);
  for (let lun = 0; lun < luns; lun++) initiator.settle(lun);
  return { target, store: stores[0], stores, initiator };
}

/** The response of a function, or "waiting". */
function manage(initiator: Initiator, name: ManagementFunction, lun = 0, tag = 0) {
  const outcome = { response: "waiting", times: 0 };
  initiator.nexus.manage({
    function: name,
    lun,
    tag,
    completed: (response) => {
      outcome.response = response;
      outcome.times += 1;
    },
  });
  return outcome;
}

function read(initiator: Initiator, lun = 0): Sent {
  return initiator.send(READ, { lun, room: 512 });
}

function expectAborted(sent: Sent): void {
  expect(sent.ends).to.equal(1);
  expect(sent.task.aborted).to.equal(true);
  expect(sent.task.status).to.equal(Status.taskAborted);
}

describe("ABORT TASK", () => {
  it("completes when the store has let the data go, not before", () => {
    const { initiator, store } = held();
    const victim = read(initiator);
    const other = read(initiator);
    const outcome = manage(initiator, "abort-task", 0, victim.task.tag);
    expect(store.cancelled).to.have.length(1);
    expect(victim.ends).to.equal(0);
    expect(outcome.response).to.equal("waiting");
    store.drop();
    expectAborted(victim);
    expect(outcome).to.deep.equal({ response: "function-complete", times: 1 });
    expect(other.ends).to.equal(0);
    store.release();
    other.good();
  });

  it("ends the task as aborted even where the store did it after all", () => {
    const { initiator, store } = held();
    const victim = initiator.send(WRITE, { out: pattern(512) });
    const outcome = manage(initiator, "abort-task", 0, victim.task.tag);
    store.release();
    expectAborted(victim);
    expect(outcome.response).to.equal("function-complete");
  });

  it("says when there is no such task, or LUN", () => {
    const { initiator } = held();
    const sent = read(initiator);
    expect(manage(initiator, "abort-task", 0, sent.task.tag + 1).response).to.equal("task-does-not-exist");
    expect(manage(initiator, "abort-task", 3, sent.task.tag).response).to.equal("incorrect-logical-unit-number");
  });

  it("of a task of several steps ends it before the next step", () => {
    const { initiator, store } = held();
    const victim = initiator.send("2f 02 00 00 00 00 00 00 02 00", { out: new Uint8Array(1024) });
    const caw = initiator.send("89 00 00 00 00 00 00 00 00 08 00 00 00 01 00 00", { out: new Uint8Array(1024) });
    manage(initiator, "abort-task", 0, caw.task.tag);
    manage(initiator, "abort-task", 0, victim.task.tag);
    store.release();
    store.release();
    expectAborted(victim);
    expectAborted(caw);
    expect(store.seen).to.deep.equal(["read", "read"]);
  });

  it("of a write that waits for COMPARE AND WRITE ends at once; what waits behind it goes on", () => {
    const { initiator, store } = held();
    const write = initiator.send(WRITE, { out: pattern(512) });
    const caw = initiator.send("89 00 00 00 00 00 00 00 00 08 00 00 00 01 00 00", { out: new Uint8Array(1024) });
    const behind = initiator.send(WRITE, { out: pattern(512, 2) });
    const outcome = manage(initiator, "abort-task", 0, caw.task.tag);
    expectAborted(caw);
    expect(outcome.response).to.equal("function-complete");
    expect(store.seen).to.deep.equal(["write", "write"]);
    store.release();
    store.release();
    write.good();
    behind.good();
  });

  it("twice waits twice", () => {
    const { initiator, store } = held();
    const victim = read(initiator);
    const outcomes = [1, 2].map(() => manage(initiator, "abort-task", 0, victim.task.tag));
    expect(store.cancelled).to.have.length(1);
    store.drop();
    expectAborted(victim);
    expect(outcomes.map(({ response }) => response)).to.deep.equal(["function-complete", "function-complete"]);
  });

  it("of a task that was submitted from a completion and has not begun", () => {
    const { initiator, store } = held();
    store.holding = false;
    const first = initiator.send(READ, { room: 512 });
    let second: Sent | undefined;
    let response = "waiting";
    first.task.completed = () => {
      second = initiator.send(WRITE, { out: pattern(512) });
      response = manage(initiator, "abort-task", 0, second.task.tag).response;
    };
    initiator.nexus.submit(first.task);
    expectAborted(second as Sent);
    expect(response, "not begun, so not ended yet").to.equal("waiting");
    expect(store.seen).to.deep.equal(["read", "read"]);
  });
});

describe("ABORT TASK SET, CLEAR TASK SET", () => {
  it("abort the tasks of this nexus at this LUN only", () => {
    const { initiator, target, stores } = held(2);
    const other = new Initiator(target).settle(0);
    const mine = [read(initiator), read(initiator)];
    const elsewhere = read(initiator, 1);
    const theirs = read(other);
    const outcome = manage(initiator, "abort-task-set");
    stores[0].drop();
    expect(outcome.response).to.equal("waiting");
    stores[0].drop();
    expect(outcome.response).to.equal("function-complete");
    for (const sent of mine) expectAborted(sent);
    stores[0].release();
    stores[1].release();
    elsewhere.good();
    theirs.good();
  });

  it("clear the tasks of all, and tell the others", () => {
    const { initiator, target, store } = held();
    const other = new Initiator(target).settle();
    const idle = new Initiator(target).settle();
    const theirs = read(other);
    const mine = read(initiator);
    const outcome = manage(initiator, "clear-task-set");
    store.drop();
    store.drop();
    expectAborted(theirs);
    expectAborted(mine);
    expect(outcome).to.deep.equal({ response: "function-complete", times: 1 });
    other.send("00 00 00 00 00 00").checked(SENSE.commandsCleared);
    initiator.send("00 00 00 00 00 00").good();
    idle.send("00 00 00 00 00 00").good();
  });

  it("complete at once where nothing is under way", () => {
    const { initiator } = held();
    expect(manage(initiator, "abort-task-set").response).to.equal("function-complete");
    expect(manage(initiator, "clear-task-set").response).to.equal("function-complete");
  });
});

describe("LOGICAL UNIT RESET and TARGET RESET", () => {
  it("end all tasks at the LUN and tell every nexus", () => {
    const { initiator, target, stores } = held(2);
    const other = new Initiator(target).settle(0);
    const tasks = [read(initiator), read(other)];
    const elsewhere = read(initiator, 1);
    const outcome = manage(initiator, "logical-unit-reset");
    expect(outcome.response).to.equal("waiting");
    stores[0].drop();
    stores[0].drop();
    for (const sent of tasks) expectAborted(sent);
    expect(outcome).to.deep.equal({ response: "function-complete", times: 1 });
    initiator.send("00 00 00 00 00 00").checked(SENSE.resetOccurred);
    other.send("00 00 00 00 00 00").checked(SENSE.resetOccurred);
    stores[1].release();
    elsewhere.good();
  });

  it("end the tasks of another target's nexus at a shared unit", () => {
    const { initiator, target, store } = held();
    const twin = new Target("1:0");
    twin.add(7, target.get(0) as NonNullable<ReturnType<Target["get"]>>);
    const other = new Initiator(twin).settle(7);
    const theirs = read(other, 7);
    manage(initiator, "logical-unit-reset");
    store.drop();
    expectAborted(theirs);
    other.send("00 00 00 00 00 00", { lun: 7 }).checked(SENSE.resetOccurred);
  });

  it("reset every LUN of the target", () => {
    const { initiator, stores } = held(2);
    const tasks = [read(initiator), read(initiator, 1)];
    const outcome = manage(initiator, "target-reset");
    stores[0].drop();
    expect(outcome.response).to.equal("waiting");
    stores[1].drop();
    for (const sent of tasks) expectAborted(sent);
    expect(outcome).to.deep.equal({ response: "function-complete", times: 1 });
    for (const lun of [0, 1]) initiator.send("00 00 00 00 00 00", { lun }).checked(SENSE.resetOccurred);
  });
});

describe("QUERY TASK", () => {
  it("knows what is under way", () => {
    const { initiator, store } = held();
    const sent = read(initiator);
    expect(manage(initiator, "query-task", 0, sent.task.tag).response).to.equal("function-succeeded");
    store.release();
    expect(manage(initiator, "query-task", 0, sent.task.tag).response).to.equal("task-does-not-exist");
  });
});

describe("what ends with tasks under way", () => {
  it("a nexus that closes waits for the store", async () => {
    const { initiator, store, target } = held();
    const sent = read(initiator);
    let closed = false;
    const closing = initiator.nexus.close().then(() => {
      closed = true;
    });
    await null;
    expect(closed).to.equal(false);
    store.drop();
    await closing;
    expectAborted(sent);
    expect(target.nexuses).to.deep.equal([]);
  });

  it("a LUN that is removed waits for the store", async () => {
    const { initiator, store, target } = held(2);
    const sent = read(initiator);
    let removed = false;
    const removing = target.remove(0).then(() => {
      removed = true;
    });
    await null;
    expect(removed).to.equal(false);
    read(initiator).checked(SENSE.logicalUnitNotSupported);
    store.drop();
    await removing;
    expectAborted(sent);
  });

  it("a disk that closes waits for a flush under way", async () => {
    const { initiator, store, target } = held();
    const sent = initiator.send("35 00 00 00 00 00 00 00 00 00");
    let closed = false;
    const closing = target
      .get(0)
      ?.close()
      .then(() => {
        closed = true;
      });
    await null;
    expect(closed).to.equal(false);
    store.release();
    await closing;
    expect(closed).to.equal(true);
    sent.good();
  });
});
