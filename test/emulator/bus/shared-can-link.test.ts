import { describe, expect, it } from "vitest";
import { SharedCanLink } from "../../../emulator/bus/shared-can-link.ts";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { ms, plus } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import type { CanFrame } from "../../../emulator/wire/can-frame.ts";
import { CanLog } from "../../conformance/can-link/can-link-suite.ts";

const frame = (id: number): CanFrame => ({ id, flags: 0, data: Uint8Array.of(id & 0xff) });

function node() {
  const { timeline, trace } = new World();
  const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, trace);
  const shared = new SharedCanLink(bus.join("node"), timeline);
  const ports = [shared.port(), shared.port()] as const;
  const peer = new CanLog(bus.join("peer"));
  const logs = [new CanLog(ports[0]), new CanLog(ports[1])] as const;
  return { shared, ports, logs, peer, run: () => timeline.runUntil(plus(timeline.now, ms(5))) };
}

describe("a CAN link that is shared", () => {
  it("sends the frames of all in the order asked for, and confirms each to its own user", () => {
    const { ports, logs, peer, run } = node();
    const frames = [frame(0x700), frame(0x100), frame(0x701), frame(0x101)] as const;
    ports[0].transmit(frames[0]);
    ports[1].transmit(frames[1]);
    ports[0].transmit(frames[2]);
    ports[1].transmit(frames[3]);
    run();
    expect(peer.frames("received").map(({ id }) => id)).toEqual([0x700, 0x100, 0x701, 0x101]);
    expect(logs[0].frames("transmitted")).toEqual([frames[0], frames[2]]);
    expect(logs[1].frames("transmitted")).toEqual([frames[1], frames[3]]);
  });

  it("takes back the frames of one user only", () => {
    const { ports, logs, peer, run } = node();
    for (const id of [0x100, 0x101]) ports[0].transmit(frame(id));
    for (const id of [0x200, 0x201]) ports[1].transmit(frame(id));
    ports[1].abortAll();
    run();
    expect(peer.frames("received").map(({ id }) => id)).toEqual([0x100, 0x101]);
    expect(logs[1].frames("aborted").map(({ id }) => id)).toEqual([0x200, 0x201]);
    expect(logs[0].frames("aborted")).toEqual([]);
  });

  it("knows what has not been sent yet", () => {
    const { shared, ports, run } = node();
    ports[0].transmit(frame(0x100));
    ports[1].transmit(frame(0x200));
    expect([frame(0x100), frame(0x200), frame(0x300)].map((each) => shared.isWaiting(each))).toEqual([
      true,
      true,
      false,
    ]);
    run();
    expect(shared.isWaiting(frame(0x200))).toBe(false);
  });

  it("forgets everything with the power of the node, without a word", () => {
    const { ports, logs, peer, run } = node();
    ports[0].transmit(frame(0x100));
    ports[1].transmit(frame(0x200));
    ports[0].setActive(false);
    ports[0].setActive(true);
    run();
    expect(peer.frames("received")).toEqual([]);
    expect([logs[0].told, logs[1].told]).toEqual([[], []]);
    ports[1].transmit(frame(0x201));
    run();
    expect(logs[1].frames("transmitted")).toHaveLength(1);
  });
});
