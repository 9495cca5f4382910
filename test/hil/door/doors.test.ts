import { describe, expect, it } from "vitest";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { type Instant, ms, plus, s } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";
import { CanDoor } from "../../../hil/door/can-door.ts";
import { Doors, type OpenSession, type Refusal } from "../../../hil/door/doors.ts";
import type { Wire } from "../../../hil/door/session.ts";
import { SlcanSession } from "../../../hil/door/slcan-session.ts";
import { SocketcandSession } from "../../../hil/door/socketcand-session.ts";

const frame = (id: number, ...data: number[]): CanFrame => ({ id, flags: 0, data: Uint8Array.from(data) });

/** A bus with one ordinary node, a door, and programs that are texts. */
class DoorBench {
  readonly world = new World();
  readonly refusals: Refusal[] = [];
  readonly doors = new Doors(this.world, (refusal) => void this.refusals.push(refusal));
  readonly heard: CanFrame[] = [];
  readonly node;
  readonly door: CanDoor;
  readonly bus: VirtualCanBus;

  constructor(fd = false) {
    const { timeline, trace } = this.world;
    const config = { name: "can1", bitRate: 500_000, ...(fd ? { dataBitRate: 2_000_000 } : {}) };
    const bus = new VirtualCanBus(config, timeline, trace);
    this.bus = bus;
    this.node = bus.join("ECU");
    this.node.attach({ received: (each) => void this.heard.push(each), transmitted: () => {}, aborted: () => {} });
    this.door = new CanDoor({ bus: "can1", bitRate: 500_000, fd }, bus.join("doors"));
  }

  /** A program that sends SLCAN lines; what it is told is in `said`. */
  slcan(): Program {
    return this.#program((wire, refuse) => new SlcanSession(this.door, wire, refuse));
  }

  socketcand(): Program {
    const parts = { doors: new Map([["can1", this.door]]), now: () => this.world.timeline.now, epoch: 1_000_000 };
    return this.#program((wire, refuse) => new SocketcandSession({ ...parts, wire, refuse }));
  }

  /** Hands in everything that can be, then lets time pass. */
  run(span = ms(10)): void {
    const { timeline } = this.world;
    const until = plus(timeline.now, span);
    for (let at = timeline.now; at <= until; at = (at + 100_000) as Instant) {
      timeline.runUntil(at);
      while (this.doors.deliver());
    }
  }

  #program(open: OpenSession): Program {
    const program: Program = { said: "", ended: false, takes: true, send: () => {}, leave: () => {} };
    const wire: Wire = {
      write(data) {
        if (program.takes) program.said += typeof data === "string" ? data : String.fromCharCode(...data);
        return program.takes;
      },
      end: () => {
        program.ended = true;
      },
    };
    const client = this.doors.connect("can1", "slcan", wire, open);
    program.send = (text) => client.feed(new TextEncoder().encode(text));
    program.leave = () => client.gone();
    return program;
  }
}

interface Program {
  said: string;
  ended: boolean;
  /** It reads. */
  takes: boolean;
  send(text: string): void;
  leave(): void;
}

