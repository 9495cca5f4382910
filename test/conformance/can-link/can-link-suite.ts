import { describe, expect, it } from "vitest";
import type { CanLink, CanListener } from "../../../emulator/bus/link.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type Duration, type Instant, ms } from "../../../emulator/kernel/time.ts";
import { CanFlag, type CanFrame } from "../../../emulator/wire/can-frame.ts";

/** Two nodes on one classic bus, fresh for every case. */
export interface CanLinkPair {
  /** The link that is tested. */
  readonly link: CanLink;
  /** Another node on the same bus. */
  readonly peer: CanLink;
  /** Lets that much time pass. */
  readonly run: (span: Duration) => void;
}

/** What a listener was told, in order. */
export class CanLog implements CanListener {
  readonly told: { readonly what: "received" | "transmitted" | "aborted"; readonly frame: CanFrame; at: Instant }[] =
    [];

  constructor(link: CanLink) {
    link.attach(this);
  }

  received(frame: CanFrame, at: Instant): void {
    this.told.push({ what: "received", frame, at });
  }

  transmitted(frame: CanFrame, at: Instant): void {
    this.told.push({ what: "transmitted", frame, at });
  }

  aborted(frame: CanFrame, at: Instant): void {
    this.told.push({ what: "aborted", frame, at });
  }

  frames(what: "received" | "transmitted" | "aborted"): CanFrame[] {
    return this.told.filter((each) => each.what === what).map(({ frame }) => frame);
  }
}

export const canFrame = (id: number, ...data: number[]): CanFrame => ({
  id,
  flags: id > 0x7ff ? CanFlag.Extended : 0,
  data: Uint8Array.from(data),
});

