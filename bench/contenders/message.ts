export const ROUTE = "onChat";

/** A chat message; its number comes last, where {@link numberAtEnd} looks for it. */
export function message(number: number): object {
  return { from: "user-1000000", text: "The quick brown fox jumps over the lazy dog, and comes back.", number };
}

/** The number of a message as text that ends with `"number":123`, then brackets: parsing all of it would slow everything down. */
export function numberAtEnd(text: string | Buffer): number {
  let number = 0;
  let unit = 0;
  for (let index = text.length - 1; index >= 0; index--) {
    const digit = (typeof text === "string" ? text.charCodeAt(index) : text[index]!) - 48;
    if (digit >= 0 && digit <= 9) {
      unit = unit === 0 ? 1 : unit * 10;
      number += digit * unit;
    } else if (unit > 0) return number;
  }
  throw new Error(`this is no message with a number: ${String(text)}`);
}
