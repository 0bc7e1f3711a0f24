// Reads Server-Sent Events where `EventSource` cannot be used, as it takes no other status than 200.

/** The events of a response, as they come. One that the end of the response cuts off is none. */
export async function* readEvents(response) {
  const parser = new Parser();
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) yield* parser.parse(text);
}

/** @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
class Parser {
  /** The last line, as far as it is there. */
  #line = "";
  /** A line feed that comes now belongs to the end of line before it. */
  #isAfterReturn = false;
  #type = "";
  #data = [];

  /** The events that this text ends; it may begin and stop anywhere. */
  *parse(text) {
    const added = this.#isAfterReturn && text.startsWith("\n") ? text.slice(1) : text;
    this.#isAfterReturn = text.endsWith("\r");
    const lines = (this.#line + added).split(/\r\n|\r|\n/);
    this.#line = lines.pop();
    for (const line of lines) {
      if (line !== "") this.#read(line);
      else yield* this.#end();
    }
  }

  #read(line) {
    // A comment is a field without a name. A value may be in any characters, also in those that `.` does not stand for by itself.
    const { name, value = "" } = /^(?<name>[^:]*)(?:: ?(?<value>.*))?$/s.exec(line).groups;
    if (name === "event") this.#type = value;
    else if (name === "data") this.#data.push(value);
  }

  *#end() {
    if (this.#data.length > 0) yield { type: this.#type || "message", data: this.#data.join("\n") };
    this.#type = "";
    this.#data = [];
  }
}
