import { Nrc, Sid } from "../../wire/uds.ts";
import { type Answer, negative, positive, type ServiceContext, WRONG_LENGTH } from "../service.ts";
import type { ChallengeResponse } from "./config.ts";
import { clientProof, readFields, serverProof, sized } from "./fields.ts";
import { NOT_AUTHENTICATED } from "./memory.ts";
import { AuthenticationResult, AuthenticationTask } from "./tables.ts";

const INDICATOR_LENGTH = 16;
const CHALLENGE_LENGTH = 32;
const CLIENT_CHALLENGE_MIN = 16;
const CLIENT_CHALLENGE_MAX = 256;
const NO_BYTES = new Uint8Array(0);

/** algorithmIndicator: the BER of an object identifier, filled up with zeros. (ISO 14229-1:2020, Table 79) */
const INDICATORS: Readonly<Record<ChallengeResponse["type"], readonly number[]>> = {
  /** hmacWithSHA256, 1.2.840.113549.2.9 (RFC 8018) */
  symmetric: [0x06, 0x08, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02, 0x09, 0, 0, 0, 0, 0, 0],
  /** ecdsa-with-SHA256, 1.2.840.10045.4.3.2 (RFC 5758) */
  asymmetric: [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0, 0, 0, 0, 0, 0],
};

const isOf = (config: ChallengeResponse, indicator: Uint8Array): boolean =>
  INDICATORS[config.type].every((octet, index) => octet === indicator[index]);

/** 05 */
export function requestChallenge(request: Uint8Array, config: ChallengeResponse, context: ServiceContext): Answer {
  const { memory, host } = context;
  const fields = readFields(request, [1, INDICATOR_LENGTH]);
  if (fields === undefined) return WRONG_LENGTH;
  const [configuration, indicator] = fields as [Uint8Array, Uint8Array];
  if (configuration[0] !== 0 || !isOf(config, indicator)) return negative(Nrc.RequestOutOfRange);
  const challengeServer = host.secrets.random(CHALLENGE_LENGTH);
  memory.authentication = {
    ...memory.authentication,
    authenticated: false,
    expected: { type: "response", challengeServer },
  };
  return positive(
    Sid.Authentication,
    AuthenticationTask.RequestChallengeForAuthentication,
    AuthenticationResult.RequestAccepted,
    ...indicator,
    ...sized(challengeServer),
    ...sized(NO_BYTES),
  );
}

/** 06 and 07: a challenge is good for one answer. */
export function verifyProof(
  task: number,
  request: Uint8Array,
  config: ChallengeResponse,
  context: ServiceContext,
): Answer {
  const { memory } = context;
  const fields = readFields(request, [INDICATOR_LENGTH, "sized", "sized", "sized"]);
  if (fields === undefined) return WRONG_LENGTH;
  const { expected } = memory.authentication;
  if (expected.type !== "response") return negative(Nrc.RequestSequenceError);
  const [indicator, proof, challengeClient, additional] = fields as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const bidirectional = task === AuthenticationTask.VerifyProofOfOwnershipBidirectional;
  const { length } = challengeClient;
  const fitting = length <= CLIENT_CHALLENGE_MAX && (!bidirectional || length >= CLIENT_CHALLENGE_MIN);
  if (!isOf(config, indicator) || additional.length > 0 || !fitting) return negative(Nrc.RequestOutOfRange);
  memory.authentication = { ...memory.authentication, expected: NOT_AUTHENTICATED.expected };
  const { challengeServer } = expected;
  if (!proves(proof, clientProof(challengeServer, challengeClient), config, context)) {
    return negative(Nrc.OwnershipVerificationFailed);
  }
  const own = bidirectional ? prove(serverProof(challengeServer, challengeClient), config, context) : NO_BYTES;
  if (own === undefined) return negative(Nrc.ChallengeCalculationFailed);
  memory.authentication = { ...memory.authentication, authenticated: true };
  const result = AuthenticationResult.OwnershipVerifiedAuthenticationComplete;
  const ownProof = bidirectional ? sized(own) : [];
  return positive(Sid.Authentication, task, result, ...indicator, ...ownProof, ...sized(NO_BYTES));
}

function proves(proof: Uint8Array, message: Uint8Array, config: ChallengeResponse, { host }: ServiceContext): boolean {
  const { crypto } = host.secrets;
  if (config.type === "asymmetric") return crypto.verify("ECDSA-P256-SHA256", config.clientKey, message, proof);
  const right = crypto.hmacSha256(config.key, message);
  return proof.length === right.length && proof.every((octet, index) => octet === right[index]);
}

function prove(message: Uint8Array, config: ChallengeResponse, { host }: ServiceContext): Uint8Array | undefined {
  const { crypto } = host.secrets;
  if (config.type === "symmetric") return crypto.hmacSha256(config.key, message);
  return config.own === undefined ? undefined : crypto.sign(config.own.algorithm, config.own.key, message);
}
