import { openSg, type SgAdapter, SgDirection } from "@pvscsi/host";
import { AdapterManagement, Command, HostByte, Status } from "@pvscsi/scsi";
import { expect } from "chai";
import { DESCRIPTOR, Kernel } from "./played-sg.js";

/** A command with `length` bytes of data, which counts how often it has ended. */
function queue(adapter: SgAdapter, cdb: number[], direction: Command["direction"] = "none", data: number[] = []) {
  const command = Object.assign(new Command(), { ends: 0, direction, timeout: 5000 });
  command.cdb.set(cdb);
  command.cdbLength = cdb.length;
  const buffer = Uint8Array.from(data);
  // In two pieces, as a guest's pages are.
  for (const [from, to] of [
    [0, buffer.length >> 1],
    [buffer.length >> 1, buffer.length],
  ]) {
    if (to > from) command.data.add(buffer, from, to - from);
  }
  command.completed = () => (command.ends += 1);
  adapter.queue(command);
  return { command, buffer };
}

function manage(adapter: SgAdapter, name: AdapterManagement["function"], victim: Command | null = null) {
  const management = Object.assign(new AdapterManagement(), { function: name, victim, ends: 0 });
  management.completed = () => (management.ends += 1);
  adapter.manage(management);
  return management;
}

const TUR = [0, 0, 0, 0, 0, 0];

