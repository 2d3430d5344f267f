import { ConfigError, formatLunWord, formatSize, type LunSpec, parseLunWord, parseSize } from "@pvscsi/config";
import { expect } from "chai";
import fc from "fast-check";
import { bare, faultOf, withoutPlaces } from "./support.js";

function fault(text: string): string {
  return faultOf(() => parseLunWord(text));
}

describe("sizes", () => {
  it("are read in bytes and in powers of 1024", () => {
    expect(["1", "512", "64M", "64m", "1GiB", "2T", "3K"].map(parseSize)).to.deep.equal([
      1,
      512,
      64 * 2 ** 20,
      64 * 2 ** 20,
      2 ** 30,
      2 * 2 ** 40,
      3072,
    ]);
  });

  it("are refused when they are ambiguous, empty or too large", () => {
    for (const text of ["", "0", "0M", "1MB", "1.5G", "-1", " 1", "1 M", "9999999999T", "0x10"]) {
      expect(parseSize(text), text).to.equal(undefined);
    }
  });

  it("are printed so that they read as the same number", () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 50 }), (n) => parseSize(formatSize(n)) === n));
    expect([formatSize(2 ** 28), formatSize(1536), formatSize(2 ** 50)]).to.deep.equal(["256MiB", "1536", "1024TiB"]);
  });
});

