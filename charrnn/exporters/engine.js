// The engine of the page: a worker that runs the model, so that nothing freezes; see worker.js.

const inert = (id) => document.getElementById(id).textContent;

class Engine {
  // The page has the description of the model, its weights and the text of the worker as elements
  // that run nothing. `ready` is fulfilled once the model is loaded. `plain`: without WebAssembly.
  constructor({plain = false} = {}) {
    this.description = JSON.parse(inert("description"));
    this.tasks = new Map();
    const url = URL.createObjectURL(new Blob([inert("worker")], {type: "text/javascript"}));
    this.worker = new Worker(url);
    this.worker.onmessage = ({data}) => this.#receive(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      this.failure = new Error(event.message);
      for (const task of this.tasks.values()) task.reject(this.failure);
      this.tasks.clear();
    };
    const {description} = this, weights = inert("weights");
    this.ready = this.start("load", {description, weights, plain}).done;
  }

  // Ask the worker for something; see worker.js. `each` is called with every part of the answer.
  // Returns `done`, the promise of the whole answer, and `stop`, a function that ends it early.
  start(ask, options = {}, each = () => {}) {
    if (this.failure) return {done: Promise.reject(this.failure), stop: () => {}};
    const id = this.last = (this.last ?? 0) + 1;
    const done = new Promise((resolve, reject) => this.tasks.set(id, {each, resolve, reject}));
    this.worker.postMessage({...options, id, ask});
    return {done, stop: () => this.worker.postMessage({stop: id})};
  }

  #receive({id, part, done, error}) {
    const task = this.tasks.get(id);
    if (part !== undefined) {
      task.each(part);
      return;
    }
    this.tasks.delete(id);
    if (error === undefined) task.resolve(done);
    else task.reject(new Error(error));
  }
}
