import { readFile } from "node:fs/promises";

/** One key in PEM; `EC PARAMETERS`, which stand before some, are none. */
const PEM = /-----BEGIN ((?:[A-Z0-9]+ )*(?:KEY|CERTIFICATE))-----.*?-----END \1-----/gs;

/**
 * The secrets of a file, in its order: for HS algorithms one a line, as it stands, where blank lines are none; for others the keys in PEM
 * that are in it.
 * @throws where it cannot be read, or has none; never with what is in it
 */
export async function readSecretFile(file: string, algorithm: string): Promise<string[]> {
  const text = await readFile(file, "utf8").catch((error: Error) => {
    throw new Error(`--secret-file cannot be read: ${error.message}`, { cause: error });
  });
  const isPem = !algorithm.startsWith("HS");
  const secrets = isPem ? [...text.matchAll(PEM)].map(([pem]) => pem) : linesOf(text);
  if (secrets.length === 0) {
    const what = isPem ? `key in PEM, as ${algorithm} needs it` : "secret: one a line";
    throw new Error(`--secret-file ${file} has no ${what}`);
  }
  return secrets;
}

function linesOf(text: string): string[] {
  // Editors of Windows put a mark before the first line.
  return text
    .replace(/^\uFEFF/, "")
    .split(/\r?\n/)
    .filter((line) => line.trim() !== "");
}
