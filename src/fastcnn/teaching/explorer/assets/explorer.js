/** The page: the row of layers, the maps of the chosen one, and the explanation of the chosen number. */

/** How many maps are shown until the others are asked for. */
const MAPS_AT_FIRST = 128;
const MAP_SIZE = 76;
const LARGE_SIZE = 330;
const LARGE_SIDE = 44;

const $ = (id) => document.getElementById(id);

class Explorer {
  /** @param {Model} model with a run to show */
  constructor(model) {
    this.model = model;
    this.layer = model.layers.find(({ kind }) => kind !== "input") ?? model.layers[0];
    this.index = this.middle(0);
    this.inputMap = null;
    this.showsGradients = false;
    this.gradientClass = null;
    this.shownMaps = MAPS_AT_FIRST;
    this.makeLayers();
    this.listen();
    this.update();
  }

  /** Where the chosen number lies. */
  get place() {
    return this.layout.place(this.index);
  }

  get layout() {
    return new Layout(this.layer.shape);
  }

  /** The number in the middle of a map. */
  middle(map) {
    const layout = this.layout;
    const [row, column] = [Math.floor((layout.rows - 1) / 2), Math.floor((layout.columns - 1) / 2)];
    return layout.index(map, row, column);
  }

  // --- What is chosen ---------------------------------------------------------------------------------------------------------

  chooseLayer(layer, index = null) {
    this.layer = layer;
    this.shownMaps = MAPS_AT_FIRST;
    this.inputMap = null;
    this.index = index ?? (layer.output === this.model.output ? this.best() : this.middle(0));
    this.update();
    $("layers").querySelector("[aria-selected=true]").scrollIntoView({ block: "nearest", inline: "center" });
  }

  /** The class of the highest score. */
  best() {
    const { data } = this.model.value(this.model.output);
    return Math.max(0, data.indexOf(data.reduce((best, value) => (value > best ? value : best), -Infinity))); // if all are NaN, the first
  }

  stepLayer(by) {
    const { layers } = this.model;
    const to = layers[Math.max(0, Math.min(layers.length - 1, layers.indexOf(this.layer) + by))];
    if (to !== this.layer) this.chooseLayer(to);
  }

  chooseMap(map) {
    const layout = this.layout;
    if (map < 0 || map >= layout.maps) return;
    const { row, column } = this.place;
    while (map >= this.shownMaps) this.shownMaps += MAPS_AT_FIRST;
    this.choosePixel(map, row, column);
  }

  choosePixel(map, row, column) {
    const layout = this.layout;
    if (!layout.has(row, column)) return;
    const before = this.place.map;
    this.index = layout.index(map, row, column);
    if (before !== map) this.markMap(true);
    this.updateNumber();
  }

  chooseInputMap(map) {
    this.inputMap = map;
    this.updateNumber();
    document.querySelector(`#explanation [data-map="${map}"]`)?.focus();
  }

  // --- The page ---------------------------------------------------------------------------------------------------------------

  /** Show a new run of the model. */
  show(run) {
    this.model.show(run);
    this.update();
  }

  update() {
    this.updateAnswer();
    this.updateLayers();
    this.updateMaps();
    this.updateNumber();
  }

  makeLayers() {
    this.tabs = this.model.layers.map((layer) => {
      const picture = element("canvas", { "aria-hidden": "true" });
      const sizes = layer.shape.join(" × ");
      const tab = element(
        "button",
        { type: "button", role: "tab", "aria-controls": "layer" },
        picture,
        element("span", { class: "name" }, layer.name), element("span", { class: "kind" }, layer.type), element("span", { class: "kind" }, sizes),
      );
      tab.addEventListener("click", () => this.chooseLayer(layer));
      $("layers").append(tab);
      return tab;
    });
  }

  updateLayers() {
    this.model.layers.forEach((layer, place) => {
      const tab = this.tabs[place];
      const { data } = this.model.value(layer.output);
      paintGlance(tab.firstChild, new Layout(layer.shape), data, largest(data));
      tab.setAttribute("aria-selected", String(layer === this.layer));
      tab.tabIndex = layer === this.layer ? 0 : -1;
    });
  }

  updateAnswer() {
    const list = $("answer");
    if (this.model.output === null) return list.replaceChildren();
    const { data } = this.model.value(this.model.output);
    const order = Array.from(data.keys());
    const classes = data.length <= 10 ? order : order.sort((a, b) => data[b] - data[a]).slice(0, 5);
    const [best, most] = [this.best(), largest(data) || 1];
    const rows = classes.map((index) => {
      const bar = element("span", { class: "bar", "aria-hidden": "true" }, element("span"));
      bar.firstChild.style.width = `${Math.max(0, Math.min(1, data[index] / Math.max(1, most))) * 100}%`;
      const name = element("span", { class: "class" }, this.model.className(index));
      return element("li", index === best ? { class: "best" } : {}, name, bar, element("span", { class: "score" }, show(data[index])));
    });
    list.replaceChildren(...rows);
  }

