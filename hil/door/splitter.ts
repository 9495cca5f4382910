/** Cuts a stream of bytes into the texts that stand before one end character. Nothing longer than a limit is ever kept. */
export class Splitter {
  readonly #end: number;
  readonly #max: number;
  #text = "";
  #tooLong = false;

  /** @param end one ASCII character @param max the longest text, characters */
  constructor(end: string, max: number) {
    this.#end = end.charCodeAt(0);
    this.#max = max;
  }

  /** The texts that have come to their end, in order; undefined stands for one that was too long. */
  push(data: Uint8Array): (string | undefined)[] {
    const texts: (string | undefined)[] = [];
    for (const byte of data) {
      if (byte === this.#end) {
        texts.push(this.#tooLong ? undefined : this.#text);
        this.#text = "";
        this.#tooLong = false;
      } else if (this.#text.length >= this.#max) {
        this.#text = "";
        this.#tooLong = true;
      } else if (!this.#tooLong) {
        this.#text += String.fromCharCode(byte);
      }
    }
    return texts;
  }
}
