import type { ClientMessage } from "../types.js";

/** What a push is, besides its body. */
export interface PushText extends Pick<ClientMessage, "route" | "id"> {
  names: readonly string[];
  except: readonly string[];
}

/** What follows the names. */
type Extras = Pick<PushText, "except" | "id">;

const NOBODY: readonly string[] = Object.freeze([]);

/**
 * One line of fields with tabs between: the route and the names of the channels as JSON strings; then, if anybody is left out, the list
 * of them as JSON; then, if it has an id, that in an object.
 */
export function encodePushText({ route, names, except, id }: PushText): string {
  const fields = [JSON.stringify(route)];
  for (const name of names) fields.push(JSON.stringify(name));
  if (except.length > 0) fields.push(JSON.stringify(except));
  if (id !== undefined) fields.push(JSON.stringify({ id }));
  return fields.join("\t");
}

/** @throws where the text is none */
export function decodePushText(text: string): PushText {
  const fields = text.split("\t");
  const end = fields.findIndex((field) => !field.startsWith('"'));
  const [route, ...names] = (end < 0 ? fields : fields.slice(0, end)).map((field) => JSON.parse(field) as string);
  return { route: route!, names, ...decodeExtras(end < 0 ? [] : fields.slice(end)) };
}

/** What follows the names in such a line. @throws where the text is none */
export function decodeExtras(fields: readonly string[]): Extras {
  const extras: { -readonly [K in keyof Extras]: Extras[K] } = { except: NOBODY };
  for (const field of fields) {
    const value = JSON.parse(field) as string[] | { id: string };
    if (Array.isArray(value)) extras.except = value;
    else extras.id = value.id;
  }
  return extras;
}
