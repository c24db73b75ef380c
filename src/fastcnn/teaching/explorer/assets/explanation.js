/**
 * The explanation of one number: for each kind of layer, what the panel beside the map holds. Each function returns the elements, and
 * where the number comes from in the layer's input: the map, and the window in it, to be framed.
 */

const FORMULAS = {
  relu: (z) => `max(0, ${z})`,
  relu6: (z) => `min(max(0, ${z}), 6)`,
  sigmoid: (z) => `1 / (1 + e^−(${z}))`,
  tanh: (z) => `tanh(${z})`,
  silu: (z) => `${z} × sigmoid(${z})`,
  swish: (z) => `${z} × sigmoid(${z})`,
  leaky_relu: (z) => `${z} above 0, else a part of it: leaky_relu(${z})`,
};

const MERGES = { Add: "+", Subtract: "−", Multiply: "×", Average: "and", Maximum: "or", Minimum: "or" };

function line(...children) {
  return element("p", { class: "sum" }, ...children);
}

function number(value, id = null, name = "number") {
  return element("span", { class: name, id }, show(value));
}

/** The line that ends a sum of products: with the bias, it is what the kernel stored. */
function sumLines(count, added, bias, stored) {
  const parts = [`${count} product${count === 1 ? "" : "s"}`];
  if (bias !== null) parts.push(" + bias ", number(bias, "bias"));
  return [
    line(...parts, " = ", number(stored, "sum")),
    element("p", { class: "note" }, "Added again here, in 64 bits: ", number(added + (bias ?? 0), "again"), ". The kernel adds in 32 bits."),
  ];
}

function leftOut() {
  return [element("p", { class: "note" }, "The weights of this layer are left out: there was no room for them on this page.")];
}

const EXPLANATIONS = {
  input: () => ({ content: [element("p", {}, "A number of the input.")], where: null }),

  conv(model, layer, index, chosen, choose) {
    const found = convTerms(model, layer, index);
    if (!found) return { content: leftOut(), where: null };
    const { maps, wide, bias, window } = found;
    const strongest = maps.reduce((best, each) => (Math.abs(each.sum) > Math.abs(best.sum) ? each : best));
    const shown = maps.find(({ map }) => map === chosen) ?? strongest;
    const inside = maps.reduce((count, { taps }) => count + taps.filter((tap) => tap.inside).length, 0);
    const added = maps.reduce((sum, each) => sum + each.sum, 0);
    const content = [
      ...sumLines(inside, added, bias, storedSum(model, layer, index)),
      patchTable(`Patch × kernel, input map ${shown.map}`, shown.taps, wide),
    ];
    if (maps.length > 1) content.push(mapTable(`Sums of the ${maps.length} input maps`, maps, shown.map, choose));
    return { content, where: { map: shown.map, window } };
  },

  dense(model, layer, index) {
    const found = denseTerms(model, layer, index);
    return { content: found ? products(model, layer, index, found) : leftOut(), where: null };
  },

  transposed(model, layer, index) {
    const found = transposedTerms(model, layer, index);
    return { content: found ? products(model, layer, index, found) : leftOut(), where: null };
  },

  pool(model, layer, index) {
    const { map, taps, wide, winner, count, sum, window } = poolTerms(model, layer, index);
    const value = model.value(layer.output).data[index];
    const result = layer.largest
      ? line(`The largest of ${count} numbers is `, number(value, "sum"))
      : line("Sum ", number(sum, "again"), ` ÷ ${count} = `, number(value, "sum"));
    return { content: [result, windowTable(`Window in map ${map}`, taps, wide, layer.largest ? winner : -1)], where: { map, window } };
  },

  scale(model, layer, index) {
    const x = model.value(layer.inputs[0]).data[index];
    const place = index % layer.shape.at(-1);
    const [shift, factor, offset] = ["shift", "factor", "offset"].map((name) => model.weight(layer, name));
    if (!(shift && factor && offset)) return { content: leftOut(), where: null };
    const [s, f, o] = [shift, factor, offset].map((weight) => weight.data[place]);
    const stored = number(storedSum(model, layer, index), "sum");
    const content = [line("(", number(x, null, "x"), " − ", number(s), ") × ", number(f), " + ", number(o), " = ", stored)];
    return { content, where: samePlace(layer, index) };
  },

  activation(model, layer, index) {
    const x = model.value(layer.inputs[0]).data[index];
    return { content: [functionLine(layer.function, x, model.value(layer.output).data[index])], where: samePlace(layer, index) };
  },

  softmax(model, layer, index) {
    const content = softmaxContent(model, layer, layer.inputs[0], layer.axis, index);
    return { content, where: null };
  },

  same(model, layer, index) {
    const x = model.value(layer.inputs[0]);
    const layout = new Layout(x.shape);
    const { map, row, column } = layout.place(index);
    const content = [line(`Passed on unchanged from ${layout.name(index)}: `, number(x.data[index], null, "x"))];
    return { content, where: { map, window: { top: row, left: column, bottom: row + 1, right: column + 1 } } };
  },

  merge(model, layer, index) {
    const parts = layer.inputs.flatMap((input, place) => [
      place ? ` ${MERGES[layer.type]} ` : "",
      number(model.value(input).data[index], null, "x"),
      ` (${model.makers.get(input).name})`,
    ]);
    const result = number(storedSum(model, layer, index), "sum");
    return { content: [line(`${layer.type}: `, ...parts, " → ", result)], where: samePlace(layer, index) };
  },

  other(model, layer, index) {
    const names = layer.inputs.map((input) => model.makers.get(input).name).join(", ");
    const content = [line(`${layer.type} of ${names} gives `, number(storedSum(model, layer, index), "sum"))];
    const same = layer.inputs.length === 1 && String(model.value(layer.inputs[0]).shape) === String(layer.shape);
    if (same) content.push(line("At the same place, its input is ", number(model.value(layer.inputs[0]).data[index], null, "x")));
    return { content, where: same ? samePlace(layer, index) : null };
  },
};

