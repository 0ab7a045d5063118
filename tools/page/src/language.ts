// Messages and numbers as each language has them: onnxmint/report/language.py.

export interface Spoken {
  name: string;
  group: string;
  decimal: string;
  percent: string; // with {n} in the place of the number
  messages: Record<string, string[]>;
}

type Values = Record<string, string | number>;

export class Language {
  constructor(readonly code: string, private readonly spoken: Spoken) {}

  /** A message, given in English, with its values put in by their names. */
  say(message: string, values: Values = {}): string {
    return filled(this.spoken.messages[message]?.[0] || message, values);
  }

  /** The form of a message for so many things. */
  several(one: string, many: string, count: number, values: Values): string {
    const single = this.code === "fr" ? count <= 1 : count === 1;
    const forms = this.spoken.messages[one] ?? [one, many];
    return filled(single ? forms[0] : forms[1], values);
  }

  number(value: number): string {
    return this.decimals(value, 0);
  }

  /** A number with so many decimals; halves of the shortest decimal form go to the even digit, as in Babel. */
  decimals(value: number, digits: number): string {
    return this.written(shifted(value, 0), digits);
  }

  share(value: number): string {
    return this.percent(value, value > 0 && value < 0.1 ? 1 : 0);
  }

  percent(value: number, digits: number): string {
    return this.spoken.percent.replace("{n}", this.written(shifted(value, 2), digits));
  }

  level(value: number): string {
    return this.percent(value, decimalsOf(100 * value));
  }

  rounded(value: number): string {
    return this.decimals(value, decimalsOf(value));
  }

  pValue(value: number): string {
    return value < 1e-4 ? `< ${this.decimals(1e-4, 4)}` : this.decimals(value, 4);
  }

  private written(exact: { digits: bigint; places: number; minus: boolean }, digits: number): string {
    let whole = exact.digits;
    if (exact.places > digits) {
      const unit = 10n ** BigInt(exact.places - digits), rest = whole % unit;
      whole /= unit;
      if (2n * rest > unit || (2n * rest === unit && whole % 2n === 1n)) whole++;
    } else {
      whole *= 10n ** BigInt(digits - exact.places);
    }
    const text = whole.toString().padStart(digits + 1, "0"), at = text.length - digits;
    const grouped = text.slice(0, at).replace(/\B(?=(\d{3})+(?!\d))/g, this.spoken.group);
    const sign = exact.minus && whole !== 0n ? "-" : "";
    return sign + (digits ? `${grouped}${this.spoken.decimal}${text.slice(at)}` : grouped);
  }
}

function filled(message: string, values: Values): string {
  return message.replace(/\{(\w+)\}/g, (found, name: string) => String(values[name] ?? found));
}

/** The shortest decimal form of a number times a power of ten: digits, and how many stand behind the point. */
function shifted(value: number, power: number): { digits: bigint; places: number; minus: boolean } {
  const [mantissa, exponent] = Math.abs(value).toExponential().split("e");
  const digits = mantissa.replace(".", ""), places = digits.length - 1 - Number(exponent) - power;
  const minus = value < 0;
  return places >= 0
    ? { digits: BigInt(digits), places, minus }
    : { digits: BigInt(digits) * 10n ** BigInt(-places), places: 0, minus };
}

/** How many decimals a number has among its first six figures. */
function decimalsOf(value: number): number {
  if (value !== 0 && Math.abs(value) < 1e-4) return 3;
  return (String(Number(value.toPrecision(6))).split(".")[1] ?? "").length;
}
