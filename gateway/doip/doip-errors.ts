import { LinkError, PeerError } from "../../emulator/kernel/errors.ts";
import { DiagnosticNack, HeaderNack, RoutingActivationCode } from "../../emulator/wire/doip.ts";

/** The DoIP entity does not want us as a tester; `response` is its routing activation response code. */
export class DoipRoutingRefusedError extends PeerError {
  override readonly code = "DOIP_ROUTING_REFUSED";
  override readonly clause = "ISO 13400-2:2019, Table 49";
  readonly response: number;

  constructor(response: number) {
    super(`routing activation: ${codeText(RoutingActivationCode, response)}`);
    this.response = response;
  }
}

/** The DoIP entity could not read what we sent. */
export class DoipHeaderNackError extends PeerError {
  override readonly code = "DOIP_HEADER_NACK";
  override readonly clause = "ISO 13400-2:2019, Table 19";
  readonly nack: number;

  constructor(nack: number) {
    super(`generic header negative acknowledge: ${codeText(HeaderNack, nack)}`);
    this.nack = nack;
  }
}

/** What the DoIP entity sent is no DoIP, and what follows can't be read any more. */
export class DoipStreamError extends PeerError {
  override readonly code = "DOIP_STREAM_BROKEN";
  override readonly clause = "ISO 13400-2:2019, 7.3";
}

/**
 * A DoIP entity did not bring a message to the ECU. The code is "DOIP_" and the name of the negative acknowledge, such
 * as "DOIP_TARGET_UNREACHABLE". (ISO 13400-2:2019, Table 26)
 */
export class DiagnosticNackError extends LinkError {
  readonly nack: number;

  constructor(nack: number) {
    const name =
      nameOf(DiagnosticNack, nack)
        ?.replace(/(?<=.)[A-Z]/g, "_$&")
        .toUpperCase() ?? "DIAGNOSTIC_NACK";
    super(`DOIP_${name}`, `diagnostic message negative acknowledge: ${codeText(DiagnosticNack, nack)}`);
    this.nack = nack;
  }
}

const nameOf = (table: Readonly<Record<string, number>>, code: number): string | undefined =>
  Object.entries(table).find(([, value]) => value === code)?.[0];

const codeText = (table: Readonly<Record<string, number>>, code: number): string =>
  `${nameOf(table, code) ?? "code"} (0x${code.toString(16).padStart(2, "0")})`;
