import type { IsoTpConfig } from "../../../emulator/isotp/config.ts";
import { classicIsoTp } from "../../../emulator/isotp/defaults.ts";
import type { ReceptionFault, SendingFault } from "../../../emulator/isotp/misbehaviour.ts";
import { IsoTpReceiver, type ReceiverOutput } from "../../../emulator/isotp/receiver.ts";
import { IsoTpSender, type SenderOutput } from "../../../emulator/isotp/sender.ts";
import { type Duration, type Instant, plus, RUN_START } from "../../../emulator/kernel/time.ts";
import { decodeNPdu, type NPdu } from "../../../emulator/wire/n-pci.ts";
import { fromHex, toHex } from "../../../emulator/wire/text.ts";

const ADDRESS = { txId: 0x7e0, rxId: 0x7e8, extended: false } as const;
const bytesOf = (hex: string): Uint8Array => fromHex(hex.replaceAll(" ", "")) as Uint8Array;
export const counting = (length: number): Uint8Array => Uint8Array.from({ length }, (_, index) => index);

/** What a machine said, short: transmitted payloads as hex, the rest by name. */
const short = (output: SenderOutput | ReceiverOutput): string => {
  switch (output.type) {
    case "transmit":
      return toHex(output.payload);
    case "message":
      return `message ${toHex(output.data)}`;
    case "begun":
      return `begun ${output.length}`;
    case "failed":
      return output.result;
    case "sent":
    case "withdraw":
      return output.type;
  }
};

/** A sender by hand: time moves only by `wait`, which keeps to its deadlines. */
export class SenderDriver {
  readonly machine: IsoTpSender;
  now: Instant = RUN_START;

  constructor(overrides: Partial<IsoTpConfig> = {}, fault?: SendingFault) {
    const { padding: _, ...config } = classicIsoTp(ADDRESS, overrides);
    this.machine = new IsoTpSender(
      overrides.padding === undefined ? config : { ...config, padding: overrides.padding },
      { reception: () => undefined, sending: () => fault },
    );
  }

  send(message: Uint8Array): string[] {
    this.machine.handle({ type: "send", message }, this.now);
    return this.said();
  }

  confirm(): string[] {
    this.machine.handle({ type: "transmitted" }, this.now);
    return this.said();
  }

  receive(hex: string): string[] {
    this.machine.handle(decodeNPdu(bytesOf(hex)) as Extract<NPdu, { type: "FC" }>, this.now);
    return this.said();
  }

  /** Lets time pass; answers what came of deadlines, which are met exactly. */
  wait(span: Duration): string[] {
    const end = plus(this.now, span);
    const said: string[] = [];
    for (
      let next = this.machine.nextDeadline();
      next !== undefined && next <= end;
      next = this.machine.nextDeadline()
    ) {
      this.now = next;
      this.machine.handleDeadline(next);
      said.push(...this.said());
    }
    this.now = end;
    return said;
  }

  said(): string[] {
    const said: string[] = [];
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll()) said.push(short(output));
    return said;
  }
}

/** A receiver by hand, like {@link SenderDriver}. */
export class ReceiverDriver {
  readonly machine: IsoTpReceiver;
  /** Lengths of the messages whose first frames were accepted. */
  readonly begun: number[] = [];
  now: Instant = RUN_START;

  constructor(overrides: Partial<IsoTpConfig> = {}, fault?: ReceptionFault) {
    const { padding: _, ...config } = classicIsoTp(ADDRESS, overrides);
    this.machine = new IsoTpReceiver(
      overrides.padding === undefined ? config : { ...config, padding: overrides.padding },
      { reception: () => fault, sending: () => undefined },
    );
  }

  receive(hex: string): string[] {
    const payload = bytesOf(hex);
    this.machine.handle({ type: "received", pdu: decodeNPdu(payload), payload }, this.now);
    return this.said();
  }

  confirm(): string[] {
    this.machine.handle({ type: "transmitted" }, this.now);
    return this.said();
  }

  wait(span: Duration): string[] {
    const end = plus(this.now, span);
    const said: string[] = [];
    for (
      let next = this.machine.nextDeadline();
      next !== undefined && next <= end;
      next = this.machine.nextDeadline()
    ) {
      this.now = next;
      this.machine.handleDeadline(next);
      said.push(...this.said());
    }
    this.now = end;
    return said;
  }

  /** But for "begun", which {@link begun} tells. */
  said(): string[] {
    const said: string[] = [];
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll()) {
      if (output.type === "begun") this.begun.push(output.length);
      else said.push(short(output));
    }
    return said;
  }
}