describe("the adapter of a real SCSI device", () => {
  let kernel: Kernel;
  let adapter: SgAdapter;

  beforeEach(() => {
    kernel = new Kernel();
    adapter = openSg("/dev/sg2", kernel);
  });

  it("knows where the device is, and of what type", () => {
    expect(adapter.device).to.deep.equal({ host: 3, channel: 0, target: 5, lun: 2, type: 1 });
  });

  it("writes a command with its length, timeout and way, and tells what came back", () => {
    const { command, buffer } = queue(adapter, [0x12, 0, 0, 0, 6, 0], "from-device", [9, 9, 9, 9, 9, 9]);
    const [written] = kernel.written;
    expect(written.interfaceId).to.equal(0x53);
    expect(written.timeout).to.equal(5000);
    expect(written.direction).to.equal(SgDirection.fromDev);
    expect([...kernel.cdb(0)]).to.deep.equal([0x12, 0, 0, 0, 6, 0]);
    kernel.end(0, { residual: 2 }, [], [1, 2, 3, 4, 5, 6]);
    expect([...buffer]).to.deep.equal([1, 2, 3, 4, 9, 9]);
    expect(command).to.include({ ends: 1, hostByte: HostByte.ok, status: Status.good, residual: 2, senseLength: 0 });
  });

  it("sends data as it was when the command came", () => {
    const { buffer } = queue(adapter, [0x0a, 0, 0, 0, 1, 0], "to-device", [1, 2, 3, 4]);
    buffer.fill(0);
    const { data, dataHigh, length, direction } = kernel.written[0];
    expect([...kernel.at(data, dataHigh, length)]).to.deep.equal([1, 2, 3, 4]);
    expect(direction).to.equal(SgDirection.toDev);
  });

  it("tells sense data as the device had it", () => {
    const sense = [0xf0, 0, 3, 0, 0, 0, 1, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0];
    const { command } = queue(adapter, TUR);
    kernel.end(0, { status: Status.checkCondition, driverStatus: 8 }, sense);
    expect(command).to.include({ ends: 1, hostByte: HostByte.ok, status: Status.checkCondition, senseLength: 18 });
    expect([...command.sense.subarray(0, 18)]).to.deep.equal(sense);
  });

  it("tells what became of a command on its way, by Linux' host byte", () => {
    for (const [values, expected] of [
      [{ hostStatus: 1 }, HostByte.noConnect],
      [{ hostStatus: 3, status: 2 }, HostByte.timeOut],
      [{ driverStatus: 6 }, HostByte.error],
      [{ hostStatus: 3, driverStatus: 6 }, HostByte.timeOut],
    ] as const) {
      const { command } = queue(adapter, TUR);
      kernel.end(kernel.written.length - 1, values);
      expect(command).to.include({ ends: 1, hostByte: expected, status: 0 });
    }
    kernel.refuses = true;
    expect(queue(adapter, TUR).command).to.include({ ends: 1, hostByte: HostByte.error });
  });

  it("does not believe in a residual beyond the data, or sense data beyond its room", () => {
    for (const residual of [-5, 7, 0x7fff_ffff]) {
      const { command } = queue(adapter, TUR, "from-device", [0, 0]);
      kernel.end(kernel.written.length - 1, { residual, senseLength: 255 });
      expect(command.residual).to.equal(residual < 0 ? 0 : 2);
      expect(command.senseLength).to.equal(252);
    }
  });

  it("has sixteen under way, in memory of their own, and the others in their order", () => {
    const all = Array.from({ length: 20 }, (_, i) => queue(adapter, [0, 0, 0, 0, i, 0]));
    expect(kernel.written).to.have.length(16);
    expect(kernel.written.map((_, i) => kernel.cdb(i)[4]).sort((a, b) => a - b)).to.deep.equal(
      [...all.keys()].slice(0, 16),
    );
    kernel.end(11);
    kernel.end(3);
    expect([kernel.cdb(16)[4], kernel.cdb(17)[4]]).to.deep.equal([16, 17]);
    expect(all.map(({ command }) => command.ends)).to.deep.equal(all.map((_, i) => Number(i === 11 || i === 3)));
  });

  it("passes over answers to nothing that it has asked", () => {
    const { command } = queue(adapter, TUR);
    for (const packId of [-1, 5, 16, 0x7fff_ffff]) kernel.end(0, { packId });
    expect(command.ends).to.equal(0);
    kernel.end(0);
    kernel.end(0);
    expect(command.ends).to.equal(1);
  });

  it("cannot abort what is at the device, and ends what is not yet", () => {
    const all = Array.from({ length: 17 }, () => queue(adapter, TUR).command);
    expect(manage(adapter, "abort", all[0])).to.include({ ends: 1, succeeded: false });
    expect(manage(adapter, "abort", all[16])).to.include({ ends: 1, succeeded: true });
    expect([all[0].ends, all[16].ends]).to.deep.equal([0, 1]);
    expect(all[16].hostByte).to.equal(HostByte.abort);
  });

  it("resets the device in another thread", () => {
    const [done, failed] = [manage(adapter, "device-reset"), manage(adapter, "device-reset")];
    expect(done.ends).to.equal(0);
    kernel.resets[0](null);
    kernel.resets[1](new Error("ioctl: EIO"));
    expect([done, failed].map(({ ends, succeeded }) => [ends, succeeded])).to.deep.equal([
      [1, true],
      [1, false],
    ]);
  });

  it("ends all when the device is unplugged, and takes no more", () => {
    const all = Array.from({ length: 18 }, () => queue(adapter, TUR).command);
    kernel.unplug();
    const after = queue(adapter, TUR).command;
    for (const command of [...all, after]) expect(command).to.include({ ends: 1, hostByte: HostByte.noConnect });
  });

  it("lets go of its memory when the device has ended what writes to it", async () => {
    const { command } = queue(adapter, TUR);
    const reset = manage(adapter, "device-reset");
    const closed = adapter.close();
    kernel.resets[0](null);
    await null;
    expect([reset.ends, kernel.released, kernel.closed]).to.deep.equal([1, 0, []]);
    kernel.end(0);
    await closed;
    expect(command).to.include({ ends: 1, hostByte: HostByte.ok });
    expect([kernel.released, kernel.closed]).to.deep.equal([1, [DESCRIPTOR]]);
  });

  it("is none where the node is no device of sg's", () => {
    kernel.ioctl = () => {
      throw new Error("ioctl: ENOTTY");
    };
    expect(() => openSg("/dev/null", kernel)).to.throw("ENOTTY");
    expect(kernel.closed).to.deep.equal([DESCRIPTOR]);
  });
});
