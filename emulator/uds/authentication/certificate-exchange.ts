import { Nrc, Sid } from "../../wire/uds.ts";
import { type Answer, negative, positive, type ServiceContext, WRONG_LENGTH } from "../service.ts";
import { checkCertificate } from "./check-certificate.ts";
import type { CertificateExchange } from "./config.ts";
import { clientProof, readFields, serverProof, sized } from "./fields.ts";
import { NOT_AUTHENTICATED } from "./memory.ts";
import { AuthenticationResult, AuthenticationTask } from "./tables.ts";

const CHALLENGE_LENGTH = 32;
const CLIENT_CHALLENGE_MIN = 16;
const CLIENT_CHALLENGE_MAX = 256;
/** Authorities that a client may hand in. */
const AUTHORITIES_MAX = 4;
/** certificateEvaluationId: the certificate of an authority below a trusted one. (docs/protocols/ecu.md) */
const EVALUATION_AUTHORITY = 0x0001;
const NO_BYTES = new Uint8Array(0);

/** 01 and 02: the client shows its certificate and gets a challenge. */
export function verifyCertificate(
  task: number,
  request: Uint8Array,
  config: CertificateExchange,
  context: ServiceContext,
): Answer {
  const { memory, host, now } = context;
  const { crypto } = host.secrets;
  const fields = readFields(request, [1, "sized", "sized"]);
  if (fields === undefined) return WRONG_LENGTH;
  const [configuration, data, challengeClient] = fields as [Uint8Array, Uint8Array, Uint8Array];
  const bidirectional = task === AuthenticationTask.VerifyCertificateBidirectional;
  const least = bidirectional ? CLIENT_CHALLENGE_MIN : 0;
  const { length } = challengeClient;
  // no session keys: communicationConfiguration is 00
  if (configuration[0] !== 0 || length < least || length > CLIENT_CHALLENGE_MAX) {
    return negative(Nrc.RequestOutOfRange);
  }
  memory.authentication = { ...memory.authentication, authenticated: false, expected: NOT_AUTHENTICATED.expected };
  const authorities = [...config.trusted, ...memory.authentication.authorities];
  const checked = checkCertificate(data, "client", authorities, config, crypto, now);
  if (checked.type === "bad") return negative(checked.nrc);
  const { publicKey, algorithm } = checked.certificate;
  if (algorithm === undefined) return negative(Nrc.CertificateInvalidContent);
  const challengeServer = host.secrets.random(CHALLENGE_LENGTH);
  const own = bidirectional ? ownProof(challengeServer, challengeClient, config, context) : [];
  if (own === undefined) return negative(Nrc.ChallengeCalculationFailed);
  const expected = { type: "ownership", publicKey, algorithm, challengeServer, challengeClient } as const;
  memory.authentication = { ...memory.authentication, expected };
  const result = AuthenticationResult.CertificateVerifiedOwnershipVerificationNecessary;
  return positive(Sid.Authentication, task, result, ...sized(challengeServer), ...own, ...sized(NO_BYTES));
}

/** Certificate and proof of the server; undefined when its key is no good. */
function ownProof(
  challengeServer: Uint8Array,
  challengeClient: Uint8Array,
  { own }: CertificateExchange,
  { host }: ServiceContext,
): readonly number[] | undefined {
  if (own === undefined) return undefined;
  const message = serverProof(challengeServer, challengeClient);
  const proof = host.secrets.crypto.sign(own.algorithm, own.key, message);
  return proof === undefined ? undefined : [...sized(own.certificate), ...sized(proof)];
}

/** 03: a challenge is good for one proof. */
export function proofOfOwnership(request: Uint8Array, { memory, host }: ServiceContext): Answer {
  const fields = readFields(request, ["sized", "sized"]);
  if (fields === undefined) return WRONG_LENGTH;
  const { expected } = memory.authentication;
  if (expected.type !== "ownership") return negative(Nrc.RequestSequenceError);
  const [proof, ephemeralKey] = fields as [Uint8Array, Uint8Array];
  if (ephemeralKey.length > 0) return negative(Nrc.RequestOutOfRange);
  memory.authentication = { ...memory.authentication, expected: NOT_AUTHENTICATED.expected };
  const { publicKey, algorithm, challengeServer, challengeClient } = expected;
  const message = clientProof(challengeServer, challengeClient);
  if (!host.secrets.crypto.verify(algorithm, publicKey, message, proof)) {
    return negative(Nrc.OwnershipVerificationFailed);
  }
  memory.authentication = { ...memory.authentication, authenticated: true };
  const result = AuthenticationResult.OwnershipVerifiedAuthenticationComplete;
  return positive(Sid.Authentication, AuthenticationTask.ProofOfOwnership, result, ...sized(NO_BYTES));
}

/** 04: an authority below a trusted one, so that certificates which it issued are taken. */
export function transmitCertificate(
  request: Uint8Array,
  config: CertificateExchange,
  { memory, host, now }: ServiceContext,
): Answer {
  const fields = readFields(request, [2, "sized"]);
  if (fields === undefined) return WRONG_LENGTH;
  const [id, data] = fields as [Uint8Array, Uint8Array];
  if ((id[0] as number) * 0x100 + (id[1] as number) !== EVALUATION_AUTHORITY) return negative(Nrc.RequestOutOfRange);
  const { authorities } = memory.authentication;
  const checked = checkCertificate(
    data,
    "authority",
    [...config.trusted, ...authorities],
    config,
    host.secrets.crypto,
    now,
  );
  if (checked.type === "bad") return negative(checked.nrc);
  memory.authentication = { ...memory.authentication, authorities: [...authorities, data].slice(-AUTHORITIES_MAX) };
  return positive(Sid.Authentication, AuthenticationTask.TransmitCertificate, AuthenticationResult.CertificateVerified);
}
