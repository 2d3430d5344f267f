// Knows the xenstore nodes of a vscsi device, as libxl would write them: paths, values, permissions, order.
// Knows no waiting and no state machine.

import { formatAddress } from "@pvscsi/config";
import { type DomainId, scanNumber, XenbusState, type XenstoreAccess } from "@pvscsi/xen";
import type { PlannedController, PlannedLun } from "./plan.js";

/** Where a controller's two halves and the toolstack's own copy are. */
export interface DevicePaths {
  readonly frontend: string;
  readonly backend: string;
  readonly libxl: string;
}

export function devicePaths(guest: DomainId, backend: DomainId, devid: number): DevicePaths {
  return {
    frontend: `/local/domain/${guest}/device/vscsi/${devid}`,
    backend: `/local/domain/${backend}/backend/vscsi/${guest}/${devid}`,
    libxl: `/libxl/${guest}/device/vscsi/${devid}`,
  };
}

/** The counter of dev-N names; a name is never used again, so that a late write cannot meet a new LUN. */
export function counterPath(guest: DomainId, devid: number): string {
  return `/libxl/${guest}/vscsi/${devid}/next_vscsidev_id`;
}

/** The directory of the LUNs below one half of a controller. */
const LUNS = "vscsi-devs";

/** The path of a LUN below one half of its controller. */
export function lunPath(half: string, name: string): string {
  return `${half}/${LUNS}/${name}`;
}

