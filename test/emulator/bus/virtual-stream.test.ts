import { describe, expect, it } from "vitest";
import type { StreamLink } from "../../../emulator/bus/link.ts";
import { VirtualStream, type VirtualStreamConfig } from "../../../emulator/bus/virtual-stream.ts";
import { UsageError } from "../../../emulator/kernel/errors.ts";
import { type Instant, ms } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";

type Told = [number, "opened"] | [number, "received", string] | [number, "closed", string];

class StreamLog {
  readonly told: Told[] = [];

  constructor(link: StreamLink) {
    link.attach({
      opened: (now) => void this.told.push([now, "opened"]),
      received: (data, now) => void this.told.push([now, "received", new TextDecoder().decode(data)]),
      closed: (reason, now) => void this.told.push([now, "closed", reason]),
    });
  }

  /** Without the instants. */
  get events(): unknown[] {
    return this.told.map(([, ...rest]) => rest.join(" "));
  }
}

const text = (characters: string): Uint8Array => new TextEncoder().encode(characters);

function streamOf(config: Partial<VirtualStreamConfig> = {}) {
  const world = new World();
  const whole = { name: "doip1", client: "VMG", server: "ZG_1", latency: ms(1), ...config };
  const stream = world.add("stream", new VirtualStream(whole, world.timeline, world.trace));
  const [client, server] = [new StreamLog(stream.client), new StreamLog(stream.server)];
  const end = (): void => world.timeline.runToIdle(ms(100_000) as unknown as Instant);
  const until = (at: number): void => world.timeline.runUntil(ms(at) as unknown as Instant);
  const trace = () => [...world.trace.events()].filter(({ source }) => source === "doip1");
  return { world, stream, client, server, end, until, trace };
}

