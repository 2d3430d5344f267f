// Knows a struct with a field of every kind, for tests.

import { array, bytes, i32, pad, struct, u8, u16, u16be, u24be, u32, u32be, u64 } from "@pvscsi/wire";

export const Segment = struct("segment", 8, { gref: u32(0), offset: u16(4), length: u16(6) });

export const Request = struct("request", 64, {
  id: u16(0),
  kind: u8(2),
  spare: pad(3, 1),
  status: i32(4),
  address: u64(8),
  block: u32be(16),
  tag: bytes(20, 5),
  long: u24be(25),
  short: u16be(28),
  tail: pad(30, 2),
  segments: array(32, 4, Segment),
});
