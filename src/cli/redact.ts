/** Takes passwords out of an error message that may have URLs in it: rather too much of the message than too little. */
export function redact(message: string): string {
  const safe = message.replaceAll(/\/\/.*@(?=\S)/gs, "//***@").replaceAll(/(password=)[^&\s'"]*/gi, "$1***");
  // A URL may also have been given without what it begins with.
  return safe === message ? message.replaceAll(/(["']).*@(?=\S)/gs, "$1***@") : safe;
}
