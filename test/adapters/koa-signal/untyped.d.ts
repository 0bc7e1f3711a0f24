declare module "koa-2" {
  export { default } from "koa";
}

declare module "ssejson" {
  import type { Duplex } from "node:stream";
  export function parse(event: string): Duplex;
}
