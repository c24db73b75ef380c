/** How numbers are written, and where they lie in a layer's maps. */

const DIGITS = 6;

/**
 * The one way in which numbers are written: six significant digits, zeros at their end left out.
 * Rounding begins at the exact value, and what lies in the middle goes away from zero.
 */
function show(value) {
  if (Number.isNaN(value)) return "NaN";
  if (value === 0) return "0";
  const sign = value < 0 ? "−" : "";
  if (!Number.isFinite(value)) return `${sign}∞`;
  const [mantissa, power] = Math.abs(value).toExponential(DIGITS - 1).split("e");
  const digits = mantissa.replace(".", "").replace(/0+$/, "");
  const exponent = Number(power);
  if (exponent < -4 || exponent >= DIGITS) {
    return `${sign}${digits[0]}${digits.length > 1 ? "." + digits.slice(1) : ""}e${exponent < 0 ? "−" : ""}${Math.abs(exponent)}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const rest = digits.slice(exponent + 1);
  return `${sign}${whole}${rest ? "." + rest : ""}`;
}

/**
 * How a value of a shape is laid out: (H, W, C) as C maps, (H, W) as one; anything else as one map of rows that are filled up.
 * Entries are numbered as they lie in memory.
 */
class Layout {
  constructor(shape) {
    this.shape = shape;
    this.count = shape.reduce((product, size) => product * size, 1);
    this.isImage = shape.length === 3;
    this.isPlane = shape.length === 2;
    this.maps = this.isImage ? shape[2] : 1;
    if (this.isImage || this.isPlane) [this.rows, this.columns] = shape;
    else {
      this.columns = this.count <= 16 ? this.count : Math.ceil(Math.sqrt(this.count));
      this.rows = Math.ceil(this.count / this.columns);
    }
  }

  /** The number of an entry; it may be past the end in a last row that is not full. */
  index(map, row, column) {
    return (row * this.columns + column) * this.maps + map;
  }

  has(row, column) {
    return row >= 0 && column >= 0 && row < this.rows && column < this.columns && row * this.columns + column < this.count / this.maps;
  }

  place(index) {
    const pixel = Math.floor(index / this.maps);
    return { map: index % this.maps, row: Math.floor(pixel / this.columns), column: pixel % this.columns };
  }

  /** What an entry is called. */
  name(index) {
    const { map, row, column } = this.place(index);
    if (this.isImage) return `map ${map}, row ${row}, column ${column}`;
    return this.isPlane ? `row ${row}, column ${column}` : `number ${index}`;
  }
}

/** The largest absolute value of finite numbers. */
function largest(data) {
  let most = 0;
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(data[i]);
    if (size > most && size < Infinity) most = size;
  }
  return most;
}
