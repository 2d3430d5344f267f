// Knows how to read back from xenstore which vscsi controllers and LUNs a domain has. Writes nothing.

import { compareAddresses, parseAddress } from "@pvscsi/config";
import { type DomainId, parseXenbusState, readState, scanNumber, XenbusState, type XenstoreAccess } from "@pvscsi/xen";
import { devicePaths, lunPath } from "./device-nodes.js";

export interface LunInfo {
  /** dev-N. */
  readonly name: string;
  /** p-dev. */
  readonly physicalDevice: string;
  /** As the person wrote it: p-devname. */
  readonly physicalName: string;
  /** v-dev: vHOST:CHANNEL:TARGET:LUN. */
  readonly virtualDevice: string;
  readonly backendState: XenbusState;
  readonly frontendState: XenbusState;
}

export interface ControllerInfo {
  readonly domain: DomainId;
  readonly devid: number;
  readonly backendDomain: DomainId;
  readonly frontendPath: string;
  readonly backendPath: string;
  /** vHOST. */
  readonly host: number;
  readonly featureHost: boolean;
  readonly frontendState: XenbusState;
  /** Null when the backend has no state node. */
  readonly backendState: XenbusState | null;
  /** As the front end wrote them; null as long as it has not. */
  readonly ringReference: number | null;
  readonly eventChannel: number | null;
  /** In the order of their virtual devices. */
  readonly luns: readonly LunInfo[];
}

/** All controllers of a domain, by devid. */
export async function readControllers(store: XenstoreAccess, domain: DomainId): Promise<ControllerInfo[]> {
  const devids = ((await store.list(`/libxl/${domain}/device/vscsi`)) ?? []).map(Number).sort((a, b) => a - b);
  const controllers: ControllerInfo[] = [];
  for (const devid of devids) {
    const controller = await readController(store, domain, devid);
    if (controller !== null) controllers.push(controller);
  }
  return controllers;
}

/** A controller by its two halves. */
export type ControllerHalves = Pick<
  ControllerInfo,
  "domain" | "devid" | "backendDomain" | "backendPath" | "frontendPath"
>;

/** Those of a domain that back ends have, wherever they run: they are there still when libxl has removed what else there was. */
export async function findBackendHalves(store: XenstoreAccess, domain: DomainId): Promise<ControllerHalves[]> {
  const found: ControllerHalves[] = [];
  for (const backendDomain of numbersIn(await store.list("/local/domain"))) {
    for (const devid of numbersIn(await store.list(`/local/domain/${backendDomain}/backend/vscsi/${domain}`))) {
      const { backend: backendPath, frontend: frontendPath } = devicePaths(domain, backendDomain, devid);
      found.push({ domain, devid, backendDomain, backendPath, frontendPath });
    }
  }
  return found;
}

/** Names that are numbers. */
export function numbersIn(names: readonly string[] | null): number[] {
  return (names ?? []).filter((name) => /^\d{1,9}$/.test(name)).map(Number);
}

/** One controller, found through the toolstack's own nodes: a guest may write into its half what it likes. */
export async function readController(
  store: XenstoreAccess,
  domain: DomainId,
  devid: number,
): Promise<ControllerInfo | null> {
  const own = `/libxl/${domain}/device/vscsi/${devid}`;
  const backendPath = await store.read(`${own}/backend`);
  const frontendPath = await store.read(`${own}/frontend`);
  if (backendPath === null || frontendPath === null) return null;
  const backendState = await store.read(`${backendPath}/state`);
  return {
    domain,
    devid,
    backendDomain: Number(/^\/local\/domain\/(\d+)\//.exec(backendPath)?.[1]),
    frontendPath,
    backendPath,
    host: scanNumber(await store.read(`${backendPath}/libxl_ctrl_index`)) ?? devid,
    featureHost: (await store.read(`${backendPath}/feature-host`)) === "1",
    frontendState: await readState(store, frontendPath),
    backendState: backendState === null ? null : parseXenbusState(backendState),
    ringReference: scanNumber(await store.read(`${frontendPath}/ring-ref`)),
    eventChannel: scanNumber(await store.read(`${frontendPath}/event-channel`)),
    luns: await readLuns(store, frontendPath, backendPath),
  };
}

async function readLuns(store: XenstoreAccess, frontendPath: string, backendPath: string): Promise<LunInfo[]> {
  const luns: LunInfo[] = [];
  for (const name of (await store.list(`${backendPath}/vscsi-devs`)) ?? []) {
    if (/^dev-\d+$/.test(name)) luns.push(await readLun(store, name, frontendPath, backendPath));
  }
  return luns.sort((a, b) => compareVirtual(a.virtualDevice, b.virtualDevice));
}

async function readLun(
  store: XenstoreAccess,
  name: string,
  frontendPath: string,
  backendPath: string,
): Promise<LunInfo> {
  const path = lunPath(backendPath, name);
  return {
    name,
    physicalDevice: (await store.read(`${path}/p-dev`)) ?? "",
    physicalName: (await store.read(`${path}/p-devname`)) ?? "",
    virtualDevice: (await store.read(`${path}/v-dev`)) ?? "",
    backendState: await readState(store, path),
    frontendState: await readState(store, lunPath(frontendPath, name)),
  };
}

/** What is no address comes first. */
function compareVirtual(a: string, b: string): number {
  const [left, right] = [parseAddress(a), parseAddress(b)];
  if (left === undefined || right === undefined) return Number(left !== undefined) - Number(right !== undefined);
  return compareAddresses(left, right);
}

/** What a LUN looks like to its guest and to its backend when all is well. */
export function isAttached(lun: LunInfo): boolean {
  return lun.backendState === XenbusState.Connected && lun.frontendState === XenbusState.Connected;
}
