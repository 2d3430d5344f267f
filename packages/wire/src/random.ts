// Knows one seeded random generator, so that any history can be replayed from its seed.

/** Random numbers that are given, never drawn from the platform. */
export interface Random {
  /** A uniform unsigned 32-bit integer. */
  u32(): number;
  /** A uniform integer in [0, limit), for 0 < limit <= 2^32. */
  below(limit: number): number;
  /** True with the given probability, 0 to 1. */
  chance(probability: number): boolean;
  /** An independent generator; the same name gives the same stream. */
  fork(name: string): Random;
}

/** The small fast counting generator (sfc32) over a 32-bit seed and a name. */
export function seededRandom(seed: number, name = ""): Random {
  let a = 0x9e3779b9 | 0;
  let b = seed | 0;
  let c = hash(name);
  let counter = 1;
  const u32 = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 15; i++) u32();
  return {
    u32,
    below: (limit) => Math.floor((u32() / 0x1_0000_0000) * limit),
    chance: (probability) => u32() < probability * 0x1_0000_0000,
    fork: (child) => seededRandom(seed, `${name}/${child}`),
  };
}

/** FNV-1a over the UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5 | 0;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value;
}
