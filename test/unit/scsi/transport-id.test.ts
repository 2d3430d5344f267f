import { iscsiNameOf, iscsiTransportId, localTransportId, readTransportId, sasTransportId } from "@pvscsi/scsi";
import { expect } from "chai";
import { hex, toHex } from "./initiator.js";

const ISID = "00023D000001";

/** Reads a TransportID that is all of a list. */
function read(bytes: Uint8Array) {
  return readTransportId(bytes, 0, bytes.length);
}

function iscsi(format: string, text: string, length = (text.length + 4) & ~3): Uint8Array {
  const bytes = new Uint8Array(4 + length);
  bytes.set(hex(`${format} 00 ${length.toString(16).padStart(4, "0")}`));
  for (let i = 0; i < Math.min(text.length, length); i++) bytes[4 + i] = text.charCodeAt(i);
  return bytes;
}

describe("TransportIDs", () => {
  it("of SAS are 24 bytes with the address in bytes 4 to 11", () => {
    const { bytes, text } = sasTransportId("5000C50012345678");
    expect(toHex(bytes)).to.equal(`06 00 00 00 50 00 c5 00 12 34 56 78${" 00".repeat(12)}`);
    expect(text).to.equal("naa.5000c50012345678");
  });

  it("of wires without names are locally assigned, always the same, and differ by what they are of", () => {
    const one = localTransportId("xen domain 1 device 0 channel 0");
    expect(one).to.deep.equal(localTransportId("xen domain 1 device 0 channel 0"));
    expect(one.text).to.equal("naa.386bf03e03814896");
    expect(one.text).not.to.equal(localTransportId("xen domain 2 device 0 channel 0").text);
  });

  it("of iSCSI are the name, ,i,0x and the ISID, ended by a null and filled to four bytes", () => {
    const { bytes, text } = iscsiTransportId("iqn.2026-11.Example:A", ISID);
    expect(text).to.equal("iqn.2026-11.example:a,i,0x00023d000001");
    expect(toHex(bytes.subarray(0, 4))).to.equal("45 00 00 28");
    expect(bytes).to.have.length(44);
    expect(String.fromCharCode(...bytes.subarray(4))).to.equal(`${text}\0\0`);
    for (let letters = 1; letters < 12; letters++) {
      const made = iscsiTransportId(`iqn.${"a".repeat(letters)}`, ISID).bytes;
      expect(made.length % 4).to.equal(0);
      expect(made[made.length - 1]).to.equal(0);
    }
  });

  it("come back as they were, whatever fills them", () => {
    for (const id of [sasTransportId("5000c50012345678"), iscsiTransportId("iqn.2026-11.example:ä", ISID)]) {
      expect(read(id.bytes)).to.deep.equal({ id, length: id.bytes.length });
    }
    const filled = iscsi("45", "iqn.2026-11.example:a,i,0x23D000001", 60);
    expect(read(filled)).to.deep.equal({ id: iscsiTransportId("iqn.2026-11.example:a", ISID), length: 64 });
    const reserved = sasTransportId("5000c50012345678").bytes.slice();
    reserved[1] = reserved[23] = 0xff;
    expect(read(reserved)?.id).to.deep.equal(sasTransportId("5000c50012345678"));
  });

  it("of FC and SRP ports are known, and of all ports of an iSCSI device", () => {
    const of = (first: string) => read(hex(`${first}${"11".repeat(23)}`))?.id;
    expect(of("00")).to.have.property("text", `fc.${"11".repeat(8)}`);
    expect(of("04")).to.have.property("text", `srp.${"11".repeat(16)}`);
    expect(read(iscsi("05", "iqn.2026-11.example:disks"))?.id).to.deep.equal({
      iscsiName: "iqn.2026-11.example:disks",
    });
    expect(iscsiNameOf(iscsiTransportId("iqn.x", ISID))).to.equal("iqn.x");
    expect(iscsiNameOf(sasTransportId("5000c50012345678"))).to.equal(null);
  });

  it("that are cut, of other kinds or no names are none", () => {
    const wrong: { readonly [why: string]: Uint8Array } = {
      cut: hex("06".padEnd(46, "0")),
      "another protocol": hex("07".padEnd(48, "0")),
      "a format of SAS that is reserved": hex("46".padEnd(48, "0")),
      "a format of iSCSI that is reserved": iscsi("85", "iqn.2026-11.example:a,i,0x1"),
      "no ISID": iscsi("45", "iqn.2026-11.example:abcdef"),
      "an ISID of other digits": iscsi("45", "iqn.2026-11.example:a,i,0xg"),
      "an ISID that is too long": iscsi("45", "iqn.2026-11.example:a,i,0x1234567890123"),
      "no name": iscsi("45", "example.2026-11.iqn:a,i,0x1"),
      "an empty name": iscsi("05", "iqn.", 20),
      "a name with a control character": iscsi("05", "iqn.2026-11.example:\n"),
      "a name that is too long": iscsi("05", `iqn.${"a".repeat(220)}`),
      "an additional length below 20": iscsi("05", "iqn.a", 16),
      "an additional length that is no multiple of four": iscsi("05", "iqn.2026-11.example:ab", 22),
      "an additional length behind the end": iscsi("05", "iqn.2026-11.example:ab").subarray(0, 26),
    };
    for (const [why, bytes] of Object.entries(wrong)) expect(read(bytes), why).to.equal(null);
  });
});
