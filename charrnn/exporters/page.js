// The page around the panels: tabs, and the features and the label that all of them share.

const engine = new Engine();
const {description} = engine;
const element = (id) => document.getElementById(id);

// An element with a text, attributes and children.
function made(tag, {text, ...attributes} = {}, ...children) {
  const one = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  if (text !== undefined) one.textContent = text;
  one.append(...children);
  return one;
}

// A visible form of a character: blanks have a symbol; others that take no place of their own, or
// change the direction of the text after them, have their number.
const GLYPHS = {" ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍"};
const UNSEEN = /^[\p{C}\p{M}\p{Z}]$/u;
const numbered = (text) => `U+${text.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
const glyph = (text) => GLYPHS[text] ?? (UNSEEN.test(text) ? numbered(text) : text);

// A function that runs `task` after each call, or once after several calls that came while it ran.
// An error of the task is shown.
function newest(task) {
  let running = false, again = false;
  return async function run() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await task();
      element("trouble").textContent = "";
    } catch (error) {
      element("trouble").textContent = error.message;
    } finally {
      running = false;
      if (again) {
        again = false;
        run();
      }
    }
  };
}

function percent(p) {
  if (p >= 0.0995) return `${Math.round(100 * p)}%`;
  return p < 0.0005 ? "< 0.1%" : `${(100 * p).toFixed(1)}%`;
}

// A row of a list with bars: something to read or to press, and its probability.
function bar(shown, probability) {
  const meter = made("progress", {max: 1, value: probability, "aria-hidden": true});
  return made("li", {}, shown, meter, made("span", {text: percent(probability)}));
}

// The features and the label, of which every panel reads `features()` and `prompt()`; when they have
// changed, `givenChanged` are called.
const givenChanged = [];
const changed = () => givenChanged.forEach((one) => one());
const features = () => description.features && sliders.map((slider) => Number(slider.value));
const sliders = [];

function showFeatures({names: given, mean, std}) {
  const names = mean.map((_, k) => given[k] ?? `feature ${k + 1}`);
  const lower = names.map((name) => name.toLowerCase()).join(" ");
  const isColour = ["r g b", "red green blue"].includes(lower) && Math.max(...mean) > 1;
  names.forEach((name, k) => {
    const [low, high] = isColour ? [0, 255] : [mean[k] - 3 * std[k], mean[k] + 3 * std[k]];
    const step = isColour ? 1 : (high - low) / 200;
    const slider = made("input", {type: "range", min: low, max: high, step});
    slider.value = mean[k];
    const value = made("span");
    slider.show = () => { value.textContent = Number(Number(slider.value).toPrecision(3)); };
    slider.addEventListener("input", () => {
      slider.show();
      if (isColour) element("colour").value = hex();
      changed();
    });
    slider.show();
    sliders.push(slider);
    element("sliders").append(made("label", {}, `${name} `, value, " ", slider));
  });
  const hex = () => "#" + sliders.map(({value}) => Math.round(value).toString(16).padStart(2, "0")).join("");
  if (isColour) {
    element("colour-field").hidden = false;
    element("colour").value = hex();
    element("colour").addEventListener("input", ({target: {value}}) => {
      sliders.forEach((slider, k) => {
        slider.value = parseInt(value.slice(1 + 2 * k, 3 + 2 * k), 16);
        slider.show();
      });
      changed();
    });
  }
  element("features").hidden = false;
}

// The tabs: one for each panel that the model has; `shown` is called when a panel appears.
function showTabs(panels) {
  const tabs = panels.map(({id, name}) => made("button", {
    type: "button", role: "tab", id: `${id}-tab`, "aria-controls": id, text: name,
  }));
  const select = (k, focus = true) => panels.forEach(({id, shown = () => {}}, j) => {
    tabs[j].setAttribute("aria-selected", j === k);
    tabs[j].tabIndex = j === k ? 0 : -1;
    element(id).hidden = j !== k;
    if (j !== k) return;
    if (focus) tabs[k].focus();
    shown();
  });
  tabs.forEach((tab, k) => {
    element(panels[k].id).setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => select(k));
    tab.addEventListener("keydown", ({key}) => {
      const to = {ArrowRight: k + 1, ArrowLeft: k - 1, Home: 0, End: tabs.length - 1}[key];
      if (to !== undefined) select((to + tabs.length) % tabs.length);
    });
  });
  element("tabs").append(...tabs);
  element("tabs").hidden = tabs.length < 2;
  element("panels").hidden = false;
  select(0, false);
}

// What the model writes for: a label, or nothing.
const readsPrompts = description.promptEnd !== null;
const writesForLabels = readsPrompts && description.prompts !== null;
const prompt = () => (writesForLabels ? element("prompt").value : undefined);

engine.ready.then(() => {
  element("loading").hidden = true;
  if (description.features) showFeatures(description.features);
  if (writesForLabels) {
    element("prompt").append(...description.prompts.texts.map((text) => new Option(text, text)));
    element("prompt").addEventListener("change", changed);
    element("prompt-field").hidden = false;
  }
  const panels = [];
  if (!readsPrompts || writesForLabels) panels.push({id: "write", name: "Write", shown: writeIfChanged});
  if (readsPrompts && !writesForLabels) {
    panels.push({id: "ask", name: description.labels ? "Labels" : "Replies", shown: ask});
  }
  // A prompt cannot be followed while it is typed if it is read backwards, or was not learned.
  if (description.learnsPrompts || writesForLabels) {
    panels.push({id: "type", name: "Type", shown: showTyped});
    if (description.units.length) panels.push({id: "look", name: "Look inside", shown: showUnits});
  }
  showTabs(panels);
}, (error) => { element("loading").textContent = `The model cannot be loaded: ${error.message}`; });
