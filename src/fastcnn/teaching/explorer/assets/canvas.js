/**
 * Maps as pictures. Zero is dark, and what is far from it light: towards yellow above zero, towards light blue and with a dot below it.
 * So lightness, which the colour-blind and greyscale keep, tells the size, and dots tell the sign.
 */

const ABOVE = [[0, 32, 77], [61, 78, 107], [124, 123, 120], [188, 175, 111], [255, 234, 70]];
const BELOW = [[0, 32, 77], [45, 84, 140], [94, 136, 188], [152, 187, 226], [214, 235, 255]];
const STEPS = 256;
/** Numbers fewer steps from zero look like it, and have no dot either. */
const LEAST_DOTTED = 6;

/** Both ramps as whole pixels, as they lie in the memory of an image. */
const PALETTES = [ABOVE, BELOW].map((stops) =>
  Uint32Array.from({ length: STEPS }, (_, step) => {
    const at = (step / (STEPS - 1)) * (stops.length - 1);
    const from = Math.min(Math.floor(at), stops.length - 2);
    return pixel(stops[from].map((channel, i) => Math.round(channel + (stops[from + 1][i] - channel) * (at - from))));
  }),
);
const [BLACK, WHITE, NOT_A_NUMBER] = [pixel([0, 0, 0]), pixel([255, 255, 255]), pixel([214, 39, 40])];

function pixel([red, green, blue]) {
  return new Uint32Array(Uint8Array.of(red, green, blue, 255).buffer)[0];
}

/** How light a number is, in steps, where `most` is the lightest. */
function lightness(value, most) {
  return most ? Math.min(STEPS - 1, Math.round((Math.abs(value) / most) * (STEPS - 1))) : value ? STEPS - 1 : 0;
}

/** Have `paint` fill an image of this size, and show it. */
function paintImage(canvas, width, height, paint) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  paint(new Uint32Array(image.data.buffer));
  context.putImageData(image, 0, 0);
}

/** Paint a map, `side` pixels for each number; dots need at least three. */
function paintMap(canvas, layout, data, map, most, side) {
  const width = layout.columns * side;
  paintImage(canvas, width, layout.rows * side, (pixels) => paintCells(pixels, width, 0, layout, data, map, most, side));
}

/** Paint the numbers of a map into an image of `width` from the pixel `start` on. */
function paintCells(pixels, width, start, layout, data, map, most, side) {
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.columns && layout.has(row, column); column++) {
      paintCell(pixels, width, start + (row * width + column) * side, side, data[layout.index(map, row, column)], most);
    }
  }
}

function paintCell(pixels, width, start, side, value, most) {
  const step = lightness(value, most);
  const fill = Number.isNaN(value) ? NOT_A_NUMBER : PALETTES[value < 0 ? 1 : 0][step];
  for (let y = 0; y < side; y++) pixels.fill(fill, start + y * width, start + y * width + side);
  if (value >= 0 || side < 3 || step < LEAST_DOTTED) return;
  const dot = Math.max(1, Math.round(side / 4));
  const first = Math.floor((side - dot) / 2);
  for (let y = first; y < first + dot; y++) {
    pixels.fill(step > STEPS / 2 ? BLACK : WHITE, start + y * width + first, start + y * width + first + dot);
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
  const [width, height] = [across * (layout.columns + 1) - 1, across * (layout.rows + 1) - 1];
  paintImage(canvas, width, height, (pixels) => {
    for (let map = 0; map < across * across; map++) {
      const [top, left] = [Math.floor(map / across) * (layout.rows + 1), (map % across) * (layout.columns + 1)];
      paintCells(pixels, width, top * width + left, layout, data, map, most, 1);
    }
  });
}
