// Replies to a prompt: the probabilities of labels, and beam search for free replies.
// `charrnn.model.prediction` and `charrnn.model.beam` compute the same.

// The probabilities of labels, codes without an end, after the tokens that the network has read.
// Labels with a common beginning share its steps.
function labelProbabilities(network, end, labels) {
  const logProbs = new Float64Array(labels.length);
  const follow = (members, depth, total) => {
    const {states, logits} = network.save(), after = new Map();
    total -= logSumExp(logits);
    for (const k of members) {
      const code = labels[k][depth];
      if (code === undefined) logProbs[k] = total + logits[end];
      else after.set(code, [...(after.get(code) ?? []), k]);
    }
    for (const [code, some] of after) {
      network.restore({states, logits});
      network.read(code);
      follow(some, depth + 1, total + logits[code]);
    }
  };
  follow([...labels.keys()], 0, 0);
  const sum = logSumExp(logProbs);
  return Array.from(logProbs, (logProb) => Math.exp(logProb - sum));
}

// The likeliest replies after the tokens that the network has read, with their codes and logProb. It
// only falls as a reply grows, so the search ends when no beginning is likelier than the last of the
// replies found.
function beamSearch(network, {end, promptEnd}, {beam = 5, top = 1, length}) {
  const better = (a, b) => b.logProb - a.logProb;
  let found = [], beginnings = [{codes: [], logProb: 0, after: network.save()}];
  for (let n = 0; n <= length && beginnings.length; n++) {
    const longer = [];
    for (const one of beginnings) {
      const {logits} = one.after, sum = logSumExp(logits);
      for (let code = 0; code < network.V; code++) {
        const logProb = one.logProb + logits[code] - sum;
        if (code === end) found.push({codes: one.codes, logProb});
        else if (code !== promptEnd) longer.push({one, code, logProb});
      }
    }
    found = found.sort(better).slice(0, top);
    const best = n < length ? longer.sort(better).slice(0, beam) : [];
    if (found.length === top && !(best[0]?.logProb > found[top - 1].logProb)) break;
    beginnings = best.map(({one, code, logProb}) => {
      network.restore(one.after);
      network.read(code);
      return {codes: [...one.codes, code], logProb, after: network.save()};
    });
  }
  return found;
}
