// Numbers as Python writes them in English sentences.

/** f"{value:.{digits}f}": halves to the even digit, where JavaScript rounds them up. */
export function fixed(value: number, digits: number): string {
  const sign = value < 0 || Object.is(value, -0) ? "-" : "", size = Math.abs(value);
  if (!Number.isFinite(value) || size >= 1e20) return String(value);
  const long = size.toFixed(Math.min(digits + 40, 100)), cut = long.length - Math.min(40, 100 - digits);
  const tail = long.slice(cut), tie = /^50*$/.test(tail);
  const kept = (digits ? long.slice(0, cut) : long.slice(0, cut - 1)).replace(".", "");
  const up = tie ? Number(kept[kept.length - 1]) % 2 === 1 : tail[0] >= "5";
  const whole = (BigInt(kept) + (up ? 1n : 0n)).toString().padStart(digits + 1, "0");
  const found = digits ? `${whole.slice(0, -digits)}.${whole.slice(-digits)}` : whole;
  return sign + found;
}

/** f"{value:.{digits}%}" */
export function percent(value: number, digits: number): string {
  return `${fixed(value * 100, digits)}%`;
}

/** A share of 1 in percent, small ones with one decimal. */
export function share(value: number): string {
  return value > 0 && value < 0.1 ? percent(value, 1) : percent(value, 0);
}

/** f"{value:,}" of a whole number. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
}

/** f"{value:.{figures}g}" */
export function general(value: number, figures = 6): string {
  if (value === 0) return "0";
  const [digits, power] = value.toExponential(figures - 1).split("e"), exponent = Number(power);
  if (exponent < -4 || exponent >= figures) {
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${trimmed(digits)}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  return trimmed(value.toFixed(Math.max(0, figures - 1 - exponent)));
}

function trimmed(digits: string): string {
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

/** A p-value as the verdict's sentences have it. */
export function pValue(value: number): string {
  return value < 1e-4 ? "< 0.0001" : `= ${fixed(value, 4)}`;
}
