/** authenticationTask. (ISO 14229-1:2020, Table 73) */
export const AuthenticationTask = {
  DeAuthenticate: 0x00,
  VerifyCertificateUnidirectional: 0x01,
  VerifyCertificateBidirectional: 0x02,
  ProofOfOwnership: 0x03,
  TransmitCertificate: 0x04,
  RequestChallengeForAuthentication: 0x05,
  VerifyProofOfOwnershipUnidirectional: 0x06,
  VerifyProofOfOwnershipBidirectional: 0x07,
  AuthenticationConfiguration: 0x08,
} as const;

/** authenticationReturnParameter. (ISO 14229-1:2020, Table B.5) */
export const AuthenticationResult = {
  RequestAccepted: 0x00,
  ConfigurationApce: 0x02,
  ConfigurationAcrAsymmetric: 0x03,
  ConfigurationAcrSymmetric: 0x04,
  DeAuthenticationSuccessful: 0x10,
  CertificateVerifiedOwnershipVerificationNecessary: 0x11,
  OwnershipVerifiedAuthenticationComplete: 0x12,
  CertificateVerified: 0x13,
} as const;
