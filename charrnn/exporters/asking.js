// The panel in which the model answers a prompt: with a label, whose probabilities move as the
// reader types, or with the likeliest replies, which are looked for when the reader asks.

const SHOWN = 12;  // labels, at most
const REPLIES = 5;

const ask = newest(async () => {
  const question = element("question").value;
  const labels = description.labels !== null;
  if (!question && !description.features) {
    element("answers").replaceChildren();
    element("asked").textContent = "";
    return;
  }
  if (!labels) element("asked").textContent = "Looking for replies.";
  const found = await (labels
    ? engine.start("labels", {prompt: question, features: features()}).done
    : engine.start("replies", {prompt: question, top: REPLIES, features: features()}).done);
  element("answers").replaceChildren(...found.slice(0, SHOWN).map(
    ({text, probability}) => bar(made("b", {text}), probability)));
  const unknown = [...question].filter((one) => !isKnown(one));
  const best = found.length ? `Likeliest: ${found[0].text || "an empty reply"}.` : "No reply was found.";
  element("asked").textContent = best + leftOut(unknown.join(""));
});

const symbols = new Set(description.symbols);

function isKnown(character) {
  if (description.tokens === "char") return symbols.has(character.codePointAt(0));
  return [...new TextEncoder().encode(character)].every((byte) => symbols.has(byte));
}

function setUpAsking() {
  const labels = description.labels !== null;
  element("question-name").textContent = labels ? "Text" : "Prompt";
  element("answer").hidden = labels;
  element("answer").addEventListener("click", ask);
  element("question").addEventListener("keydown", ({key}) => { if (key === "Enter") ask(); });
  if (labels) element("question").addEventListener("input", ask);
  givenChanged.push(() => { if (!element("ask").hidden) ask(); });
}

setUpAsking();
