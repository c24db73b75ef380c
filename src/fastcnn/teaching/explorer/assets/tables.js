/** Parts of the page that explanations are made of. Text only ever enters as text. */

/** How many rows the tables of many terms have; the others are summed up in one. */
const ROWS = 12;

/** An element with attributes and children, which are elements or texts. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A table in a frame that scrolls by itself, also by keys, so that the page never has to. */
function table(caption, head, rows) {
  const header = head ? [element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text))))] : [];
  const made = element("table", {}, element("caption", {}, caption), ...header, element("tbody", {}, ...rows));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
}

function cell(text, name = null) {
  return element("td", name ? { class: name } : {}, text);
}

/** Rows of cells, `wide` of them in each, with their numbers in front. */
function grid(cells, wide) {
  const head = [element("span", { class: "hidden" }, "row, column"), ...Array.from({ length: wide }, (_, column) => String(column))];
  const rows = [];
  for (let start = 0; start < cells.length; start += wide) {
    rows.push(element("tr", {}, element("th", { scope: "row" }, String(start / wide)), ...cells.slice(start, start + wide)));
  }
  return { head, rows };
}

/** A patch of an input map times the kernel, number by number. */
function patchTable(caption, taps, wide) {
  const cells = taps.map(({ inside, x, w, product }) => {
    if (!inside) return element("td", { class: "outside" }, "outside");
    return element(
      "td",
      { class: product < 0 ? "below" : product > 0 ? "above" : "" },
      element("span", { class: "x" }, show(x)), element("span", { class: "w" }, `× ${show(w)}`),
      element("strong", { class: "product" }, `= ${show(product)}`),
    );
  });
  const { head, rows } = grid(cells, wide);
  return table(caption, head, rows);
}

/** A pooling's window; the winner, if there is one, is marked. */
function windowTable(caption, taps, wide, winner) {
  const cells = taps.map(({ inside, x }, place) => {
    if (!inside) return element("td", { class: "outside" }, "outside");
    return element("td", place === winner ? { class: "winner" } : {}, element("span", { class: "x" }, show(x)), place === winner ? " ★ largest" : "");
  });
  const { head, rows } = grid(cells, wide);
  return table(caption, head, rows);
}

/** Products sorted by their sizes, with the small ones as one row. */
function termTable(caption, terms) {
  const sorted = [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const rows = sorted.slice(0, ROWS).map(({ name, x, w, product }) =>
    element("tr", {}, element("th", { scope: "row" }, name), cell(show(x), "x"), cell(show(w), "w"), cell(show(product), "product")),
  );
  const others = sorted.slice(ROWS);
  if (others.length) {
    const sum = others.reduce((total, { product }) => total + product, 0);
    rows.push(element("tr", { class: "rest" }, element("th", { scope: "row", colspan: "3" }, `the other ${others.length}`), cell(show(sum), "rest-sum")));
  }
  return table(caption, ["input", "input number", "× weight", "= product"], rows);
}

/** The sums over input maps, largest first, each a button that shows its patch. */
function mapTable(caption, maps, chosen, choose) {
  const sorted = [...maps].sort((a, b) => Math.abs(b.sum) - Math.abs(a.sum));
  const listed = sorted.slice(0, ROWS);
  if (!listed.some(({ map }) => map === chosen)) listed.push(sorted.find(({ map }) => map === chosen));
  const rows = listed.map(({ map, sum }) => {
    const button = element("button", { type: "button", "aria-pressed": String(map === chosen), "data-map": map }, `map ${map}`);
    button.addEventListener("click", () => choose(map));
    return element("tr", {}, element("th", { scope: "row" }, button), cell(show(sum), "map-sum"));
  });
  const others = maps.filter((each) => !listed.includes(each));
  if (others.length) {
    const sum = others.reduce((total, each) => total + each.sum, 0);
    rows.push(element("tr", { class: "rest" }, element("th", { scope: "row" }, `the other ${others.length}`), cell(show(sum), "rest-sum")));
  }
  return table(caption, ["input map", "sum of its products"], rows);
}

/** The exponentials of a softmax; of many, those of the largest shares. */
function softmaxTable(caption, { terms, most, total }, nameOf) {
  const sorted = terms.length > 2 * ROWS ? [...terms].sort((a, b) => b.share - a.share) : terms;
  const listed = sorted.filter((term, rank) => rank < 2 * ROWS || term.chosen);
  const rows = listed.map((term) =>
    element(
      "tr",
      term.chosen ? { class: "winner", "aria-current": "true" } : {},
      element("th", { scope: "row" }, nameOf(term.place), term.chosen ? " ◀" : ""),
      cell(show(term.z), "z"), cell(show(term.z - most), "shifted"), cell(show(term.exponential), "exponential"), cell(show(term.share), "share"),
    ),
  );
  const others = terms.length - listed.length;
  if (others) rows.push(element("tr", { class: "rest" }, element("th", { scope: "row", colspan: "5" }, `and ${others} smaller ones`)));
  rows.push(element("tr", { class: "rest" }, element("th", { scope: "row", colspan: "3" }, "sum"), cell(show(total), "total"), cell("")));
  return table(caption, ["number", "z", "z − largest", "e to that", "÷ sum"], rows);
}
