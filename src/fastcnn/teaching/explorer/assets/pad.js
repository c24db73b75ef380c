/**
 * The drawing area, and how a drawing becomes an image as MNIST's are: the ink in a box of 20 × 20, its centre of mass in the middle of
 * 28 × 28 pixels, each the mean of what it covers.
 */

const SIDE = 28;
const BOX = 20;
/** Small drawings, as a stroke's beginning is, are not enlarged to fill the box: they count as this share of the area at least. */
const LEAST = 0.35;
const PEN = 20;

class Pad {
  /** `changed` is called with the time of the event that changed the drawing. */
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.changed = changed;
    this.last = null;
    canvas.addEventListener("pointerdown", (event) => this.begin(event));
    canvas.addEventListener("pointermove", (event) => this.draw(event));
    for (const type of ["pointerup", "pointercancel"]) canvas.addEventListener(type, () => (this.last = null));
  }

  begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.last = { id: event.pointerId, ...this.point(event) };
    this.line(this.last);
    this.changed(event.timeStamp);
  }

  draw(event) {
    if (!this.last || event.pointerId !== this.last.id) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) this.line(this.point(each));
    this.changed(event.timeStamp);
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
  }

  line({ x, y }) {
    const { context } = this;
    Object.assign(context, { lineWidth: PEN, lineCap: "round", lineJoin: "round", strokeStyle: "#111" });
    context.beginPath();
    context.moveTo(this.last.x, this.last.y);
    context.lineTo(x, y);
    context.stroke();
    Object.assign(this.last, { x, y });
  }

  clear() {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.last = null;
  }

  /** Show an image that somebody else drew, to be drawn on. */
  put(image) {
    this.clear();
    const small = Object.assign(document.createElement("canvas"), { width: SIDE, height: SIDE });
    const pixels = new ImageData(SIDE, SIDE);
    image.forEach((ink, i) => pixels.data.set([17, 17, 17, ink], i * 4));
    small.getContext("2d").putImageData(pixels, 0, 0);
    this.context.drawImage(small, 0, 0, this.canvas.width, this.canvas.height);
  }

  /** The drawing as SIDE × SIDE bytes, 0 for paper and 255 for ink. */
  image() {
    const { width, height } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    const ink = new Uint8Array(width * height);
    for (let i = 0; i < ink.length; i++) ink[i] = data[i * 4 + 3];
    const { box, centre } = extent(ink, width, height);
    const image = new Uint8Array(SIDE * SIDE);
    if (!box) return image;
    const step = Math.max(box.right - box.left, box.bottom - box.top, LEAST * width) / BOX;
    const sums = sumTable(ink, width, height);
    for (let row = 0; row < SIDE; row++) {
      for (let column = 0; column < SIDE; column++) {
        const top = centre.y + (row - SIDE / 2) * step;
        const left = centre.x + (column - SIDE / 2) * step;
        image[row * SIDE + column] = Math.round(sums(top, left, top + step, left + step) / (step * step));
      }
    }
    return image;
  }
}

/** The box that holds all ink, and the ink's centre of mass. */
function extent(ink, width, height) {
  const box = { top: height, left: width, bottom: 0, right: 0 };
  let [total, x, y] = [0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const amount = ink[row * width + column];
      if (!amount) continue;
      total += amount;
      x += amount * (column + 0.5);
      y += amount * (row + 0.5);
      box.top = Math.min(box.top, row);
      box.bottom = row + 1;
      box.left = Math.min(box.left, column);
      box.right = Math.max(box.right, column + 1);
    }
  }
  return total ? { box, centre: { x: x / total, y: y / total } } : { box: null, centre: null };
}

/** A function of the ink in a rectangle, whose edges may lie within pixels: by sums over all rectangles from the corner. */
function sumTable(ink, width, height) {
  const across = width + 1;
  const table = new Float64Array(across * (height + 1));
  for (let row = 0; row < height; row++) {
    for (let column = 0, sum = 0; column < width; column++) {
      sum += ink[row * width + column];
      table[(row + 1) * across + column + 1] = table[row * across + column + 1] + sum;
    }
  }
  const upTo = (y, x) => {
    const [row, column] = [Math.min(Math.max(y, 0), height), Math.min(Math.max(x, 0), width)];
    const [top, left] = [Math.min(Math.floor(row), height - 1), Math.min(Math.floor(column), width - 1)];
    const [down, right] = [row - top, column - left];
    const at = top * across + left;
    const above = table[at] * (1 - right) + table[at + 1] * right;
    const below = table[at + across] * (1 - right) + table[at + across + 1] * right;
    return above * (1 - down) + below * down;
  };
  return (top, left, bottom, right) => upTo(bottom, right) - upTo(top, right) - upTo(bottom, left) + upTo(top, left);
}
