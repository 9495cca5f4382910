import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { Prng } from "../../../../emulator/kernel/prng.ts";
import { type Instant, RUN_START, s } from "../../../../emulator/kernel/time.ts";
import { encodeError, encodeOffer, encodeTerms } from "../../../../gateway/source/rsu/extensions.ts";
import { decodePdu, encodePdu, RsuType } from "../../../../gateway/source/rsu/pdu.ts";
import {
  RsuClient,
  type RsuClientInput,
  type RsuClientOutput,
  type RsuJob,
} from "../../../../gateway/source/rsu/rsu-client.ts";
import {
  type RsuContent,
  RsuServer,
  type RsuServerInput,
  type RsuServerOutput,
} from "../../../../gateway/source/rsu/rsu-server.ts";

const NONE = new Uint8Array(0);
const at = (seconds: number): Instant => (RUN_START + s(seconds)) as Instant;
const digest = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");
const content = (length: number, version = "2.0.0"): RsuContent => {
  const data = new Prng(`content ${length}`).bytes(length);
  return { version, data, sha256: digest(data), signature: Uint8Array.of(1, 2, 3) };
};
const JOB: RsuJob = { method: "fetch", protocolVersion: "2.0.0", firmwareVersion: "1.0.0", bodyMax: 1 << 20 };

function drain<Output>(machine: { poll(): Output | undefined }): Output[] {
  const outputs: Output[] = [];
  for (let output = machine.poll(); output !== undefined; output = machine.poll()) outputs.push(output);
  return outputs;
}

/** A client by itself, told what a server might say. */
class LoneClient {
  readonly client: RsuClient;
  readonly outputs: RsuClientOutput[] = [];

  constructor(job: Partial<RsuJob> = {}) {
    this.client = new RsuClient({ ...JOB, ...job });
    this.give({ type: "connected" });
  }

  give(input: RsuClientInput, now = at(0)): void {
    this.client.handle(input, now);
    this.outputs.push(...drain(this.client));
  }

  hear(stream: number, data: Uint8Array, fin = false, now = at(0)): void {
    this.give({ type: "data", stream, data, fin }, now);
  }

  ack(payload: Uint8Array = NONE, versions = ["2.0.0", "2.1.0"]): void {
    const [protocolVersion = "", firmwareVersion = ""] = versions;
    this.hear(0, encodePdu({ type: RsuType.VersionAck, payload, protocolVersion, firmwareVersion }));
  }

  get answers() {
    return this.outputs.flatMap((output) => (output.type === "answer" ? [output.answer] : []));
  }

  get end() {
    return this.answers.at(-1);
  }
}

const segment = (data: Uint8Array, last = false): Uint8Array =>
  encodePdu({ type: last ? RsuType.FinishSndData : RsuType.StartSndData, payload: data });

