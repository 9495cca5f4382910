/** What a zonal gateway of the family tells about itself or about an ECU of its zone. Texts are cut where they don't fit. */
export interface FamilyNode {
  /** 16 bytes */
  readonly id: string;
  /** 8 bytes */
  readonly software: string;
  /** 8 bytes */
  readonly hardware: string;
  /** 16 bytes */
  readonly serialNumber: string;
  /** 0 ok, 1 warning, 2 error, 3 critical */
  readonly status?: number;
  readonly dtcCount?: number;
  /** mV; 13,020 unless told. */
  readonly battery?: number;
  /** Degrees Celsius, from -40 on; 25 unless told. */
  readonly temperature?: number;
  /** %; 85 unless told. */
  readonly stateOfCharge?: number;
  readonly engineRuns?: boolean;
  /** Engaged unless told. */
  readonly parkingBrake?: boolean;
}

/** A zonal gateway with the manners of the family's. (docs/protocols/zonal-gateway.md) */
export interface FamilyMode {
  /** The version of the original: 1.1.3, which takes zone packages, or 1.0.0, which takes SWPG. */
  readonly name: "family-113" | "family-100";
  readonly own: FamilyNode;
  /** What it finds in its zone. */
  readonly zone: readonly FamilyNode[];
  /** It has looked for them before the run begins. */
  readonly collected?: boolean;
  /** Takes downloads whose service identifier is sent twice; the original refuses them. (1.1.3) */
  readonly doubledSids?: boolean;
}