  updateMaps() {
    const { layer, layout } = this;
    const { data } = this.model.value(layer.output);
    const gradient = this.currentGradient();
    const sources = layer.inputs.map((input) => this.model.makers.get(input).name);
    $("layer-name").textContent = layer.name;
    const maps = layout.isImage ? `${layout.maps} map${layout.maps === 1 ? "" : "s"} of ${layout.rows} × ${layout.columns}` : `${layout.count} numbers`;
    $("layer-about").textContent = `${layer.type}${sources.length ? " of " + sources.join(", ") : ""}: ${maps}.`;
    this.most = largest(data);
    this.gradientMost = gradient ? largest(gradient.data) : 0;
    this.updateLegend(gradient);
    const shown = Math.min(layout.maps, this.shownMaps);
    $("maps").hidden = layout.maps === 1;
    $("maps").parentElement.parentElement.classList.toggle("single", layout.maps === 1);
    this.makeMaps(shown, Boolean(gradient));
    const side = sideFor(layout, MAP_SIZE, 12);
    [...$("maps").children].forEach((button, map) => {
      const [values, slopes] = button.querySelectorAll("canvas");
      paintMap(values, layout, data, map, this.most, side);
      if (gradient) paintMap(slopes, layout, gradient.data, map, this.gradientMost, side);
    });
    $("more").hidden = shown === layout.maps;
    $("more").textContent = `Show more of the ${layout.maps} maps`;
    this.markMap(false);
  }

  /** Make a button for each map, unless they are there from the run before. */
  makeMaps(count, withGradients) {
    const key = `${this.model.layers.indexOf(this.layer)} ${count} ${withGradients}`;
    if ($("maps").dataset.key === key) return;
    $("maps").dataset.key = key;
    const buttons = Array.from({ length: count }, (_, map) => {
      const pictures = [element("canvas"), ...(withGradients ? [element("canvas", { class: "gradient" })] : [])];
      const label = this.layout.isImage ? `map ${map}` : "numbers";
      const button = element("button", { type: "button", role: "radio", "aria-label": label }, ...pictures, element("span", {}, label));
      button.addEventListener("click", () => this.chooseMap(map));
      return button;
    });
    $("maps").replaceChildren(...buttons);
  }

  markMap(scrolls) {
    const { map } = this.place;
    if (map >= $("maps").children.length) this.updateMaps();
    [...$("maps").children].forEach((button, each) => {
      button.setAttribute("aria-checked", String(each === map));
      button.tabIndex = each === map ? 0 : -1;
      if (scrolls && each === map) button.scrollIntoView({ block: "nearest" });
    });
  }

  updateLegend(gradient) {
    const layout = new Layout([1, 21]);
    const steps = Float32Array.from({ length: 21 }, (_, step) => step - 10);
    paintMap($("legend"), layout, steps, 0, 10, 12);
    $("least").textContent = show(-this.most);
    $("most").textContent = show(this.most);
    const wanted = this.showsGradients && !gradient;
    const name = this.model.output !== null ? this.model.className(this.gradientClass ?? this.model.differentiated[0] ?? 0) : "";
    $("gradient-about").textContent = gradient
      ? `Below each map: the gradient of the score of ${name} (before a final softmax or sigmoid) with regard to its numbers; lightest ±${show(this.gradientMost)}.`
      : wanted ? "There is no gradient for this layer: it comes after the score, or the page has none." : "";
  }

  currentGradient() {
    return this.showsGradients ? this.model.gradient(this.gradientClass, this.layer.output) : null;
  }

  // --- One number -------------------------------------------------------------------------------------------------------------

  updateNumber() {
    const { model, layer, layout, index } = this;
    const { map, row, column } = this.place;
    const { data } = model.value(layer.output);
    const side = sideFor(layout, LARGE_SIZE, LARGE_SIDE);
    const here = { top: row, left: column, bottom: row + 1, right: column + 1 };
    paintMap($("large"), layout, data, map, this.most, side);
    frame($("large"), side, here);
    const gradient = this.currentGradient();
    $("large-gradient-figure").hidden = !gradient;
    if (gradient) {
      paintMap($("large-gradient"), layout, gradient.data, map, this.gradientMost, side);
      frame($("large-gradient"), side, here);
      $("slope").textContent = show(gradient.data[index]);
    }
    $("row").max = layout.rows - 1;
    $("column").max = layout.columns - 1;
    $("row").value = row;
    $("column").value = column;
    const isAnswer = layer.output === model.output;
    const name = isAnswer ? `class ${model.className(index)}` : layout.name(index);
    $("number-name").textContent = `${layer.name}, ${name}`;
    $("value").textContent = show(data[index]);
    const { content, where } = explain(model, layer, index, this.inputMap, (chosen) => this.chooseInputMap(chosen));
    $("explanation").replaceChildren(...content);
    this.updateSource(where);
    this.say(`${layer.name}, ${name}: ${show(data[index])}`);
  }

