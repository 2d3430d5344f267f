// Knows the xenstore nodes of a vscsi device, as libxl would write them: paths, values, permissions, order.
// Knows no waiting and no state machine.

import { formatAddress, type VscsiController, type VscsiDevice } from "@pvscsi/config";
import { type DomainId, XenbusState, type XenstoreAccess } from "@pvscsi/xen";

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

/** A LUN as the toolstack hands it to the backend. */
export interface NewLun {
  readonly device: VscsiDevice;
  /** What the p-dev node says: H:C:T:L or naa.WWN:LUN, whatever the person wrote. */
  readonly physicalDevice: string;
}

type Nodes = ReadonlyArray<readonly [name: string, value: string]>;

/** The nodes below `vscsi-devs/dev-N`. The state comes last: with it the others are complete. */
export function lunNodes({ device, physicalDevice }: NewLun): Nodes {
  return [
    ["p-devname", device.physical.text],
    ["p-dev", physicalDevice],
    ["v-dev", formatAddress(device.virtual)],
    ...(device.options.length === 0 ? [] : [["options", device.options.join(",")] as const]),
    ["state", String(XenbusState.Initialising)],
  ];
}

/** Writes a new controller with its LUNs, in a transaction of the caller's. */
export async function writeController(
  store: XenstoreAccess,
  guest: DomainId,
  backend: DomainId,
  controller: VscsiController,
  luns: readonly NewLun[],
): Promise<void> {
  const paths = devicePaths(guest, backend, controller.devid);
  await writeDirectory(
    store,
    paths.libxl,
    ["n0"],
    [
      ["frontend", paths.frontend],
      ["backend", paths.backend],
    ],
  );
  await writeDirectory(
    store,
    paths.frontend,
    [`n${guest}`, `r${backend}`],
    [
      ["backend", paths.backend],
      ["backend-id", String(backend)],
      ["state", String(XenbusState.Initialising)],
    ],
  );
  await writeDirectory(
    store,
    paths.backend,
    [`n${backend}`, `r${guest}`],
    [
      ["frontend", paths.frontend],
      ["frontend-id", String(guest)],
      ["online", "1"],
      ["feature-host", controller.featureHost ? "1" : "0"],
      ["libxl_ctrl_index", String(controller.host)],
    ],
  );
  for (const [index, lun] of luns.entries()) await writeLun(store, paths.backend, `dev-${index}`, lun);
  await store.write(counterPath(guest, controller.devid), String(luns.length));
  await store.write(`${paths.backend}/state`, String(XenbusState.Initialising));
}

export async function writeLun(store: XenstoreAccess, backendPath: string, name: string, lun: NewLun): Promise<void> {
  await writeNodes(store, `${backendPath}/vscsi-devs/${name}`, lunNodes(lun));
}

async function writeDirectory(store: XenstoreAccess, path: string, permissions: string[], nodes: Nodes): Promise<void> {
  await store.write(path, "");
  await store.setPermissions(path, permissions);
  await writeNodes(store, path, nodes);
}

async function writeNodes(store: XenstoreAccess, path: string, nodes: Nodes): Promise<void> {
  for (const [name, value] of nodes) await store.write(`${path}/${name}`, value);
}

/** Removes all that `writeController` wrote. */
export async function removeController(
  store: XenstoreAccess,
  guest: DomainId,
  backend: DomainId,
  devid: number,
): Promise<void> {
  const paths = devicePaths(guest, backend, devid);
  for (const path of [paths.frontend, paths.backend, paths.libxl, `/libxl/${guest}/vscsi/${devid}`])
    await store.remove(path);
  await removeEmptyParent(store, `/local/domain/${backend}/backend/vscsi/${guest}`);
}

async function removeEmptyParent(store: XenstoreAccess, path: string): Promise<void> {
  if ((await store.list(path))?.length === 0) await store.remove(path);
}
