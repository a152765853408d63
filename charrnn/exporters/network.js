// The layers of a model, which read one token at a time; `charrnn.model.stepper` computes the same.
//
// All numbers are float32 in one memory: that of the WebAssembly kernel, or an ArrayBuffer where
// there is no WebAssembly SIMD. Either way, every result has the same bits: both products add up in
// the same order, and the gates are computed by + - * / alone, which every browser rounds alike.

const BLOCK = 32;  // columns of a block of a packed matrix; see kernel.wat

const padded = (n) => Math.ceil(n / BLOCK) * BLOCK;

// tanh(x) to 3e-7, as a quotient of polynomials, which takes a third of the time of Math.tanh; the
// coefficients are those of Eigen's float32 tanh.
function tanh(x) {
  x = x > 7.9053111 ? 7.9053111 : x < -7.9053111 ? -7.9053111 : x;
  const s = x * x;
  let p = 2.00018790482477e-13 - s * 2.76076847742355e-16;
  p = 5.12229709037114e-8 + s * (-8.60467152213735e-11 + s * p);
  p = 6.37261928875436e-4 + s * (1.48572235717979e-5 + s * p);
  p = 4.89352455891786e-3 + s * p;
  let q = 1.18534705686654e-4 + s * 1.19825839466702e-6;
  q = 4.89352518554385e-3 + s * (2.26843463243900e-3 + s * q);
  return x * p / q;
}

const sigmoid = (x) => 0.5 * tanh(0.5 * x) + 0.5;

// y += x W without WebAssembly. `F` is the memory; the arguments are those of kernel.wat.
function plainProduct(F) {
  return (W, x, y, K, M) => {
    const end = x / 4 + K;
    for (let at = W / 4, out = y / 4; out < y / 4 + M; at += BLOCK * K, out += BLOCK) {
      for (let j = 0; j < BLOCK; j += 4) {
        let y0 = F[out + j], y1 = F[out + j + 1], y2 = F[out + j + 2], y3 = F[out + j + 3];
        for (let i = x / 4, w = at + j; i < end; i++, w += BLOCK) {
          const v = F[i];
          y0 = Math.fround(y0 + Math.fround(v * F[w]));
          y1 = Math.fround(y1 + Math.fround(v * F[w + 1]));
          y2 = Math.fround(y2 + Math.fround(v * F[w + 2]));
          y3 = Math.fround(y3 + Math.fround(v * F[w + 3]));
        }
        F[out + j] = y0, F[out + j + 1] = y1, F[out + j + 2] = y2, F[out + j + 3] = y3;
      }
    }
  };
}

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// The numbers of an array of parameters, as `charrnn.exporters.weights` has packed them.
function unpacked(bytes, {shape, at, bits, scale}) {
  const n = shape.reduce((a, b) => a * b, 1), found = new Float32Array(n);
  const from = (Type, start, count) => new Type(bytes.buffer, start, count);
  if (bits === 32) {
    found.set(from(Float32Array, at, n));
  } else if (bits === 16) {
    // The bits of an IEEE half, moved into a single, are its number times 2^-112.
    const halves = from(Uint16Array, at, n), single = new Float32Array(1);
    const word = new Uint32Array(single.buffer), factor = 2 ** 112 * scale;
    for (let i = 0; i < n; i++) {
      word[0] = (halves[i] & 0x8000) << 16 | (halves[i] & 0x7fff) << 13;
      found[i] = single[0] * factor;
    }
  } else {
    const M = shape[1], scales = from(Float32Array, at, M), whole = from(Int8Array, at + 4 * M, n);
    for (let i = 0; i < n; i++) found[i] = whole[i] * scales[i % M];
  }
  return found;
}

class Network {
  // `description` is that of `charrnn.exporters.description`, `bytes` the packed parameters, and
  // `kernel` the module of kernel.wat, or null to do without it.
  constructor(description, bytes, kernel) {
    const {cell, gates, states, layers: L, hidden: H, embedding: E, V, arrays} = description;
    Object.assign(this, {cell, gates, states, L, H, E, V});
    const width = ({shape}) => (shape.length > 1 ? shape[0] : 1) * padded(shape[shape.length - 1]);
    const G = padded(gates * H), K = L * states * H;
    this.R = padded(arrays.find(({name}) => name === "layers.0.Wh").shape[1]);
    const inputs = description.features ? description.features.mean.length : 0;
    const scratch = [G, G, H, padded(V), K + padded(K), inputs].reduce((a, b) => a + padded(b), 0);
    const bytesNeeded = 4 * (arrays.reduce((sum, one) => sum + width(one), 0) + scratch);
    const memory = kernel && new WebAssembly.Memory({initial: Math.ceil(bytesNeeded / 65536)});
    const F = this.F = new Float32Array(memory ? memory.buffer : new ArrayBuffer(bytesNeeded));
    this.product = kernel
      ? new WebAssembly.Instance(kernel, {charrnn: {memory}}).exports.product
      : plainProduct(F);

    let free = 0;
    const take = (n) => (free += padded(n)) - padded(n);
    this.at = {};  // of each array, in F
    for (const array of arrays) {
      this.at[array.name] = this.#place(array, unpacked(bytes, array), take);
    }
    if (!E) {  // the first layer's input is a row of Wx + b
      const {["layers.0.Wx"]: Wx, ["layers.0.b"]: b} = this.at, n = gates * H;
      for (let i = 0; i < V * n; i++) F[Wx + i] += F[b + i % n];
    }
    this.a = take(G);
    this.ah = take(G);
    this.mh = take(H);
    this.h = take(K);  // all states: those of layer 0, then those of layer 1, ...
    this.first = take(K);
    this.x = take(inputs);
    const logits = take(V);
    this.logits = F.subarray(logits, logits + V);
  }