describe("a program at an SLCAN door", () => {
  it("sends to the bus and sees what others send, once its channel is open", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    bench.node.transmit(frame(0x100, 9));
    bench.run();
    expect(program.said).toBe("");
    program.send("C\rS6\rO\rt7E0210");
    program.send("03\rT18DA15F10\r");
    bench.run();
    expect(program.said).toBe("\r\r\r");
    expect(bench.heard).toEqual([
      frame(0x7e0, 0x10, 0x03),
      { id: 0x18da15f1, flags: CanFlag.Extended, data: new Uint8Array(0) },
    ]);
    bench.node.transmit(frame(0x7e8, 0x50, 0x03));
    bench.run();
    expect(program.said).toBe("\r\r\rt7E825003\r");
  });

  it("sees the frames of another program at the same door, and not its own", () => {
    const bench = new DoorBench();
    const [one, two] = [bench.slcan(), bench.slcan()];
    for (const each of [one, two]) each.send("O\r");
    one.send("t001111\r");
    bench.run();
    expect(one.said).toBe("\r");
    expect(two.said).toBe("\rt001111\r");
  });

  it("only listens after L", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send("L\rt0010\r");
    bench.run();
    expect(program.said).toBe("\r\u0007");
    expect(bench.heard).toEqual([]);
    expect(bench.doors.counts.get("CHANNEL_CLOSED")).toBe(1);
  });

  it("can't open the channel at another bit rate than that of the bus", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send("S4\rO\rS6\rO\r");
    bench.run();
    expect(program.said).toBe("\u0007\u0007\r\r");
    expect(bench.doors.counts.get("BIT_RATE_WRONG")).toBe(2);
  });

  it("can't put a CAN FD frame onto a classic bus, and can onto a CAN FD bus", () => {
    for (const fd of [false, true]) {
      const bench = new DoorBench(fd);
      bench.slcan().send("O\rb0019AABBCCDDEEFF112233445566\r");
      bench.run();
      expect(bench.heard).toHaveLength(fd ? 1 : 0);
      expect(bench.doors.counts.get("NO_CAN_FD")).toBe(fd ? undefined : 1);
    }
  });

  it("may send rubbish: each line is refused by name, and the next one counts", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send(`O\r\u0000ÿ\rt999\r${"x".repeat(10_000)}\rt0010\r`);
    bench.run();
    expect(program.said).toBe("\r\u0007\u0007\u0007");
    expect(bench.heard).toEqual([frame(0x001)]);
    expect(Object.fromEntries(bench.doors.counts)).toEqual({ MALFORMED: 2, LINE_TOO_LONG: 1 });
  });

  it("waits when it sends faster than the bus carries, and loses nothing", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send(`O\r${"t0010\r".repeat(5_000)}`);
    bench.run(ms(1));
    const client = bench.heard.length;
    expect(client).toBeLessThan(20);
    bench.run(ms(1_000));
    expect(bench.heard).toHaveLength(5_000);
  });

  it("takes turns with a program that floods the bus", () => {
    const bench = new DoorBench();
    const [flood, modest] = [bench.slcan(), bench.slcan()];
    flood.send(`O\r${"t0010\r".repeat(2_000)}`);
    bench.run(ms(5));
    modest.send("O\rt7E00\r");
    bench.run(ms(2));
    expect(bench.heard.map(({ id }) => id)).toContain(0x7e0);
  });

  it("misses frames when it does not read, and is told of by name", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send("O\r");
    bench.run();
    program.takes = false;
    bench.node.transmit(frame(0x100));
    bench.run();
    expect(bench.doors.counts.get("CLIENT_TOO_SLOW")).toBe(1);
  });

  it("has what it sent before it left put onto the bus", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send("O\rt0010\rt0020\r");
    program.leave();
    bench.run();
    expect(bench.heard.map(({ id }) => id)).toEqual([1, 2]);
    bench.node.transmit(frame(0x100));
    bench.run();
    expect(program.said).toBe("\r");
  });

  it("waits when others have filled the door, although it has sent nothing itself", () => {
    const bench = new DoorBench();
    const programs = Array.from({ length: 17 }, () => bench.slcan());
    for (const program of programs) program.send(`O\r${"t0010\r".repeat(250)}`);
    bench.run(ms(0));
    const late = bench.slcan();
    late.send("O\r");
    bench.run(ms(1));
    expect(late.said).toBe("");
    bench.run(ms(50));
    expect(late.said.startsWith("\r")).toBe(true);
    bench.run(s(1));
    expect(bench.heard).toHaveLength(17 * 250);
  });

  it("is told by name of each frame that is lost because the door's node is off the bus, however many wait", () => {
    const bench = new DoorBench();
    bench.bus.arm({ fault: "short", level: "recessive" });
    const programs = Array.from({ length: 16 }, () => bench.slcan());
    for (const program of programs) program.send(`O\r${"t0010\r".repeat(256)}`);
    bench.run(ms(200));
    expect(bench.doors.counts).toEqual(new Map([["BUS_OFF", 16 * 256]]));
    expect(programs.map(({ said }) => said)).toEqual(Array(16).fill(`\r${"\x07".repeat(256)}`));
    bench.bus.disarm("short");
    bench.run(ms(10));
    programs[0]?.send("t0020\r");
    bench.run();
    expect(bench.heard.map(({ id }) => id)).toEqual([2]);
  });

  it("that is not let in is one of many: they are counted together, and recorded", () => {
    const bench = new DoorBench();
    for (let count = 0; count < 5; count++) bench.doors.refuse("can1", "slcan", "TOO_MANY_CLIENTS", "over 64");
    bench.doors.refuse("can1", "pty", "TOO_MANY_CLIENTS", "over 64");
    expect(bench.refusals.map(({ client, door, count }) => `${client} ${door} ${count}`)).toEqual([
      ...[1, 2, 3, 4, 5].map((count) => `0 slcan ${count}`),
      "0 pty 1",
    ]);
    const events = [...bench.world.trace.events()];
    expect(events.map(({ type }) => type)).toEqual(Array(6).fill("door.refused"));
  });

  it("is recorded with everything that it sent", () => {
    const bench = new DoorBench();
    const program = bench.slcan();
    program.send("O\rt99\r");
    program.leave();
    bench.run();
    const events = [...bench.world.trace.events()];
    expect(events.map(({ type }) => type)).toEqual(["door.opened", "door.input", "door.refused", "door.closed"]);
    expect(events[1]).toMatchObject({ source: "can1", client: 1, data: new TextEncoder().encode("O\rt99\r") });
    expect(events[2]).toMatchObject({ client: 1, code: "MALFORMED" });
  });
});

