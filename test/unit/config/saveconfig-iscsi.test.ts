// What initiators find of LIO's configuration by iSCSI: LUNs, who may log in, and what would let somebody do more than with LIO.

import { type IscsiNodes, iscsiNodes, parseSaveconfig } from "@pvscsi/config";
import { expect } from "chai";
import { faultOf } from "./support.js";

const NAME = "iqn.2003-01.org.linux-iscsi.host.x8664:sn.0123456789ab";
const CHAP = { chap_userid: "alice", chap_password: "correct-horse" };

const lun = (index: number): object => ({ index, storage_object: "/backstores/fileio/d" });
const mapped = (index: number, more: object = {}): object => ({ index, tpg_lun: index, write_protect: false, ...more });
const acl = (more: object = {}): object => ({
  node_wwn: "iqn.1994-05.com.redhat:Client",
  mapped_luns: [mapped(0)],
  ...more,
});

/** As rtslib writes a group: closed, with one initiator. */
function group(more: object = {}, attributes: object = {}): object {
  return { attributes, enable: true, tag: 1, luns: [lun(0)], node_acls: [acl()], portals: [], ...more };
}

function read(tpgs: readonly object[] = [group()], more: readonly object[] = []): IscsiNodes {
  const targets = [{ fabric: "iscsi", wwn: NAME, tpgs }, ...more];
  const text = JSON.stringify({ storage_objects: [{ name: "d", plugin: "fileio", dev: "/a.img" }], targets });
  return iscsiNodes(parseSaveconfig(text, "s.json"));
}

const fault = (tpgs: readonly object[], more?: readonly object[]): string => faultOf(() => read(tpgs, more));

describe("iSCSI targets of saveconfig.json", () => {
  it("have their LUNs, and the initiators that have an ACL", () => {
    const { targets, devices, warnings } = read([
      group({ luns: [lun(3)], node_acls: [acl({ mapped_luns: [mapped(3)] })] }),
    ]);
    expect(targets).to.deep.equal([
      {
        name: NAME,
        luns: [{ lun: 3, device: { host: 0, channel: 0, target: 0, lun: 3 } }],
        initiators: new Map([["iqn.1994-05.com.redhat:client", null]]),
        chap: null,
      },
    ]);
    expect(devices.hosts[0].luns.length).to.equal(1);
    expect(warnings).to.deep.equal([]);
  });

  it("are several, which may have the same storage object", () => {
    const { targets, devices } = read(
      [group()],
      [{ fabric: "iscsi", wwn: "IQN.2003-01.org.example:B", tpgs: [group()] }],
    );
    expect(targets.map(({ name }) => name)).to.deep.equal([NAME, "iqn.2003-01.org.example:b"]);
    expect(targets[1].luns[0].device).to.deep.equal({ host: 0, channel: 0, target: 0, lun: 0 });
    expect(devices.hosts[0].luns.length).to.equal(1);
  });

  it("ask each initiator for its own CHAP, where authentication is on", () => {
    const mutual = { chap_mutual_userid: "disks", chap_mutual_password: "staple-and-so" };
    const acls = [acl(CHAP), acl({ ...CHAP, ...mutual, node_wwn: "iqn.2000-01.b:b" })];
    const { targets } = read([group({ node_acls: acls }, { authentication: 1 })]);
    const [user, password] = ["alice", "correct-horse"];
    expect([...(targets[0].initiators ?? [])]).to.deep.equal([
      ["iqn.1994-05.com.redhat:client", { user, password, mutual: null }],
      ["iqn.2000-01.b:b", { user, password, mutual: { user: "disks", password: "staple-and-so" } }],
    ]);
  });

  it("let whoever comes in where that is said, with the group's CHAP", () => {
    const open = { generate_node_acls: 1, demo_mode_write_protect: 0 };
    const [{ initiators, chap }] = read([group({ node_acls: [] }, open)]).targets;
    expect([initiators, chap]).to.deep.equal([null, null]);
    const [proving] = read([group({ ...CHAP, node_acls: [] }, { ...open, authentication: 1 })]).targets;
    expect(proving.chap?.user).to.equal("alice");
  });

  it("let nobody in where no ACL is there and none is made", () => {
    expect(read([group({ node_acls: [] })]).targets[0].initiators?.size).to.equal(0);
  });

  it("tell what is not served", () => {
    const vhost = { fabric: "vhost", wwn: "naa.5001405aaaaaaaaa", tpgs: [] };
    expect(read([group()], [vhost]).warnings.map(({ reason }) => reason)).to.deep.equal([
      "target naa.5001405aaaaaaaaa of fabric vhost is not served: only iscsi is",
    ]);
  });

  for (const [name, tpgs, reason] of [
    ["no enabled group", [group({ enable: false })], /0 enabled portal groups, expected one/],
    ["two groups", [group(), group({ tag: 2 })], /2 enabled portal groups, expected one/],
    [
      "an initiator that may read only",
      [group({ node_acls: [acl({ mapped_luns: [mapped(0, { write_protect: true })] })] })],
      /Client may read only/,
    ],
    [
      "LUNs at other numbers",
      [group({ node_acls: [acl({ mapped_luns: [{ index: 1, tpg_lun: 0 }] })] })],
      /Client has other LUNs than its group/,
    ],
    ["fewer LUNs", [group({ node_acls: [acl({ mapped_luns: [] })] })], /Client has other LUNs than its group/],
    ["an ACL of nobody", [group({ node_acls: [{}] })], /a node ACL without node_wwn/],
    ["no password", [group({}, { authentication: 1 })], /Client has no chap_userid and chap_password/],
    [
      "no password for whoever comes",
      [group({}, { authentication: 1, generate_node_acls: 1, demo_mode_write_protect: 0 })],
      /whoever comes has no chap_userid/,
    ],
    [
      "whoever comes reading only, which is LIO's default",
      [group({}, { generate_node_acls: 1 })],
      /demo_mode_write_protect/,
    ],
    ["a LUN beyond 16383", [group({ luns: [lun(16384)] })], /LUN 16384, expected a number from 0 to 16383/],
  ] as const) {
    it(`are refused with ${name}`, () => {
      expect(fault(tpgs)).to.match(reason);
    });
  }

  it("are refused where there is none, or its name is none", () => {
    expect(faultOf(() => iscsiNodes(parseSaveconfig("{}", "s.json")))).to.equal(
      "s.json:1:1: no target of fabric iscsi",
    );
    const named = { fabric: "iscsi", wwn: "disks", tpgs: [group()] };
    expect(fault([group()], [named])).to.match(/invalid wwn 'disks', expected iqn\., eui\. or naa\./);
  });
});
