// Knows what a server of devices is asked while it serves, on a socket of its own: LUNs that come, go and grow, and which there
// are. Knows no transport: how a place is written is told.

import { parseSize } from "@pvscsi/config";
import { MAX_LUNS } from "@pvscsi/scsi";
import { ToolstackError } from "@pvscsi/toolstack";
import { type Column, formatColumns } from "@pvscsi/wire";
import { portGroupVerb } from "./alua-control.js";
import { connectControl, runThere } from "./control-client.js";
import { type ControlServer, serveSocket } from "./control-server.js";
import type { ControlRequest } from "./control-wire.js";
import { type BusTargets, type DeviceBus, formatPlace, type Place, parsePlace } from "./device-bus.js";
import { Exit, failure, messageOf, type Outcome, success } from "./verb.js";

/** How people write where a device stands. */
export interface PlaceWords {
  readonly title: string;
  /** Null for what is none. */
  readonly parse: (text: string) => Place | null;
  readonly format: (place: Place) => string;
  /** What is told of a text that is none. */
  readonly expected: string;
}

/** Of a bus with several targets. */
export const TARGET_AND_LUN: PlaceWords = {
  title: "T:L",
  parse: parsePlace,
  format: formatPlace,
  expected: "TARGET:LUN, 0:0 to 255:16383",
};

/** Of one target. */
export const LUN_ALONE: PlaceWords = {
  title: "LUN",
  parse: (text) => (/^\d{1,5}$/.test(text) && Number(text) < MAX_LUNS ? { target: 0, lun: Number(text) } : null),
  format: ({ lun }) => String(lun),
  expected: "LUN, 0 to 16383",
};

type Bus = DeviceBus<BusTargets>;

/** Answers at `path`, which is made for its owner alone. Throws ToolstackError where somebody does already. */
export function serveBusControl(path: string, bus: Bus, places: PlaceWords): Promise<ControlServer> {
  return serveSocket(path, (request) => runRequest(bus, places, request));
}

/** Asks whoever answers at `path`. Throws ToolstackError where nobody does; `who` is the server in words, `start` what starts one. */
export async function askBus(
  path: string,
  request: ControlRequest,
  { who, start }: { readonly who: string; readonly start: string },
): Promise<Outcome> {
  const connection = await connectControl(path);
  if (connection === null) throw new ToolstackError("FAIL", `nobody serves ${who}: start ${start}`);
  return runThere(connection, `the server of ${who}`, request, () => {});
}

async function runRequest(bus: Bus, places: PlaceWords, request: ControlRequest): Promise<Outcome> {
  const [verb, ...words] = request.words;
  const body = Object.hasOwn(REQUESTS, verb) ? REQUESTS[verb] : undefined;
  if (body === undefined) return failure(Exit.usage, `pvscsi: a server is not asked to '${verb}'`);
  try {
    return success(await body(bus, places, words, request.directory));
  } catch (error) {
    const message = messageOf(error, "pvscsi");
    if (message === null) throw error;
    return failure(Exit.failed, message);
  }
}

/** What a server is asked to do: gives what it prints. */
const REQUESTS: {
  readonly [verb: string]: (
    bus: Bus,
    places: PlaceWords,
    words: readonly string[],
    directory: string,
  ) => Promise<string>;
} = {
  async attach(bus, places, [word = "", where], directory) {
    const place = where === undefined ? bus.free : placeOf(places, where);
    await bus.attach(word, place, directory);
    return places.format(place);
  },
  async detach(bus, places, [where = ""]) {
    await bus.detach(placeOf(places, where));
    return "";
  },
  async resize(bus, places, [where = "", text = ""]) {
    const size = parseSize(text);
    if (size === undefined) throw new ToolstackError("INVAL", `invalid size '${text}'`);
    await bus.resize(placeOf(places, where), size);
    return "";
  },
  async insert(bus, places, [where = "", path = ""], directory) {
    await bus.insert(placeOf(places, where), path, directory);
    return "";
  },
  async eject(bus, places, [where = ""]) {
    await bus.eject(placeOf(places, where));
    return "";
  },
  async alua(bus, places, [where, ...words]) {
    return portGroupVerb(bus, places, where === undefined ? null : placeOf(places, where), words);
  },
  async list(bus, places) {
    return formatColumns([{ title: places.title, text: places.format }, ...COLUMNS], bus.list());
  },
};

type Row = ReturnType<Bus["list"]>[number];

const COLUMNS: readonly Column<Row>[] = [
  { title: "Vendor", text: ({ vendor }) => vendor },
  { title: "Product", text: ({ product }) => product },
  { title: "WWN", text: ({ wwn }) => wwn },
];

function placeOf(places: PlaceWords, text: string): Place {
  const place = places.parse(text);
  if (place === null) throw new ToolstackError("INVAL", `'${text}' is no ${places.expected}`);
  return place;
}
