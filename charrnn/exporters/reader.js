// A text as the reader types it: the surprise of each character, what may come next, and the
// activations of units. Of a text that has changed at its end, only the end is read again.

const EVERY = 32;  // tokens between the places from which reading can go on

class Reader {
  constructor(network, vocabulary) {
    Object.assign(this, {network, vocabulary});
    this.forget("");
  }

  forget(key) {
    Object.assign(this, {key, codes: [], nats: [], kept: [], active: []});
  }

  // Read codes from the states of features; `units` are places among all states. Token k then has
  // the surprise nats[k], null for the first, which nothing predicts, and the activations active[k]
  // after it.
  read(codes, features, units) {
    const {network} = this, key = JSON.stringify([features && [...features], units]);
    if (key !== this.key) this.forget(key);
    let same = 0;
    while (same < codes.length && codes[same] === this.codes[same]) same++;
    const last = Math.min(Math.floor(same / EVERY), this.kept.length - 1);
    this.kept.length = last + 1;
    if (last < 0) {
      network.begin(features);
      this.kept.push(network.save());
    } else {
      network.restore(this.kept[last]);
    }
    const start = (this.kept.length - 1) * EVERY;
    for (let k = start; k < codes.length; k++) {
      if (k % EVERY === 0 && k > start) this.kept.push(network.save());
      this.nats[k] = k ? logSumExp(network.logits) - network.logits[codes[k]] : null;
      network.read(codes[k]);
      this.active[k] = units.map((unit) => network.F[network.h + unit]);
    }
    this.codes = codes;
    this.nats.length = this.active.length = codes.length;
  }

  // The n likeliest next tokens, each with its probability.
  next(n) {
    const {logits} = this.network, sum = logSumExp(logits);
    return ranked(logits).slice(0, n).map((code) => (
      {...this.vocabulary.token(code), probability: Math.exp(logits[code] - sum)}));
  }

  // The characters of a typed text, each with its text, whether the model knows it, its surprise in
  // nats (null if nothing predicts it) and activations; and the n likeliest next tokens.
  // A reply is read after its `prompt`.
  typed(text, {prompt, features, units = [], next = 5}) {
    const {vocabulary} = this, characters = vocabulary.characters(text);
    const own = characters.flatMap(({codes}) => codes);
    const codes = prompt !== undefined
      ? vocabulary.asRecord(vocabulary.encode(prompt), own)
      : vocabulary.end === null ? vocabulary.asPrime(own) : [vocabulary.end, ...own];
    this.read(codes, features, units);
    let k = codes.length - own.length;
    const found = characters.map(({text, codes, known}) => {
      const of = this.nats.slice(k, k += codes.length);
      const nats = codes.length && !of.includes(null) ? of.reduce((a, b) => a + b, 0) : null;
      return {text, known, nats, active: codes.length ? this.active[k - 1] : null};
    });
    return {characters: found, next: this.next(next)};
  }
}
