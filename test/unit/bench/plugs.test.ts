// Tests how plugs are timed and told: in turns, from the plug to the guest's knowing, without the unplug.

import { formatPlugs, measurePlugs, type PlugContender } from "@pvscsi/bench";
import { expect } from "chai";

describe("plugs of a device", () => {
  it("are timed in turns, from the plug to the guest's knowing", async () => {
    let now = 0;
    const order: string[] = [];
    const contender = (name: string, milliseconds: readonly number[]): PlugContender => {
      const left = [...milliseconds];
      return {
        name,
        async plug() {
          order.push(name);
          now += left.shift() ?? Number.NaN;
        },
        async unplug() {
          now += 1000;
        },
        close: async () => {},
      };
    };
    const clock = { now: () => now, after: () => expect.fail("no timer"), cancel() {} };
    const rows = await measurePlugs([contender("slow", [30, 10, 20]), contender("quick", [1, 2, 3])], 3, clock);
    expect(order).to.deep.equal(["slow", "quick", "slow", "quick", "slow", "quick"]);
    expect(rows).to.deep.equal([
      { contender: "slow", plugs: 3, medianMilliseconds: 20, p99Milliseconds: 30 },
      { contender: "quick", plugs: 3, medianMilliseconds: 2, p99Milliseconds: 3 },
    ]);
    expect(formatPlugs(rows).split("\n")).to.deep.equal([
      "a guest knows of a plug by  plugs  p50 ms  p99 ms",
      "slow                            3   20.00   30.00",
      "quick                           3    2.00    3.00",
    ]);
  });
});