describe("VirtualStream", () => {
  it("tells the server of a connection after one latency and the client after two", () => {
    const { stream, client, server, end, trace } = streamOf();
    stream.client.open();
    stream.client.open();
    end();
    expect(server.told).toEqual([[ms(1), "opened"]]);
    expect(client.told).toEqual([[ms(2), "opened"]]);
    expect(trace()).toMatchObject([{ type: "stream.opened", at: ms(2), client: "VMG", server: "ZG_1" }]);
  });

  it("carries bytes both ways, in order, one latency late", () => {
    const { stream, client, server, end } = streamOf();
    stream.client.open();
    end();
    for (const piece of ["a", "b", "c"]) stream.client.send(text(piece));
    stream.server.send(text("x"));
    end();
    expect(server.told.slice(1)).toEqual(["a", "b", "c"].map((piece) => [ms(3), "received", piece]));
    expect(client.told.slice(1)).toEqual([[ms(3), "received", "x"]]);
  });

  it("takes its time for many bytes when it has a rate, and queues what comes behind", () => {
    const { stream, server, end } = streamOf({ bytesPerSecond: 1000 });
    stream.client.open();
    end();
    stream.client.send(text("12345"));
    stream.client.send(text("6"));
    end();
    expect(server.told.slice(1)).toEqual([
      [ms(2 + 5 + 1), "received", "12345"],
      [ms(2 + 6 + 1), "received", "6"],
    ]);
  });

  it("loses bytes that are sent while no connection is open", () => {
    const { stream, server, end } = streamOf();
    stream.client.send(text("lost"));
    stream.client.open();
    stream.client.send(text("lost too"));
    end();
    expect(server.events).toEqual(["opened"]);
  });

  it.each(["client", "server"] as const)(
    "tells both ends when the %s closes, the other one behind the bytes",
    (who) => {
      const { stream, client, server, end, trace } = streamOf();
      stream.client.open();
      end();
      stream[who].send(text("last"));
      stream[who].close();
      stream[who].close();
      end();
      const [near, far] = who === "client" ? [client, server] : [server, client];
      expect(near.told.slice(1)).toEqual([[ms(2), "closed", "local"]]);
      expect(far.told.slice(1)).toEqual([
        [ms(3), "received", "last"],
        [ms(3), "closed", "remote"],
      ]);
      expect(trace().filter(({ type }) => type === "stream.closed")).toMatchObject([{ by: who, reason: "closed" }]);
    },
  );

  it("does not call back before close has returned", () => {
    const { stream, client, end } = streamOf();
    stream.client.open();
    end();
    stream.client.close();
    expect(client.events).toEqual(["opened"]);
    end();
    expect(client.events).toEqual(["opened", "closed local"]);
  });

  it("does not deliver what was on its way to a connection that is over to the next one", () => {
    const { stream, client, server, end } = streamOf();
    stream.client.open();
    end();
    stream.server.send(text("old"));
    stream.client.close();
    stream.client.open();
    end();
    stream.server.send(text("new"));
    end();
    expect(client.events).toEqual(["opened", "closed local", "opened", "received new"]);
    expect(server.events).toEqual(["opened", "closed remote", "opened"]);
  });

  it("gives up an open that has not been answered", () => {
    const { stream, client, server, end } = streamOf();
    stream.client.open();
    stream.client.close();
    end();
    expect(client.events).toEqual(["closed local"]);
    expect(server.events).toEqual(["opened", "closed remote"]);
  });

  it("refuses while nobody listens, and connects when somebody does again", () => {
    const { stream, client, server, end, trace } = streamOf();
    stream.server.setListening(false);
    stream.client.open();
    end();
    expect(client.told).toEqual([[ms(2), "closed", "refused"]]);
    stream.server.setListening(true);
    stream.client.open();
    end();
    expect(client.events).toEqual(["closed refused", "opened"]);
    expect(server.events).toEqual(["opened"]);
    expect(trace()).toMatchObject([{ type: "stream.closed", reason: "refused" }, { type: "stream.opened" }]);
  });

  it("severed, tells both ends at once and loses what was on its way", () => {
    const { stream, client, server, end, until } = streamOf();
    stream.client.open();
    end();
    stream.client.send(text("lost"));
    until(2.5);
    stream.sever("timeout");
    stream.sever("timeout");
    end();
    expect(client.told.at(-1)).toEqual([ms(2.5), "closed", "timeout"]);
    expect(server.told.slice(1)).toEqual([[ms(2.5), "closed", "timeout"]]);
    stream.client.open();
    end();
    expect(server.events.at(-1)).toBe("opened");
  });

  it("severed when nothing is open, does nothing", () => {
    const { stream, client, end, trace } = streamOf();
    stream.sever("reset");
    end();
    expect(client.told).toEqual([]);
    expect(trace()).toEqual([]);
  });

  it("lets the listener close, send and open while it is being told", () => {
    const { stream, end, client } = streamOf();
    const told: string[] = [];
    stream.server.attach({
      opened: () => stream.server.send(text("hello")),
      received: (data) => {
        told.push(new TextDecoder().decode(data));
        stream.server.close();
      },
      closed: (reason) => void told.push(reason),
    });
    stream.client.open();
    end();
    stream.client.send(text("bye"));
    stream.client.send(text("never seen"));
    end();
    expect(told).toEqual(["bye", "local"]);
    expect(client.events).toEqual(["opened", "received hello", "closed remote"]);
  });

  it("is opened by its client only", () => {
    const { stream } = streamOf();
    expect(() => stream.server.open()).toThrow(UsageError);
  });

  it("limits what is on its way", () => {
    const { stream, end } = streamOf();
    stream.client.open();
    end();
    const chunk = new Uint8Array(16 * 1024 * 1024);
    for (let index = 0; index < 4; index++) stream.client.send(chunk);
    expect(() => stream.client.send(chunk)).toThrow(UsageError);
  });

  it("can be forked while bytes are on their way", () => {
    const one = streamOf({ bytesPerSecond: 1000 });
    one.stream.client.open();
    one.end();
    for (let index = 0; index < 9; index++) one.stream.client.send(text(`piece ${index}`));
    one.stream.client.close();
    one.until(30);
    const snapshot = one.world.snapshot();
    const other = streamOf({ bytesPerSecond: 1000 });
    other.world.restore(snapshot);
    const before = one.server.told.length;
    one.end();
    other.end();
    expect(other.server.told).toEqual(one.server.told.slice(before));
    expect(other.world.trace.bytes()).toEqual(one.world.trace.bytes());
    expect(other.server.told.length).toBeGreaterThan(3);
  });
});
