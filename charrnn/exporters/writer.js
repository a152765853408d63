// Texts, records and replies, written token by token.

class Writer {
  // Args: `codes` are read first, from the states of `features`, and texts are written after them.
  // `seed` is that of their random numbers; they have at most `most` tokens, and no token `never`.
  // The other settings are those of a Sampler.
  constructor(network, vocabulary, codes, settings) {
    const {features, seed, most = Infinity, never = null} = settings;
    Object.assign(this, {network, vocabulary, seed, most});
    this.sampler = new Sampler(settings, network.V, never);
    network.begin(features);
    codes.forEach((code) => network.read(code));
    this.start = network.save();
    this.begin(0);
  }

  // Begin text number k, whose random numbers depend on the seed and on k alone.
  begin(k) {
    this.decode = this.vocabulary.decoder();
    this.random = new Random(this.seed, k);
    this.tokens = 0;  // written, without the end
    this.logProb = 0;  // nats, at temperature 1
    this.ended = false;
    this.cut = false;  // whether the model would go on after the greatest number of tokens
    this.now = this.start;
    this.resume();
  }

  // Other texts may be read between `pause` and `resume`.
  pause() { this.now = this.network.save(); }
  resume() { this.network.restore(this.now); }

  // Write a token, and return the text that it completes.
  next() {
    const {network, vocabulary} = this, code = this.sampler.choose(network.logits, this.random);
    this.ended = code === vocabulary.end;
    this.cut = !this.ended && this.tokens === this.most;
    if (this.cut) return "";
    this.logProb += network.logits[code] - logSumExp(network.logits);
    if (this.ended) return "";
    this.tokens++;
    network.read(code);
    return this.decode(code);
  }
}
