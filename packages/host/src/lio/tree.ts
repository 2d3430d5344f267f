// Knows the tree as a whole: its root, how a path leads to a place in it, and how it is drawn. Knows no command.

import { backstores } from "./backstores.js";
import { FABRICS, fabricNode } from "./fabrics.js";
import { type LioCommand, LioError, type LioNode, type LioWork, type Place } from "./node.js";

/** The place at the top. */
export function rootOf(work: LioWork, commands: readonly LioCommand[]): Place {
  const node: LioNode = {
    name: "/",
    commands,
    groups: [],
    summary: () => ({ text: "", healthy: null }),
    children: () => [backstores(work), ...FABRICS.map((fabric) => fabricNode(work, fabric))],
  };
  return { node, path: "/", parent: null };
}

/** The place that a path leads to from another; throws `LioError` where there is none. */
export function findPlace(root: Place, from: Place, path: string): Place {
  let place = path.startsWith("/") ? root : from;
  for (const name of path.split("/")) {
    if (name === "" || name === ".") continue;
    place = name === ".." ? (place.parent ?? place) : childOf(place, name);
  }
  return place;
}

function childOf(parent: Place, name: string): Place {
  const node = parent.node.children().find((child) => child.name === name);
  const path = `${parent.path === "/" ? "" : parent.path}/${name}`;
  if (node === undefined) throw new LioError(`No such path ${path}`);
  return { node, path, parent };
}

/** The lines of `ls`, as wide as the terminal; `depth` levels below the first, or all of them. */
export function drawTree(node: LioNode, width: number, depth = Number.POSITIVE_INFINITY): Promise<string[]> {
  return draw(node, { width, depth, bars: [] });
}

interface Drawing {
  readonly width: number;
  readonly depth: number;
  /** For each level above, whether more of it follows. */
  readonly bars: readonly boolean[];
}

async function draw(node: LioNode, { width, depth, bars }: Drawing): Promise<string[]> {
  const { text, healthy } = await node.summary();
  const description = text === "" ? (healthy === null ? "..." : healthy ? "OK" : "ERROR") : text;
  // What is first has no bar below it, as nothing follows it.
  const margin =
    bars.length === 0
      ? ""
      : `  ${bars
          .slice(0, -1)
          .map((more) => (more ? "| " : "  "))
          .join("")}`;
  const head = `${margin}o- ${node.name}`;
  const dots = ".".repeat(Math.max(0, width - 1 - (description.length + 3) - head.length));
  const lines = [`${head} ${dots} [${description}]`];
  if (depth <= 0) return lines;
  const children = [...node.children()].sort(byName);
  for (const [index, child] of children.entries()) {
    const more = [...bars, index < children.length - 1];
    lines.push(...(await draw(child, { width, depth: depth - 1, bars: more })));
  }
  return lines;
}

/** The numbers that names end with count as numbers. */
function byName(a: LioNode, b: LioNode): number {
  const [[one, first], [other, second]] = [a, b].map(({ name }) => {
    const found = /^(.*?)(\d+)$/.exec(name);
    return [found?.[1] ?? name, Number(found?.[2] ?? 0)] as const;
  });
  if (one !== other) return one < other ? -1 : 1;
  return first - second;
}
