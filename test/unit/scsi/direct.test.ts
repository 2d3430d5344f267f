import {
  type AdapterEvent,
  AdapterManagement,
  Command,
  createDisk,
  directAdapter,
  type HostAdapter,
  HostByte,
  MemoryStore,
  Status,
  Target,
} from "@pvscsi/scsi";
import { expect } from "chai";
import { HeldStore } from "../../support/held-store.js";
import { hex, IDENTITY, toHex } from "./initiator.js";

interface Queue {
  readonly lun?: number;
  readonly target?: number;
  readonly channel?: number;
  readonly room?: number;
}

function queue(adapter: HostAdapter, cdb: string, { lun = 0, target = 0, channel = 0, room = 0 }: Queue = {}) {
  const command = Object.assign(new Command(), { channel, target, lun, ends: 0 });
  command.cdb.set(hex(cdb));
  command.cdbLength = hex(cdb).length;
  command.direction = room > 0 ? "from-device" : "none";
  const [page] = adapter.allocate(1);
  if (room > 0) command.data.add(page, 0, room);
  command.completed = () => {
    command.ends += 1;
  };
  adapter.queue(command);
  return { command, page };
}

function manage(adapter: HostAdapter, name: AdapterManagement["function"], victim: Command | null, lun = 0) {
  const management = Object.assign(new AdapterManagement(), { function: name, victim, lun, ends: 0 });
  management.completed = () => {
    management.ends += 1;
  };
  adapter.manage(management);
  return management;
}

const disk = (size = 64 * 512) => createDisk({ ...IDENTITY, store: new MemoryStore(size) });

function oneTarget(...luns: number[]) {
  const target = new Target();
  for (const lun of luns) target.add(lun, disk());
  return { target, adapter: directAdapter(target) };
}

describe("the direct adapter", () => {
  it("takes commands to the target and back", () => {
    const { adapter } = oneTarget(0);
    const attention = queue(adapter, "00 00 00 00 00 00").command;
    expect(attention).to.include({ ends: 1, hostByte: HostByte.ok, status: Status.checkCondition, senseLength: 18 });
    expect(toHex(attention.sense.subarray(0, 18))).to.equal("70 00 06 00 00 00 00 0a 00 00 00 00 29 00 00 00 00 00");
    const { command, page } = queue(adapter, "25 00 00 00 00 00 00 00 00 00", { room: 32 });
    expect(command).to.include({ ends: 1, status: Status.good, residual: 24 });
    expect(toHex(page.subarray(0, 9))).to.equal("00 00 00 3f 00 00 02 00 00");
  });

  it("knows no other target than those it was given", () => {
    const device = new Target("1:2");
    device.add(0, disk());
    const adapter = directAdapter([{ channel: 1, target: 2, device }]);
    const hostByte = (channel: number, target: number) =>
      queue(adapter, "12 00 00 00 24 00", { channel, target, room: 36 }).command.hostByte;
    expect(hostByte(1, 2)).to.equal(HostByte.ok);
    for (const [channel, target] of [
      [0, 0],
      [1, 1],
      [0, 18],
      [9, 9],
    ]) {
      expect(hostByte(channel, target)).to.equal(HostByte.noConnect);
    }
  });

  it("aborts a command and resets a unit", () => {
    const target = new Target();
    const store = new HeldStore(64 * 512);
    target.add(0, createDisk({ ...IDENTITY, store }));
    const adapter = directAdapter(target);
    queue(adapter, "00 00 00 00 00 00");
    const victim = queue(adapter, "28 00 00 00 00 00 00 00 01 00", { room: 512 }).command;
    const other = queue(adapter, "28 00 00 00 00 00 00 00 01 00", { room: 512 }).command;
    const abort = manage(adapter, "abort", victim);
    expect(abort.ends).to.equal(0);
    store.drop();
    expect(victim).to.include({ ends: 1, hostByte: HostByte.abort, residual: 512 });
    expect(abort).to.include({ ends: 1, succeeded: true });
    const reset = manage(adapter, "device-reset", null);
    store.drop();
    expect(other).to.include({ ends: 1, hostByte: HostByte.reset });
    expect(reset).to.include({ ends: 1, succeeded: true });
    expect(manage(adapter, "abort", victim)).to.include({ ends: 1, succeeded: false });
    expect(manage(adapter, "device-reset", null, 5)).to.include({ ends: 1, succeeded: false });
  });

  it("tells of LUNs that are there, that come and that go, one at a time", async () => {
    const { adapter, target } = oneTarget(0, 1);
    const told: string[] = [];
    let busy = false;
    adapter.listen(async (event: AdapterEvent) => {
      expect(busy).to.equal(false);
      busy = true;
      await null;
      told.push(event.kind + ("address" in event ? ` ${event.address.lun}` : ""));
      busy = false;
      return true;
    });
    expect(told).to.deep.equal([]);
    target.add(7, disk());
    await target.remove(0);
    await adapter.close();
    while (told.length < 5) await null;
    expect(told).to.deep.equal(["device-added 0", "device-added 1", "device-added 7", "device-removed 0", "closed"]);
  });

  it("that closes ends every command, and takes no more", async () => {
    const target = new Target();
    const store = new HeldStore(64 * 512);
    target.add(0, createDisk({ ...IDENTITY, store }));
    const adapter = directAdapter(target);
    queue(adapter, "00 00 00 00 00 00");
    const { command } = queue(adapter, "28 00 00 00 00 00 00 00 01 00", { room: 512 });
    const closing = adapter.close();
    store.drop();
    await closing;
    expect(command).to.include({ ends: 1, hostByte: HostByte.abort });
    expect(queue(adapter, "00 00 00 00 00 00").command).to.include({ ends: 1, hostByte: HostByte.noConnect });
  });
});
