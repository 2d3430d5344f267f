import { ConfigError, formatLunWord, formatNbdUri, parseLunWord, parseNbdUri } from "@pvscsi/config";
import { expect } from "chai";

describe("NBD URIs", () => {
  for (const [text, address, exportName] of [
    ["nbd://disk.example/vm1", { host: "disk.example", port: 10809 }, "vm1"],
    ["nbd://[::1]:10810/", { host: "::1", port: 10810 }, ""],
    ["nbd+unix:///a%20b?socket=/run/nbd.socket", { path: "/run/nbd.socket" }, "a b"],
  ] as const) {
    it(`reads ${text}, and prints it`, () => {
      expect(parseNbdUri(text)).to.deep.equal({ address, exportName });
      expect(formatNbdUri(parseNbdUri(text))).to.equal(text);
    });
  }

  for (const text of [
    "nbd://",
    "nbd://host:0/x",
    "nbd://host:65536/x",
    "nbd+unix:///x",
    "nbds://host/x",
    "nbd://h/%zz",
  ]) {
    it(`refuses ${text}`, () => expect(() => parseNbdUri(text)).to.throw(ConfigError, "invalid NBD URI"));
  }

  it("is what backs a LUN", () => {
    const word = "nbd://host:1234/disk,sync=writethrough,ro";
    expect(parseLunWord(word).backing).to.include({ kind: "nbd", sync: "writethrough" });
    expect(parseLunWord(formatLunWord(parseLunWord(word))).backing).to.deep.include({
      uri: { address: { host: "host", port: 1234 }, exportName: "disk" },
    });
    expect(() => parseLunWord("nbd://host/disk,encrypt=aes-256-xts")).to.throw(ConfigError, "for files");
    expect(() => parseLunWord("nbd://host/disk,type=tape")).to.throw(ConfigError, "a disk");
  });
});
