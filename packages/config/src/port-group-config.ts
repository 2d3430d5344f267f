// Knows how a configuration says which target port groups lead to a LUN. Knows not what their states mean.

/** The states that LIO has for a target port group. */
export type PortGroupState =
  | "active-optimized"
  | "active-non-optimized"
  | "standby"
  | "unavailable"
  | "offline"
  | "transitioning";

/** Target ports that lead to a LUN alike (ALUA). What is left out is what a SCSI target takes for usual. */
export interface LunPortGroup {
  readonly id: number;
  readonly name: string;
  /** Relative target port identifiers. */
  readonly ports: readonly number[];
  readonly state?: PortGroupState;
  readonly preferred?: boolean;
  readonly implicit?: boolean;
  readonly explicit?: boolean;
  readonly supports?: readonly PortGroupState[];
  /** Seconds. */
  readonly transitionTime?: number;
  /** Its state outlives the server. */
  readonly keepsState?: boolean;
}
