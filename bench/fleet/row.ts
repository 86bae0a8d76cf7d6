// SPDX-License-Identifier: Apache-2.0

/** What was measured. */
export interface FleetRow {
  readonly case: string;
  readonly value: number;
  readonly unit: 'ms' | 'ms/s' | 'MB' | 'octets' | 'keys' | 'IDs';
  /**
   * Of a time: the share of all CPUs, 0 to 1, that processes took meanwhile which are no part of
   * the measurement. Where it is large, the time is that of a busy machine.
   */
  readonly others?: number;
}

/** A part of the measurement that did not come to its end. */
export interface FleetFailure {
  readonly part: string;
  readonly reason: string;
}

/** What the program in the namespace gives on its standard output. */
export interface FleetReport {
  readonly rows: readonly FleetRow[];
  readonly failures: readonly FleetFailure[];
}

/** What a part of the measurement gives as it goes. */
export type AddRow = (row: FleetRow) => void;
