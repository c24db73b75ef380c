/**
 * Maps as pictures. Zero is dark, and what is far from it light: towards yellow above zero, towards light blue and with a dot below it.
 * So lightness, which the colour-blind and greyscale keep, tells the size, and dots tell the sign.
 */

const ABOVE = [[0, 32, 77], [61, 78, 107], [124, 123, 120], [188, 175, 111], [255, 234, 70]];
const BELOW = [[0, 32, 77], [45, 84, 140], [94, 136, 188], [152, 187, 226], [214, 235, 255]];
const STEPS = 256;
const NOT_A_NUMBER = [214, 39, 40];

const PALETTES = [ABOVE, BELOW].map((stops) =>
  Array.from({ length: STEPS }, (_, step) => {
    const at = (step / (STEPS - 1)) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    return stops[from].map((channel, i) => Math.round(channel + (stops[from + 1][i] - channel) * (at - from)));
  }),
);

/** The colour of a number, where `most` is the lightest. */
function colour(value, most) {
  if (Number.isNaN(value)) return NOT_A_NUMBER;
  const step = most ? Math.min(STEPS - 1, Math.round((Math.abs(value) / most) * (STEPS - 1))) : 0;
  return PALETTES[value < 0 ? 1 : 0][Number.isNaN(step) ? STEPS - 1 : step];
}

/** Paint a map, `side` pixels for each number; dots need at least three. */
function paintMap(canvas, layout, data, map, most, side) {
  const width = layout.columns * side;
  const height = layout.rows * side;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.columns && layout.has(row, column); column++) {
      paintCell(image, row * side, column * side, side, data[layout.index(map, row, column)], most);
    }
  }
  context.putImageData(image, 0, 0);
}

function paintCell(image, top, left, side, value, most) {
  const [red, green, blue] = colour(value, most);
  const dot = value < 0 && side >= 3 ? Math.max(1, Math.round(side / 4)) : 0;
  const first = Math.floor((side - dot) / 2);
  const ink = red + green + blue > 330 ? 0 : 255;
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const inDot = dot && y >= first && y < first + dot && x >= first && x < first + dot;
      const at = ((top + y) * image.width + left + x) * 4;
      image.data[at] = inDot ? ink : red;
      image.data[at + 1] = inDot ? ink : green;
      image.data[at + 2] = inDot ? ink : blue;
      image.data[at + 3] = 255;
    }
  }
}

/** Draw a frame around cells, black within white, which is seen on every colour. */
function frame(canvas, side, { top, left, bottom, right }) {
  const context = canvas.getContext("2d");
  const box = [left * side, top * side, (right - left) * side, (bottom - top) * side];
  for (const [style, width] of [["#fff", 5], ["#000", 2]]) {
    context.strokeStyle = style;
    context.lineWidth = Math.min(width, Math.max(1, side / 2) + width / 2);
    context.strokeRect(...box);
  }
}

/** The number of pixels for each number of a map that is to be about `size` wide and high. */
function sideFor(layout, size, most) {
  return Math.max(1, Math.min(most, Math.floor(size / Math.max(layout.rows, layout.columns))));
}

/** A layer at a glance: up to nine of its maps. */
function paintGlance(canvas, layout, data, most) {
  const across = layout.maps >= 9 ? 3 : layout.maps >= 4 ? 2 : 1;
  const side = across === 1 ? sideFor(layout, 78, 12) : 1;
  if (across === 1) return paintMap(canvas, layout, data, 0, most, side);
  const width = across * (layout.columns + 1) - 1;
  const height = across * (layout.rows + 1) - 1;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let map = 0; map < across * across; map++) {
    const top = Math.floor(map / across) * (layout.rows + 1);
    const left = (map % across) * (layout.columns + 1);
    for (let row = 0; row < layout.rows; row++) {
      for (let column = 0; column < layout.columns; column++) {
        paintCell(image, top + row, left + column, 1, data[layout.index(map, row, column)], most);
      }
    }
  }
  context.putImageData(image, 0, 0);
}
