import type { Appended, ChannelPosition, HistoryPosition } from "../../types.js";
import { REPEATED } from "./scripts.js";

/** The position in a text; undefined: there is none. */
export function readPosition(text: string | undefined): HistoryPosition | undefined {
  const dot = text?.indexOf(".") ?? -1;
  return dot < 0 ? undefined : { epoch: text!.slice(0, dot), offset: Number(text!.slice(dot + 1)) };
}

/** What became of a push to these channels of one partition, some of which may not keep it; if it was done before, by which id. */
export function readAppended(answer: string, names: readonly string[]): Appended & { id?: string } {
  if (!answer.startsWith(REPEATED)) return { positions: readPositions(answer, names) };
  const line = answer.indexOf("\n");
  const [positions = "", id = ""] = answer.slice(1, line).split(" ");
  return { positions: readPositions(positions, names), repeated: answer.slice(line + 1), id };
}

function readPositions(text: string, names: readonly string[]): ChannelPosition[] {
  const positions = text.split(",").map(readPosition);
  return names.flatMap((name, index): ChannelPosition[] => {
    const position = positions[index];
    return position ? [{ name, ...position }] : [];
  });
}