describe("the RSU client", () => {
  it("fetches from a server of the original's kind: acknowledges on the stream of the data, then leaves", () => {
    const lone = new LoneClient();
    const [first] = lone.outputs;
    expect(first).toMatchObject({ type: "write", stream: 0, fin: false });
    lone.ack();
    lone.hear(0, NONE, true);
    expect(lone.outputs.at(-1)).toMatchObject({ type: "write", stream: 0, fin: true });
    lone.hear(1, segment(Uint8Array.of(1, 2)));
    lone.hear(1, segment(Uint8Array.of(3), true), true);
    expect(lone.answers.map(({ type }) => type)).toEqual(["head", "body", "body", "end"]);
    const ack = lone.outputs.find((output) => output.type === "write" && output.stream === 1);
    if (ack?.type !== "write") throw new Error("no acknowledgement");
    expect(decodePdu(ack.data)).toMatchObject({
      type: RsuType.SendAck,
      payload: new TextEncoder().encode("All data received"),
    });
    expect(ack.fin).toBe(true);
    expect(lone.outputs.at(-1)?.type).not.toBe("close");
    lone.client.handleDeadline(at(1));
    expect(drain(lone.client)).toEqual([{ type: "close" }]);
  });

  it("takes data on any stream, and segments that are split or joined", () => {
    const lone = new LoneClient();
    lone.ack();
    const both = Buffer.concat([segment(Uint8Array.of(1)), segment(Uint8Array.of(2), true)]);
    lone.hear(5, both.subarray(0, 40));
    lone.hear(5, both.subarray(40));
    expect(lone.end).toEqual({ type: "end" });
    expect(lone.outputs).toContainEqual(expect.objectContaining({ type: "write", stream: 5 }));
  });

  it("knows an empty firmware: one empty last segment", () => {
    const lone = new LoneClient();
    lone.ack();
    lone.hear(1, segment(NONE, true));
    expect(lone.answers.map(({ type }) => type)).toEqual(["head", "end"]);
  });

  it.each([
    ["NOT_NEWER", 204],
    ["TARGET_UNKNOWN", 404],
    ["MALFORMED", 400],
    ["BUSY", 503],
    ["VERSION_UNKNOWN", 505],
  ] as const)("tells %s as %i, with the reason", (code, status) => {
    const lone = new LoneClient();
    lone.hear(0, encodePdu({ type: RsuType.Error, payload: encodeError(code, "because") }), true);
    expect(lone.answers).toEqual([{ type: "head", status, headers: { reason: "because" } }, { type: "end" }]);
    expect(lone.outputs.at(-1)).toEqual({ type: "close" });
  });

  it.each([
    [["2.0.0", "1.0.0"], 409],
    [["2.0.0", "0.9.9"], 409],
    [["3.0.0", "2.0.0"], 505],
    [["1.9.0", "2.0.0"], 505],
  ] as const)("asks for nothing after the versions %j", (versions, status) => {
    const lone = new LoneClient();
    lone.ack(NONE, [...versions]);
    expect(lone.answers[0]).toMatchObject({ type: "head", status });
    expect(lone.outputs.filter(({ type }) => type === "write")).toHaveLength(1);
  });

  it.each<[string, (lone: LoneClient) => void, string]>([
    ["what is no PDU", (lone) => lone.hear(0, new TextEncoder().encode("hello")), "HOST_PROTOCOL"],
    [
      "an unknown key",
      (lone) => lone.hear(0, new TextEncoder().encode('{"mtype":1,"payload":"","x":1}')),
      "HOST_PROTOCOL",
    ],
    ["a segment before the versions", (lone) => lone.hear(1, segment(NONE, true)), "HOST_PROTOCOL"],
    ["versions that are none", (lone) => lone.ack(NONE, ["2.0.0", "new"]), "HOST_PROTOCOL"],
    ["FIN instead of an answer", (lone) => lone.hear(0, NONE, true), "HOST_SILENT"],
    ["the end of the connection", (lone) => lone.give({ type: "closed", reason: "" }), "HOST_RESET"],
  ])("ends at %s", (_, act, code) => {
    const lone = new LoneClient();
    act(lone);
    expect(lone.answers).toEqual([expect.objectContaining({ type: "failed", code })]);
    expect(lone.outputs.at(-1)).toEqual({ type: "close" });
  });

  const terms = (from: number, size = 10): Uint8Array =>
    encodeTerms({ capabilities: [], size, sha256: digest(NONE), from });

  it.each<[string, (lone: LoneClient) => void, string]>([
    ["an empty segment that is not the last", (lone) => lone.hear(1, segment(NONE)), "HOST_PROTOCOL"],
    ["another type among the segments", (lone) => lone.hear(1, encodePdu({ type: RsuType.SendAck })), "HOST_PROTOCOL"],
    ["an error among the segments", (lone) => lone.hear(1, encodePdu({ type: RsuType.Error })), "HOST_PEER"],
    ["more bytes than announced", (lone) => lone.hear(1, segment(new Uint8Array(11))), "HOST_PROTOCOL"],
    ["fewer bytes than announced", (lone) => lone.hear(1, segment(new Uint8Array(9), true)), "HOST_PROTOCOL"],
    ["a FIN before the last segment", (lone) => lone.hear(1, segment(new Uint8Array(9)), true), "HOST_RESET"],
    [
      "a FIN in the middle of a PDU",
      (lone) => lone.hear(1, segment(new Uint8Array(9)).subarray(0, 9), true),
      "HOST_RESET",
    ],
    ["the end of the connection", (lone) => lone.give({ type: "closed", reason: "" }), "HOST_RESET"],
  ])("ends a fetch at %s", (_, act, code) => {
    const lone = new LoneClient();
    lone.ack(terms(0));
    act(lone);
    expect(lone.end).toMatchObject({ type: "failed", code });
  });

  it("takes no more than it may, and no beginning that it did not ask for", () => {
    const small = new LoneClient({ bodyMax: 3 });
    small.ack();
    small.hear(1, segment(new Uint8Array(4)));
    expect(small.answers.slice(1)).toEqual([expect.objectContaining({ type: "failed", code: "HOST_BODY_TOO_LONG" })]);
    const odd = new LoneClient();
    odd.ack(terms(5));
    expect(odd.end).toMatchObject({ type: "failed", code: "HOST_PROTOCOL" });
    const right = new LoneClient({ resume: { from: 5, of: digest(NONE) } });
    right.ack(terms(5));
    expect(right.end).toMatchObject({ type: "head", status: 206 });
  });

  it("waits 5 s for the versions, 15 s for each segment, and longer where the server may wait", () => {
    const lone = new LoneClient();
    expect(lone.client.nextDeadline()).toBe(at(5));
    lone.client.handleDeadline(at(4.999));
    expect(drain(lone.client)).toEqual([]);
    lone.client.handleDeadline(at(5));
    expect(drain(lone.client)[0]).toMatchObject({ answer: { type: "failed", code: "HOST_SILENT" } });
    expect(new LoneClient({ wait: 60 }).client.nextDeadline()).toBe(at(65));
    const stalled = new LoneClient();
    stalled.ack();
    stalled.hear(1, segment(Uint8Array.of(1)), false, at(10));
    expect(stalled.client.nextDeadline()).toBe(at(25));
    stalled.client.handleDeadline(at(25));
    expect(drain(stalled.client)[0]).toMatchObject({ answer: { type: "failed", code: "HOST_TIMEOUT" } });
  });

  it("bears only so many streams", () => {
    const lone = new LoneClient();
    for (let stream = 1; stream <= 17; stream += 2) lone.hear(stream, new TextEncoder().encode(" "));
    expect(lone.end).toMatchObject({ type: "failed", code: "HOST_PROTOCOL" });
  });
});

