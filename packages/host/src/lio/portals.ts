// Knows the portals of an iSCSI portal group: addresses and ports.

import { addTo, isOn, type LioObject, listIn, removeFrom } from "./dump.js";
import type { InGroup } from "./fabrics.js";
import { count, type LioCommand, LioError, type LioNode, numberWord } from "./node.js";

/** IANA's port for iSCSI targets. */
const PORT = 3260;
/** All addresses of either kind. */
const ANY = "::0";

export function portals(inside: InGroup): LioNode {
  const all = () => listIn(inside.group, "portals");
  return {
    name: "portals",
    commands: [create(inside), remove(inside)],
    groups: [],
    summary: () => count("Portals", all().length),
    children: () => all().map(portalNode),
  };
}

function portalNode(portal: LioObject): LioNode {
  const text = isOn(portal.iser) ? "iser" : isOn(portal.offload) ? "offload" : "";
  const name = `${portal.ip_address}:${portal.port}`;
  return {
    name,
    object: portal,
    commands: [],
    groups: [],
    summary: () => ({ text, healthy: true }),
    children: () => [],
  };
}

/** A portal as rtslib saves it: an IPv6 address stands in brackets. */
export function newPortal(address: string, port: number): LioObject {
  return { ip_address: address.includes(".") ? address : `[${address}]`, port, iser: false, offload: false };
}

function portOf(word: string): number {
  const complaint = `Syntax error, '${word}' is not a number.`;
  const port = numberWord(word, complaint);
  if (port < 1 || port > 0xffff) throw new LioError(complaint);
  return port;
}

function create({ target, group }: InGroup): LioCommand {
  return {
    name: "create",
    parameters: ["ip_address?", "ip_port?"],
    summary: "opens a portal: at every address and port 3260 where none is given",
    run: (work, { ip_address: address = ANY, ip_port }, here) => {
      const port = ip_port === undefined ? PORT : portOf(ip_port);
      if (port === PORT) work.say(`Using default IP port ${PORT}`);
      if (address === ANY) work.say(`Binding to INADDR_ANY (${ANY})`);
      const portal = newPortal(address, port);
      const all = listIn(target, "tpgs").flatMap((each) => listIn(each, "portals"));
      if (all.some((each) => each.ip_address === portal.ip_address && each.port === port)) {
        throw new LioError("This NetworkPortal already exists in configFS");
      }
      addTo(group, "portals", portal);
      work.say(`Created network portal ${address}:${port}.`);
      work.made(`${here.path}/${portal.ip_address}:${port}`);
    },
  };
}

function remove({ fabric, target, group }: InGroup): LioCommand {
  return {
    name: "delete",
    parameters: ["ip_address", "ip_port"],
    summary: "closes a portal",
    run: (work, { ip_address: address = "", ip_port: word = "" }) => {
      const { ip_address, port } = newPortal(address, portOf(word));
      const portal = listIn(group, "portals").find((each) => each.ip_address === ip_address && each.port === port);
      const path = `/sys/kernel/config/target/${fabric.name}/${target.wwn}/tpgt_${group.tag}/np/${ip_address}:${port}`;
      if (portal === undefined) throw new LioError(`No such NetworkPortal in configfs: ${path}`);
      removeFrom(group, "portals", portal);
      work.say(`Deleted network portal ${address}:${port}`);
    },
  };
}