/** Where a driver says why a device failed: `error` in its own domain, then the device's path below that domain. */
export function errorPath(path: string): string {
  return path.replace(/^(\/local\/domain\/\d+)\//, "$1/error/");
}

/** The reason that a driver has left for a device or a LUN, without the errno in front; null when it has said none. */
export async function readReason(store: XenstoreAccess, path: string): Promise<string | null> {
  return (await store.read(`${errorPath(path)}/error`))?.replace(/^\d+ /, "") ?? null;
}

/** What stays when nothing is said any more: the directory that a domain is created with, and dom0 is without. */
function errorRoot(domain: DomainId): string {
  return domain === 0 ? "/local/domain/0" : `/local/domain/${domain}/error`;
}

/** Names and values in the order in which they are written. */
type Nodes = ReadonlyArray<readonly [name: string, value: string]>;

/** The state comes last: with it the others are complete. */
function lunNodes({ device, physicalDevice }: PlannedLun): Nodes {
  return [
    ["p-devname", device.physical.text],
    ["p-dev", physicalDevice],
    ["v-dev", formatAddress(device.virtual)],
    ...(device.options.length === 0 ? [] : [["options", device.options.join(",")] as const]),
    ["state", String(XenbusState.Initialising)],
  ];
}

function backendNodes(frontend: string, guest: DomainId, { controller, luns }: PlannedController): Nodes {
  return [
    ["frontend", frontend],
    ["frontend-id", String(guest)],
    ["online", "1"],
    ["feature-host", controller.featureHost ? "1" : "0"],
    ["libxl_ctrl_index", String(controller.host)],
    ...luns.flatMap((lun, index) =>
      lunNodes(lun).map(([name, value]) => [`${LUNS}/dev-${index}/${name}`, value] as const),
    ),
    ["state", String(XenbusState.Initialising)],
  ];
}

/** Writes a new controller with its LUNs, in a transaction of the caller's. */
export async function writeController(
  store: XenstoreAccess,
  guest: DomainId,
  planned: PlannedController,
): Promise<void> {
  const { backend } = planned;
  const { devid } = planned.controller;
  const paths = devicePaths(guest, backend, devid);
  const nodes = backendNodes(paths.frontend, guest, planned);
  const frontendNodes: Nodes = [
    ["backend", paths.backend],
    ["backend-id", String(backend)],
    ["state", String(XenbusState.Initialising)],
  ];
  await writeDirectory(store, paths.frontend, [`n${guest}`, `r${backend}`], frontendNodes);
  await writeDirectory(store, paths.backend, [`n${backend}`, `r${guest}`], nodes);
  await writeDirectory(store, paths.libxl, ["n0"], [["backend", paths.backend], ...nodes]);
  await store.write(counterPath(guest, devid), String(planned.luns.length));
}

/** The domain of a controller's back end, as the toolstack has written it; null when there is no such controller. */
export async function readBackend(store: XenstoreAccess, guest: DomainId, devid: number): Promise<DomainId | null> {
  const path = await store.read(`/libxl/${guest}/device/vscsi/${devid}/backend`);
  return scanNumber(/^\/local\/domain\/(\d+)\//.exec(path ?? "")?.[1] ?? null);
}

/** Writes a LUN of a controller that is there, in a transaction of the caller's. */
export async function writeLun(
  store: XenstoreAccess,
  backendPath: string,
  name: string,
  lun: PlannedLun,
): Promise<void> {
  await writeNodes(store, lunPath(backendPath, name), lunNodes(lun));
}

async function writeDirectory(store: XenstoreAccess, path: string, permissions: string[], nodes: Nodes): Promise<void> {
  await store.write(path, "");
  await store.setPermissions(path, permissions);
  await writeNodes(store, path, nodes);
}

async function writeNodes(store: XenstoreAccess, path: string, nodes: Nodes): Promise<void> {
  for (const [name, value] of nodes) await store.write(`${path}/${name}`, value);
}

/** Removes a LUN from both halves, and what the drivers have said of it. */
export async function removeLun(
  store: XenstoreAccess,
  guest: DomainId,
  backend: DomainId,
  devid: number,
  name: string,
): Promise<void> {
  const paths = devicePaths(guest, backend, devid);
  await store.remove(lunPath(paths.backend, name));
  await store.remove(lunPath(paths.frontend, name));
  await removeWithParents(store, errorPath(lunPath(paths.backend, name)), errorRoot(backend));
}

/** Removes all of a controller: what `writeController` wrote, what its drivers added, and parents that are empty then. */
export async function removeController(
  store: XenstoreAccess,
  guest: DomainId,
  backend: DomainId,
  devid: number,
): Promise<void> {
  const { frontend, backend: backendPath, libxl } = devicePaths(guest, backend, devid);
  await removeWithParents(store, frontend, `/local/domain/${guest}/device`);
  await removeWithParents(store, errorPath(frontend), errorRoot(guest));
  await removeWithParents(store, backendPath, `/local/domain/${backend}`);
  await removeWithParents(store, errorPath(backendPath), errorRoot(backend));
  await removeWithParents(store, libxl, "");
  await removeWithParents(store, parentOf(counterPath(guest, devid)), "");
}

/** Removes the half that a driver domain may remove itself, and what its driver has said of it. */
export async function removeBackend(
  store: XenstoreAccess,
  guest: DomainId,
  backend: DomainId,
  devid: number,
): Promise<void> {
  const { backend: path } = devicePaths(guest, backend, devid);
  await store.remove(path);
  await store.remove(errorPath(path));
}

/** Removes a guest's folders of back ends in which nothing is, in whichever domain. */
export async function removeEmptyFolders(store: XenstoreAccess, guest: DomainId): Promise<void> {
  for (const backend of (await store.list("/local/domain")) ?? []) {
    for (const root of [`/local/domain/${backend}`, `/local/domain/${backend}/error`]) {
      const folder = `${root}/backend/vscsi/${guest}`;
      if ((await store.list(folder))?.length === 0) await removeWithParents(store, folder, root);
    }
  }
}

/** As libxl__xs_path_cleanup: the node, then its parents below `root` for as long as they are empty. */
export async function removeWithParents(store: XenstoreAccess, path: string, root: string): Promise<void> {
  await store.remove(path);
  for (let parent = parentOf(path); parent !== root && parent !== ""; parent = parentOf(parent)) {
    const children = await store.list(parent);
    if (children !== null && children.length > 0) return;
    await store.remove(parent);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
