import { identityText } from "./identity.ts";
import type { SrupBody } from "./message-types.ts";
import { numberOf } from "./party.ts";
import type { SyndicationInput, SyndicationOutput } from "./server-io.ts";
import type { SrupMessage } from "./srup-message.ts";
import { decodeText, encodeText } from "./values.ts";

/** What a syndication device passes on to a server. */
export type SyndicatedMessage = Extract<SrupMessage, { type: `SYNDICATED_${string}` }>;

export const isSyndicated = (message: SrupMessage): message is SyndicatedMessage =>
  message.type.startsWith("SYNDICATED_");

/** A list of devices begins syndication at the home server; everything else is taken once it has begun. */
export const needsActive = ({ type }: SyndicatedMessage): boolean =>
  type !== "SYNDICATED_DEVICE_COUNT" && type !== "SYNDICATED_DEVICE_LIST";

/** What a syndicated message tells the application. @returns undefined when it can't be used */
export function syndicatedOutput(message: SyndicatedMessage): SyndicationOutput | undefined {
  switch (message.type) {
    case "SYNDICATED_DEVICE_COUNT":
      return { type: "syndicatedDeviceCount", count: message.count };
    case "SYNDICATED_DEVICE_LIST":
      return { type: "syndicatedDevice", index: message.deviceSequence, device: identityText(message.deviceId) };
    case "SYNDICATED_DATA": {
      const dataId = decodeText(message.dataId);
      const source = identityText(message.sourceId);
      return dataId === undefined ? undefined : { type: "syndicatedData", source, dataId, data: message.data };
    }
    case "SYNDICATED_ACTION":
      return { type: "syndicatedAction", target: identityText(message.targetId), actionId: message.actionId };
    case "SYNDICATED_ID_REQUEST":
      return { type: "syndicatedIdRequest", target: identityText(message.targetId) };
    case "SYNDICATED_C2_REQUEST":
      return { type: "syndicatedC2Request", data: message.data, reqId: message.reqId };
    case "SYNDICATED_END_REQUEST":
      return { type: "syndicationEnded", by: "home" };
    case "SYNDICATED_TERMINATE":
      return { type: "syndicationEnded", by: "foreign" };
  }
}

/** The messages to the syndication device that an input of the application means. @throws {UsageError} */
export function syndicatedBodies(
  input: Exclude<SyndicationInput, { type: "syndicationInit" | "syndicationDevice" }>,
): readonly SrupBody[] {
  switch (input.type) {
    case "syndicateDevices": {
      const count: SrupBody = { type: "SYNDICATED_DEVICE_COUNT", count: input.devices.length };
      const list = input.devices.map(
        (device, index): SrupBody => ({
          type: "SYNDICATED_DEVICE_LIST",
          deviceSequence: index,
          deviceId: numberOf(device),
        }),
      );
      return [count, ...list];
    }
    case "syndicatedTerminate":
      return [{ type: "SYNDICATED_TERMINATE" }];
    case "syndicatedAction":
      return [{ type: "SYNDICATED_ACTION", actionId: input.actionId, targetId: numberOf(input.target) }];
    case "syndicatedIdRequest":
      return [{ type: "SYNDICATED_ID_REQUEST", targetId: numberOf(input.target) }];
    case "syndicatedC2Request":
      return [{ type: "SYNDICATED_C2_REQUEST", data: input.data, reqId: input.reqId }];
    case "syndicatedEnd":
      return [{ type: "SYNDICATED_END_REQUEST" }];
  }
}

/** Data of one of our devices, as it goes to the home server. */
export const syndicatedData = (source: string, dataId: string, data: Uint8Array): SrupBody => ({
  type: "SYNDICATED_DATA",
  dataId: encodeText(dataId),
  data,
  sourceId: numberOf(source),
});
