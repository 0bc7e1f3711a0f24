import { protocolError } from "./protocol-error.js";

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const ZERO = 0x30;
const NINE = 0x39;

/** Zeros at the beginning of a length count, too: there is an end to them. */
const MAX_DIGITS = 10;
/** What follows a frame's bytes. */
const END_BYTES = 2;
/** The first part of memory for a frame that comes in pieces. */
const FIRST_PART_BYTES = 1024;

const NOTHING: Buffer = Buffer.alloc(0);

/**
 * Takes bytes as they come, and gives the frames in them: bulk strings of RESP, `$<length>\r\n<bytes>\r\n`. It keeps no more than one
 * frame, and takes memory for what has come of it, not for what is announced. The time it takes grows with the number of bytes, in
 * however small pieces they come.
 *
 * @see https://redis.io/docs/latest/develop/reference/protocol-spec/#bulk-strings
 */
export class FrameDecoder {
  /** A frame that announces more is refused at once; may be changed between two frames. */
  maxFrameBytes: number;
  #chunk = NOTHING;
  #offset = 0;
  /** Where it is in the head of a frame. */
  #expects: "dollar" | "length" | "line feed" | "bytes" = "dollar";
  #digits = 0;
  /** Of the frame that is being read. */
  #length = 0;
  /** What has come of a frame that comes in pieces, and how much that is. */
  #gathered = NOTHING;
  #gatheredBytes = 0;

  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes;
  }

  /** Takes what has come; only when {@link next} has given all that came before. */
  append(chunk: Buffer): void {
    this.#chunk = chunk;
    this.#offset = 0;
  }

  /**
   * The next frame, undefined where more has to come first. It may be a part of the chunk: read it before the next {@link append}.
   * @throws `GC_PROTOCOL_ERROR` this is no frame, or one that is too long; nothing can be read after it
   */
  next(): Buffer | undefined {
    while (this.#expects !== "bytes") {
      if (this.#offset === this.#chunk.length) return undefined;
      this.#readHead(this.#chunk[this.#offset]!);
      this.#offset++;
    }
    const frame = this.#gatheredBytes === 0 ? this.#wholeFrame() : undefined;
    return frame ?? this.#gather();
  }

  #readHead(byte: number): void {
    if (this.#expects === "dollar") {
      if (byte !== DOLLAR) throw protocolError("a frame does not begin with $");
      this.#expects = "length";
    } else if (this.#expects === "line feed") {
      if (byte !== LF) throw protocolError("the line with a frame's length does not end with CR LF");
      this.#expects = "bytes";
    } else if (byte === CR && this.#digits > 0) {
      this.#expects = "line feed";
    } else {
      this.#readDigit(byte);
    }
  }

  #readDigit(byte: number): void {
    if (byte < ZERO || byte > NINE || this.#digits === MAX_DIGITS) throw protocolError("a frame's length is no number");
    this.#digits++;
    this.#length = this.#length * 10 + byte - ZERO;
    if (this.#length > this.maxFrameBytes) {
      throw protocolError(`a frame is longer than ${this.maxFrameBytes} bytes`);
    }
  }

  /** A frame that is in the chunk as a whole is not copied. */
  #wholeFrame(): Buffer | undefined {
    const end = this.#offset + this.#length;
    if (this.#chunk.length < end + END_BYTES) return undefined;
    const frame = this.#chunk.subarray(this.#offset, end);
    checkEnd(this.#chunk, end, END_BYTES);
    this.#offset = end + END_BYTES;
    this.#begin();
    return frame;
  }

  #gather(): Buffer | undefined {
    const bytes = Math.min(this.#length + END_BYTES - this.#gatheredBytes, this.#chunk.length - this.#offset);
    this.#makeRoom(this.#gatheredBytes + bytes);
    this.#chunk.copy(this.#gathered, this.#gatheredBytes, this.#offset, this.#offset + bytes);
    this.#offset += bytes;
    this.#gatheredBytes += bytes;
    checkEnd(this.#gathered, this.#length, this.#gatheredBytes - this.#length);
    if (this.#gatheredBytes < this.#length + END_BYTES) return undefined;
    const frame = this.#gathered.subarray(0, this.#length);
    this.#begin();
    return frame;
  }

  /** Twice as much each time, so that bytes are copied once or twice, not once for each piece. */
  #makeRoom(bytes: number): void {
    if (bytes <= this.#gathered.length) return;
    const size = Math.min(Math.max(bytes, this.#gathered.length * 2, FIRST_PART_BYTES), this.#length + END_BYTES);
    const larger = Buffer.allocUnsafeSlow(size);
    this.#gathered.copy(larger, 0, 0, this.#gatheredBytes);
    this.#gathered = larger;
  }

  #begin(): void {
    this.#expects = "dollar";
    this.#digits = 0;
    this.#length = 0;
    this.#gathered = NOTHING;
    this.#gatheredBytes = 0;
  }
}

/** @param bytes how much of what follows a frame is there */
function checkEnd(buffer: Buffer, end: number, bytes: number): void {
  const isRight = (bytes < 1 || buffer[end] === CR) && (bytes < END_BYTES || buffer[end + 1] === LF);
  if (!isRight) throw protocolError("a frame does not end with CR LF");
}
