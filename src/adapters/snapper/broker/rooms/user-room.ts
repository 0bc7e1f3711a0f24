/** The room of all consumers of a user. */
export function userRoom(userId: string): string {
  return `user${userId}`;
}
