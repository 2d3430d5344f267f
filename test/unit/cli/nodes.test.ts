import { expect } from "chai";
import { goldenText } from "../../support/repository.js";
import { World } from "./world.js";

/** `path = "value"   (permissions)` of all nodes below a path, as `xenstore-ls -f -p` prints them. */
function fullPaths(world: World, path: string): string[] {
  const parents: string[] = [];
  return world.system.xenstored
    .dump(path)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const text = line.trimStart();
      parents.length = line.length - text.length;
      parents.push(text.slice(0, text.indexOf(" = ")));
      return `${path}/${parents.join("/")}${text.slice(text.indexOf(" = "))}`;
    });
}

/** References and ports are numbers that nothing depends on. */
function masked(line: string): string {
  return line.replace(/((?:ring-ref|event-channel) = )"\d+"/, '$1"N"');
}

const BACK = "/local/domain/0/backend/vscsi/1/0";
const FRONT = "/local/domain/1/device/vscsi/0";

describe("the nodes of a vscsi device", () => {
  let world: World;

  beforeEach(async () => {
    world = await World.start();
    await world.create(["naa.6001405000000001:0,0:0:0:0"]);
  });

  it("are those that a real Xen showed, with their values, permissions and order", () => {
    const golden = goldenText("xenstore-ls-connected.txt")
      .split("\n")
      .filter((line) => line.startsWith("/local/"));
    const ours = [...fullPaths(world, BACK), ...fullPaths(world, FRONT)];
    const index = `${BACK}/libxl_ctrl_index = "0"   (n0,r1)`;
    expect(ours, "vscsiif.h has it, the toolstack of the capture had not").to.include(index);
    expect(ours.filter((line) => line !== index).map(masked)).to.deep.equal(golden.map(masked));
  });

  it("are owned by their half of the device, and readable for the other", async () => {
    const { store } = world.system;
    expect(await world.done(store.permissions(BACK))).to.deep.equal(["n0", "r1"]);
    expect(await world.done(store.permissions(FRONT))).to.deep.equal(["n1", "r0"]);
    for (const path of ["/local/domain/1/device", "/local/domain/1/device/vscsi"]) {
      expect(await world.done(store.permissions(path)), `a guest makes no devices: ${path}`).to.deep.equal([
        "n0",
        "r1",
      ]);
    }
    for (const path of ["/libxl", "/libxl/1/device/vscsi/0", "/libxl/1/vscsi/0/next_vscsidev_id"]) {
      expect(await world.done(store.permissions(path)), path).to.deep.equal(["n0"]);
    }
  });

  it("have a copy that is the toolstack's own, as they were at first", () => {
    expect(fullPaths(world, "/libxl").map((line) => line.replace("   (n0)", ""))).to.deep.equal([
      '/libxl/1 = ""',
      '/libxl/1/device = ""',
      '/libxl/1/device/vscsi = ""',
      '/libxl/1/device/vscsi/0 = ""',
      `/libxl/1/device/vscsi/0/backend = "${BACK}"`,
      `/libxl/1/device/vscsi/0/frontend = "${FRONT}"`,
      '/libxl/1/device/vscsi/0/frontend-id = "1"',
      '/libxl/1/device/vscsi/0/online = "1"',
      '/libxl/1/device/vscsi/0/feature-host = "0"',
      '/libxl/1/device/vscsi/0/libxl_ctrl_index = "0"',
      '/libxl/1/device/vscsi/0/vscsi-devs = ""',
      '/libxl/1/device/vscsi/0/vscsi-devs/dev-0 = ""',
      '/libxl/1/device/vscsi/0/vscsi-devs/dev-0/p-devname = "naa.6001405000000001:0"',
      '/libxl/1/device/vscsi/0/vscsi-devs/dev-0/p-dev = "naa.6001405000000001:0"',
      '/libxl/1/device/vscsi/0/vscsi-devs/dev-0/v-dev = "0:0:0:0"',
      '/libxl/1/device/vscsi/0/vscsi-devs/dev-0/state = "1"',
      '/libxl/1/device/vscsi/0/state = "1"',
      '/libxl/1/vscsi = ""',
      '/libxl/1/vscsi/0 = ""',
      '/libxl/1/vscsi/0/next_vscsidev_id = "1"',
    ]);
  });

  it("say where the device is in dom0, whatever name it was asked for by", async () => {
    await world.attach(1, "/dev/sdb", "0:0:0:1");
    expect(fullPaths(world, `${BACK}/vscsi-devs/dev-1`)).to.deep.equal([
      `${BACK}/vscsi-devs/dev-1/p-devname = "/dev/sdb"   (n0,r1)`,
      `${BACK}/vscsi-devs/dev-1/p-dev = "0:0:1:0"   (n0,r1)`,
      `${BACK}/vscsi-devs/dev-1/v-dev = "0:0:0:1"   (n0,r1)`,
      `${BACK}/vscsi-devs/dev-1/state = "4"   (n0,r1)`,
    ]);
    expect(fullPaths(world, `${FRONT}/vscsi-devs`).at(-1)).to.equal(`${FRONT}/vscsi-devs/dev-1/state = "4"   (n1,r0)`);
  });

  it("go through the states of a real Xen: attach and detach", async () => {
    const seen: string[] = [];
    const paths = ["state", "vscsi-devs/dev-1/state"].flatMap((name) => [`${BACK}/${name}`, `${FRONT}/${name}`]);
    for (const path of paths) {
      await world.done(
        world.system.store.watch(path, async () => {
          const value = await world.system.store.read(path);
          const line = `${path.startsWith(BACK) ? "back" : "front"} ${path.includes("dev-1") ? "lun" : "device"} ${value}`;
          if (value !== null && seen.at(-1) !== line) seen.push(line);
        }),
      );
    }
    await world.settle();
    seen.length = 0;
    await world.attach(1, "0:0:1:0", "0:0:0:1");
    await world.settle();
    const only = (what: string) => seen.filter((line) => line.startsWith(what)).map((line) => line.at(-1));
    expect([only("back device"), only("front device")]).to.deep.equal([
      ["7", "8", "4"],
      ["7", "4"],
    ]);
    expect([only("back lun"), only("front lun")]).to.deep.equal([["1", "3", "4"], ["4"]]);
    seen.length = 0;
    await world.detach(1, "0:0:0:1");
    await world.settle();
    expect([only("back device"), only("front device")]).to.deep.equal([
      ["7", "8", "4"],
      ["7", "4"],
    ]);
    expect([only("back lun"), only("front lun")]).to.deep.equal([["5", "6"], ["6"]]);
  });
});
