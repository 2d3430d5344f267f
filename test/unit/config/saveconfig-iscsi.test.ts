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
  it("have groups with portals and LUNs, and the initiators that have an ACL", () => {
    const portals = [
      { ip_address: "0.0.0.0", iser: false, offload: false, port: 3260 },
      { ip_address: "[fe80::1]", iser: false, offload: false, port: 3261 },
    ];
    const { targets, devices, warnings } = read([
      group({ luns: [lun(3)], node_acls: [acl({ mapped_luns: [mapped(3)] })], portals }),
    ]);
    const acls = [["iqn.1994-05.com.redhat:client", { chap: null, luns: [{ lun: 3, groupLun: 3, readOnly: false }] }]];
    expect(targets.map(({ groups }) => [...groups[0].initiators])).to.deep.equal([acls]);
    expect(targets).to.deep.equal([
      {
        name: NAME,
        groups: [
          {
            tag: 1,
            port: 1,
            depth: undefined,
            portals: [
              { host: "0.0.0.0", port: 3260 },
              { host: "fe80::1", port: 3261 },
            ],
            luns: [{ lun: 3, device: { host: 0, channel: 0, target: 0, lun: 3 } }],
            initiators: targets[0].groups[0].initiators,
            others: null,
          },
        ],
      },
    ]);
    expect(devices.hosts[0].luns.length).to.equal(1);
    expect(warnings).to.deep.equal([]);
  });

  it("are several with several groups, counted through the file, which may have the same storage object", () => {
    const { targets, devices } = read(
      [group({ tag: 5 }), group({ tag: 6, enable: false }), group({ tag: 2 })],
      [{ fabric: "iscsi", wwn: "IQN.2003-01.org.example:B", tpgs: [group()] }],
    );
    expect(targets.map(({ name, groups }) => [name, groups.map(({ tag, port }) => [tag, port])])).to.deep.equal([
      [
        NAME,
        [
          [5, 1],
          [2, 2],
        ],
      ],
      ["iqn.2003-01.org.example:b", [[1, 3]]],
    ]);
    expect(targets[1].groups[0].luns[0].device).to.deep.equal({ host: 0, channel: 0, target: 0, lun: 0 });
    expect(devices.hosts[0].luns.length).to.equal(1);
  });

  it("show an initiator the LUNs of its ACL, by its numbers, perhaps only to be read", () => {
    const two = [
      { index: 7, tpg_lun: 0, write_protect: true },
      { index: 0, tpg_lun: 1, write_protect: 0 },
    ];
    const { targets } = read([group({ luns: [lun(0), lun(1)], node_acls: [acl({ mapped_luns: two })] })]);
    const [found] = targets[0].groups[0].initiators.values();
    expect(found.luns).to.deep.equal([
      { lun: 7, groupLun: 0, readOnly: true },
      { lun: 0, groupLun: 1, readOnly: false },
    ]);
    const none = read([group({ node_acls: [acl({ mapped_luns: [] })] })]);
    expect([...none.targets[0].groups[0].initiators.values()][0].luns).to.deep.equal([]);
  });

  it("ask each initiator for its own CHAP, where authentication is on", () => {
    const mutual = { chap_mutual_userid: "disks", chap_mutual_password: "staple-and-so" };
    const acls = [acl(CHAP), acl({ ...CHAP, ...mutual, node_wwn: "iqn.2000-01.b:b" })];
    const { targets } = read([group({ node_acls: acls }, { authentication: 1 })]);
    const [user, password] = ["alice", "correct-horse"];
    expect([...targets[0].groups[0].initiators].map(([who, { chap }]) => [who, chap])).to.deep.equal([
      ["iqn.1994-05.com.redhat:client", { user, password, mutual: null }],
      ["iqn.2000-01.b:b", { user, password, mutual: { user: "disks", password: "staple-and-so" } }],
    ]);
  });

  it("let whoever comes in where that is said, with the group's CHAP, beside those that have an ACL", () => {
    const open = { generate_node_acls: 1, demo_mode_write_protect: 0 };
    const [{ initiators, others }] = read([group({}, open)]).targets[0].groups;
    expect([[...initiators.keys()], others]).to.deep.equal([
      ["iqn.1994-05.com.redhat:client"],
      { chap: null, readOnly: false },
    ]);
    const [proving] = read([group({ ...CHAP, node_acls: [] }, { ...open, authentication: 1 })]).targets[0].groups;
    expect(proving.others?.chap?.user).to.equal("alice");
  });

  it("let whoever comes only read where nothing else is said, as LIO does", () => {
    const [{ others }] = read([group({ node_acls: [] }, { generate_node_acls: 1 })]).targets[0].groups;
    expect(others).to.deep.equal({ chap: null, readOnly: true });
  });

  it("say how many commands a session may have", () => {
    expect(read([group({}, { default_cmdsn_depth: 64 })]).targets[0].groups[0].depth).to.equal(64);
    for (const wrong of [0, 513, "64"]) {
      expect(fault([group({}, { default_cmdsn_depth: wrong })])).to.include("a default_cmdsn_depth that is no number");
    }
  });

  it("let nobody in where no ACL is there and none is made", () => {
    const [{ initiators, others }] = read([group({ node_acls: [] })]).targets[0].groups;
    expect([initiators.size, others]).to.deep.equal([0, null]);
  });

  it("tell what is not served", () => {
    const vhost = { fabric: "vhost", wwn: "naa.5001405aaaaaaaaa", tpgs: [] };
    expect(read([group()], [vhost]).warnings.map(({ reason }) => reason)).to.deep.equal([
      "target naa.5001405aaaaaaaaa of fabric vhost is not served: only iscsi is",
    ]);
  });

  for (const [name, tpgs, reason] of [
    ["no enabled group", [group({ enable: false })], /no portal group of iqn\S+ is enabled/],
    [
      "a mapped LUN without a number",
      [group({ node_acls: [acl({ mapped_luns: [{ tpg_lun: 0 }] })] })],
      /Client has a mapped LUN without an index/,
    ],
    [
      "a mapped LUN that the group has not",
      [group({ node_acls: [acl({ mapped_luns: [{ index: 1, tpg_lun: 1 }] })] })],
      /Client has LUN 1 of a tpg_lun that its group has not/,
    ],
    [
      "a mapped LUN twice",
      [group({ node_acls: [acl({ mapped_luns: [mapped(0), mapped(0)] })] })],
      /Client has a mapped LUN twice/,
    ],
    [
      "a portal that is none",
      [group({ portals: [{ ip_address: "disks.example", port: 3260 }] })],
      /a portal without an ip_address and a port/,
    ],
    [
      "a portal without a port",
      [group({ portals: [{ ip_address: "::1" }] })],
      /a portal without an ip_address and a port/,
    ],
    [
      "a portal that two groups have",
      [1, 2].map((tag) => group({ tag, portals: [{ ip_address: "127.0.0.1", port: 3260 }] })),
      /portal 127\.0\.0\.1:3260 is given twice/,
    ],
    ["an ACL of nobody", [group({ node_acls: [{}] })], /a node ACL without node_wwn/],
    ["no password", [group({}, { authentication: 1 })], /Client has no chap_userid and chap_password/],
    [
      "no password for whoever comes",
      [group({ node_acls: [] }, { authentication: 1, generate_node_acls: 1, demo_mode_write_protect: 0 })],
      /whoever comes has no chap_userid/,
    ],
    ["a LUN beyond 16383", [group({ luns: [lun(16384)] })], /LUN 16384, expected a number from 0 to 16383/],
  ] as const) {
    it(`are refused with ${name}`, () => {
      expect(fault(tpgs)).to.match(reason);
    });
  }

  it("lead to storage objects in their target port groups, as LIO has them", () => {
    const tpgs = [group({ tag: 1 }), group({ tag: 2, luns: [{ ...lun(0), alua_tg_pt_gp_name: "far" }] })];
    const far = {
      name: "far",
      tg_pt_gp_id: 16,
      alua_access_state: 2,
      alua_access_type: 1,
      preferred: 1,
      implicit_trans_secs: 5,
      alua_write_metadata: 1,
      alua_support_offline: 0,
      nonop_delay_msecs: 100,
    };
    const object = { name: "d", plugin: "fileio", dev: "/a.img", alua_tpgs: [far] };
    const text = JSON.stringify({ storage_objects: [object], targets: [{ fabric: "iscsi", wwn: NAME, tpgs }] });
    const [{ portGroups }] = iscsiNodes(parseSaveconfig(text, "s.json")).devices.hosts[0].luns;
    const rest = ["active-optimized", "active-non-optimized", "standby", "unavailable"];
    expect(portGroups).to.deep.equal([
      {
        id: 0,
        name: "default_tg_pt_gp",
        ports: [1],
        state: "active-optimized",
        preferred: false,
        implicit: true,
        explicit: true,
        supports: [...rest, "offline", "transitioning"],
        transitionTime: 0,
        keepsState: false,
      },
      {
        id: 16,
        name: "far",
        ports: [2],
        state: "standby",
        preferred: true,
        implicit: true,
        explicit: false,
        supports: [...rest, "transitioning"],
        transitionTime: 5,
        keepsState: true,
      },
    ]);
    expect(read().devices.hosts[0].luns[0].portGroups, "none where the file says nothing").to.deep.equal([]);
  });

  it("lead to no storage object by a target port group that it has not, or by two from one port", () => {
    const ported = (groups: object[], luns: object[]): string => {
      const object = { name: "d", plugin: "fileio", dev: "/a.img", alua_tpgs: groups };
      const targets = [{ fabric: "iscsi", wwn: NAME, tpgs: [group({ luns })] }];
      const text = JSON.stringify({ storage_objects: [object], targets });
      return faultOf(() => iscsiNodes(parseSaveconfig(text, "s.json")));
    };
    const by = (index: number, name: string): object => ({ ...lun(index), alua_tg_pt_gp_name: name });
    expect(ported([], [by(0, "far")])).to.match(/no target port group 'far' of d in this file/);
    expect(ported([{ name: "far" }], [by(0, "far"), lun(1)])).to.match(/in 'far' already, and in 'default_tg_pt_gp'/);
    const odd = { name: "far", alua_access_state: 2, alua_support_standby: 0 };
    expect(ported([odd], [by(0, "far")])).to.match(/far is in state 2, which it does not support/);
  });

  it("are refused where there is none, or its name is none", () => {
    expect(faultOf(() => iscsiNodes(parseSaveconfig("{}", "s.json")))).to.equal(
      "s.json:1:1: no target of fabric iscsi",
    );
    const named = { fabric: "iscsi", wwn: "disks", tpgs: [group()] };
    expect(fault([group()], [named])).to.match(/invalid wwn 'disks', expected iqn\., eui\. or naa\./);
  });
});
