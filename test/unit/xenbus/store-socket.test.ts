// Tests xenstored's Unix socket: whose it is, how bytes may come, and that who breaks a rule or stands still ends alone.

import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { XenstoreError, XS } from "@pvscsi/xen";
import { connectStore } from "@pvscsi/xenbus";
import { expect } from "chai";
import fc from "fast-check";
import { RawClient, request, StoreStand, until } from "./store-stand.js";

/** xenstored's limit of a payload. */
const LONGEST = 4096;
const READ = XS.READ;
const OK = (name: keyof typeof XS): string => `${XS[name]} OK|`;

describe("xenstored's socket", () => {
  const stand = new StoreStand();

  describe("its file", () => {
    it("is its owner's alone, and gone afterwards", async () => {
      expect(statSync(stand.path).mode & 0o777).to.equal(0o600);
      await stand.server.close();
      expect(existsSync(stand.path)).to.equal(false);
    });

    it("is not taken from somebody who listens", async () => {
      const error = await stand.serve().catch((reason) => reason);
      expect(error.code).to.equal("EADDRINUSE");
      const session = await stand.session();
      expect(await session.list("/")).to.deep.equal(["tool"]);
    });

    it("is taken over when nobody listens any more", async () => {
      await stand.server.close();
      await leaveSocket(stand.path);
      stand.server = await stand.serve();
      expect(await (await stand.session()).list("/")).to.deep.equal(["tool"]);
    });

    it("is left alone when it is no socket", async () => {
      await stand.server.close();
      writeFileSync(stand.path, "mine");
      const error = await stand.serve().catch((reason) => reason);
      expect(error.code).to.equal("EADDRINUSE");
      expect(readFileSync(stand.path, "utf8")).to.equal("mine");
    });
  });

  describe("its messages", () => {
    it("may come byte by byte, and several in one piece; answers keep the order", async () => {
      const client = stand.raw();
      for (const byte of request("WRITE", "/a/b|c", 1)) {
        client.say(Uint8Array.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await client.hear(1);
      client.say(Buffer.concat([request("READ", "/a/b|"), request("READ", "/x|"), request("DIRECTORY", "/a|")]));
      expect(await client.hear(4)).to.deep.equal([
        OK("WRITE"),
        `${READ} c`,
        `${XS.ERROR} ENOENT|`,
        `${XS.DIRECTORY} b|`,
      ]);
    });

    it("are domain 0's: relative paths are its own, and it may do what its tools may", async () => {
      const client = stand.raw();
      client.say(request("WRITE", "x|1"), request("READ", "/local/domain/0/x|"), request("INTRODUCE", "5|1|1|"));
      expect(await client.hear(3)).to.deep.equal([OK("WRITE"), `${READ} 1`, OK("INTRODUCE")]);
    });

    it("are answered all the same when a client says no more, which then is its end", async () => {
      const client = stand.raw();
      const half = request("READ", "/x|").subarray(0, 10);
      client.socket.end(Buffer.concat([request("WRITE", "/a|1"), request("READ", "/a|"), half]));
      await client.over();
      expect(client.heard).to.deep.equal([OK("WRITE"), `${READ} 1`]);
    });

    it(`have ${LONGEST} bytes of payload at most; one more ends that connection as soon as its header says so`, async () => {
      const [bad, good] = [stand.raw(), stand.raw()];
      good.say(request("WRITE", `/a|${"v".repeat(LONGEST - 3)}`), request("READ", "/a|"));
      expect(await good.hear(2)).to.deep.equal([OK("WRITE"), `${READ} ${"v".repeat(LONGEST - 3)}`]);
      bad.say(request("READ", "", 0, LONGEST + 1));
      await bad.over();
      expect(bad.heard).to.deep.equal([]);
      good.say(request("READ", "/none|"));
      await good.hear(3);
    });
  });

  describe("who comes to it", () => {
    it("may leave in the middle of a header: nothing is left of it", async () => {
      const client = stand.raw();
      client.say(request("READ", "/|").subarray(0, 7));
      await until("it is there", () => stand.server.connections === 1);
      client.socket.destroy();
      await until("it is gone", () => stand.server.connections === 0);
    });

    it("may leave with watches and transactions: both are gone", async () => {
      const client = stand.raw();
      client.say(request("WATCH", "/a|token|"), request("TRANSACTION_START", "|"));
      const write = request("WRITE", "/a|1");
      write.writeUInt32LE(1, 8);
      client.say(write);
      await client.hear(4);
      client.socket.destroy();
      await until("it is gone", () => stand.server.connections === 0);
      const session = await stand.session();
      expect(await session.read("/a")).to.equal(null);
      await session.write("/a", "2");
      expect(stand.xenstored.dump()).to.match(/^a = "2" /m);
    });

    it("may be 64 at once, each with its own answers and events", async () => {
      const sessions = await Promise.all(Array.from({ length: 64 }, () => stand.session()));
      const heard = sessions.map(() => new Set<string>());
      await Promise.all(sessions.map((each, i) => each.watch(`/many/${i}`, (path) => heard[i].add(path))));
      await Promise.all(
        sessions.map(async (session, i) => {
          for (let round = 0; round < 10; round++) {
            await session.transaction((access) => access.write(`/many/${i}/n`, String(round)));
          }
        }),
      );
      for (const [i, session] of sessions.entries()) expect(await session.read(`/many/${i}/n`)).to.equal("9");
      for (const [i, paths] of heard.entries()) expect([...paths]).to.deep.equal([`/many/${i}`, `/many/${i}/n`]);
    });

    it("is turned away when there are too many, and the others go on", async () => {
      await stand.server.close();
      stand.server = await stand.serve(2);
      const sessions = [await stand.session(), await stand.session()];
      const third = stand.raw();
      await third.over();
      for (const session of sessions) expect(await session.list("/")).to.deep.equal(["tool"]);
    });

    it("is read no further while it does not read, and gets all answers when it does", async () => {
      const session = await stand.session();
      await session.write("/big", "v".repeat(400));
      const client = stand.raw();
      client.socket.pause();
      const flood = Buffer.concat(Array.from({ length: 1000 }, () => request("READ", "/big|")));
      const rounds = 20;
      for (let i = 0; i < rounds; i++) client.say(flood);
      await sleep(200);
      expect(client.socket.writableLength, "what it could not say").to.be.above(0);
      expect(await session.list("/big")).to.deep.equal([]);
      client.socket.resume();
      await client.hear(rounds * 1000);
      expect(new Set(client.heard).size).to.equal(1);
    });

    it("is ended when more events wait for it than a guest's memory may be; who writes them is not", async () => {
      const client = stand.raw();
      client.say(request("WATCH", `/e|${"t".repeat(2000)}|`));
      await client.hear(2);
      client.socket.pause();
      const session = await stand.session();
      for (let i = 0; i < 3000 && stand.server.connections === 2; i++) await session.write(`/e/${i}`, "1");
      expect(stand.server.connections).to.equal(1);
      expect(await session.read("/e/0")).to.equal("1");
    });

    it("may say whatever it likes (random bytes and requests)", async () => {
      const session = await stand.session();
      await fc.assert(
        fc.asyncProperty(fc.array(piece, { maxLength: 12 }), async (pieces) => {
          const client = new RawClient(stand.path);
          client.say(...pieces);
          client.socket.end();
          await client.over();
          expect(await session.list("/tool")).to.include("xenstored");
        }),
        { numRuns: 150 },
      );
      await until("all have left", () => stand.server.connections === 1);
    });
  });

  describe("its client", () => {
    it("is told that nobody listens", async () => {
      await stand.server.close();
      expect((await connectStore(stand.path).catch((reason) => reason)).code).to.equal("ENOENT");
      stand.server = await stand.serve();
    });

    it("is told when xenstored ends, once; what it still asks fails with EIO", async () => {
      let ends = 0;
      const session = await stand.session(() => {
        ends += 1;
      });
      await stand.server.close();
      await until("it is told", () => session.ended !== null);
      const error = await session.read("/tool").catch((reason) => reason);
      expect(error).to.be.instanceOf(XenstoreError);
      expect(error.errno).to.equal("EIO");
      expect(ends).to.equal(1);
    });
  });
});

const names = fc.constantFrom(...(Object.keys(XS) as (keyof typeof XS)[]));
const text = fc.constantFrom("", "|", "/a|", "/a|b", "/tool|n0|", "a|b|", "T|", "5|1|1|", "@releaseDomain|x|", "0|");
const piece = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.tuple(names, text).map(([name, payload]) => request(name, payload)),
  fc
    .tuple(names, text, fc.integer({ min: 0, max: 5000 }))
    .map(([name, payload, length]) => request(name, payload, 1, length)),
);

/** A socket whose listener has ended without removing it, as one that was killed. */
async function leaveSocket(path: string): Promise<void> {
  const moved = `${path}.old`;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(moved, resolve));
  renameSync(moved, path);
  await new Promise((resolve) => server.close(resolve));
}
