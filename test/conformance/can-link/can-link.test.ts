import { FaultyCanLink } from "../../../emulator/bus/faulty-can-link.ts";
import { SharedCanLink } from "../../../emulator/bus/shared-can-link.ts";
import { VirtualCanBus } from "../../../emulator/bus/virtual-can-bus.ts";
import { plus } from "../../../emulator/kernel/time.ts";
import { World } from "../../../emulator/kernel/world.ts";
import { canLinkSuite } from "./can-link-suite.ts";

canLinkSuite("VirtualCanBus", () => {
  const { timeline, trace } = new World();
  const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, trace);
  return {
    link: bus.join("node"),
    peer: bus.join("peer"),
    run: (span) => timeline.runUntil(plus(timeline.now, span)),
  };
});

canLinkSuite("FaultyCanLink without rules", () => {
  const { timeline, trace } = new World();
  const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, trace);
  return {
    link: new FaultyCanLink(bus.join("node"), { name: "can1", node: "node" }, timeline, trace, 1),
    peer: bus.join("peer"),
    run: (span) => timeline.runUntil(plus(timeline.now, span)),
  };
});

canLinkSuite("SharedCanLink, one of its ports", () => {
  const { timeline, trace } = new World();
  const bus = new VirtualCanBus({ name: "can1", bitRate: 500_000 }, timeline, trace);
  const shared = new SharedCanLink(bus.join("node"), timeline);
  shared.port();
  return {
    link: shared.port(),
    peer: bus.join("peer"),
    run: (span) => timeline.runUntil(plus(timeline.now, span)),
  };
});