  /** Show where in the layer's input the number comes from. */
  updateSource(where) {
    $("source-figure").hidden = !where;
    if (!where) return;
    const maker = this.model.makers.get(this.layer.inputs[0]);
    const layout = new Layout(maker.shape);
    const { data } = this.model.value(maker.output);
    const side = sideFor(layout, LARGE_SIZE / 1.5, LARGE_SIDE / 2);
    paintMap($("source"), layout, data, where.map, largest(data), side);
    frame($("source"), side, where.window);
    $("source-name").textContent = `${maker.name}${layout.maps > 1 ? `, map ${where.map}` : ""}: the frame is what the number is made of`;
    const { top, left, bottom, right } = where.window;
    const within = (from, to, size) => Math.max(0, Math.min(size - 1, Math.floor((from + to - 1) / 2)));
    this.goToSource = () =>
      this.chooseLayer(maker, layout.index(where.map, within(top, bottom, layout.rows), within(left, right, layout.columns)));
  }

  /** Tell those who do not see the page what is chosen, with the sums of its explanation. */
  say(text) {
    const sums = [...document.querySelectorAll("#explanation .sum")].map((line) => line.textContent).join(". ");
    if (!this.isQuiet) $("said").textContent = `${text}. ${sums}.`;
  }

  // --- Keys and pointers ------------------------------------------------------------------------------------------------------

  listen() {
    $("layers").addEventListener("keydown", (event) => this.onLayerKey(event));
    $("maps").addEventListener("keydown", (event) => this.onMapKey(event));
    for (const id of ["large", "large-gradient"]) {
      $(id).addEventListener("keydown", (event) => this.onPixelKey(event));
      $(id).addEventListener("click", (event) => this.onPixelClick(event));
    }
    for (const id of ["row", "column"]) {
      $(id).addEventListener("input", () => {
        if ($("row").value !== "" && $("column").value !== "") this.choosePixel(this.place.map, Number($("row").value), Number($("column").value));
      });
    }
    $("more").addEventListener("click", () => {
      this.shownMaps += MAPS_AT_FIRST;
      this.updateMaps();
    });
    $("to-source").addEventListener("click", () => this.goToSource());
    $("gradients").addEventListener("change", () => this.onGradients());
    $("gradient-class").addEventListener("change", () => this.onGradients());
    this.fillClasses(this.model.differentiated);
  }

  /** Offer classes to differentiate; the first is that of the highest score. */
  fillClasses(classes) {
    const options = classes.map((each) => element("option", { value: each }, this.model.className(each)));
    $("gradient-class").replaceChildren(element("option", { value: "" }, "highest"), ...options);
    $("gradient-controls").hidden = !classes.length;
  }

  onGradients() {
    this.showsGradients = $("gradients").checked;
    const chosen = $("gradient-class").value;
    this.gradientClass = chosen === "" ? null : Number(chosen);
    this.updateMaps();
    this.updateNumber();
  }

  onLayerKey(event) {
    const last = this.model.layers.length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -last, End: last };
    if (!(event.key in steps)) return;
    event.preventDefault();
    this.stepLayer(steps[event.key]);
    this.tabs[this.model.layers.indexOf(this.layer)].focus();
  }

  onMapKey(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, PageUp: -1, PageDown: 1 };
    if (event.key in steps) this.chooseMap(this.place.map + steps[event.key]);
    else if (event.key === "Home") this.chooseMap(0);
    else if (event.key === "End") this.chooseMap($("maps").children.length - 1);
    else return;
    event.preventDefault();
    $("maps").children[this.place.map].focus();
  }

  onPixelKey(event) {
    const { map, row, column } = this.place;
    const { layout } = this;
    const steps = {
      ArrowLeft: [map, row, column - 1], ArrowRight: [map, row, column + 1], ArrowUp: [map, row - 1, column], ArrowDown: [map, row + 1, column],
      Home: [map, row, 0], End: [map, row, layout.columns - 1],
    };
    if (event.key === "PageUp" || event.key === "PageDown") this.chooseMap(map + (event.key === "PageUp" ? -1 : 1));
    else if (event.shiftKey && event.key.startsWith("Arrow")) this.stepLayer(event.key === "ArrowLeft" || event.key === "ArrowUp" ? -1 : 1);
    else if (event.key in steps) this.choosePixel(...steps[event.key]);
    else return;
    event.preventDefault();
  }

  onPixelClick(event) {
    const box = event.target.getBoundingClientRect();
    const { layout } = this;
    const row = Math.floor(((event.clientY - box.top) / box.height) * layout.rows);
    const column = Math.floor(((event.clientX - box.left) / box.width) * layout.columns);
    this.choosePixel(this.place.map, row, column);
  }
}