  // Matrices that multiply are packed; the rest, which is looked up or added, is not.
  #place({name, shape}, values, take) {
    const [K, M] = shape, F = this.F, lookedUp = this.E ? "embedding.E" : "layers.0.Wx";
    if (shape.length < 2 || name === lookedUp) {
      const at = take(values.length);
      F.set(values, at);
      return at;
    }
    const at = take(K * padded(M));
    for (let i = 0, from = 0; i < K; i++) {
      for (let j = 0; j < M; j++) {
        F[at + (j - j % BLOCK) * K + i * BLOCK + j % BLOCK] = values[from++];
      }
    }
    return at;
  }

  // What the network has read, to go on from there later.
  save() {
    const {F, h, L, states, H, logits} = this;
    return {states: F.slice(h, h + L * states * H), logits: logits.slice()};
  }

  restore({states, logits}) {
    this.F.set(states, this.h);
    this.logits.set(logits);
  }

  // Begin a text: with zero states, or with those of features, standardised. Every token is equally
  // likely until one is read.
  begin(features = null) {
    const {F, at, L, states, H} = this, K = L * states * H;
    F.fill(0, this.h, this.h + K);
    this.logits.fill(0);
    if (!features) return;
    F.set(features, this.x);
    F.copyWithin(this.first, at["features.b"], at["features.b"] + K);
    this.product(4 * at["features.W"], 4 * this.x, 4 * this.first, features.length, padded(K));
    for (let k = 0; k < K; k++) F[this.h + k] = tanh(F[this.first + k]);
  }

  // Read a token; `logits` are then those of the next one, until another is read.
  read(code) {
    const {F, at, H, E, V, R, gates, a, ah, mh, product} = this, G = gates * H;
    const step = STEPS[this.cell], gate = STATE_GATES[this.cell];
    let x = E ? at["embedding.E"] + code * E : 0, D = E;
    for (let layer = 0; layer < this.L; layer++) {
      const name = `layers.${layer}.`, h = this.h + layer * this.states * H;
      if (layer || E) {
        F.copyWithin(a, at[name + "b"], at[name + "b"] + G);
        product(4 * at[name + "Wx"], 4 * x, 4 * a, D, padded(G));
      } else {
        const row = at[name + "Wx"] + code * G;
        F.copyWithin(a, row, row + G);
      }
      const bh = at[name + "bh"];  // with a second bias, the recurrent part is a sum of its own
      if (bh !== undefined) F.copyWithin(ah, bh, bh + G);
      if (gate) gate(F, H, a, h, mh);
      product(4 * at[name + "Wh"], 4 * (gate ? mh : h), 4 * (bh === undefined ? a : ah), H, R);
      step(F, H, a, h, ah);
      x = h;
      D = H;
    }
    const logits = this.logits.byteOffset;
    F.copyWithin(logits / 4, at["output.b"], at["output.b"] + V);
    product(4 * at["output.W"], 4 * x, logits, H, padded(V));
  }
}

// The gated state m * h that the recurrent product reads, for cells that have the gate m.
const STATE_GATES = {
  mogrifier(F, H, a, h, mh) {
    for (let j = 0; j < H; j++) F[mh + j] = (tanh(0.5 * F[a + 4 * H + j]) + 1) * F[h + j];
  },
};

// The states h (and c) of a layer after a step, from its pre-activations; see `charrnn.kernels`.
const STEPS = {
  rnn(F, H, a, h) {
    for (let j = 0; j < H; j++) F[h + j] = tanh(F[a + j]);
  },
  lstm(F, H, a, h) {
    for (let j = 0; j < H; j++) {
      const i = sigmoid(F[a + j]), f = sigmoid(F[a + H + j]), o = sigmoid(F[a + 2 * H + j]);
      const c = F[h + H + j] = Math.fround(f * F[h + H + j] + i * tanh(F[a + 3 * H + j]));
      F[h + j] = o * tanh(c);
    }
  },
  gru(F, H, a, h, ah) {
    for (let j = 0; j < H; j++) {
      const r = sigmoid(F[a + j] + F[ah + j]), z = sigmoid(F[a + H + j] + F[ah + H + j]);
      const n = tanh(F[a + 2 * H + j] + r * F[ah + 2 * H + j]);
      F[h + j] = n + z * (F[h + j] - n);
    }
  },
};
STEPS.mogrifier = STEPS.lstm;  // its gate m has acted before the recurrent product
