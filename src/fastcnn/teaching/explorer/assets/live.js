/** Begins the page on which one draws: each change goes to the server, and what the layers answer is shown. */

/** How many of the last changes the times are told of. */
const TIMES = 500;
/** Milliseconds without a change after which the answer is read out. */
const PAUSE = 600;

class Live {
  constructor() {
    this.waiting = null;
    this.isBusy = false;
    this.times = [];
    this.explorer = null;
    this.pad = new Pad($("pad"), (time) => this.ask(() => this.pad.image(), time));
    this.afterPaint = new MessageChannel();
    this.afterPaint.port1.onmessage = (event) => this.count(performance.now() - event.data);
  }

  async begin() {
    $("drawing").hidden = false;
    const [description, digits] = await Promise.all([this.fetch("/description"), this.fetch("/digits")]);
    this.model = new Model(new Pack(description));
    this.makeDigits(new Uint8Array(digits));
    $("clear").addEventListener("click", (event) => {
      this.pad.clear();
      this.ask(() => this.pad.image(), event.timeStamp);
    });
    for (const id of ["gradients", "gradient-class"]) {
      $(id).addEventListener("change", (event) => this.ask(this.image, event.timeStamp), { capture: true });
    }
    this.choose(7);
  }

  async fetch(path, options) {
    const response = await fetch(path, options);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.arrayBuffer();
  }

  /** A button for each digit of the sample, which is the way to draw without a pointer. */
  makeDigits(bytes) {
    const size = SIDE * SIDE;
    this.digits = Array.from({ length: bytes.length / size }, (_, digit) => bytes.subarray(digit * size, (digit + 1) * size));
    this.digits.forEach((_, digit) => {
      const button = element("button", { type: "button", "aria-label": `Show a ${digit}` }, String(digit));
      button.addEventListener("click", (event) => this.choose(digit, event.timeStamp));
      $("digits").append(button);
    });
  }

  choose(digit, time = null) {
    this.pad.put(this.digits[digit]);
    this.ask(() => this.digits[digit], time);
  }

  /** Have what `image` gives worked on, once the server is free; of those asked for meanwhile, only the last, but from the time of the first. */
  async ask(image, time) {
    this.image = image;
    this.waiting = { image, time: this.waiting?.time ?? time };
    if (this.isBusy) return;
    this.setBusy(true);
    try {
      while (this.waiting) {
        const now = this.waiting;
        this.waiting = null;
        const headers = { "Content-Type": "application/octet-stream" };
        this.show(new Pack(await this.fetch(this.path(), { method: "POST", body: now.image(), headers })));
        // A message that is posted before a page is painted arrives after that.
        if (now.time !== null) requestAnimationFrame(() => this.afterPaint.port2.postMessage(now.time));
      }
      $("trouble").textContent = "";
    } catch (error) {
      $("trouble").textContent = `The server does not answer as it should: ${error.message}. Is fastcnn demo still running?`;
    } finally {
      this.setBusy(false);
    }
  }

  setBusy(isBusy) {
    this.isBusy = isBusy;
    $("answer").setAttribute("aria-busy", String(isBusy));
  }

  path() {
    return $("gradients").checked ? `/run?class=${$("gradient-class").value || "highest"}` : "/run";
  }

  show(run) {
    if (this.explorer) {
      this.explorer.isQuiet = true; // a stroke would have every change of it read out
      this.explorer.show(run);
      this.explorer.isQuiet = false;
      clearTimeout(this.telling);
      this.telling = setTimeout(() => ($("said").textContent = `The answer is ${this.model.className(this.explorer.best())}.`), PAUSE);
      return;
    }
    this.model.show(run);
    this.explorer = new Explorer(this.model);
    this.explorer.fillClasses(Array.from(this.model.value(this.model.output).data.keys()));
  }

  /** Tell how long it took from events to the page painted anew. */
  count(time) {
    this.times = [...this.times, time].slice(-TIMES);
    const sorted = [...this.times].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(1);
    $("latency").textContent = `From pen to picture: ${at(0.5)} ms (median of ${sorted.length}), ${at(0.95)} ms (95 %).`;
  }
}

new Live().begin().catch((error) => ($("trouble").textContent = error.message));
