import { describe, expect, it } from "vitest";
import type { SrupDeviceOutput } from "../../../../gateway/source/srup/device-io.ts";
import type { SrupServerOutput } from "../../../../gateway/source/srup/server-io.ts";
import { decodeText } from "../../../../gateway/source/srup/values.ts";
import {
  DevicePlayer,
  type Done,
  expectPublished,
  fieldsOf,
  type Player,
  playerOf,
  type ScenarioFields,
  type Step,
} from "./replay.ts";
import { type SrupVector, VECTORS } from "./vectors.ts";

const SCENARIOS = VECTORS.filter(({ type }) => type === "SCENARIO");
type Told = SrupDeviceOutput | SrupServerOutput;
const hex = (identity: string): string => `0x${identity}`;

/** What the original calls its application with. Outputs that are not in here are things of which it tells nothing. */
const CALLBACKS: { readonly [Type in Told["type"]]?: (output: Told & { type: Type }) => readonly unknown[] } = {
  joined: () => ["on_join_succeed"],
  notJoined: ({ outcome }) => [`on_join_${outcome}`],
  joinValue: ({ value }) => ["value", value],
  observe: ({ device, value }) => ["on_observation_request", device, value],
  activate: () => ["on_update", "<download file>"],
  action: () => ["on_action", "SRUP_Action"],
  data: () => ["on_data", "SRUP_Data"],
  identified: () => ["on_id_request"],
  joinRequested: ({ kind, device, observer }) => [
    kind === "simple" ? "on_join_request" : `on_${kind}_join_request`,
    device,
    ...(observer === undefined ? [] : [observer]),
  ],
  observation: ({ verdict }) => [`on_observed_join_${verdict === "valid" ? "succeed" : verdict}`],
  updateReady: ({ device, token }) => ["on_update_success", device, decodeText(token)],
  syndicatedData: ({ dataId, source, data }) => ["on_syndicated_data", dataId, hex(source), decodeText(data)],
  syndicatedAction: ({ target, actionId }) => ["on_syndicated_action", hex(target), actionId],
  syndicatedDevice: ({ device }) => ["on_syndicated_device_list", hex(device)],
  syndicationEnded: ({ by }) => [by === "home" ? "on_syndicated_end_request" : "on_syndicated_terminate"],
  syndicationRequested: ({ device, value }) => ["on_syndication_request", value, device],
};

/** The values that the server shows to its operator, which the original returns from a call instead. */
const isReturned = (role: string, output: Told): boolean => role === "server" && output.type === "joinValue";

function calledBack(role: string, told: readonly Told[]): unknown[] {
  return told.flatMap((output) => {
    const describe = CALLBACKS[output.type] as ((output: Told) => readonly unknown[]) | undefined;
    return describe === undefined || isReturned(role, output) ? [] : [describe(output)];
  });
}

/** The original's callbacks, without what only repeats the message. */
const expectedCallbacks = ({ callbacks = [] }: Step["out"]): unknown[] =>
  callbacks.map((call) => {
    const [name, ...args] = call;
    if (name === "on_human_join_response" || name === "on_observed_join_response") return ["value", ...args];
    if (name === "on_syndicated_data") return [name, args[0], args[1], args[3]];
    if (name === "on_syndication_request") return [name, args[0], args[2]];
    return call;
  });

const REASONS: Readonly<Record<string, readonly string[]>> = {
  "rejected-sequence": ["sequence"],
  "rejected-signature-or-sender": ["signature", "sender"],
  "rejected-unknown-sender": ["unknownSender"],
  "rejected-version": ["version"],
  "rejected-type": ["type"],
  "rejected-role": ["role"],
  "rejected-topic": ["topic"],
  "rejected-undecryptable": ["undecryptable"],
  "rejected-syndication-inactive": ["syndicationInactive"],
};

/** Refusals after which the counter stands where it stood; the original stores the number first. */
const UNCOUNTED = ["signature", "unknownSender", "type", "truncated", "version", "sequence"];

function keyLookUps(http: readonly string[], { keystore }: ScenarioFields): string[] {
  return http.filter((url) => {
    const peer = /get_key\/(\w+)$/.exec(url)?.[1];
    return !url.includes("/get_type/") && (peer === undefined || keystore[peer] === undefined);
  });
}

const sequencesOf = (out: Step["out"]): Record<string, string> =>
  Object.fromEntries(Object.entries(out.sequence ?? {}).map(([peer, text]) => [peer, text.slice(2)]));

function expectState(player: Player, { out }: Step, done: Done, before: Readonly<Record<string, string>>): void {
  if (done.refused.some((reason) => UNCOUNTED.includes(reason))) expect(player.sequences()).toEqual(before);
  else expect({ ...sequencesOf(out), ...player.sequences() }).toEqual(sequencesOf(out));
  if (out.server_id_after !== undefined) expect(player.server() ?? null).toBe(out.server_id_after);
  if (out.controlled !== undefined) expect(player.joined()).toEqual([...new Set(out.controlled)]);
  if (out.pending_joins !== undefined) expect(player.pendingJoins()).toEqual(out.pending_joins);
}

