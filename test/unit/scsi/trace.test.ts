import {
  COMMANDS,
  createDisk,
  describeCdb,
  type Fault,
  faulty,
  MemoryStore,
  Nexus,
  parseFault,
  Target,
  traceTasks,
} from "@pvscsi/scsi";
import { ProbeHub, Simulation, seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { hex, IDENTITY, Initiator } from "./initiator.js";

describe("a CDB in words", () => {
  const cases: [string, string][] = [
    ["00 00 00 00 00 00", "TEST UNIT READY"],
    ["28 08 00 00 08 00 00 00 08 00", "READ(10) lba=2048 blocks=8 fua"],
    ["08 1f ff ff 00 00", "READ(6) lba=2097151 blocks=256"],
    ["8a 00 00 00 00 01 00 00 00 00 00 00 00 10 00 00", "WRITE(16) lba=4294967296 blocks=16"],
    ["12 01 83 01 00 00", "INQUIRY evpd page=0x83 alloc=256"],
    ["9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", "READ CAPACITY(16) alloc=32"],
    ["93 09 00 00 00 00 00 00 00 08 00 00 00 08 00 00", "WRITE SAME(16) lba=8 blocks=8 unmap ndob"],
    ["2f 02 00 00 00 08 00 00 04 00", "VERIFY(10) lba=8 blocks=4 bytchk=1"],
    [
      "a3 0c 01 28 00 00 00 00 02 00 00 00",
      "REPORT SUPPORTED OPERATION CODES options=1 opcode=0x28 action=0 alloc=512",
    ],
    ["89 00 00 00 00 00 00 00 00 08 00 00 00 01 00 00", "COMPARE AND WRITE lba=8 blocks=1"],
    ["c7 01 02", "opcode 0xc7 [c7 01 02]"],
    ["9e 1f 00", "opcode 0x9e [9e 1f 00]"],
    ["28 00 00", "READ(10) cut [28 00 00]"],
  ];
  for (const [cdb, words] of cases) it(words, () => expect(describeCdb(hex(cdb))).to.equal(words));

  it("has every command once", () => {
    const keys = Object.values(COMMANDS).map(({ opcode, serviceAction }) => `${opcode}/${serviceAction}`);
    expect(new Set(keys).size).to.equal(keys.length);
  });
});

describe("the trace", () => {
  it("has one line a task, with its command, outcome and time", () => {
    const time = new Simulation(seededRandom(1));
    const faults = ["read@5:delay=3ms,medium-error", "any:delay=1.5ms"].map((text) => parseFault(text, 512) as Fault);
    const target = new Target("1:2");
    target.add(3, createDisk({ ...IDENTITY, store: faulty(new MemoryStore(64 * 512), faults, time) }));
    const probes = new ProbeHub();
    const lines: string[] = [];
    probes.listen(traceTasks(time, (line) => lines.push(line)));
    const initiator = new Initiator(target, new Nexus(target, { probes }));
    for (const [cdb, room] of [
      ["00 00 00 00 00 00", 0],
      ["28 00 00 00 00 00 00 00 08 00", 4096],
      ["28 00 00 00 00 00 00 00 04 00", 2048],
    ] as const) {
      initiator.send(cdb, { lun: 3, room });
      while (time.step());
    }
    expect(lines).to.deep.equal([
      "0.000000 scsi 1:2:3 TEST UNIT READY -> CHECK CONDITION Unit Attention: Power on, reset, or bus device reset occurred 0.000 ms",
      "0.003000 scsi 1:2:3 READ(10) lba=0 blocks=8 -> CHECK CONDITION Medium Error: Unrecovered read error, information 5 3.000 ms",
      "0.004500 scsi 1:2:3 READ(10) lba=0 blocks=4 -> GOOD 2048 bytes 1.500 ms",
    ]);
  });

  it("says what was aborted", async () => {
    const time = new Simulation(seededRandom(1));
    const target = new Target();
    target.add(
      0,
      createDisk({
        ...IDENTITY,
        store: faulty(new MemoryStore(64 * 512), [parseFault("any:hang", 512) as Fault], time),
      }),
    );
    const probes = new ProbeHub();
    const lines: string[] = [];
    const initiator = new Initiator(target, new Nexus(target, { probes })).settle();
    probes.listen(traceTasks(time, (line) => lines.push(line)));
    initiator.send("28 00 00 00 00 00 00 00 01 00", { room: 512 });
    await initiator.nexus.close();
    expect(lines).to.deep.equal(["0.000000 scsi 0:0:0 READ(10) lba=0 blocks=1 -> aborted 0.000 ms"]);
  });
});
