import { invalid } from "../../../arguments.js";

/** The curve of each algorithm's keys. @see https://www.rfc-editor.org/rfc/rfc7518#section-3.4 */
export const CURVES = { ES256: "prime256v1", ES384: "secp384r1", ES512: "secp521r1" } as const;

const ALGORITHMS = ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512"] as const;

/** How tokens are signed: HMAC with a secret, RSA or ECDSA with a key in PEM. */
export type TokenAlgorithm = (typeof ALGORITHMS)[number];

/** An option. @default HS256 */
export function tokenAlgorithm(option: string, value: unknown = "HS256"): TokenAlgorithm {
  const algorithm = ALGORITHMS.find((name) => name === value);
  if (!algorithm) throw invalid(option, value, `one of ${ALGORITHMS.join(", ")}`);
  return algorithm;
}
