import { reportError } from "../../diagnostics.js";
import { atEdge } from "../../member-sets.js";
import { unescape } from "../../redis/keys.js";
import type { SubscriptionListener } from "../../redis/subscription.js";
import type { ChangeGap, ChangeListener, MemberSetChange, Version } from "../../types.js";

type PublishedChange = [
  name: string,
  type: string,
  version: Version | null,
  reason: string,
  uids: string[],
  isEdge?: true,
];

/**
 * Tells of the changes that scripts publish; it gets the sid (escaped) in the place of the pub/sub channel.
 * @param channelOf the pub/sub channel by which changes of a channel come
 * @param source whom errors are reported of
 */
export function listenTo(
  listener: ChangeListener,
  channelOf: (name: string) => string,
  source: object,
): SubscriptionListener {
  const gapOf = (channels: readonly string[]): ChangeGap => {
    const missed = new Set(channels);
    // A Redis that was restarted, or whose replica has taken over, may have lost what it has told of.
    return { concerns: (name) => missed.has(channelOf(name)), mayHaveLost: true };
  };
  return {
    message: (message, escapedSid) => {
      const sid = unescape(escapedSid);
      for (const line of message.split("\n")) {
        try {
          tell(listener, line, sid);
        } catch (error) {
          reportError(source, error);
        }
      }
    },
    lost: (channels) => listener.interrupted?.(gapOf(channels)),
    gap: (channels) => listener.gap?.(gapOf(channels)),
  };
}

/** Tells a change, as the scripts publish it. */
function tell(listener: ChangeListener, line: string, sid: string): void {
  const [name, type, version, reason, uids, isEdge] = JSON.parse(line) as PublishedChange;
  if (type === "absent") {
    listener.absent?.(name, uids);
    return;
  }
  const change = (
    type === "clear" ? { type, name, sid } : { type, name, sid, version: version ?? undefined, uids, reason }
  ) as MemberSetChange;
  listener.change(isEdge ? atEdge(change) : change);
}