class LoneServer {
  readonly server: RsuServer;
  readonly outputs: RsuServerOutput[] = [];
  contents: Record<string, RsuContent | undefined>;

  constructor(contents: Record<string, RsuContent | undefined> = { firmware: content(1000) }) {
    this.contents = contents;
    this.server = new RsuServer({
      protocolVersion: "2.0.0",
      find: (target) => this.contents[target ?? "firmware"],
      segmentMax: () => 32_768,
    });
    this.give({ type: "opened" });
  }

  give(input: RsuServerInput, now = at(0)): void {
    this.server.handle(input, now);
    this.outputs.push(...drain(this.server));
  }

  hear(stream: number, data: Uint8Array, fin = false, now = at(0)): void {
    this.give({ type: "data", stream, data, fin }, now);
  }

  ask(stream = 0, payload: Uint8Array = NONE, versions = ["2.0.0", "1.0.0"]): void {
    const [protocolVersion = "", firmwareVersion = ""] = versions;
    this.hear(stream, encodePdu({ type: RsuType.VersionExchange, payload, protocolVersion, firmwareVersion }));
  }

  /** PDUs that were written onto the streams of exchanges, and whether the stream was finished. */
  get said() {
    return this.outputs.flatMap((output) =>
      output.type === "answer"
        ? [{ ...output, pdu: output.data.length === 0 ? undefined : decodePdu(output.data) }]
        : [],
    );
  }

  get segments() {
    return this.outputs.flatMap((output) => (output.type === "segment" ? [output] : []));
  }
}

