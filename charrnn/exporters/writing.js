// The panel in which texts or records grow.

const MOST_NAMED = 20;  // characters in a message
const isText = description.end === null;
let writing = null;  // the task that runs
let isChanged = true;  // whether what is shown was written for something else, or nothing yet
let written = {text: "", last: null, ended: true};  // what is shown, and the options it had

const numberOf = (id) => (element(id).value === "" ? null : Number(element(id).value));

function setUpWriting() {
  const temperature = element("temperature");
  temperature.value = isText ? 0.8 : 1;
  const show = () => { element("temperature-value").textContent = Number(temperature.value).toFixed(2); };
  temperature.addEventListener("input", show);
  show();
  element("amount-name").textContent = isText ? "Characters" : "How many";
  element("amount").value = isText ? 500 : 10;
  element("stop-field").hidden = element("more").hidden = !isText;
  givenChanged.push(() => {
    isChanged = true;
    if (!element("write").hidden) writeIfChanged();
  });
  element("go").addEventListener("click", () => write());
  element("stop").addEventListener("click", () => writing?.stop());
  element("more").addEventListener("click", () => { if (valid()) grow("more"); });
  element("copy").addEventListener("click", copy);
  element("save").addEventListener("click", save);
}

function settings() {
  const given = numberOf("seed");
  return {
    temperature: Number(element("temperature").value),
    topK: numberOf("top-k"),
    topP: numberOf("top-p"),
    seed: given ?? Math.floor(Math.random() * 1e6),
    features: features(),
  };
}

function setRunning(running) {
  const focused = document.activeElement;
  element("stop").disabled = !running;
  element("more").disabled = running || written.ended;
  for (const id of ["copy", "save"]) element(id).disabled = !written.text;
  // A button that is disabled loses the focus, which whoever uses the keyboard must not.
  if (focused.disabled) element(running ? "stop" : isText ? "more" : "go").focus();
}

const status = (text) => { element("status").textContent = text; };

async function run(task, say) {
  writing?.stop();
  writing = task;
  setRunning(true);
  status("Writing.");
  let said;
  try {
    said = say(await task.done);
  } catch (error) {
    said = error.message;
  }
  if (writing !== task) return;  // another one has begun
  writing = null;
  setRunning(false);
  status(said);
}

// What is said of characters that the model does not know.
function leftOut(unknown) {
  const some = [...new Set(unknown)], named = some.slice(0, MOST_NAMED).map(glyph).join(" ");
  if (!some.length) return "";
  return ` The model does not know ${named}${some.length > MOST_NAMED ? " …" : ""}, which it has not read.`;
}

// Whether all fields hold what they may; if not, the browser shows the first that does not.
function valid() {
  const invalid = document.querySelector("#write :invalid");
  invalid?.closest("details")?.setAttribute("open", "");
  return invalid?.reportValidity() ?? true;
}

// Write anew.
function write() {
  if (!valid()) return;
  isChanged = false;
  if (isText) {
    element("text").replaceChildren(made("span", {class: "given", text: element("prime").value}));
    written = {text: element("prime").value, ended: false, options: settings()};
    grow("write");
  } else {
    writeRecords();
  }
}

function writeIfChanged() {
  if (isChanged) write();
}

function grow(kind) {
  const started = performance.now(), {options} = written;
  let n = 0;
  const length = Number(element("amount").value), last = element("stop-after").value.replaceAll("\\n", "\n");
  const given = kind === "write" ? {...options, prime: element("prime").value} : {};
  const task = engine.start(kind, {...given, length, last}, (text) => {
    if (writing !== task) return;
    written.text += text;
    n += Array.from(text).length;
    element("text").append(text);
  });
  run(task, ({unknown}) => {
    const s = (performance.now() - started) / 1000;
    return `${n.toLocaleString("en")} characters, ${Math.round(n / s).toLocaleString("en")} a second; seed ${options.seed}.${leftOut(unknown)}`;
  });
}

function writeRecords() {
  const options = settings(), n = Number(element("amount").value);
  const list = made("ol");
  element("text").replaceChildren(list);
  written = {text: "", ended: true};
  const prime = element("prime").value;
  const task = engine.start("records", {...options, n, prime, prompt: prompt()}, (records) => {
    if (writing !== task) return;
    for (const {text, ended} of records) {
      written.text += `${prime}${text}${description.separator}`;
      const begin = made("span", {class: "given", text: prime});
      list.append(made("li", ended ? {} : {class: "cut"}, begin, text));
    }
  });
  run(task, ({unknown}) => `${list.children.length} of ${n}; seed ${options.seed}.${leftOut(unknown)}`);
}

async function copy() {
  try {
    await navigator.clipboard.writeText(written.text);
    status("Copied.");
  } catch {
    getSelection().selectAllChildren(element("text"));
    status("This browser copies what is selected: press Ctrl+C.");
  }
}

function save() {
  const url = URL.createObjectURL(new Blob([written.text], {type: "text/plain"}));
  made("a", {href: url, download: `${description.name}.txt`}).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

setUpWriting();