describe("a --lun word", () => {
  it("reads a file with its properties", () => {
    const lun = parseLunWord(
      "images/a.img,size=1GiB,block=4096,ro,removable,serial=S 1,wwn=0x5000C50012345678,vendor=ACME,product=Disk,sync=writethrough,type=disk",
    );
    expect(lun.backing).to.include({ kind: "file", path: "images/a.img", createSize: 2 ** 30, sync: "writethrough" });
    expect(lun).to.include({ blockSize: 4096, readOnly: true, removable: true, serial: "S 1", vendor: "ACME" });
    expect(lun).to.include({ product: "Disk", wwn: "naa.5000c50012345678", type: "disk" });
  });

  it("reads what a disk says of itself, and takes a NAA 6 name", () => {
    const name = "6001405aabbccddeeff0011223344556";
    const lun = parseLunWord(`mem:1M,thin=false,fua=false,rotation=7200,wwn=${name}`);
    expect(lun).to.include({ thin: false, fua: false, rotation: 7200, wwn: `naa.${name}` });
    expect(formatLunWord(lun)).to.equal(`mem:1MiB,wwn=naa.${name},thin=false,fua=false,rotation=7200`);
    expect(parseLunWord("mem:1M,thin")).to.include({ thin: true, fua: true, rotation: 1 });
  });

  it("reads memory and null, with what is not given at its default", () => {
    expect(parseLunWord("mem:64M").backing).to.include({ kind: "memory", size: 2 ** 26 });
    expect(parseLunWord("null:1T")).to.deep.include({ blockSize: 512, readOnly: false, serial: undefined, faults: [] });
  });

  it("keeps every fault as it is written, with its place", () => {
    const { faults } = parseLunWord("mem:1M,fault=read@1000:medium-error,ro,fault=write:delay=200ms");
    expect(faults).to.deep.equal([
      { text: "read@1000:medium-error", at: { line: 1, column: 14 } },
      { text: "write:delay=200ms", at: { line: 1, column: 46 } },
    ]);
  });

  it("reads a comma that is written twice as one", () => {
    expect(parseLunWord("a,,b.img,serial=x,,y")).to.deep.include({ serial: "x,y" });
    expect(parseLunWord("a,,b.img").backing).to.include({ path: "a,b.img" });
  });

  const wrong: ReadonlyArray<readonly [string, string]> = [
    ["", "--lun:1:1: empty LUN, expected FILE, mem:SIZE or null:SIZE"],
    [",ro", "--lun:1:1: empty LUN, expected FILE, mem:SIZE or null:SIZE"],
    [
      "nbd://h:0/x",
      "--lun:1:1: invalid NBD URI 'nbd://h:0/x', expected nbd://HOST[:PORT]/EXPORT or nbd+unix:///EXPORT?socket=PATH",
    ],
    ["iscsi://h/x,ro", "--lun:1:1: no URL of a logical unit, expected iscsi://[USER[%SECRET]@]HOST[:PORT]/TARGET/LUN"],
    ["mem:", "--lun:1:1: invalid size '', expected a size in bytes or such as 64M or 1GiB"],
    ["null:1MB", "--lun:1:1: invalid size '1MB', expected a size in bytes or such as 64M or 1GiB"],
    ["mem:1000", "--lun:1:1: invalid size 1000, expected whole blocks of 512 bytes"],
    ["a.img,size=512,block=4096", "--lun:1:1: invalid size 512, expected whole blocks of 4096 bytes"],
    ["mem:1M,size=2M", "--lun:1:1: size is for files, not for mem:SIZE"],
    ["mem:1M,encrypt=rot13", "--lun:1:8: invalid encrypt 'rot13', expected aes-256-xts"],
    ["null:1M,encrypt=aes-256-xts", "--lun:1:1: encrypt is for what keeps its bytes, not for null:SIZE"],
    ["mem:1M,sync=writeback", "--lun:1:1: sync is for files, not for mem:SIZE"],
    [
      "a.img,bad=1",
      "--lun:1:7: unknown key 'bad', expected one of type, size, sync, block, physical, ro, removable, vendor, product, revision, serial, wwn, thin, fua, unmap, writeSameUnmap, unmapZeroes, compareAndWrite, thirdPartyCopy, reservable, queueDepth, taskAborted, rotation, reservations, encrypt, sgio, firmware, initiator, worm, barcode, fault",
    ],
    ["a.img,ro,ro", "--lun:1:10: ro is given twice"],
    [
      "a.img,physical=1024",
      "--lun:1:7: invalid physical '1024', expected 512 or 4096 or 8192 or 16384 or 32768 or 65536",
    ],
    ["a.img,block=1024", "--lun:1:7: invalid block '1024', expected 512 or 4096"],
    ["a.img,size", "--lun:1:7: invalid size '', expected a size in bytes or such as 64M or 1GiB"],
    ["a.img,type=tap", "--lun:1:7: invalid type 'tap', expected disk or tape or cdrom"],
    ["empty:", "--lun:1:1: empty: is a drive without a disc, expected type=cdrom"],
    ["empty:,type=cdrom,sync=writethrough", "--lun:1:1: sync is for files, not for empty:"],
    ["a.iso,type=cdrom,thin=false", "--lun:1:18: invalid key thin: it is for a disk"],
    ["a.iso,type=cdrom,size=1M", "--lun:1:18: invalid key size: a disc has the size of its image"],
    ["a.img,vendor=TOOLONGNAME", "--lun:1:7: invalid vendor 'TOOLONGNAME', expected 1 to 8 printable ASCII characters"],
    ["a.img,wwn=5", "--lun:1:7: invalid wwn '5', expected naa. and 16 hex digits, or 32 that begin with 6"],
    [
      "a.img,rotation=1024",
      "--lun:1:7: invalid rotation '1024', expected 0 (not reported), 1 (none) or 1025 to 65534 per minute",
    ],
    ["a.img,fault", "--lun:1:7: fault without a value, expected fault=read@1000:medium-error"],
  ];
  for (const [text, message] of wrong) it(`refuses ${text}`, () => expect(fault(text)).to.equal(message));

  it("is printed so that it reads as an equal LUN", () => {
    fc.assert(
      fc.property(lunSpecs(), (lun) => {
        expect(withoutPlaces(parseLunWord(formatLunWord(lun)))).to.deep.equal(withoutPlaces(lun));
      }),
    );
  });

  it("takes a CD/DVD drive, with a disc and without", () => {
    expect(parseLunWord("a.iso,type=cdrom")).to.deep.include({ type: "cdrom" });
    const empty = parseLunWord("empty:,type=cdrom");
    expect(empty.backing).to.deep.equal({ kind: "empty", at: { line: 1, column: 1 } });
    expect(formatLunWord(empty)).to.equal("empty:,type=cdrom");
  });

  it("takes the node of a real device, and says of it only how it is passed through", () => {
    expect(parseLunWord("/dev/sg3,sgio=filtered,firmware,ro")).to.deep.include({
      backing: { kind: "device", path: "/dev/sg3", at: { line: 1, column: 1 } },
      sgio: "filtered",
      firmware: true,
      readOnly: true,
    });
    expect(parseLunWord("/dev/sg").backing.kind).to.equal("file");
    for (const [text, complaint] of [
      ["/dev/sg0,size=1M", "--lun:1:10: invalid key size: a real device says that of itself"],
      ["/dev/sg0,vendor=ME", "--lun:1:10: invalid key vendor: a real device says that of itself"],
      ["/dev/sg0,fault=read:error", "--lun:1:10: invalid key fault: no fault can be injected into a real device"],
      ["a,sgio=filtered", "--lun:1:3: invalid key sgio: it is for a real device such as /dev/sg0"],
      ["mem:1M,worm", "--lun:1:8: invalid key worm: it is for a tape: type=tape"],
      ["mem:1M,type=tape,thin=false", "--lun:1:18: invalid key thin: it is for a disk"],
      ["null:1M,type=tape", "--lun:1:9: invalid key type: a tape keeps what is written"],
      ["mem:1M,firmware", "--lun:1:8: invalid key firmware: it is for a real device such as /dev/sg0"],
      ["iscsi://h/iqn.a:b/0,size=1M", "--lun:1:21: invalid key size: a real device says that of itself"],
      ["/dev/sg0,initiator=iqn.a:b", "--lun:1:10: invalid key initiator: it is for iscsi://"],
      ["iscsi://h/iqn.a:b/99999", "--lun:1:19: invalid LUN '99999', expected 0 to 16383"],
      ["/dev/sg0,sgio=all", "--lun:1:10: invalid sgio 'all', expected unfiltered or filtered or readonly"],
    ]) {
      expect(`${bare(() => parseLunWord(text))}`, text).to.include(complaint);
    }
  });

  it("never throws anything but ConfigError", () => {
    const words = fc.constantFrom(
      "mem:",
      "null:",
      "a",
      ",",
      ",,",
      "=",
      "size=",
      "ro",
      "fault=",
      "1M",
      "block=512",
      "x",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(words).map((w) => w.join("")),
        ),
        (text) => {
          expect(bare(() => parseLunWord(text))).to.satisfy((e: unknown) => e === null || e instanceof ConfigError);
        },
      ),
      { numRuns: 500 },
    );
  });
});

