// Knows how far what a command wanted to move was from what its initiator expected (RFC 7143 11.4.5).

import { noPlaces } from "@pvscsi/scsi";
import { ResidualFlag } from "./abi/codes.js";
import type { Exchange } from "./exchange.js";

/** How many bytes the two are apart. */
export function residual(exchange: Exchange): number {
  return Math.abs(balance(exchange));
}

/** Which of them is more. */
export function residualFlags(exchange: Exchange): number {
  const bytes = balance(exchange);
  return bytes === 0 ? 0 : bytes > 0 ? ResidualFlag.underflow : ResidualFlag.overflow;
}

/**
 * Expected bytes less those that the command wanted to move (11.4.5.1). What is to be written is no room to read into; where
 * nothing is moved, all of it was not moved.
 */
function balance({ expectedLength, task }: Exchange): number {
  const turned = task.data === noPlaces && task.transferLength > 0;
  return (turned || task.direction === "none" ? 0 : expectedLength) - task.transferLength;
}
