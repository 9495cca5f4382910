import { Nrc, Sid } from "../../wire/uds.ts";
import { proofOfOwnership, transmitCertificate, verifyCertificate } from "../authentication/certificate-exchange.ts";
import { requestChallenge, verifyProof } from "../authentication/challenge-response.ts";
import type { AuthenticationConfig } from "../authentication/config.ts";
import { NOT_AUTHENTICATED } from "../authentication/memory.ts";
import { AuthenticationResult, AuthenticationTask } from "../authentication/tables.ts";
import {
  ALL_SESSIONS,
  type Answer,
  negative,
  positive,
  type Service,
  type ServiceContext,
  WRONG_LENGTH,
} from "../service.ts";

const NO_TASK = negative(Nrc.SubFunctionNotSupported);

/** 0x29, where the server is configured for it. Session keys are not made. (ISO 14229-1:2020, 10.6) */
export const authentication: Service = {
  sid: Sid.Authentication,
  sessions: ALL_SESSIONS,
  unlocked: false,
  functional: false,
  subFunctions: new Map(Object.values(AuthenticationTask).map((task) => [task, ALL_SESSIONS])),
  run(request, context) {
    const { authentication: config } = context.config;
    return config === undefined ? NO_TASK : perform((request[1] as number) & 0x7f, request, config, context);
  },
};

function perform(task: number, request: Uint8Array, config: AuthenticationConfig, context: ServiceContext): Answer {
  const { certificates, challengeResponse } = config;
  switch (task) {
    case AuthenticationTask.DeAuthenticate:
      return deAuthenticate(request, context);
    case AuthenticationTask.AuthenticationConfiguration:
      return configuration(request, config);
    case AuthenticationTask.VerifyCertificateBidirectional:
      return certificates?.own === undefined ? NO_TASK : verifyCertificate(task, request, certificates, context);
    case AuthenticationTask.VerifyCertificateUnidirectional:
      return certificates === undefined ? NO_TASK : verifyCertificate(task, request, certificates, context);
    case AuthenticationTask.ProofOfOwnership:
      return certificates === undefined ? NO_TASK : proofOfOwnership(request, context);
    case AuthenticationTask.TransmitCertificate:
      return certificates === undefined ? NO_TASK : transmitCertificate(request, certificates, context);
    case AuthenticationTask.RequestChallengeForAuthentication:
      return challengeResponse === undefined ? NO_TASK : requestChallenge(request, challengeResponse, context);
    default:
      return challengeResponse === undefined ? NO_TASK : verifyProof(task, request, challengeResponse, context);
  }
}

function deAuthenticate(request: Uint8Array, { memory }: ServiceContext): Answer {
  if (request.length !== 2) return WRONG_LENGTH;
  memory.authentication = NOT_AUTHENTICATED;
  const result = AuthenticationResult.DeAuthenticationSuccessful;
  return positive(Sid.Authentication, AuthenticationTask.DeAuthenticate, result);
}

/** Where a server can do both, certificates are what it asks for. */
function configuration(request: Uint8Array, { certificates, challengeResponse }: AuthenticationConfig): Answer {
  if (request.length !== 2) return WRONG_LENGTH;
  const acr =
    challengeResponse?.type === "symmetric"
      ? AuthenticationResult.ConfigurationAcrSymmetric
      : AuthenticationResult.ConfigurationAcrAsymmetric;
  const result = certificates === undefined ? acr : AuthenticationResult.ConfigurationApce;
  return positive(Sid.Authentication, AuthenticationTask.AuthenticationConfiguration, result);
}
