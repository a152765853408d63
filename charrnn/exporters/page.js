// What the reader does with the page.

const engine = new Engine();
const element = (id) => document.getElementById(id);
let task = null;

element("write").onclick = async () => {
  task?.stop();
  element("text").textContent = element("prime").value;
  const seed = Math.floor(Math.random() * 2 ** 53);
  const options = {prime: element("prime").value, length: 500, seed};
  task = engine.start("write", options, (text) => element("text").append(text));
  await task.done.catch((error) => element("text").append(error.message));
};
element("stop").onclick = () => task?.stop();
