// The worker: answers the messages of engine.js. Those that write take turns; the others are
// answered at once, while a text is written too.
//
//   {id, ask, ...options} -> {id, part}, any number of them, then {id, done} or {id, error: "..."}
//   {stop: id}               ends a `write`, `more` or `records` that is running or waits
//
//   ask       options                             answer
//   load      description, weights, plain         done: {simd}; weights are base64, plain is true
//                                                 to do without WebAssembly
//   write     prime, length, last, settings       parts: text; done: {ended, stopped, unknown};
//                                                 it ends after the text `last`, if there is one
//   more      length, last                        parts: text; done: {ended, stopped}; the last
//                                                 text goes on
//   records   n, prompt, prime, length, settings  parts: [{text, logProb, ended, attempt}];
//                                                 done: {stopped, unknown}
//   read      text, prompt, next, units, features done: {characters, next}; see reader.js
//   labels    prompt, features                    done: [{text, probability}], the likeliest first
//   replies   prompt, top, beam, length, features done: the same, of free replies
//
// Settings are temperature, topK, topP, greedy, seed and features; see sampling.js. Lengths count
// characters, those of records and replies tokens. Features are numbers as they stand in the data.
// `unknown` has the characters that the model does not know; they are left out.

const SLICE_MS = 16;  // after which parts are sent, and a stop is seen

let description, network, vocabulary, reader, writer;
let turn = Promise.resolve();  // the end of what is being written
const stopped = new Set();

// Let other messages in between two tokens of a writer; a timer would wait for 4 ms.
async function others(writer) {
  const {port1, port2} = new MessageChannel();
  writer.pause();
  await new Promise((resolve) => {
    port1.onmessage = () => { port1.close(); resolve(); };
    port2.postMessage(null);
  });
  writer.resume();
}

function standardised(features) {
  if (!description.features) return null;
  const {mean, std} = description.features;
  if (features?.length !== mean.length) throw new Error(`this model reads ${mean.length} features`);
  const bounded = (x) => Math.min(Math.max(x, -1e6), 1e6);
  return Float32Array.from(features, (x, k) => bounded((x - mean[k]) / std[k]));
}

function encoded(text) {
  const characters = vocabulary.characters(text ?? "");
  return {
    codes: characters.flatMap(({codes}) => codes),
    unknown: characters.filter(({known}) => !known).map(({text}) => text).join(""),
  };
}

// Read from the begin of a record to its reply, or of one without a prompt only the begin.
function read(prompt, features) {
  const codes = vocabulary.asRecord(encoded(prompt).codes);
  network.begin(standardised(features));
  codes.forEach((code) => network.read(code));
}

async function grow({id, length, last: stop}, send) {
  let text = "", since = performance.now(), left = length, tail = "";
  writer.resume();
  while (left > 0 && !writer.ended && !stopped.has(id) && !(stop && tail === stop)) {
    const piece = Array.from(writer.next()).slice(0, left);
    left -= piece.length;
    text += piece.join("");
    if (stop) tail = (tail + piece.join("")).slice(-stop.length);
    if (performance.now() - since < SLICE_MS) continue;
    send(text);
    text = "";
    await others(writer);
    since = performance.now();
  }
  if (text) send(text);
  writer.pause();
  return {ended: writer.ended, stopped: stopped.has(id)};
}

const ANSWERS = {
  async load({description: given, weights, plain}) {
    description = given;
    let module = null;
    try {
      if (!plain) module = new WebAssembly.Module(bytesOf(description.kernel));
    } catch {
      // There is no WebAssembly, no SIMD, or the browser does not know 'wasm-unsafe-eval'.
    }
    network = new Network(description, bytesOf(weights), module);
    vocabulary = new Vocabulary(description);
    reader = new Reader(network, vocabulary);
    return {simd: module !== null};
  },

  async write({prime, features, ...settings}, send) {
    const {codes, unknown} = encoded(prime), all = {...settings, features: standardised(features)};
    writer = new Writer(network, vocabulary, vocabulary.asPrime(codes), all);
    return {...await grow(settings, send), unknown};
  },

  more: grow,

  async records({id, n, prompt, prime, length: most = description.length, ...settings}, send) {
    const asked = encoded(prompt), begun = encoded(prime);
    const one = new Writer(network, vocabulary, vocabulary.asRecord(asked.codes, begun.codes), {
      ...settings, features: standardised(settings.features), most, never: vocabulary.promptEnd,
    });
    let written = [], since = performance.now();
    for (let k = 0; k < n && !stopped.has(id); k++) {
      one.begin(k);
      let text = "";
      while (!one.ended && !one.cut && !stopped.has(id)) {
        text += one.next();
        if (performance.now() - since < SLICE_MS) continue;
        send(written);
        written = [];
        await others(one);
        since = performance.now();
      }
      const {ended, cut, logProb} = one;
      if (ended || cut) written.push({text, logProb, ended, attempt: k});
    }
    send(written);
    return {stopped: stopped.has(id), unknown: asked.unknown + begun.unknown};
  },

  async read({text, features, ...options}) {
    return reader.typed(text, {...options, features: standardised(features)});
  },

  async labels({prompt, features}) {
    read(prompt, features);
    const {codes, texts} = description.labels;
    return labelProbabilities(network, vocabulary.end, codes)
      .map((probability, k) => ({text: texts[k], probability}))
      .sort((a, b) => b.probability - a.probability);
  },

  async replies({prompt, features, length = description.length, ...options}) {
    read(prompt, features);
    return beamSearch(network, vocabulary, {...options, length}).map(
      ({codes, logProb}) => ({text: vocabulary.decode(codes), probability: Math.exp(logProb)}));
  },
};

onmessage = ({data}) => {
  if ("stop" in data) {
    stopped.add(data.stop);
    return;
  }
  const {id, ask} = data, send = (part) => postMessage({id, part});
  const writes = ["write", "more", "records"].includes(ask);
  const answer = () => ANSWERS[ask](data, send);
  const answered = (writes ? turn.then(answer) : answer()).then(
    (done) => postMessage({id, done}),
    (error) => postMessage({id, error: error.message}),
  ).then(() => stopped.delete(id));
  if (writes) turn = answered;
};
