import ipaddr from "ipaddr.js";

/** Of what is no address; addresses are shorter. */
const MAX_LENGTH = 64;

/**
 * What counts as one address: IPv6 is handed out in networks of 64 bits, so that whoever has one has very many addresses. IPv4 in IPv6
 * is the same as IPv4. What is no address, as that of a Unix socket, is what it is, up to a length: proxies pass on what clients say.
 */
export function oneAddress(ip: string): string {
  if (!ipaddr.isValid(ip)) return ip.slice(0, MAX_LENGTH) || "unknown";
  const address = ipaddr.process(ip);
  if (address instanceof ipaddr.IPv4) return address.toString();
  return `${address.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(":")}::/64`;
}