/** What every CanLink must do. To be called with each implementation. */
export function canLinkSuite(name: string, make: () => CanLinkPair): void {
  describe(`CanLink: ${name}`, () => {
    it("hands a frame to the other node as it was, and confirms the very object that was given", () => {
      const { link, peer, run } = make();
      const [near, far] = [new CanLog(link), new CanLog(peer)];
      const frame = canFrame(0x123, 1, 2, 3);
      link.transmit(frame);
      run(ms(5));
      expect(near.frames("transmitted")[0]).toBe(frame);
      expect(near.told).toHaveLength(1);
      expect(far.frames("received")).toEqual([frame]);
    });

    it("does not call back before transmit has returned", () => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      new CanLog(peer);
      link.transmit(canFrame(0x123));
      expect(near.told).toHaveLength(0);
      run(ms(5));
      expect(near.told).toHaveLength(1);
    });

    it("receives what the other node sends, both kinds of identifier, any length", () => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      new CanLog(peer);
      const frames = [canFrame(0x7ff), canFrame(0), canFrame(0x1fff_ffff, 9), canFrame(0x800, 1, 2, 3, 4, 5, 6, 7, 8)];
      for (const frame of frames) peer.transmit(frame);
      run(ms(5));
      expect(near.frames("received")).toEqual(frames);
    });

    it("sends a remote frame as such", () => {
      const { link, peer, run } = make();
      new CanLog(link);
      const far = new CanLog(peer);
      const frame = { id: 0x12, flags: CanFlag.Remote, data: new Uint8Array(4) };
      link.transmit(frame);
      run(ms(5));
      expect(far.frames("received")).toEqual([frame]);
    });

    it("sends the frames of one node in the order given, whatever their identifiers", () => {
      const { link, peer, run } = make();
      const [near, far] = [new CanLog(link), new CanLog(peer)];
      const frames = [7, 3, 5, 1].map((id) => canFrame(id, id));
      for (const frame of frames) link.transmit(frame);
      run(ms(5));
      expect(far.frames("received")).toEqual(frames);
      expect(near.frames("transmitted")).toEqual(frames);
    });

    it("does not hand a node its own frames", () => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      new CanLog(peer);
      link.transmit(canFrame(1));
      run(ms(5));
      expect(near.frames("received")).toHaveLength(0);
    });

    it("aborts the frames that wait and not the one on the wire, each told once", () => {
      const { link, peer, run } = make();
      const [near, far] = [new CanLog(link), new CanLog(peer)];
      const frames = [1, 2, 3].map((id) => canFrame(id));
      for (const frame of frames) link.transmit(frame);
      run(10_000 as Duration); // the first is on the wire
      link.abortAll();
      run(ms(5));
      expect(near.frames("transmitted")).toEqual(frames.slice(0, 1));
      expect(near.frames("aborted")).toEqual(frames.slice(1));
      expect(far.frames("received")).toEqual(frames.slice(0, 1));
    });

    it("works on after abortAll, which is harmless when nothing waits", () => {
      const { link, peer, run } = make();
      const [near, far] = [new CanLog(link), new CanLog(peer)];
      link.abortAll();
      link.transmit(canFrame(5));
      run(ms(5));
      expect(near.frames("transmitted")).toHaveLength(1);
      expect(far.frames("received")).toHaveLength(1);
    });

    it("lets a listener transmit while it is being told", () => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      const far = new CanLog(peer);
      const echo: CanListener = {
        received: (frame) => peer.transmit(canFrame(frame.id + 1)),
        transmitted: (frame, now) => far.transmitted(frame, now),
        aborted: () => undefined,
      };
      peer.attach(echo);
      link.transmit(canFrame(0x10));
      run(ms(5));
      expect(near.frames("received").map(({ id }) => id)).toEqual([0x11]);
      expect(far.frames("transmitted")).toHaveLength(1);
    });

    it("confirms a frame before it hands over the answer to it", () => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      const answer: CanListener = {
        received: () => peer.transmit(canFrame(0)),
        transmitted: () => undefined,
        aborted: () => undefined,
      };
      peer.attach(answer);
      for (const id of [1, 2]) link.transmit(canFrame(id));
      run(ms(5));
      const order = near.told.map(({ what }) => what);
      expect(order).toEqual(["transmitted", "received", "transmitted", "received"]);
    });

    it("tells only the listener that was attached last", () => {
      const { link, peer, run } = make();
      new CanLog(link);
      const [first, second] = [new CanLog(peer), new CanLog(peer)];
      link.transmit(canFrame(1));
      run(ms(5));
      expect(first.told).toHaveLength(0);
      expect(second.told).toHaveLength(1);
    });

    it.each([
      ["an identifier over 11 bits without the extended flag", { id: 0x800, flags: 0, data: new Uint8Array(0) }],
      ["an identifier over 29 bits", { id: 2 ** 29, flags: CanFlag.Extended, data: new Uint8Array(0) }],
      ["nine bytes of data", { id: 1, flags: 0, data: new Uint8Array(9) }],
      ["a CAN FD frame on a classic bus", { id: 1, flags: CanFlag.Fd, data: new Uint8Array(12) }],
      ["a bit rate switch in a classic frame", { id: 1, flags: CanFlag.BitRateSwitch, data: new Uint8Array(1) }],
    ])("refuses %s, and goes on", (_, frame) => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      new CanLog(peer);
      expect(() => link.transmit(frame)).toThrow(UsageError);
      link.transmit(canFrame(1));
      run(ms(5));
      expect(near.told.map(({ what }) => what)).toEqual(["transmitted"]);
    });

    it("without power neither receives nor sends, and forgets what waited", () => {
      const { link, peer, run } = make();
      const [near, far] = [new CanLog(link), new CanLog(peer)];
      link.transmit(canFrame(1));
      link.transmit(canFrame(2));
      link.setActive(false);
      peer.transmit(canFrame(3));
      run(ms(5));
      expect(near.told).toHaveLength(0);
      expect(far.frames("received")).toHaveLength(0);
      peer.abortAll(); // nobody would ever acknowledge it
      run(ms(5));
      link.setActive(true);
      link.transmit(canFrame(4));
      run(ms(5));
      expect(far.frames("received").map(({ id }) => id)).toEqual([4]);
    });

    it("answers a transmit without power with aborted", () => {
      const { link, peer, run } = make();
      const near = new CanLog(link);
      new CanLog(peer);
      link.setActive(false);
      link.transmit(canFrame(1));
      run(ms(5));
      expect(near.told.map(({ what }) => what)).toEqual(["aborted"]);
    });
  });
}
