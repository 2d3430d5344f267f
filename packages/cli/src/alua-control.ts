// Knows how a server of devices is asked for its target port groups, and told to change them, in the words of LIO's attributes.
// Knows no transport.

import {
  ACCESS_STATES,
  type AccessState,
  accessStateOfWord,
  type PortGroup,
  type TargetPortGroups,
} from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { type Column, formatColumns } from "@pvscsi/wire";
import type { BusTargets, DeviceBus, Place } from "./device-bus.js";

/** How people write where a device stands. */
interface PlaceFormat {
  readonly title: string;
  readonly format: (place: Place) => string;
}

interface Row {
  readonly place: string;
  readonly group: PortGroup;
}

/** What is printed for `alua [PLACE [GROUP [ATTRIBUTE=VALUE...]]]`. Throws ToolstackError. */
export async function portGroupVerb(
  bus: DeviceBus<BusTargets>,
  places: PlaceFormat,
  place: Place | null,
  [name, ...changes]: readonly string[],
): Promise<string> {
  if (place === null) {
    const rows = bus.listPortGroups().flatMap(({ portGroups, ...at }) => rowsOf(places.format(at), portGroups));
    return print(places, rows);
  }
  const portGroups = bus.portGroupsAt(place);
  const rows = rowsOf(places.format(place), portGroups);
  if (name === undefined) return print(places, rows);
  const group = groupOf(portGroups, name);
  for (const change of changes.map(parseChange)) await change(portGroups, group);
  if (changes.length > 0) return "";
  return print(
    places,
    rows.filter((row) => row.group === group),
  );
}

function rowsOf(place: string, { all }: TargetPortGroups): Row[] {
  return all.map((group) => ({ place, group }));
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "ID", text: ({ group }) => String(group.id) },
  { title: "Name", text: ({ group }) => group.name },
  { title: "State", text: ({ group }) => ACCESS_STATES[group.state].title },
  { title: "Preferred", text: ({ group }) => (group.preferred ? "yes" : "no") },
  { title: "Access", text: ({ group }) => accessType(group) },
  { title: "Ports", text: ({ group }) => group.ports.join(",") || "-" },
];

/** As LIO's alua_access_type writes it. */
function accessType({ implicit, explicit }: PortGroup): string {
  if (implicit && explicit) return "Implicit and Explicit";
  return implicit ? "Implicit" : explicit ? "Explicit" : "None";
}

function print({ title }: PlaceFormat, rows: readonly Row[]): string {
  return formatColumns([{ title, text: ({ place }) => place }, ...COLUMNS], rows);
}

/** By its name; by its number where none is called so. */
function groupOf({ all }: TargetPortGroups, name: string): PortGroup {
  const found = all.find((group) => group.name === name) ?? all.find(({ id }) => String(id) === name);
  if (found !== undefined) return found;
  const names = all.map((group) => group.name).join(", ");
  throw new ToolstackError("NOTFOUND", `no target port group '${name}', expected one of ${names}`);
}

type Change = (portGroups: TargetPortGroups, group: PortGroup) => Promise<void>;

function parseChange(word: string): Change {
  const [key, value] = /^([a-z_]+)=(.+)$/.exec(word)?.slice(1) ?? [];
  const attribute = ATTRIBUTES.find(({ name }) => name === key);
  const change = attribute?.parse(value);
  if (change !== undefined) return change;
  const expecting = ATTRIBUTES.map(({ name, expecting: values }) => `${name}=${values}`).join(" or ");
  throw new ToolstackError("INVAL", `'${word}', expected ${expecting}`);
}

async function changed(portGroups: TargetPortGroups, group: PortGroup, state: AccessState): Promise<void> {
  const isKept = await new Promise((resolve) => portGroups.change(new Map([[group, state]]), null, resolve));
  if (!isKept) throw new ToolstackError("FAIL", `the state of ${group.name} cannot be kept, and is as it was`);
}

const ATTRIBUTES: readonly {
  readonly name: string;
  readonly expecting: string;
  readonly parse: (value: string) => Change | undefined;
}[] = [
  {
    name: "alua_access_state",
    expecting: Object.values(ACCESS_STATES)
      .map(({ code, title }) => `${code} (${title})`)
      .join(", "),
    parse: (value) => {
      const state = accessStateOfWord(value);
      if (state === undefined) return undefined;
      return async (portGroups, group) => {
        if (!group.implicit) {
          throw new ToolstackError(
            "INVAL",
            `initiators alone change ${group.name}: its access type is ${accessType(group)}`,
          );
        }
        if (!group.supports.includes(state)) {
          throw new ToolstackError("INVAL", `${group.name} has no state ${ACCESS_STATES[state].title}`);
        }
        await changed(portGroups, group, state);
      };
    },
  },
  {
    name: "preferred",
    expecting: "0 or 1",
    parse: (value) => {
      if (value !== "0" && value !== "1") return undefined;
      return async (portGroups, group) => portGroups.prefer(group, value === "1");
    },
  },
];