function storedSum(model, layer, index) {
  return model.value(layer.linear ?? layer.output).data[index];
}

function products(model, layer, index, { terms, bias }) {
  const added = terms.reduce((sum, { product }) => sum + product, 0);
  const lines = sumLines(terms.length, added, bias, storedSum(model, layer, index));
  return [...lines, termTable(`The largest of ${terms.length} products`, terms)];
}

function samePlace(layer, index) {
  const { map, row, column } = new Layout(layer.shape).place(index);
  return { map, window: { top: row, left: column, bottom: row + 1, right: column + 1 } };
}

function functionLine(name, z, y) {
  const formula = FORMULAS[name] ? FORMULAS[name](show(z)) : `${name}(${show(z)})`;
  return line(`${name}: ${formula} = `, number(y, "activated"));
}

function softmaxContent(model, layer, before, axis, index) {
  const terms = softmaxTerms(model.value(before), model.value(layer.output), axis, index);
  const chosen = terms.terms.find((term) => term.chosen);
  const isAnswer = layer.output === model.output;
  return [
    line("softmax: ", number(chosen.exponential), " ÷ ", number(terms.total), " = ", number(chosen.share, "activated")),
    softmaxTable("Softmax", terms, (place) => (isAnswer ? `class ${model.className(place)}` : String(place))),
  ];
}

/** What the panel holds for a number, and where it comes from. */
function explain(model, layer, index, chosen, choose) {
  const { content, where } = EXPLANATIONS[layer.kind](model, layer, index, chosen, choose);
  const y = model.value(layer.output).data[index];
  const activation = layer.activation;
  if (activation && activation.kind === "softmax") content.push(...softmaxContent(model, layer, layer.linear, activation.axis, index));
  else if (activation) content.splice(1, 0, functionLine(activation.function, storedSum(model, layer, index), y));
  return { content, where };
}
