// How a host encrypts a LUN: the cipher to the letter of IEEE 1619, the key's file, and that a key is never made up.

import { existsSync, linkSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { parseHostConfig } from "@pvscsi/config";
import { type HostOptions, openHost, XtsCipher } from "@pvscsi/host";
import { Nexus, SENSE, Target } from "@pvscsi/scsi";
import { expect } from "chai";
import { realClock } from "../../support/node-platform.js";
import { temporaryFolder } from "../../support/temporary-folder.js";
import { hex, Initiator, pattern, toHex } from "../scsi/initiator.js";

const GUEST = { domain: 1, virtualDevice: "0:0:0:0" };
const FILE = "file: a.img, size: 1MiB, create: true, encrypt: aes-256-xts";
const ERASE = "48 03 00 00 00 00 00 00 00 00";
const WRITE = "2a 08 00 00 00 08 00 00 08 00";
const READ = "28 00 00 00 00 08 00 00 08 00";
const DATA = pattern(4096);

/** Keys that differ, and are the same in each run. */
function counted(): (length: number) => Uint8Array {
  let made = 0;
  return (length) => Uint8Array.from({ length }, (_, i) => (i + 64 * made) & 0xff).fill(++made, 0, 1);
}

describe("AES-256-XTS", () => {
  it("is that of IEEE 1619, vector 10: the number of a block is its tweak", () => {
    const key = hex(
      "2718281828459045235360287471352662497757247093699959574966967627" +
        "3141592653589793238462643383279502884197169399375105820974944592",
    );
    const cipher = new XtsCipher({ key, change: async () => {} }, 512);
    const plain = Uint8Array.from({ length: 512 }, (_, i) => i & 0xff);
    const bytes = plain.slice();
    cipher.encrypt(bytes, 512, 0xff);
    expect(toHex(bytes.subarray(0, 16))).to.equal("1c 3b 3a 10 2f 77 03 86 e4 83 6c 99 e3 70 cf 9b");
    expect(toHex(bytes.subarray(496))).to.equal("c4 f3 6f fd a9 fc ea 70 b9 c6 e6 93 e1 48 c1 51");
    cipher.decrypt(bytes, 512, 0xff);
    expect(bytes).to.deep.equal(plain);
    const two = new Uint8Array(1024);
    two.set(plain, 512);
    cipher.encrypt(two, 1024, 0xfe);
    expect(toHex(two.subarray(512, 528))).to.equal("1c 3b 3a 10 2f 77 03 86 e4 83 6c 99 e3 70 cf 9b");
  });
});

describe("a host's LUN that is encrypted", () => {
  const folder = temporaryFolder();

  /** An initiator of a LUN, and how to be done with it; in words why it is not opened. */
  async function opening(lun: string, options: Partial<HostOptions> = {}) {
    const text = `hosts:\n  - host: 0\n    luns:\n      - { address: "0:0:0:0", ${lun} }\n`;
    const settings = { directory: folder.path(), clock: realClock, unguessable: counted(), ...options };
    const device = await openHost(parseHostConfig(text, "host.yaml"), settings).open("0:0:0:0", GUEST);
    if (typeof device === "string") return device;
    const target = new Target();
    target.add(0, device.logicalUnit);
    const initiator = new Initiator(target, new Nexus(target, { initiator: "test" })).settle();
    const done = async (cdb: string, data = {}) => {
      const sent = initiator.send(cdb, data);
      while (sent.ends === 0) await new Promise((resolve) => setImmediate(resolve));
      return sent;
    };
    return { done, end: () => initiator.nexus.close().then(() => device.release()) };
  }

  async function opened(lun: string) {
    const found = await opening(lun);
    if (typeof found === "string") throw new Error(found);
    return found;
  }

  it("has a key of its own beside the file, for its owner alone, and is read with it again", async () => {
    const first = await opened(FILE);
    expect(statSync(folder.path("a.img.key")).mode & 0o777).to.equal(0o600);
    (await first.done(WRITE, { out: DATA })).good();
    await first.end();
    expect(readFileSync(folder.path("a.img")).includes(Buffer.from(DATA.subarray(0, 16)))).to.equal(false);
    const second = await opened(FILE);
    expect((await second.done(READ, { room: 4096 })).bytes).to.deep.equal(DATA);
    await second.end();
  });

  it("forgets its key by CRYPTOGRAPHIC ERASE, on the medium as well", async () => {
    const { done, end } = await opened(FILE);
    const path = folder.path("a.img.key");
    const key = readFileSync(path, "ascii");
    linkSync(path, folder.path("old"));
    (await done(WRITE, { out: DATA })).good();
    (await done(ERASE)).good();
    expect(readFileSync(path, "ascii"))
      .to.match(/^aes-256-xts [0-9a-f]{128}\n$/)
      .and.not.equal(key);
    expect(statSync(path).mode & 0o777).to.equal(0o600);
    // The file that was the key's is written over.
    expect(readFileSync(folder.path("old")).every((byte) => byte === 0)).to.equal(true);
    expect(existsSync(`${path}.former`)).to.equal(false);
    expect((await done(READ, { room: 4096 })).bytes).to.not.deep.equal(DATA);
    await end();
  });

  it("writes over a key that was given up before the process was killed, and not over the one it has", async () => {
    await opened(FILE).then(({ end }) => end());
    const path = folder.path("a.img.key");
    const key = readFileSync(path, "ascii");
    linkSync(path, `${path}.former`);
    await opened(FILE).then(({ end }) => end());
    expect(readFileSync(path, "ascii")).to.equal(key);
    expect(existsSync(`${path}.former`)).to.equal(false);
    writeFileSync(`${path}.former`, "an older key");
    linkSync(`${path}.former`, folder.path("old"));
    await opened(FILE).then(({ end }) => end());
    expect(readFileSync(folder.path("old")).every((byte) => byte === 0)).to.equal(true);
    expect(existsSync(`${path}.former`)).to.equal(false);
  });

  it("has failed to be sanitized where the new key cannot be kept", async () => {
    const { done, end } = await opened(FILE);
    // Nobody writes over a folder.
    folder.write({ "a.img.key.new/x": "" });
    (await done(ERASE)).checked(SENSE.sanitizeCommandFailed);
    (await done(READ, { room: 4096 })).checked(SENSE.sanitizeCommandFailed);
    await end();
  });

  it("in memory keeps its key for as long as its bytes, which are the host's", async () => {
    const { done, end } = await opened("memory: 1MiB, encrypt: aes-256-xts");
    (await done(WRITE, { out: DATA })).good();
    expect((await done(READ, { room: 4096 })).bytes).to.deep.equal(DATA);
    (await done(ERASE)).good();
    expect((await done(READ, { room: 4096 })).bytes).to.not.deep.equal(DATA);
    await end();
  });

  it("does not come up without its key, nor with one that others may read or that is none", async () => {
    const key = folder.path("a.img.key");
    const refusal = async (lun = FILE, options = {}) => (await opening(lun, options)) as string;
    folder.write({ "a.img": "x".repeat(1 << 20) });
    const begin = `cannot use the key in ${key}: `;
    expect(await refusal()).to.equal(
      `${begin}there is none, and ${folder.path("a.img")} has been written: its key is missing`,
    );
    const readOnly = "file: a.img, readOnly: true, encrypt: aes-256-xts";
    expect(await refusal(readOnly)).to.equal(`${begin}there is none, and the LUN is read-only`);
    writeFileSync(key, `aes-256-xts ${"ab".repeat(64)}\n`, { mode: 0o644 });
    expect(await refusal()).to.equal(`${begin}others than its owner may use it: chmod 600`);
    folder.write({ "b.img.key": "" });
    const other = FILE.replace("a.img", "b.img");
    for (const [text, reason] of [
      ["", "expected one line, aes-256-xts and 128 hex digits"],
      [`aes-256-xts ${"ab".repeat(64)}\n`, "the two keys in it are the same"],
    ] as const) {
      writeFileSync(folder.path("c.img.key"), text, { mode: 0o600 });
      expect(await refusal(other.replace("b.img", "c.img"))).to.equal(
        `cannot use the key in ${folder.path("c.img.key")}: ${reason}`,
      );
    }
    expect(await refusal(other.replace("b.img", "d.img"), { unguessable: undefined })).to.equal(
      `cannot use the key in ${folder.path("d.img.key")}: no random numbers are given that a key could be made of`,
    );
    expect(await refusal("memory: 1MiB, encrypt: aes-256-xts", { unguessable: undefined })).to.equal(
      "no random numbers are given that a key could be made of",
    );
  });
});