function lunSpecs(): fc.Arbitrary<LunSpec> {
  const at = { line: 1, column: 1 };
  const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined });
  const size = fc.integer({ min: 1, max: 2 ** 38 }).map((blocks) => blocks * 4096);
  const word = (length: number) => maybe(fc.stringMatching(new RegExp(`^[!-~][ -~]{0,${length - 2}}[!-~]$`)));
  const specs = fc.record<LunSpec>({
    backing: fc.oneof(
      fc.record({
        kind: fc.constant("file" as const),
        path: fc.stringMatching(/^[a-z./][ -~]{0,20}$/).filter((path) => !/^(mem|null):|^(nbd|iscsi):/.test(path)),
        createSize: maybe(size),
        sync: fc.constantFrom("writeback" as const, "writethrough" as const),
        at: fc.constant(at),
      }),
      fc.record({ kind: fc.constantFrom("memory" as const, "null" as const), size, at: fc.constant(at) }),
    ),
    type: fc.constant("disk"),
    blockSize: fc.constantFrom(512, 4096),
    readOnly: fc.boolean(),
    removable: fc.boolean(),
    vendor: word(8),
    product: word(16),
    revision: word(4),
    serial: word(252),
    wwn: maybe(fc.stringMatching(/^naa\.([0-9a-f]{16}|6[0-9a-f]{31})$/)),
    thin: fc.boolean(),
    fua: fc.boolean(),
    unmap: fc.boolean(),
    writeSameUnmap: fc.boolean(),
    unmapZeroes: fc.boolean(),
    compareAndWrite: fc.boolean(),
    thirdPartyCopy: fc.boolean(),
    queueDepth: fc.integer({ min: 1, max: 0xffff }),
    taskAborted: fc.boolean(),
    reservable: fc.boolean(),
    rotation: fc.oneof(fc.constantFrom(0, 1), fc.integer({ min: 1025, max: 65534 })),
    reservations: fc.option(fc.constantFrom("none", "a,b.reservations", "/var/lib/x"), { nil: undefined }),
    physical: fc.constantFrom(undefined, 512, 4096, 65536),
    encrypt: fc.constantFrom(undefined, "aes-256-xts" as const),
    sgio: fc.constant("unfiltered" as const),
    firmware: fc.constant(false),
    initiator: fc.constant(undefined),
    worm: fc.constant(false),
    barcode: fc.constant(undefined),
    faults: fc.array(fc.record({ text: fc.stringMatching(/^[!-~]{1,20}$/), at: fc.constant(at) }), { maxLength: 3 }),
    at: fc.constant(at),
  });
  const stored = specs.filter(({ backing, encrypt }) => backing.kind !== "null" || encrypt === undefined);
  return fc.oneof({ weight: 9, arbitrary: stored }, { weight: 1, arbitrary: passedDevices() });
}

/** Real devices, of which only what the passing is like can be said. */
function passedDevices(): fc.Arbitrary<LunSpec> {
  const said = fc.record({
    path: fc.oneof(
      fc.nat({ max: 99_999_999 }).map((number) => `/dev/sg${number}`),
      fc.constantFrom(
        "iscsi://[::1]:3261/iqn.a:b/7?header_digest=crc32c",
        "iscsi://u%s@h:3260/iqn.a/0,initiator=iqn.x:y",
      ),
    ),
    readOnly: fc.boolean(),
    sgio: fc.constantFrom("unfiltered", "filtered", "readonly"),
    firmware: fc.boolean(),
    queueDepth: fc.integer({ min: 1, max: 0xffff }),
  });
  return said.map(({ path, readOnly, sgio, firmware, queueDepth }) => {
    const words = [
      `sgio=${sgio}`,
      `queueDepth=${queueDepth}`,
      ...(readOnly ? ["ro"] : []),
      ...(firmware ? ["firmware"] : []),
    ];
    return parseLunWord([path, ...words].join(","));
  });
}