function expectLikeTheOriginal(player: Player, step: Step, done: Done, before: Readonly<Record<string, string>>): void {
  const { out, outcome } = step;
  expectPublished(done.published, out.published ?? [], 300);
  expectPublished(done.publishedAway, out.published_on_syndication_client ?? [], 300);
  expect(done.subscribed).toEqual((out.subscribed ?? []).map(({ topic }) => topic));
  expect(calledBack(player.fields.role, done.told)).toEqual(expectedCallbacks(out));
  expect(keyLookUps(done.http, player.fields)).toEqual(keyLookUps(out.http_get ?? [], player.fields));
  expect(done.disconnected).toBe(out.syndication_client_other?.includes("disconnect") ?? false);
  const reasons = REASONS[outcome];
  if (reasons !== undefined) {
    expect(done.refused).toHaveLength(1);
    expect(reasons).toContain(done.refused[0]);
  }
  expectState(player, step, done, before);
}

type Judge = (player: Player, done: Done, before: Readonly<Record<string, string>>, step: Step) => void;

/** Dropped, and nothing has changed. */
const dropped =
  (reason: string): Judge =>
  (player, done, before) => {
    expect(done).toMatchObject({ refused: [reason], published: [], told: [] });
    if (UNCOUNTED.includes(reason)) expect(player.sequences()).toEqual(before);
  };

const unsent =
  (reason: string): Judge =>
  (player, done, before) => {
    expect(done).toMatchObject({ refused: [], published: [], told: [{ type: "unsent", reason }] });
    expect(player.sequences()).toEqual(before);
  };

/** Steps at which the original does what nobody should copy, or can't do what it means to: what happens here instead. */
const OTHERWISE: Readonly<Record<string, readonly [step: number, judge: Judge]>> = {
  "update-activate-again-new-sequence": [2, dropped("token")],
  "update-token-not-utf8": [
    0,
    (_player, done) => expect(done.published).toMatchObject([{ topic: "SRUP/1a2b3c4d5e6f7081" }]),
  ],
  "device-bad-signature-activate": [0, dropped("signature")],
  "device-bad-signature-terminate": [0, dropped("signature")],
  "device-join-command-other-device-id": [0, dropped("sender")],
  "sequence-exhausted": [0, unsent("sequenceExhausted")],
  "server-accept-without-pending": [0, unsent("nothingPending")],
  "server-deregister-bad-signature": [0, dropped("signature")],
  "server-resign-not-controlled": [
    0,
    (player, done) => {
      expect(done).toMatchObject({ refused: [], published: [], told: [] });
      expect(player.joined()).toEqual([]);
    },
  ],
  "server-observed-join": [
    2,
    (player, done, _before, { out }) => {
      expect(done.published).toMatchObject([{ topic: "SRUP/7f3c9a1e55d20b68" }]);
      expect(player.sequences()).toEqual(sequencesOf(out));
    },
  ],
  "server-terminate-int": [
    0,
    (player, done) => {
      expect(done.published).toMatchObject([{ topic: "SRUP/1a2b3c4d5e6f7081" }]);
      expect(player.joined()).toEqual([]);
    },
  ],
  "server-syndicated-count": [
    0,
    (_player, done) => expect(done.told).toEqual([{ type: "syndicatedDeviceCount", count: 3 }]),
  ],
  "syndication-device-relays-terminate": [
    0,
    (player, done, _before, { out }) => {
      expectPublished(done.published, out.published ?? [], 0);
      expect(done.disconnected).toBe(true);
      expect(player.server()).toBe(out.server_id_after);
    },
  ],
};

/** Steps are judged by {@link expectLikeTheOriginal} unless the vector is in {@link OTHERWISE}. */
function replay(vector: SrupVector): void {
  const fields = fieldsOf(vector);
  const player = playerOf(fields);
  const [at, judge] = OTHERWISE[vector.name.replace("scenario/", "")] ?? [-1];
  for (const [index, step] of fields.steps.entries()) {
    const before = player.sequences();
    const done = player.play(step);
    if (index === at) judge?.(player, done, before, step);
    else expectLikeTheOriginal(player, step, done, before);
  }
}

describe("the original's scenarios", () => {
  it("are all here", () => {
    expect(SCENARIOS).toHaveLength(124);
    for (const name of Object.keys(OTHERWISE)) expect(SCENARIOS.map((each) => each.name)).toContain(`scenario/${name}`);
  });

  it.each(SCENARIOS.map((vector): [string, SrupVector] => [vector.name, vector]))(
    "end as they did, but for what nobody should copy: %s",
    (_, vector) => replay(vector),
  );

  it("end as they did with a device that any server may take over", () => {
    const vector = SCENARIOS.find(({ name }) => name.endsWith("/device-join-command-other-device-id")) as SrupVector;
    const fields = fieldsOf(vector);
    const player = new DevicePlayer(fields, "anyone");
    const done = player.play(fields.steps[0] as Step);
    expect(done.refused).toEqual([]);
    expect(player.server()).toBe("7f3c9a1e55d20b68");
  });
});
