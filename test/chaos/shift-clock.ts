// Imported before a process of the chaos suite: its host's clock is off, by CHAOS_CLOCK_MS, for good.
const shiftMs = Number(process.env["CHAOS_CLOCK_MS"] ?? 0);

const TrueDate = Date;

if (shiftMs !== 0) {
  globalThis.Date = class extends TrueDate {
    static override now(): number {
      return TrueDate.now() + shiftMs;
    }

    constructor(...args: [] | [number | string | Date]) {
      super(args.length === 0 ? TrueDate.now() + shiftMs : args[0]);
    }
  } as DateConstructor;
}
