// Knows how a PDU is put together by chance and with damage: wrong headers, lengths, digests and padding, cut, doubled, or
// followed by what is none.

import { HEADER_SIZE } from "@pvscsi/iscsi";
import type { Random } from "@pvscsi/wire";
import { noise, spoil } from "../../support/random-command.js";
import { digestOf } from "./peer.js";

export interface Parts {
  readonly header: Buffer;
  readonly additional?: Uint8Array | undefined;
  readonly data?: Uint8Array | undefined;
}

export interface Digests {
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

const NOTHING = new Uint8Array(0);

/** The bytes of a PDU as it should be. */
export function sound({ header, additional = NOTHING, data = NOTHING }: Parts, digests: Digests): Buffer {
  header[4] = additional.length / 4;
  header.writeUIntBE(data.length, 5, 3);
  return join(header, additional, data, Buffer.alloc(-data.length & 3), digests);
}

function join(header: Buffer, additional: Uint8Array, data: Uint8Array, padding: Buffer, digests: Digests): Buffer {
  const head = Buffer.concat([header, additional]);
  const segment = Buffer.concat([data, padding]);
  return Buffer.concat([
    head,
    digests.headerDigest ? digestOf(head) : NOTHING,
    segment,
    digests.dataDigest && data.length > 0 ? digestOf(segment) : NOTHING,
  ]);
}

/** The bytes of one that something is wrong with. */
export function damaged(parts: Parts, digests: Digests, random: Random): Buffer {
  const whole = sound(parts, digests);
  switch (random.below(10)) {
    case 0: {
      spoil(whole, random, 1 + random.below(8));
      return whole;
    }
    case 1:
      return whole.subarray(0, random.below(whole.length));
    case 2:
      return Buffer.concat([whole, whole]);
    case 3:
      return Buffer.concat([whole, noise(random, random.below(200))]);
    case 4:
      return badLength(parts, digests, random);
    default:
      return badHeader(parts, digests, random);
  }
}

/** Its digest is right: what is wrong is wrong from the beginning. */
function badHeader({ header, additional = NOTHING, data = NOTHING }: Parts, digests: Digests, random: Random): Buffer {
  spoil(header, random, 1 + random.below(3));
  // Lengths that are wrong have their own kind: all that follows is something else then.
  header[4] = additional.length / 4;
  header.writeUIntBE(data.length, 5, 3);
  return join(header, additional, data, Buffer.alloc(-data.length & 3, random.below(2)), digests);
}

function badLength({ header, additional = NOTHING, data = NOTHING }: Parts, digests: Digests, random: Random): Buffer {
  if (random.chance(0.5)) header[4] = random.below(random.chance(0.5) ? 4 : 256);
  else header.writeUIntBE(random.chance(0.7) ? random.below(2 * data.length + 16) : random.below(1 << 24), 5, 3);
  return join(header, additional, data, Buffer.alloc(-data.length & 3), digests);
}

/** A header with its first bytes, and tags. */
export function headerOf(opcode: number, flags: number, itt: number): Buffer {
  const header = Buffer.alloc(HEADER_SIZE);
  header[0] = opcode;
  header[1] = flags;
  header.writeUInt32BE(itt, 16);
  return header;
}
