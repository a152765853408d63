// Text to codes and back; `charrnn.text.vocabulary` does the same.

class Vocabulary {
  constructor({tokens, symbols, end, promptEnd, newlines, reversePrompts}) {
    Object.assign(this, {tokens, symbols, end, promptEnd, newlines, reversePrompts});
    this.codes = new Map(symbols.map((symbol, code) => [symbol, code]));
    const newline = this.codes.get(10);
    this.separator = end ?? newline ?? null;  // what a text begins after
  }

  // The characters of a text, each with its codes: several with byte tokens. Codes that the model
  // does not know are left out, which `known` tells.
  characters(text) {
    if (this.newlines === "lf") text = text.replace(/\r\n?/g, "\n");
    const utf8 = new TextEncoder(), bytes = this.tokens === "byte";
    return Array.from(text, (character) => {
      const symbols = bytes ? [...utf8.encode(character)] : [character.codePointAt(0)];
      const codes = symbols.filter((one) => this.codes.has(one)).map((one) => this.codes.get(one));
      return {text: character, codes, known: codes.length === symbols.length};
    });
  }

  encode(text) { return this.characters(text).flatMap(({codes}) => codes); }

  // A beginning as a model reads it: after a newline, or after the symbol between records.
  asPrime(codes) {
    const begun = this.separator === null || codes[0] === this.separator;
    return begun ? codes : [this.separator, ...codes];
  }

  // The codes from the begin of a record to the beginning of its reply, or of the record itself.
  asRecord(prompt, prime = []) {
    if (this.promptEnd === null) return [this.end, ...prime];
    const asRead = this.reversePrompts ? prompt.slice().reverse() : prompt;
    return [this.end, ...asRead, this.promptEnd, ...prime];
  }

  // A function that returns the text which a code completes: with byte tokens an empty one until
  // the last byte of a character.
  decoder() {
    if (this.tokens === "char") return (code) => this.#character(code);
    const utf8 = new TextDecoder("utf-8", {ignoreBOM: true});
    return (code) => utf8.decode(this.#bytes([code]), {stream: true});
  }

  decode(codes) {
    if (this.tokens === "char") return codes.map((code) => this.#character(code)).join("");
    return new TextDecoder("utf-8", {ignoreBOM: true}).decode(this.#bytes(codes));
  }

  // A token on its own: its text, or the number of a byte that is no character on its own.
  token(code) {
    const symbol = this.symbols[code];
    if (symbol === undefined) return {code, text: this.#character(code), end: true};
    if (this.tokens === "byte" && symbol > 127) return {code, text: "", byte: symbol};
    return {code, text: String.fromCodePoint(symbol)};
  }

  // The end of a record has no text, that of a prompt is shown as a tab.
  #character(code) {
    if (code < this.symbols.length) return String.fromCodePoint(this.symbols[code]);
    return code === this.promptEnd ? "\t" : "";
  }

  #bytes(codes) {
    const shown = codes.filter((code) => code !== this.end);
    return Uint8Array.from(shown, (code) => this.symbols[code] ?? 9);
  }
}
