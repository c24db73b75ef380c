/** Reads what pack.py wrote: a JSON text, and float32 numbers behind it. */
class Pack {
  /** @param {ArrayBuffer} buffer */
  constructor(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    this.head = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    this.numbers = new Float32Array(buffer, 4 + length);
  }

  /** The array that the JSON text calls `reference`: its shape and its numbers, which are not copied. */
  array({ at, shape }) {
    return { shape, data: this.numbers.subarray(at, at + shape.reduce((product, size) => product * size, 1)) };
  }
}

/** The pack that an element of the page holds as base64. */
function packInElement(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Pack(bytes.buffer);
}

/** A network, and what it did with one input. */
class Model {
  /** @param {Pack} description */
  constructor(description) {
    this.description = description;
    Object.assign(this, description.head);
    this.makers = new Map(this.layers.map((layer) => [layer.output, layer]));
    this.run = null;
  }

  /** The values and gradients of `run` are those shown from now on. */
  show(run) {
    this.run = run;
  }

  /** The value of a number: its shape and its numbers. */
  value(number) {
    return this.run.array(this.run.head.values[number]);
  }

  /** What a layer keeps under a name, or null if it has none or it was too large for the page. */
  weight(layer, name) {
    return layer[name] ? this.description.array(layer[name]) : null;
  }

  /** The classes that there are gradients of. */
  get differentiated() {
    return this.run.head.gradients.map((each) => each.class);
  }

  /** The gradient of the score of a class (null for the first that there is) with regard to a value; null where there is none. */
  gradient(chosen, number) {
    const found = this.run.head.gradients.find((each) => chosen === null || each.class === chosen);
    return found && found.values[number] ? this.run.array(found.values[number]) : null;
  }

  /** What an entry of the output is called. */
  className(index) {
    return this.classes[index] ?? String(index);
  }
}
