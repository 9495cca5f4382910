import { describe, expect, it } from "vitest";
import type { CanLink, CanListener } from "../../../emulator/bus/link.ts";
import { UnsegmentedSender } from "../../../emulator/ecu/unsegmented-sender.ts";
import { RUN_START } from "../../../emulator/kernel/time.ts";
import type { CanFrame } from "../../../emulator/wire/can-frame.ts";

/** A link that does nothing by itself. */
class StillLink implements CanLink {
  readonly given: CanFrame[] = [];
  listener: CanListener | undefined;

  transmit(frame: CanFrame): void {
    this.given.push(frame);
  }

  abortAll(): void {
    for (const frame of this.given.splice(0)) this.listener?.aborted(frame, RUN_START);
  }

  setActive(): void {
    this.given.length = 0;
  }

  attach(listener: CanListener): void {
    this.listener = listener;
  }
}

const frame = (id: number): CanFrame => ({ id, flags: 0, data: Uint8Array.of(id) });

function bench() {
  const link = new StillLink();
  const sender = new UnsegmentedSender(link, 2);
  const told: string[] = [];
  sender.attach({
    received: ({ id }) => told.push(`received ${id}`),
    transmitted: ({ id }) => told.push(`transmitted ${id}`),
    aborted: ({ id }) => told.push(`aborted ${id}`),
    stateChanged: (state) => told.push(state),
  });
  return { link, sender, told };
}

describe("UnsegmentedSender", () => {
  it("keeps the confirmations of its own frames to itself and passes all others on", () => {
    const { link, sender, told } = bench();
    sender.send(frame(1));
    sender.transmit(frame(2));
    for (const each of link.given.splice(0)) link.listener?.transmitted(each, RUN_START);
    link.listener?.received(frame(3), RUN_START);
    sender.send(frame(4));
    sender.transmit(frame(5));
    sender.abortAll();
    expect(told).toEqual(["transmitted 2", "received 3", "aborted 5"]);
  });

  it("passes on what becomes of the node's controller", () => {
    const { link, told } = bench();
    link.listener?.stateChanged?.("busOff", RUN_START);
    expect(told).toEqual(["busOff"]);
  });

  it("holds no more frames than its limit while the bus takes none", () => {
    const { link, sender } = bench();
    for (let id = 1; id <= 10; id++) sender.send(frame(id));
    expect(link.given.map(({ id }) => id)).toEqual([1, 2]);
    link.listener?.transmitted(link.given[0] as CanFrame, RUN_START);
    sender.send(frame(11));
    expect(link.given.map(({ id }) => id)).toEqual([1, 2, 11]);
  });

  it("forgets what waits when the power goes", () => {
    const { link, sender } = bench();
    sender.send(frame(1));
    sender.send(frame(2));
    sender.setActive(false);
    sender.send(frame(3));
    expect(link.given.map(({ id }) => id)).toEqual([3]);
  });
});