describe("the RSU server", () => {
  it("serves the original: no extensions, the stream open, 512 bytes in a PDU, one at a time, paced", () => {
    const lone = new LoneServer();
    lone.ask();
    expect(lone.said[0]).toMatchObject({
      fin: false,
      pdu: { type: 1, payload: NONE, protocolVersion: "2.0.0", firmwareVersion: "2.0.0" },
    });
    lone.hear(0, encodePdu({ type: RsuType.RequestUpdate }), true);
    expect(lone.segments).toMatchObject([{ length: 512, paced: true, last: false }]);
    lone.give({ type: "taken", exchange: 0 });
    expect(lone.segments).toMatchObject([{ offset: 0 }, { offset: 512, length: 488, last: true }]);
    lone.give({ type: "taken", exchange: 0 });
    lone.hear(1, encodePdu({ type: RsuType.SendAck }), true);
    expect(lone.said.at(-1)).toMatchObject({ exchange: 0, fin: true, pdu: undefined });
    expect(lone.outputs).toContainEqual({ type: "event", event: { type: "delivered", version: "2.0.0" } });
  });

  it("takes an acknowledgement of type 8 too, requests without FIN, and a second exchange", () => {
    const lone = new LoneServer({ firmware: content(10) });
    for (const stream of [0, 4]) {
      lone.ask(stream);
      lone.hear(stream, encodePdu({ type: RsuType.RequestUpdate }));
      lone.hear(stream + 1, encodePdu({ type: RsuType.ReceiveAck }));
    }
    expect(lone.said.filter(({ fin }) => fin)).toHaveLength(2);
  });

  it.each([
    [["9.0.0", "1.0.0"], "VERSION_UNKNOWN"],
    [["10.0.0", "1.0.0"], "VERSION_UNKNOWN"],
    [["2.0.0", "2.0.0"], "NOT_NEWER"],
    [["2.0.0", "10.0.0"], "NOT_NEWER"],
    [["2.0.0", "latest"], "MALFORMED"],
    [["", ""], "MALFORMED"],
  ] as const)("refuses the versions %j by %s, with FIN, and goes on", (versions, code) => {
    const lone = new LoneServer();
    lone.ask(0, NONE, [...versions]);
    const { fin, pdu } = lone.said[0] ?? {};
    expect(fin).toBe(true);
    expect(pdu).toMatchObject({ type: RsuType.Error });
    expect(new TextDecoder().decode((pdu as { payload: Uint8Array }).payload)).toContain(`"code":"${code}"`);
    lone.ask(4);
    expect(lone.said[1]).toMatchObject({ exchange: 4, pdu: { type: RsuType.VersionAck } });
  });

  it("knows several targets", () => {
    const lone = new LoneServer({ firmware: content(10), ECU_011: content(20, "3.0.0") });
    const target = (name: string): Uint8Array => encodeOffer({ capabilities: ["target"], target: name });
    lone.ask(0, target("ECU_011"));
    lone.ask(4, target("ECU_099"));
    expect(lone.said.map(({ pdu }) => pdu)).toMatchObject([{ firmwareVersion: "3.0.0" }, { type: RsuType.Error }]);
  });

  it("goes on from the byte that was asked for, if it is of the same content", () => {
    const there = content(100_000);
    const resume = (of: string): Uint8Array =>
      encodeOffer({ capabilities: ["coalesce"], resume: { from: 99_000, of } });
    for (const [of, from] of [
      [there.sha256, 99_000],
      [digest(NONE), 0],
    ] as const) {
      const lone = new LoneServer({ firmware: there });
      lone.ask(0, resume(of));
      lone.hear(0, encodePdu({ type: RsuType.RequestUpdate }));
      expect(lone.segments[0]).toMatchObject({ offset: from, paced: false });
    }
  });

  it("lets a device wait, and tells it as soon as there is something newer, or at the end that there is not", () => {
    const wait = encodeOffer({ capabilities: ["announce"], wait: 60 });
    const lone = new LoneServer();
    for (const stream of [0, 4]) lone.ask(stream, wait, ["2.0.0", stream === 0 ? "2.0.0" : "5.0.0"]);
    expect(lone.said).toEqual([]);
    lone.contents.firmware = content(10, "2.5.0");
    lone.give({ type: "published" }, at(59));
    expect(lone.said).toMatchObject([{ exchange: 0, pdu: { type: RsuType.VersionAck, firmwareVersion: "2.5.0" } }]);
    lone.server.handleDeadline(at(60));
    lone.outputs.push(...drain(lone.server));
    expect(lone.outputs).toContainEqual(
      expect.objectContaining({ event: expect.objectContaining({ code: "NOT_NEWER" }) }),
    );
  });

  it.each<[string, (lone: LoneServer) => void]>([
    ["what is no PDU", (lone) => lone.hear(0, new TextEncoder().encode("GET / HTTP/1.1\r\n"))],
    ["a PDU that never ends", (lone) => lone.hear(0, new TextEncoder().encode(`{"mtype":"${"x".repeat(70_000)}`))],
    ["half a PDU and FIN", (lone) => lone.hear(0, new TextEncoder().encode('{"mtype":0'), true)],
    ["a request before the versions", (lone) => lone.hear(0, encodePdu({ type: RsuType.RequestUpdate }))],
    ["an acknowledgement that is none", (lone) => lone.hear(1, encodePdu({ type: RsuType.VersionAck }))],
    [
      "too many exchanges at once",
      (lone) => {
        for (const stream of [0, 4, 8, 12, 16]) lone.ask(stream);
      },
    ],
  ])("closes the connection at %s", (_, act) => {
    const lone = new LoneServer();
    act(lone);
    expect(lone.outputs.at(-1)).toMatchObject({ type: "close", code: 1 });
    expect(lone.server.nextDeadline()).toBeUndefined();
    lone.ask(20);
    expect(lone.outputs.at(-1)).toMatchObject({ type: "close" });
  });

  it.each<[string, (lone: LoneServer) => void, number]>([
    ["that asks nothing", () => {}, 10],
    ["that never ends its first PDU", (lone) => lone.hear(0, new TextEncoder().encode("{")), 15],
    ["that never requests what it was offered", (lone) => lone.ask(), 15],
    [
      "that does not take its segments",
      (lone) => {
        lone.ask();
        lone.hear(0, encodePdu({ type: RsuType.RequestUpdate }));
      },
      30,
    ],
  ])("closes the connection of a peer %s", (_, act, seconds) => {
    const lone = new LoneServer();
    act(lone);
    expect(lone.server.nextDeadline()).toBe(at(seconds));
    lone.server.handleDeadline(at(seconds));
    expect(drain(lone.server).at(-1)).toMatchObject({ type: "close", reason: "TIMEOUT" });
  });
});

