// What NumPy does with rows of numbers, as far as the statistics need it.

export type Row = Float64Array;

export function rowOf(count: number, value: (place: number) => number): Row {
  const found = new Float64Array(count);
  for (let i = 0; i < count; i++) found[i] = value(i);
  return found;
}

export function sorted(values: ArrayLike<number>): Row {
  return Float64Array.from(values).sort();
}

export function searchLeft(ordered: ArrayLike<number>, value: number): number {
  let low = 0, high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ordered[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function searchRight(ordered: ArrayLike<number>, value: number): number {
  let low = 0, high = ordered.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ordered[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function unique(values: ArrayLike<number>): Row {
  const ordered = sorted(values);
  return ordered.filter((value, place) => place === 0 || value !== ordered[place - 1]);
}

/** The distinct values, and the place of each value among them. */
export function numbered(values: ArrayLike<number>): { distinct: Row; place: Int32Array } {
  const distinct = unique(values);
  return { distinct, place: Int32Array.from(values, (value) => searchLeft(distinct, value)) };
}

/** A sum rounded as NumPy rounds it: by eight sums of up to 128 values, and by halves of more. */
export function sum(values: ArrayLike<number>, first = 0, count = values.length): number {
  if (count > 128) {
    const half = Math.floor(count / 2), left = half - half % 8;
    return sum(values, first, left) + sum(values, first + left, count - left);
  }
  const eights = count < 8 ? 0 : count - count % 8, part = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let at = 0; at < eights; at++) part[at % 8] += values[first + at];
  let found = part[0] + part[1] + (part[2] + part[3]) + (part[4] + part[5] + (part[6] + part[7]));
  for (let at = eights; at < count; at++) found += values[first + at];
  return found;
}

export function mean(values: ArrayLike<number>): number {
  return sum(values) / values.length;
}

/** With one degree of freedom less than values. */
export function variance(values: ArrayLike<number>): number {
  const centre = mean(values);
  let found = 0;
  for (let i = 0; i < values.length; i++) found += (values[i] - centre) ** 2;
  return found / (values.length - 1);
}

/** Linear quantiles, rounded as NumPy rounds them. */
export function quantiles(values: ArrayLike<number>, shares: ArrayLike<number>): Row {
  const ordered = sorted(values), last = ordered.length - 1;
  return Float64Array.from(shares, (share) => {
    const at = last * share, low = Math.floor(at), part = at - low;
    const first = ordered[low], second = ordered[Math.min(low + 1, last)], step = second - first;
    return part >= 0.5 ? second - step * (1 - part) : first + step * part;
  });
}

/** Sum of t^3 - t over distinct values that t share. */
export function tied(values: ArrayLike<number>): number {
  const ordered = sorted(values);
  let found = 0, first = 0;
  for (let i = 1; i <= ordered.length; i++) {
    if (i === ordered.length || ordered[i] !== ordered[first]) {
      const same = i - first;
      found += same ** 3 - same;
      first = i;
    }
  }
  return found;
}

export function clip(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Python's round: halves to the even number. */
export function roundHalfEven(value: number): number {
  const low = Math.floor(value), rest = value - low;
  if (rest !== 0.5) return rest < 0.5 ? low : low + 1;
  return low % 2 === 0 ? low : low + 1;
}
