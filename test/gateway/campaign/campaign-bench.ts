import { LinkError } from "../../../emulator/kernel/errors.ts";
import { RUN_START } from "../../../emulator/kernel/time.ts";
import { packVersion } from "../../../emulator/wire/version.ts";
import { Campaign } from "../../../gateway/campaign/campaign.ts";
import type {
  CampaignOutput,
  CampaignResult,
  EcuAnswer,
  EcuCommand,
  SourceSaid,
} from "../../../gateway/campaign/campaign-io.ts";
import type { SourceInput } from "../../../gateway/source/update-source.ts";
import { inflate } from "../../../hil/crypto/inflate.ts";
import { makeKeys } from "../../../hil/crypto/keys.ts";
import { nodeCrypto } from "../../../hil/crypto/node-crypto.ts";
import { buildImage } from "../../../hil/release/build-image.ts";
import { packRelease, type Release, signRelease } from "../../../hil/release/build-release.ts";

const VIN = "KMHXX00XXXX000001";
const keys = makeKeys("campaign test");
/** Two lanes of two ECUs, all at 1.0.0. */
const LANES: Readonly<Record<string, string>> = { ECU_011: "ZG_1", ECU_012: "ZG_1", ECU_021: "ZG_2", ECU_022: "ZG_2" };
export const ECUS = Object.keys(LANES);

/** A signed vehicle package with a few bytes for each ECU named. */
export function release(versions: Readonly<Record<string, string>>): Release {
  const zones = ["ZG_1", "ZG_2"].map((lane, index) => ({
    id: `ZONE_0${index + 1}`,
    number: index + 1,
    ecus: Object.entries(versions)
      .filter(([ecu]) => LANES[ecu] === lane)
      .map(([ecu, version]) => {
        const description = { ecu, version, hardwareVersion: "1.0.0", buildTime: 1_768_000_000 };
        const securityCounter = packVersion(version) as number;
        const code = new TextEncoder().encode(`code of ${ecu} ${version}`);
        return { ...description, image: buildImage({ ...description, securityCounter, code }, keys.image) };
      }),
  }));
  const bytes = packRelease({
    format: "vehicle",
    vin: VIN,
    model: "test",
    modelYear: 2024,
    version: "2.0.0",
    buildTime: 1_768_000_000,
    zones: zones.filter(({ ecus }) => ecus.length > 0),
  });
  return { bytes, signature: signRelease(bytes, keys.package) };
}

/** What one ECU does with one command; undefined: what a good one does. */
export type EcuScript = (command: EcuCommand) => EcuAnswer | "later" | undefined;

/** A campaign between four well-behaved ECUs and a source, each of which a test may make misbehave. */
export class CampaignBench {
  readonly campaign: Campaign;
  readonly versions = new Map(ECUS.map((ecu) => [ecu, "1.0.0"]));
  readonly commands: string[] = [];
  readonly sourceInputs: SourceInput[] = [];
  readonly results: CampaignResult[] = [];
  readonly phases: string[] = [];
  readonly scripts = new Map<string, EcuScript>();
  release: Release | undefined;
  sourceSays: (input: SourceInput) => readonly SourceSaid[] = (input) => this.#goodSource(input);
  readonly #previous = new Map<string, string>();
  readonly #target = new Map<string, string>();

  constructor(sizeMax = 1 << 20) {
    const ecus = ECUS.map((id) => ({ id, lane: LANES[id] as string }));
    const policy = { trusted: [keys.package], sizeMax };
    this.campaign = new Campaign({ vin: VIN, ecus, policy }, { crypto: nodeCrypto, inflate });
  }

  /** Runs one campaign as far as the answers allow. */
  run(versions?: Readonly<Record<string, string>>): CampaignResult | undefined {
    if (versions !== undefined) {
      this.release = release(versions);
      for (const [ecu, version] of Object.entries(versions)) this.#target.set(ecu, version);
    }
    this.campaign.handle({ type: "start" }, RUN_START);
    this.drain();
    return this.results.at(-1);
  }

  answer(ecu: string, answer: EcuAnswer): void {
    this.campaign.handle({ type: "ecu", ecu, answer }, RUN_START);
    this.drain();
  }

  drain(): void {
    for (let output = this.campaign.poll(); output !== undefined; output = this.campaign.poll()) this.#take(output);
  }

  static failure = (phase: string, code = "TEST_FAILURE"): EcuAnswer => ({
    type: "failed",
    phase,
    error: new LinkError(code, "on purpose"),
  });

  #take(output: CampaignOutput): void {
    if (output.type === "ecu") this.#command(output.ecu, output.command);
    else if (output.type === "source") {
      this.sourceInputs.push(output.input);
      for (const said of this.sourceSays(output.input)) {
        this.campaign.handle({ type: "source", said }, RUN_START);
      }
    } else if (output.type === "ended") this.results.push(output.result);
    else if (output.type === "entered") this.phases.push(output.to);
  }

  #command(ecu: string, command: EcuCommand): void {
    this.commands.push(`${ecu} ${command.type}`);
    const answer = this.scripts.get(ecu)?.(command) ?? this.#goodEcu(ecu, command);
    if (answer !== "later") this.campaign.handle({ type: "ecu", ecu, answer }, RUN_START);
  }

  #goodEcu(ecu: string, command: EcuCommand): EcuAnswer {
    switch (command.type) {
      case "identify":
        return { type: "identified", version: this.versions.get(ecu) as string };
      case "program":
        return { type: "programmed" };
      case "activate":
        this.#previous.set(ecu, this.versions.get(ecu) as string);
        this.versions.set(ecu, this.#target.get(ecu) as string);
        return { type: "activated", version: this.versions.get(ecu) as string };
      case "commit":
        return { type: "committed" };
      case "revert":
        this.versions.set(ecu, this.#previous.get(ecu) ?? (this.versions.get(ecu) as string));
        return { type: "reverted", version: this.versions.get(ecu) as string };
      case "release":
        return { type: "released" };
    }
  }

  #goodSource(input: SourceInput): readonly SourceSaid[] {
    const { bytes, signature } = this.release ?? { bytes: undefined, signature: undefined };
    switch (input.type) {
      case "look":
        return bytes === undefined
          ? [{ type: "noOffer" }]
          : [{ type: "offer", offer: { release: "test", size: bytes.length } }];
      case "fetch": {
        const half = (bytes as Uint8Array).length >> 1;
        return [
          { type: "piece", offset: 0, data: (bytes as Uint8Array).subarray(0, half) },
          { type: "piece", offset: half, data: (bytes as Uint8Array).subarray(half) },
          { type: "fetched", size: (bytes as Uint8Array).length, ...(signature === undefined ? {} : { signature }) },
        ];
      }
      case "report":
        return [{ type: "reported" }];
      case "cancel":
        return [{ type: "cancelled" }];
      case "answer":
        return [];
    }
  }
}
