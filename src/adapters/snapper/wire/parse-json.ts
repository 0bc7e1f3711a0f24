import { isUtf8 } from "node:buffer";
import { protocolError } from "./protocol-error.js";

/** How deep arrays and objects may be in each other: whatever walks through them may do so by calling itself. */
const MAX_DEPTH = 100;

/** @throws `GC_PROTOCOL_ERROR` it is not UTF-8, no JSON, or nested more than {@link MAX_DEPTH} deep */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw protocolError("a frame is not UTF-8");
  if (isTooDeep(bytes)) throw protocolError(`the JSON of a frame is nested more than ${MAX_DEPTH} deep`);
  try {
    return JSON.parse(bytes.toString());
  } catch {
    // The parser's error has what was sent in it, which is nobody's to report.
    throw protocolError("a frame is not JSON");
  }
}

/** What is no JSON may be judged either way. */
function isTooDeep(bytes: Buffer): boolean {
  let depth = 0;
  let isInString = false;
  for (let index = 0; index < bytes.length; index++) {
    switch (bytes[index]) {
      case 0x5c: // \
        if (isInString) index++;
        break;
      case 0x22: // "
        isInString = !isInString;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (!isInString && ++depth > MAX_DEPTH) return true;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (!isInString) depth--;
        break;
      default:
    }
  }
  return false;
}
