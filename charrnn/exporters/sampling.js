// The choice of the next token from logits; `charrnn.model.sampling` chooses with the same
// probabilities, but with other random numbers.

// Random numbers in [0, 1): sfc32 of Chris Doty-Humphrey's PractRand, which passes its tests. Its
// four words begin as those of the seed, the stream and a counter; the first fifteen numbers are left
// out, after which each word depends on all of them.
class Random {
  // Args: a whole number from 0 to 2^53 - 1, and the number of a text or a record.
  constructor(seed, stream = 0) {
    this.s = Uint32Array.of(seed, seed / 2 ** 32, stream, 1);
    for (let i = 0; i < 15; i++) this.#word();
  }

  #word() {
    const s = this.s, word = s[0] + s[1] + s[3]++;
    s[0] = s[1] ^ s[1] >>> 9;
    s[1] = s[2] + (s[2] << 3);
    s[2] = (s[2] << 21 | s[2] >>> 11) + word;
    return word >>> 0;
  }

  next() { return ((this.#word() >>> 5) * 2 ** 26 + (this.#word() >>> 6)) / 2 ** 53; }
}

function largest(logits, never = -1) {
  let best = never === 0 ? 1 : 0;
  for (let k = best + 1; k < logits.length; k++) {
    if (logits[k] > logits[best] && k !== never) best = k;
  }
  return best;
}

// log(sum(exp(logits)))
function logSumExp(logits) {
  let most = -Infinity, sum = 0;
  for (let k = 0; k < logits.length; k++) if (logits[k] > most) most = logits[k];
  for (let k = 0; k < logits.length; k++) sum += Math.exp(logits[k] - most);
  return most + Math.log(sum);
}

// The codes from the likeliest to the least likely; equal ones in the order of the vocabulary.
function ranked(logits) {
  return Array.from(logits.keys()).sort((a, b) => logits[b] - logits[a]);
}

class Sampler {
  // The settings of charrnn's SamplingParams; temperature 0 chooses the likeliest token. A token
  // `never` is not chosen.
  constructor({temperature = 1, topK = null, topP = null, greedy = false}, V, never = null) {
    this.greedy = greedy || temperature === 0;
    this.temperature = Math.min(Math.max(temperature, 1e-30), 1e30);
    Object.assign(this, {topK: topK ?? Infinity, topP: topP ?? 1, never: never ?? -1});
    this.weights = new Float64Array(V);
  }

  choose(logits, random) {
    const best = largest(logits, this.never);
    if (this.greedy) return best;
    const {weights, temperature} = this, V = logits.length;
    let total = 0;
    for (let k = 0; k < V; k++) {
      weights[k] = k === this.never ? 0 : Math.exp((logits[k] - logits[best]) / temperature);
      total += weights[k];
    }
    let order = null, n = V;  // the tokens to draw from, and their number
    if (this.topK < V || this.topP < 1) {
      const all = total;
      order = ranked(weights);
      for (n = total = 0; n < Math.min(this.topK, V) && total / all < this.topP; n++) {
        total += weights[order[n]];
      }
    }
    let left = random.next() * total;
    for (let k = 0; k < n; k++) {
      const code = order ? order[k] : k;
      left -= weights[code];
      if (left < 0) return code;
    }
    return best;  // by rounding alone
  }
}
