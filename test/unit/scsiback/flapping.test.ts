// A front end that changes its mind faster than a back end can follow.

import { seededRandom } from "@pvscsi/wire";
import { expect } from "chai";
import { onEachPlatform, Stand } from "./stand.js";

onEachPlatform("flapping states", (platform) => {
  let stand: Stand;
  beforeEach(async () => {
    stand = await Stand.make({}, platform);
  });
  afterEach(() => stand.end());

  const settle = () => stand.world.settle();

  it("XSA-350: bear a front end that flaps between states", async () => {
    const front = await stand.connected();
    for (let round = 0; round < 50; round++) {
      for (const state of ["5", "3", "6", "7", "4", "3", "1"]) {
        void front.domain.store.write(`${front.nodes.front}/state`, state);
      }
      if (round % 10 === 0) await settle();
    }
    await settle();
    expect(stand.dom0.describe().mappings.length).to.be.lessThan(2);
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`XSA-350: go and come at random with commands under way, and leave nothing (seed ${seed})`, async () => {
      const random = seededRandom(seed);
      const { nodes } = await stand.connected();
      let front = stand.front(nodes);
      for (let step = 0; step < 400; step++) {
        const what = random.below(12);
        if (what === 0) front = await stand.front(nodes).connect();
        else if (what < 3) await settle();
        else if (what < 5 && stand.holding.held.length > 0) stand.holding.end();
        else if (what < 8) {
          front.put({ lun: random.below(2), direction: 2, segments: [[front.ring.gref, 64, 8]] });
          front.push();
        } else void front.write("state", "134567"[random.below(6)]);
      }
      await settle();
      while (stand.holding.held.length > 0) stand.holding.end();
      await settle();
      expect(stand.dom0.describe().mappings.length).to.be.lessThan(2);
    });
  }

  it("XSA-349: cost two runs when a front end writes its state 10^4 times", async () => {
    const front = await stand.connected();
    let requests = 0;
    const stop = stand.world.listen((name, subject) => {
      if (name === "xenstored:request" && (subject as { domain: number }).domain === 0) requests += 1;
    });
    const { store } = front.domain;
    const writes = Array.from({ length: 10_000 }, () => store.write(`${front.nodes.front}/state`, "4"));
    await settle();
    await Promise.all(writes);
    stop();
    // A run reads the state and both LUNs'. Runs follow one another while the writes come in.
    expect(requests).to.be.lessThan(10_000);
    expect(await front.nodes.states()).to.equal("4 4 4- 4-");
  }).timeout(20_000);
});
