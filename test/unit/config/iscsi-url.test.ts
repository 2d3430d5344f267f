// Remote logical units in libiscsi's grammar: what is read, what is printed back, and where a fault is found.

import { ConfigError, formatIscsiUrl, parseIscsiUrl } from "@pvscsi/config";
import { expect } from "chai";

const IQN = "iqn.2026-11.example:disks";

describe("an iscsi:// URL", () => {
  it("says portal, target and LUN, and the port that IANA has given where it says none", () => {
    expect(parseIscsiUrl(`iscsi://san/${IQN}/7`)).to.deep.equal({
      portal: { host: "san", port: 3260 },
      target: IQN,
      lun: 7,
      headerDigest: "None",
      dataDigest: "None",
    });
    expect(parseIscsiUrl(`iscsi://[fe80::1%eth0]:9/${IQN}/0`).portal).to.deep.equal({ host: "fe80::1%eth0", port: 9 });
  });

  it("says who both sides are, and digests", () => {
    const text = `iscsi://joe%se%cret@10.0.0.1/${IQN}/1?target_user=disk&target_password=tes=serc&header_digest=crc32c&data_digest=none`;
    expect(parseIscsiUrl(text)).to.deep.include({
      proof: {
        initiator: { name: "joe", secret: "se%cret" },
        target: { name: "disk", secret: "tes=serc" },
      },
      headerDigest: "CRC32C",
      dataDigest: "None",
    });
  });

  it("is printed as one that says the same", () => {
    for (const text of [
      `iscsi://san:3260/${IQN}/7`,
      `iscsi://[::1]:9/${IQN}/0`,
      `iscsi://joe%secret@san:1/${IQN}/16383?target_user=disk&target_password=terces&header_digest=crc32c&data_digest=crc32c`,
    ]) {
      expect(formatIscsiUrl(parseIscsiUrl(text))).to.equal(text);
    }
  });

  for (const [text, message] of [
    ["iscsi://san", "URL:1:1: no URL of a logical unit, expected iscsi://[USER[%SECRET]@]HOST[:PORT]/TARGET/LUN"],
    [
      `iser://san/${IQN}/1`,
      "URL:1:1: no URL of a logical unit, expected iscsi://[USER[%SECRET]@]HOST[:PORT]/TARGET/LUN",
    ],
    [`iscsi://san:0/${IQN}/1`, "URL:1:9: invalid portal 'san:0', expected HOST or HOST:PORT"],
    [`iscsi://joe%x@san:99999/${IQN}/1`, "URL:1:15: invalid portal 'san:99999', expected HOST or HOST:PORT"],
    ["iscsi://san/a b/1", "URL:1:13: invalid target 'a b', expected a name such as iqn.2026-11.example:disks"],
    [`iscsi://san/${IQN}/16384`, "URL:1:39: invalid LUN '16384', expected 0 to 16383"],
    [`iscsi://san/${IQN}/x`, "URL:1:39: invalid LUN 'x', expected 0 to 16383"],
    [
      `iscsi://san/${IQN}/1?iser`,
      "URL:1:41: unknown argument 'iser', expected one of target_user, target_password, header_digest, data_digest",
    ],
    [`iscsi://san/${IQN}/1?header_digest=md5`, "URL:1:41: invalid header_digest, expected crc32c or none"],
    [`iscsi://san/${IQN}/1?data_digest=none&data_digest=none`, "URL:1:58: data_digest is given twice"],
    [`iscsi://joe@san/${IQN}/1`, "URL:1:9: no secret, expected USER%SECRET before the host"],
    [
      `iscsi://san/${IQN}/1?target_user=a&target_password=b`,
      "URL:1:9: target_user without USER%SECRET before the host",
    ],
    [`iscsi://a%b@san/${IQN}/1?target_user=a`, "URL:1:9: target_user and target_password go together"],
  ]) {
    it(`is refused: ${text}`, () => {
      expect(() => parseIscsiUrl(text)).to.throw(ConfigError, message);
    });
  }
});
