import { createHmac, generateKeyPairSync } from "node:crypto";
import test from "ava";
import jwt from "jsonwebtoken";
import { Auth } from "toa-net";
import type { TokenAlgorithm } from "../../../src/adapters/snapper/tokens/algorithms.js";
import { signingKey, type TokenKeys } from "../../../src/adapters/snapper/tokens/keys.js";
import { TokenSigner } from "../../../src/adapters/snapper/tokens/token-signer.js";
import { TokenVerifier } from "../../../src/adapters/snapper/tokens/token-verifier.js";

const REFUSED = { code: "GC_INVALID_TOKEN" };
const INVALID = { code: "GC_INVALID_ARGUMENT" };

function signer(keys: TokenKeys, algorithm: TokenAlgorithm = "HS256", expiresInSeconds = 60): TokenSigner {
  return new TokenSigner({ key: signingKey("secretKeys", keys, algorithm), algorithm, expiresInSeconds });
}

/** A new pair of keys, as PEM. */
function rsa(modulusLength = 2048) {
  return generateKeyPairSync("rsa", {
    modulusLength,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

function ec(namedCurve: string) {
  return generateKeyPairSync("ec", {
    namedCurve,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "sec1", format: "pem" },
  });
}

const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");
const inAMinute = Math.floor(Date.now() / 1000) + 60;

for (const algorithm of ["HS256", "HS384", "HS512"] as const) {
  test(`tokens › ${algorithm}: what is signed with a secret is verified with it, and with no other`, (t) => {
    const token = signer("one", algorithm).sign({ userId: "ann" });

    t.is(new TokenVerifier("one", algorithm).verify(token)["userId"], "ann");
    t.is(new TokenVerifier(Buffer.from("one"), algorithm).verify(token)["userId"], "ann");
    t.throws(() => new TokenVerifier("two", algorithm).verify(token), REFUSED);
    for (const other of ["HS256", "HS384", "HS512"] as const) {
      if (other !== algorithm) t.throws(() => new TokenVerifier("one", other).verify(token), REFUSED);
    }
  });
}

for (const [algorithm, pair, other] of [
  ["RS256", rsa(), rsa()],
  ["RS512", rsa(), rsa()],
  ["ES256", ec("prime256v1"), ec("prime256v1")],
  ["ES384", ec("secp384r1"), ec("secp384r1")],
  ["ES512", ec("secp521r1"), ec("secp521r1")],
] as const) {
  test(`tokens › ${algorithm}: what is signed with a private key is verified with it, and with its public key`, (t) => {
    const token = signer(pair.privateKey, algorithm).sign({ userId: "ann" });

    for (const key of [pair.privateKey, pair.publicKey, Buffer.from(pair.publicKey)]) {
      t.is(new TokenVerifier(key, algorithm).verify(token)["userId"], "ann");
    }
    t.throws(() => new TokenVerifier(other.publicKey, algorithm).verify(token), REFUSED);
    t.throws(() => signer(pair.publicKey, algorithm), INVALID);
    t.deepEqual(new Auth({ secrets: [pair.publicKey], algorithm }).verify(token)["userId"], "ann");
  });
}

test("tokens › the first key signs, all verify: keys can be changed one process after the other", (t) => {
  const [oldToken, newToken] = [signer(["old"]).sign({ n: 1 }), signer(["new", "old"]).sign({ n: 2 })];

  const both = new TokenVerifier(["new", "old"]);
  t.is(both.verify(oldToken)["n"], 1);
  t.is(both.verify(newToken)["n"], 2);
  t.throws(() => new TokenVerifier(["old"]).verify(newToken), REFUSED);
  t.throws(() => new TokenVerifier(["new"]).verify(oldToken), REFUSED);
});

test("tokens › one without a signature is refused, however it says so", (t) => {
  const verifier = new TokenVerifier("secret");
  for (const alg of ["none", "None", "NONE", "", undefined]) {
    const parts = `${encode({ alg, typ: "JWT" })}.${encode({ userId: "ann", exp: inAMinute })}`;
    for (const signature of ["", "AAAA", createHmac("sha256", "secret").update(parts).digest("base64url")]) {
      t.throws(() => verifier.verify(`${parts}.${signature}`), REFUSED, String(alg));
    }
    t.throws(() => verifier.verify(parts), REFUSED);
  }
});

test("tokens › a public key is no secret: what is signed with its text is refused", (t) => {
  for (const [algorithm, { publicKey }] of [
    ["RS256", rsa()],
    ["ES256", ec("prime256v1")],
  ] as const) {
    const parts = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ userId: "ann", exp: inAMinute })}`;
    const forged = `${parts}.${createHmac("sha256", publicKey).update(parts).digest("base64url")}`;
    const header = `${encode({ alg: algorithm, typ: "JWT" })}.${encode({ userId: "ann", exp: inAMinute })}`;
    const disguised = `${header}.${createHmac("sha256", publicKey).update(header).digest("base64url")}`;

    t.throws(() => new TokenVerifier(publicKey, algorithm).verify(forged), REFUSED);
    t.throws(() => new TokenVerifier(publicKey, algorithm).verify(disguised), REFUSED);
    t.throws(() => new TokenVerifier(publicKey, "HS256"), INVALID);
  }
});

test("tokens › a changed one is refused", (t) => {
  const verifier = new TokenVerifier("secret");
  const [header, , signature] = signer("secret").sign({ userId: "ann" }).split(".");

  t.throws(() => verifier.verify(`${header}.${encode({ userId: "bob", exp: inAMinute })}.${signature}`), REFUSED);
});

test("tokens › one that has expired, never does, or is not good yet is refused", (t) => {
  const verifier = new TokenVerifier("secret");
  const past = Math.floor(Date.now() / 1000) - 1;

  t.throws(() => verifier.verify(signer("secret").sign({ exp: past })), REFUSED);
  t.throws(() => verifier.verify(jwt.sign({ userId: "ann" }, "secret")), REFUSED);
  t.throws(() => verifier.verify(jwt.sign({ exp: inAMinute }, "secret", { notBefore: 30 })), REFUSED);
  for (const payload of ["text", "[]", "null", '{"exp":"9999999999"}', '{"exp":null}', '{"exp":1e400}']) {
    t.throws(() => verifier.verify(jwt.sign(payload, "secret")), REFUSED, payload);
  }
});

test("tokens › what is none is refused, and is not looked at where it is too long", (t) => {
  const verifier = new TokenVerifier("secret");

  for (const token of [undefined, null, 1, {}, [], "", ".", "..", "a.b.c", "💥.💥.💥", "x".repeat(8193)]) {
    t.throws(() => verifier.verify(token), REFUSED);
  }
  t.throws(() => verifier.verify(jwt.sign({ exp: inAMinute, text: "x".repeat(8192) }, "secret")), REFUSED);
  t.throws(() => signer("secret").sign({ text: "x".repeat(8192) }), INVALID);
});

test("tokens › a refusal is the same for all, and its cause says why", (t) => {
  const verifier = new TokenVerifier("secret");

  const errors = [
    t.throws(() => verifier.verify("a.b.c"), REFUSED),
    t.throws(() => verifier.verify(signer("other").sign({})), REFUSED),
    t.throws(() => verifier.verify(signer("secret", "HS256").sign({ exp: 1 })), REFUSED),
  ];

  t.is(new Set(errors.map(({ message }) => message)).size, 1);
  t.is(new Set(errors.map(({ cause }) => (cause as Error).message)).size, 3);
});

test("tokens › those of the old library are taken, and it takes ours", (t) => {
  for (const algorithm of ["HS256", "HS512"] as const) {
    const auth = new Auth({ secrets: ["secret"], algorithm, expiresIn: 60 });

    t.is(new TokenVerifier("secret", algorithm).verify(auth.sign({ userId: "ann" }))["userId"], "ann");
    t.is(auth.verify(signer("secret", algorithm).sign({ userId: "ann" }))["userId"], "ann");
  }
});

test("tokens › expire when they are to, and a payload's own time goes before that", (t) => {
  const verifier = new TokenVerifier("secret");
  const now = Date.now() / 1000;

  const { exp } = verifier.verify(signer("secret", "HS256", 1000).sign({}));
  t.true(Math.abs(exp - now - 1000) <= 2);
  t.is(verifier.verify(signer("secret", "HS256", 1000).sign({ exp: inAMinute })).exp, inAMinute);
});

test("tokens › what cannot be signed is refused", (t) => {
  for (const payload of [undefined, null, "text", 1, [], () => {}]) {
    t.throws(() => signer("secret").sign(payload as object), INVALID);
  }
  for (const payload of [{ exp: "soon" }, { iat: "now" }, { big: 1n }]) {
    t.throws(() => signer("secret").sign(payload), INVALID);
  }
});

test("tokens › keys that are wrong are refused, without being told", (t) => {
  const small = rsa(1024);
  const wrong: [unknown, TokenAlgorithm][] = [
    ["", "HS256"],
    [[], "HS256"],
    [["good", ""], "HS256"],
    [undefined, "HS256"],
    [[7], "HS256"],
    ["a hidden secret", "RS256"],
    ["-----BEGIN PUBLIC KEY-----\na hidden secret\n-----END PUBLIC KEY-----", "ES256"],
    [small.publicKey, "RS256"],
    [rsa().publicKey, "ES256"],
    [ec("secp384r1").publicKey, "ES256"],
    [ec("prime256v1").publicKey, "RS256"],
    [rsa().privateKey, "HS256"],
  ];

  for (const [keys, algorithm] of wrong) {
    const { message } = t.throws(() => new TokenVerifier(keys as TokenKeys, algorithm), INVALID);
    t.false(message.includes("hidden"));
    t.false(message.includes("BEGIN"));
  }
  t.throws(() => new TokenVerifier("secret", "none" as TokenAlgorithm), INVALID);
  t.throws(() => new TokenVerifier("secret", "toString" as TokenAlgorithm), INVALID);
});