describe("a program at a socketcand door", () => {
  const attached = (bench: DoorBench): Program => {
    const program = bench.socketcand();
    program.send("< open can1 >< rawmode >");
    bench.run();
    expect(program.said).toBe("< hi >< ok >< ok >");
    program.said = "";
    return program;
  };

  it("is greeted, opens a bus, sends and receives", () => {
    const bench = new DoorBench();
    const program = attached(bench);
    program.send("< send 7E0 2 10 3 >");
    bench.run();
    expect(bench.heard).toEqual([frame(0x7e0, 0x10, 0x03)]);
    bench.node.transmit(frame(0x7e8, 0x50, 0x03));
    bench.run();
    expect(program.said).toMatch(/^< frame 7E8 1\.02\d{4} 5003 >\n$/);
  });

  it("is shown no frame together with the last ok, unless it has spoken since", () => {
    const bench = new DoorBench();
    const program = attached(bench);
    bench.node.transmit(frame(0x100));
    bench.run(ms(30));
    expect(program.said).toBe("");
    bench.run(ms(20));
    bench.node.transmit(frame(0x101));
    bench.run();
    expect(program.said).toContain("< frame 101 ");
  });

  it("is sent away when it wants a bus that is not there", () => {
    const bench = new DoorBench();
    const program = bench.socketcand();
    program.send("< open can7 >");
    bench.run();
    expect(program.said).toBe("< hi >< error could not open bus >");
    expect(program.ended).toBe(true);
    expect(bench.doors.counts.get("UNKNOWN_BUS")).toBe(1);
  });

  it("may send rubbish: each element is refused by name, and the next one counts", () => {
    const bench = new DoorBench();
    const program = attached(bench);
    program.send(`>< send xyz >< what >< open can1 >< ${"x".repeat(5_000)} >< noise < send 1 0 >`);
    bench.run();
    expect(bench.heard).toEqual([frame(0x001)]);
    expect(program.said).toBe("< error unknown command >< error a bus is open >");
    expect(Object.fromEntries(bench.doors.counts)).toEqual({ MALFORMED: 3, UNKNOWN_COMMAND: 1, LINE_TOO_LONG: 1 });
  });

  it("can't send before a bus is open", () => {
    const bench = new DoorBench();
    const program = bench.socketcand();
    program.send("< send 1 0 >< rawmode >< echo >");
    bench.run();
    expect(program.said).toBe("< hi >< error no bus >< error no bus >< echo >");
    expect(bench.heard).toEqual([]);
  });
});
