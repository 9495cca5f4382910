import { describe, expect, it } from "vitest";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { VirtualStream } from "../../../emulator/bus/virtual-stream.ts";
import { type Duration, ms, plus, us } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { type DoipMessage, encodeDoip } from "../../../emulator/wire/doip.ts";
import { DoipFramer } from "../../../emulator/wire/doip-framer.ts";
import { ZonalGateway } from "../../../gateway/zonal/zonal-gateway.ts";

const TESTER = 0x0e00;
const OTHER = 0x0e01;
const ZG = 0x0100;

/** A zonal gateway with two sockets for testers besides that of the vehicle gateway, and nobody on its bus. */
class Sockets {
  readonly world = new World();
  readonly gateway: ZonalGateway;
  readonly heard: string[][] = [[], [], []];
  readonly #streams: readonly VirtualStream[];

  constructor() {
    const { timeline, trace: tracer } = this.world;
    const ends = { client: "tester", server: "ZG_1", latency: us(100) };
    this.#streams = [0, 1, 2].map((n) =>
      this.world.add(`socket ${n}`, new VirtualStream({ ...ends, name: `socket ${n}` }, timeline, tracer)),
    );
    const bus = this.world.add("can1", new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, tracer));
    const [stream, ...testerStreams] = this.#streams.map(({ server }) => server) as [never, never, never];
    this.gateway = this.world.add(
      "ZG_1",
      new ZonalGateway(
        { name: "ZG_1", address: ZG, testerAddresses: [TESTER, OTHER], ecus: [] },
        { timeline, tracer, stream, testerStreams, link: bus.join("ZG_1") },
      ),
    );
    for (const [index, { client }] of this.#streams.entries()) this.#listen(index, client);
  }

  open(socket: number): void {
    this.#streams[socket]?.client.open();
    this.run(ms(1));
  }

  say(socket: number, message: DoipMessage): void {
    this.#streams[socket]?.client.send(encodeDoip(message));
    this.run(ms(1));
  }

  activate(socket: number, source = TESTER): void {
    this.open(socket);
    this.say(socket, { type: "routingActivationRequest", source, activationType: 0 });
  }

  /** What was heard since the last look. */
  take(socket: number): string[] {
    return this.heard[socket]?.splice(0) ?? [];
  }

  run(span: Duration): void {
    this.world.timeline.runUntil(plus(this.world.timeline.now, span));
  }

  #listen(index: number, client: VirtualStream["client"]): void {
    const framer = new DoipFramer();
    const heard = this.heard[index] as string[];
    client.attach({
      opened: () => framer.reset(),
      received: (data) => {
        framer.push(data);
        for (let message = framer.next(); message !== undefined; message = framer.next()) {
          const code = "code" in message ? ` ${message.code.toString(16)}` : "";
          heard.push(`${message.type}${code}`);
        }
      },
      closed: (reason) => heard.push(`closed: ${reason}`),
    });
  }
}

const ASK: DoipMessage = { type: "diagnosticMessage", source: TESTER, target: ZG, data: Uint8Array.of(0x3e, 0) };
const ANSWERED = ["diagnosticAck 0", "diagnosticMessage"];

describe("sockets of a DoIP entity", () => {
  it("serve several testers, each with its own answers", () => {
    const sockets = new Sockets();
    sockets.activate(1, TESTER);
    sockets.activate(2, OTHER);
    sockets.say(1, ASK);
    expect(sockets.take(1)).toEqual(["routingActivationResponse 10", ...ANSWERED]);
    expect(sockets.take(2)).toEqual(["routingActivationResponse 10"]);
    sockets.say(2, { ...ASK, source: OTHER } as DoipMessage);
    expect(sockets.take(1)).toEqual([]);
    expect(sockets.take(2)).toEqual(ANSWERED);
  });

  it("refuse an address that is active on another socket whose tester is alive, with code 03", () => {
    const sockets = new Sockets();
    sockets.activate(1);
    sockets.take(1);
    sockets.activate(2);
    expect(sockets.take(1)).toEqual(["aliveCheckRequest"]);
    expect(sockets.take(2)).toEqual([]);
    sockets.say(1, { type: "aliveCheckResponse", source: TESTER });
    expect(sockets.take(2)).toEqual(["routingActivationResponse 3", "closed: remote"]);
    sockets.say(1, ASK);
    expect(sockets.take(1)).toEqual(ANSWERED);
  });

  it("give the address to the new connection when the old one does not answer within 500 ms", () => {
    const sockets = new Sockets();
    sockets.activate(1);
    sockets.take(1);
    sockets.activate(2);
    sockets.run(ms(490));
    expect(sockets.take(2)).toEqual([]);
    sockets.run(ms(20));
    expect(sockets.take(1)).toEqual(["aliveCheckRequest", "closed: remote"]);
    expect(sockets.take(2)).toEqual(["routingActivationResponse 10"]);
    sockets.say(2, ASK);
    expect(sockets.take(2)).toEqual(ANSWERED);
  });

  it("give the address to the new connection when the old one is closed meanwhile", () => {
    const sockets = new Sockets();
    sockets.activate(1);
    sockets.activate(2);
    sockets.take(2);
    const saved = sockets.world.snapshot();
    const copy = new Sockets();
    copy.world.restore(saved);
    for (const each of [sockets, copy]) {
      each.say(1, { type: "headerNack", code: 0 });
      each.run(ms(600));
      expect(each.take(2)).toEqual(["routingActivationResponse 10"]);
    }
  });
});
