// Knows how the initiator finds a target, logs in, and what Linux shows of its disks.

import { Opcode } from "@pvscsi/iscsi";
import { expect } from "chai";
import { clock } from "../qemu/clock.js";
import { copy, sumOfFile } from "../qemu/contents.js";
import { LSSCSI } from "../qemu/guest-disk.js";
import { FILE_SIZE, MEMORY_SIZE, type Stand } from "./stand.js";

const MIB = 1024 * 1024;
const COPIED = 64;

export async function judgeLooks({ context, initiator, relay, portal, file }: Stand): Promise<void> {
  const { guest } = initiator;
  await context.check("discovery by SendTargets has the address that is advertised", async () => {
    const found = await initiator.discover();
    expect(found.trim()).to.equal(`${initiator.portal},1 ${portal.target}`);
    return found.trim();
  });
  await context.check("login: a session in full feature phase, and what both have agreed on", async () => {
    const since = clock();
    await initiator.logIn();
    await initiator.recovered();
    const names = ["first_burst_len", "max_burst_len", "initial_r2t", "immediate_data", "erl", "tpgt"];
    const values = await Promise.all(names.map((name) => initiator.attribute(name)));
    expect(values).to.deep.equal(["262144", "1048576", "0", "1", "0", "1"]);
    return `after ${since()} ms: ${names.map((name, i) => `${name} ${values[i]}`).join(", ")}`;
  });
  await context.check("lsscsi has both LUNs, and their sizes are right", async () => {
    const disks = [await initiator.disk(0), await initiator.disk(1)];
    const lines = (await guest.run(LSSCSI)).trim().split("\n");
    const wanted = disks.map(({ disk }, lun) => `[0:0:${lun}] disk PVSCSI VIRTUAL DISK 0001 ${disk}`);
    expect(
      lines.map((line) =>
        line
          .trim()
          .replace(/ +/g, " ")
          .replace(/^\[\d+:/, "["),
      ),
    ).to.deep.equal(wanted);
    const sizes = await Promise.all(disks.map(({ disk }) => guest.run(`blockdev --getsize64 ${disk}`)));
    expect(sizes.map((size) => Number(size) / MIB)).to.deep.equal([FILE_SIZE, MEMORY_SIZE]);
    return lines.join("; ").replace(/ +/g, " ");
  });
  await context.check(`${COPIED} MiB written past the cache are read again and are in the file`, async () => {
    const since = clock();
    const sum = await copy(guest, (await initiator.disk(0)).disk, COPIED);
    const milliseconds = since();
    expect(await sumOfFile(file, COPIED), "in the file").to.equal(sum);
    return `${sum.slice(0, 16)}, there and back in ${milliseconds} ms`;
  });
  await context.check("logout: the portal answers, and the session and its disks are gone", async () => {
    const before = relay.seen.length;
    await initiator.logOut();
    const [answer] = relay.seenSince(before, Opcode.logoutResponse);
    expect(answer?.header[2], "response").to.equal(0);
    expect((await guest.run(`${LSSCSI}; iscsiadm -m session 2>&1 || true`)).trim()).to.equal(
      "iscsiadm: No active sessions.",
    );
    return "response 0";
  });
}
