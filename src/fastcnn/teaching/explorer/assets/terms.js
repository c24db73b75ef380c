/**
 * What a number of a layer comes from: the numbers themselves, and their products, in 64 bits. Nothing of the page is touched here.
 * Products of two float32 numbers are exact; the sum that is shown is the one that the kernel stored.
 */

/** A convolution's terms: for each input map its taps and their sum. */
function convTerms(model, layer, index) {
  const x = model.value(layer.inputs[0]);
  const kernel = model.weight(layer, "kernel");
  const [height, width, channels] = x.shape;
  const filters = layer.shape[2];
  const { map: filter, row, column } = new Layout(layer.shape).place(index);
  const top = row * layer.stride[0] - layer.before[0];
  const left = column * layer.stride[1] - layer.before[1];
  if (!kernel) return null;
  const [tall, wide, each] = kernel.shape;
  const first = Math.floor(filter / (filters / layer.groups)) * each;
  const maps = Array.from({ length: each }, (_, channel) => {
    const taps = [];
    let sum = 0;
    for (let i = 0; i < tall; i++) {
      for (let j = 0; j < wide; j++) {
        const y = top + i * layer.dilation[0];
        const z = left + j * layer.dilation[1];
        const inside = y >= 0 && z >= 0 && y < height && z < width;
        const tap = { inside, w: kernel.data[((i * wide + j) * each + channel) * filters + filter] };
        if (inside) {
          tap.x = x.data[(y * width + z) * channels + first + channel];
          tap.product = tap.x * tap.w;
          sum += tap.product;
        }
        taps.push(tap);
      }
    }
    return { map: first + channel, taps, sum };
  });
  const bottom = top + (tall - 1) * layer.dilation[0] + 1;
  const right = left + (wide - 1) * layer.dilation[1] + 1;
  return { maps, wide, bias: biasOf(model, layer, filter), window: { top, left, bottom, right } };
}

/** The entry of the bias for an output, or null. */
function biasOf(model, layer, output) {
  const bias = model.weight(layer, "bias");
  return bias ? bias.data[output] : null;
}

/** A dense layer's terms: one for each input. */
function denseTerms(model, layer, index) {
  const x = model.value(layer.inputs[0]);
  const kernel = model.weight(layer, "kernel");
  if (!kernel) return null;
  const [size, units] = kernel.shape;
  const unit = index % units;
  const start = Math.floor(index / units) * size;
  const layout = new Layout(x.shape);
  const terms = Array.from({ length: size }, (_, i) => {
    const [value, w] = [x.data[start + i], kernel.data[i * units + unit]];
    return { name: layout.name(start + i), x: value, w, product: value * w };
  });
  return { terms, bias: biasOf(model, layer, unit) };
}

/** A transposed convolution's terms: the input's pixels whose kernels reach the output's. */
function transposedTerms(model, layer, index) {
  const x = model.value(layer.inputs[0]);
  const kernel = model.weight(layer, "kernel");
  if (!kernel) return null;
  const [tall, wide, filters, channels] = kernel.shape;
  const { map: filter, row, column } = new Layout(layer.shape).place(index);
  const layout = new Layout(x.shape);
  const terms = [];
  for (let i = 0; i < tall; i++) {
    for (let j = 0; j < wide; j++) {
      const y = (row + layer.before[0] - i * layer.dilation[0]) / layer.stride[0];
      const z = (column + layer.before[1] - j * layer.dilation[1]) / layer.stride[1];
      if (!Number.isInteger(y) || !Number.isInteger(z) || !layout.has(y, z)) continue;
      for (let channel = 0; channel < channels; channel++) {
        const value = x.data[layout.index(channel, y, z)];
        const w = kernel.data[((i * wide + j) * filters + filter) * channels + channel];
        terms.push({ name: layout.name(layout.index(channel, y, z)), x: value, w, product: value * w });
      }
    }
  }
  return { terms, bias: biasOf(model, layer, filter) };
}

/** A pooling's window, and which of its numbers is the largest: the first of equal ones, and NaN before all. */
function poolTerms(model, layer, index) {
  const x = model.value(layer.inputs[0]);
  const layout = new Layout(x.shape);
  // What a pooling of whole images gives may be a vector, with a number for each map.
  const place = layer.shape.length === 3 ? new Layout(layer.shape).place(index) : { map: index, row: 0, column: 0 };
  const top = place.row * layer.stride[0] - layer.before[0];
  const left = place.column * layer.stride[1] - layer.before[1];
  const taps = [];
  let winner = -1;
  let count = 0;
  let sum = 0;
  for (let i = 0; i < layer.window[0]; i++) {
    for (let j = 0; j < layer.window[1]; j++) {
      const inside = layout.has(top + i, left + j);
      const value = inside ? x.data[layout.index(place.map, top + i, left + j)] : 0;
      if (inside) {
        const best = winner < 0 ? null : taps[winner].x;
        if (best === null || value > best || (Number.isNaN(value) && !Number.isNaN(best))) winner = taps.length;
        count += 1;
        sum += value;
      }
      taps.push({ inside, x: value });
    }
  }
  const window = { top, left, bottom: top + layer.window[0], right: left + layer.window[1] };
  return { map: place.map, taps, wide: layer.window[1], winner, count, sum, window };
}

/** A softmax's terms: the numbers along its axis, their exponentials, and what each is of their sum. */
function softmaxTerms(before, after, axis, index) {
  const stride = before.shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const size = before.shape[axis];
  const start = index - (Math.floor(index / stride) % size) * stride;
  const entries = Array.from({ length: size }, (_, i) => start + i * stride);
  const most = entries.reduce((best, entry) => Math.max(best, before.data[entry]), -Infinity);
  const terms = entries.map((entry, i) => ({
    place: i,
    z: before.data[entry],
    exponential: Math.exp(before.data[entry] - most),
    share: after.data[entry],
    chosen: entry === index,
  }));
  return { terms, most, total: terms.reduce((sum, term) => sum + term.exponential, 0) };
}
