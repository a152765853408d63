// The panels that follow a text: its surprise and what may come next, and the units inside.

const BOUNDS = [1, 2, 3, 4, 6];  // nats, between the colours of a surprise
const STEPS_OF_ACTIVATION = [-0.75, -0.5, -0.25, 0.25, 0.5, 0.75];
const LIKELIEST = 8;
const TAKEN = 600;  // characters of what was typed or written, to look inside

const level = (bounds, value) => bounds.filter((bound) => value >= bound).length;
let first = null;  // the text of the likeliest next character, once it is known

const showTyped = newest(async () => {
  first = null;
  const text = element("typed").value;
  const options = {text, prompt: prompt(), features: features(), next: LIKELIEST};
  const {characters, next} = await engine.start("read", options).done;
  element("colours").replaceChildren(...characters.map(({text, known, nats}) => {
    const step = nats === null ? 0 : level(BOUNDS, nats);
    const kind = known ? (step ? `n${step}` : "") : "unknown";
    return kind ? made("span", {class: kind, text}) : text;
  }), "\u200b");
  const unknown = characters.filter(({known}) => !known).map(({text}) => text).join("");
  element("unknown").textContent = leftOut(unknown).trim();
  if (text === element("typed").value) first = next[0].text || null;
  const focused = [...element("next").children].findIndex((row) => row.contains(document.activeElement));
  element("next").replaceChildren(...next.map(({text, byte, end, probability}) => {
    const name = end ? "end" : byte === undefined ? glyph(text) : `byte ${byte}`;
    if (end || byte !== undefined) return bar(made("b", {text: name}), probability);
    const button = made("button", {type: "button", text: name, "aria-label": `add ${name}`});
    button.addEventListener("click", () => add(text));
    return bar(button, probability);
  }));
  if (focused >= 0) (element("next").children[focused].querySelector("button") ?? element("typed")).focus();
});

function add(text) {
  element("typed").value += text;
  first = null;
  showTyped();
}

// A column for each character, with a stripe for each of the units.
const showUnits = newest(async () => {
  const chosen = [...document.querySelectorAll("#units input:checked")].map(({value}) => Number(value));
  if (!element("looked").value) {
    // The states of a record say nothing about the next one.
    const one = isText ? written.text : written.text.split(description.separator).find(Boolean);
    element("looked").value = Array.from(element("typed").value || one || "").slice(0, TAKEN).join("");
  }
  const text = element("looked").value, units = chosen.map((k) => description.units[k].place);
  const {characters} = await engine.start("read", {text, prompt: prompt(), features: features(), units}).done;
  const values = characters.flatMap(({active}) => active ?? []);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  element("largest").textContent = largest > 1 ? `(1 stands for ${largest.toFixed(1)})` : "";
  const words = [];  // a line breaks between them
  let word = null;
  for (const {text, active} of characters) {
    const stripes = (active ?? []).map((value) => {
      const step = level(STEPS_OF_ACTIVATION, value / largest);
      return made("i", step === 3 ? {} : {class: `a${step}`});
    });
    const shown = made("b", {text: text === "\n" ? "↵" : text});
    if (word === null) words.push(word = made("span", {class: "word"}));
    word.append(made("span", {class: "column"}, shown, ...stripes));
    if (text === "\n") words.push(made("br"));
    if (/\s/.test(text)) word = null;
  }
  element("strip").replaceChildren(...words);
});

function setUpTyping() {
  const typed = element("typed");
  typed.addEventListener("input", showTyped);
  typed.addEventListener("keydown", (event) => {
    const plain = !event.ctrlKey && !event.altKey && !event.metaKey && !event.shiftKey;
    const atEnd = typed.selectionStart === typed.value.length;
    if (event.key !== "ArrowRight" || event.isComposing || !plain || !atEnd || first === null) return;
    event.preventDefault();
    add(first);
  });
  element("looked").addEventListener("input", showUnits);
  description.units.forEach(({layer, state, number, feature, r}, k) => {
    const box = made("input", {type: "checkbox", value: k});
    box.checked = k < 3;
    box.addEventListener("change", showUnits);
    const name = ` ${feature}: layer ${layer}, ${state} ${number} (r ${r.toFixed(2).replace("-", "−")})`;
    element("units").append(made("label", {}, box, name));
  });
  givenChanged.push(() => {
    if (!element("type").hidden) showTyped();
    if (!element("look").hidden) showUnits();
  });
}

setUpTyping();
