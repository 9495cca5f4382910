import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { VirtualStream } from "../../../emulator/bus/virtual-stream.ts";
import type { IsoTpConfig } from "../../../emulator/isotp/config.ts";
import { classicIsoTp, fdIsoTp } from "../../../emulator/isotp/defaults.ts";
import { IsoTpNode } from "../../../emulator/isotp/isotp-node.ts";
import { ms, plus, us } from "../../../emulator/kernel/time.ts";
import type { Trace } from "../../../emulator/kernel/trace.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { fromHex } from "../../../emulator/wire/text.ts";

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(" ", "")) as Uint8Array;

/** A block of TransferData with that many bytes. */
const block = (length: number): string => `36 01 ${"a5".repeat(length)}`;

/** Requests and answers of a diagnostic session, longest first frames and pending answers included. */
const EXCHANGES: readonly (readonly [request: string, ...answers: string[]])[] = [
  ["10 03", "50 03 0032 01f4"],
  ["22 f190", `62 f190 ${Buffer.from("KMHXX00XXXX000001").toString("hex")}`],
  ["31 01 ff00 44 800d2000 00001000", "7f 31 78", "71 01 ff00"],
  ["34 00 44 800d2000 00001000", "74 20 0fff"],
  [block(1020), "76 01"],
  ["36 05 00", "7f 36 73"],
];

/** Two zones with one ECU each, spoken to over ISO-TP, and one DoIP connection each: on the virtual buses. */
export function smallRun(): Trace {
  const world = new World();
  const { timeline, trace } = world;
  trace.record(timeline.now, "bench", "run.started", { scenario: "small", seed: "1" });
  const can1 = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, trace);
  const can2 = new VirtualCanBus({ name: "can2", bitRate: 500_000, dataBitRate: 2_000_000 }, timeline, trace);
  speakIsoTp(world, can1, ["ZG_1", "ECU_011"], (turned) => {
    const address = { txId: 0x7e0, rxId: 0x7e8, extended: false };
    return classicIsoTp(turned ? { ...address, txId: 0x7e8, rxId: 0x7e0 } : address);
  });
  speakIsoTp(world, can2, ["ZG_2", "ECU_021"], (turned) => {
    const address = { txId: 0x18da15f1, rxId: 0x18daf115, extended: true };
    return fdIsoTp(turned ? { ...address, txId: 0x18daf115, rxId: 0x18da15f1 } : address);
  });
  speakDoip(world, "doip-1", "ZG_1", 0x1011);
  speakDoip(world, "doip-2", "ZG_2", 0x1021);
  timeline.runToIdle(plus(timeline.now, ms(10_000)));
  trace.record(timeline.now, "bench", "run.ended", { verdict: "passed" });
  return trace;
}

function speakIsoTp(
  { timeline, trace }: World,
  bus: VirtualCanBus,
  [tester, ecu]: readonly [string, string],
  config: (turned: boolean) => IsoTpConfig,
): void {
  const asking = new IsoTpNode(tester, bus.join(tester), timeline, trace);
  const answering = new IsoTpNode(ecu, bus.join(ecu), timeline, trace);
  let turn = 0;
  let answers: Uint8Array[] = [];
  const ask = (): void => {
    const [request] = EXCHANGES[turn] ?? [];
    if (request !== undefined) channel.send(hex(request));
  };
  const channel = asking.open(config(false), {
    message(answer) {
      if (answer[0] === 0x7f && answer[2] === 0x78) return;
      turn++;
      ask();
    },
    sent: () => undefined,
    failed: (direction, result) => {
      throw new Error(`${direction} ${result}`);
    },
  });
  const server = answering.open(config(true), {
    message() {
      const [, ...texts] = EXCHANGES[turn] ?? [];
      answers = texts.map(hex);
      server.send(answers.shift() as Uint8Array);
    },
    sent() {
      const next = answers.shift();
      if (next !== undefined) server.send(next);
    },
    failed: () => undefined,
  });
  ask();
}

const doip = (type: string, payload: Uint8Array): Uint8Array => {
  const message = new Uint8Array(8 + payload.length);
  message.set(hex(`02 fd ${type}`));
  new DataView(message.buffer).setUint32(4, payload.length);
  message.set(payload, 8);
  return message;
};

/** The server answers routing activation, then each request; the last request is 4000 bytes long, and the server closes. */
function speakDoip({ timeline, trace }: World, name: string, node: string, target: number): void {
  const stream = new VirtualStream({ name, client: "VMG", server: node, latency: us(200) }, timeline, trace);
  const to = target.toString(16).padStart(4, "0");
  const requests = ["22 f195", block(4000)];
  const answers = ["62 f195 31 2e 30 2e 30", "76 01"];
  let turn = 0;
  stream.server.attach({
    opened: () => undefined,
    received(data) {
      if (data[3] === 0x05) {
        stream.server.send(doip("0006", hex("0200 0100 10 00000000")));
      } else if (data[2] === 0x80) {
        stream.server.send(doip("8002", hex(`${to} 0200 00`)));
        stream.server.send(doip("8001", hex(`${to} 0200 ${answers[turn++]}`)));
        if (turn === answers.length) stream.server.close();
      }
    },
    closed: () => undefined,
  });
  stream.client.attach({
    opened: () => stream.client.send(doip("0005", hex("0200 00 00000000"))),
    received(data) {
      const next = data[2] === 0x80 && data[3] === 0x02 ? undefined : requests[turn];
      if (next !== undefined) stream.client.send(doip("8001", hex(`0200 ${to} ${next}`)));
    },
    closed: () => undefined,
  });
  stream.client.open();
}
