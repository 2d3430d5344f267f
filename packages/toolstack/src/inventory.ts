// Knows how to read back from xenstore which vscsi controllers and LUNs a domain has. Writes nothing.

import { type DomainId, parseXenbusState, readState, scanNumber, XenbusState, type XenstoreAccess } from "@pvscsi/xen";

export interface LunInfo {
  /** dev-N. */
  readonly name: string;
  readonly physicalDevice: string;
  /** As the person wrote it. */
  readonly physicalName: string;
  /** vHOST:CHANNEL:TARGET:LUN. */
  readonly virtualDevice: string;
  readonly backendState: XenbusState;
  readonly frontendState: XenbusState;
}

export interface ControllerInfo {
  readonly devid: number;
  readonly backendDomain: DomainId;
  readonly frontendPath: string;
  readonly backendPath: string;
  /** vHOST. */
  readonly host: number;
  readonly featureHost: boolean;
  readonly frontendState: XenbusState;
  /** Unknown when the backend has no state node. */
  readonly backendState: XenbusState;
  readonly luns: readonly LunInfo[];
}

/** All controllers of a domain, by devid. */
export async function readControllers(store: XenstoreAccess, guest: DomainId): Promise<ControllerInfo[]> {
  const root = `/libxl/${guest}/device/vscsi`;
  const devids = ((await store.list(root)) ?? []).map(Number).sort((a, b) => a - b);
  const controllers: ControllerInfo[] = [];
  for (const devid of devids) {
    const backendPath = await store.read(`${root}/${devid}/backend`);
    const frontendPath = await store.read(`${root}/${devid}/frontend`);
    if (backendPath === null || frontendPath === null) continue;
    controllers.push(await readController(store, devid, frontendPath, backendPath));
  }
  return controllers;
}

async function readController(
  store: XenstoreAccess,
  devid: number,
  frontendPath: string,
  backendPath: string,
): Promise<ControllerInfo> {
  const luns: LunInfo[] = [];
  const names = ((await store.list(`${backendPath}/vscsi-devs`)) ?? []).filter((name) => /^dev-\d+$/.test(name));
  for (const name of names) luns.push(await readLun(store, name, frontendPath, backendPath));
  luns.sort((a, b) => compareVirtual(a.virtualDevice, b.virtualDevice));
  return {
    devid,
    backendDomain: Number(/^\/local\/domain\/(\d+)\//.exec(backendPath)?.[1] ?? 0),
    frontendPath,
    backendPath,
    host: scanNumber(await store.read(`${backendPath}/libxl_ctrl_index`)) ?? devid,
    featureHost: (await store.read(`${backendPath}/feature-host`)) === "1",
    frontendState: await readState(store, frontendPath),
    backendState: await readState(store, backendPath),
    luns,
  };
}

async function readLun(
  store: XenstoreAccess,
  name: string,
  frontendPath: string,
  backendPath: string,
): Promise<LunInfo> {
  const path = `${backendPath}/vscsi-devs/${name}`;
  return {
    name,
    physicalDevice: (await store.read(`${path}/p-dev`)) ?? "",
    physicalName: (await store.read(`${path}/p-devname`)) ?? "",
    virtualDevice: (await store.read(`${path}/v-dev`)) ?? "",
    backendState: parseXenbusState(await store.read(`${path}/state`)),
    frontendState: await readState(store, `${frontendPath}/vscsi-devs/${name}`),
  };
}

/** By the numbers of vHOST:CHANNEL:TARGET:LUN. */
function compareVirtual(a: string, b: string): number {
  const left = a.split(":").map(Number);
  const right = b.split(":").map(Number);
  const differs = left.findIndex((part, index) => part !== right[index]);
  return differs < 0 ? 0 : left[differs] - (right[differs] ?? 0);
}

/** What a LUN looks like to its guest and to its backend when all is well. */
export function isAttached(lun: LunInfo): boolean {
  return lun.backendState === XenbusState.Connected && lun.frontendState === XenbusState.Connected;
}