describe("client and server together", () => {
  /** Everything one says reaches the other in parts of random lengths; both are saved and loaded into others at will. */
  function exchange(seed: string, length: number, job: Partial<RsuJob> = {}): RsuClientOutput[] {
    const prng = new Prng(seed);
    const there = content(length);
    const makeClient = (): RsuClient => new RsuClient({ ...JOB, ...job });
    const makeServer = (): RsuServer =>
      new RsuServer({ protocolVersion: "2.0.0", find: () => there, segmentMax: () => 32_768 });
    let client = makeClient();
    let server = makeServer();
    const story: RsuClientOutput[] = [];
    const inbox: { to: "client" | "server"; stream: number; data: Uint8Array; fin: boolean }[] = [];
    const post = (to: "client" | "server", stream: number, data: Uint8Array, fin: boolean): void => {
      for (let from = 0; from < data.length; ) {
        const size = Math.min(1 + prng.below(2000), data.length - from);
        inbox.push({ to, stream, data: data.subarray(from, from + size), fin: false });
        from += size;
      }
      if (fin) inbox.push({ to, stream, data: NONE, fin });
    };
    const said = (output: RsuServerOutput): void => {
      if (output.type === "answer") post("client", output.exchange, output.data, output.fin);
      if (output.type !== "segment") return;
      post("client", 1, output.data, output.last);
      server.handle({ type: "taken", exchange: output.exchange }, at(0));
      settle();
    };
    const settle = (): void => {
      for (const output of drain(client)) {
        story.push(output);
        if (output.type === "write") post("server", output.stream, output.data, output.fin);
      }
      for (const output of drain(server)) said(output);
    };
    server.handle({ type: "opened" }, at(0));
    client.handle({ type: "connected" }, at(0));
    settle();
    for (let next = inbox.shift(); next !== undefined; next = inbox.shift()) {
      const { to, ...data } = next;
      if (to === "client") client.handle({ type: "data", ...data }, at(0));
      else server.handle({ type: "data", ...data }, at(0));
      settle();
      if (prng.below(4) > 0) continue;
      const [forkedClient, forkedServer] = [makeClient(), makeServer()];
      forkedClient.load(client.save());
      forkedServer.load(server.save());
      [client, server] = [forkedClient, forkedServer];
    }
    return story;
  }

  it.each([0, 1, 511, 512, 513, 32_768, 32_769, 200_000])("bring %i bytes, however the streams are cut", (length) => {
    const story = exchange(`seed ${length}`, length);
    const answers = story.flatMap((output) => (output.type === "answer" ? [output.answer] : []));
    const body = Buffer.concat(answers.flatMap((answer) => (answer.type === "body" ? [answer.data] : [])));
    expect(digest(body)).toBe(content(length).sha256);
    expect(answers.at(-1)).toEqual({ type: "end" });
    expect(story.at(-1)).toEqual({ type: "close" });
  });

  it("bring what is missing only", () => {
    const { sha256 } = content(5000);
    for (const from of [1, 4999, 5000]) {
      const story = exchange("resume", 5000, { resume: { from, of: sha256 } });
      const bytes = story.flatMap((output) =>
        output.type === "answer" && output.answer.type === "body" ? [output.answer.data.length] : [],
      );
      expect(bytes.reduce((sum, count) => sum + count, 0)).toBe(5000 - from);
    }
  });
});
