// Functions of probability, as accurate as SciPy's: normal, beta, hypergeometric and binomial.

// Coefficients of fdlibm's s_erf.c (Sun Microsystems 1993: "freely granted, provided that this notice is preserved").
const PP = [1.28379167095512558561e-1, -3.25042107247001499370e-1, -2.84817495755985104766e-2,
  -5.77027029648944159157e-3, -2.37630166566501626084e-5];
const QQ = [1, 3.97917223959155352819e-1, 6.50222499887672944485e-2, 5.08130628187576562776e-3,
  1.32494738004321644526e-4, -3.96022827877536812320e-6];
const PA = [-2.36211856075265944077e-3, 4.14856118683748331666e-1, -3.72207876035701323847e-1,
  3.18346619901161753674e-1, -1.10894694282396677476e-1, 3.54783043256182359371e-2, -2.16637559486879084300e-3];
const QA = [1, 1.06420880400844228286e-1, 5.40397917702171048937e-1, 7.18286544141962662868e-2,
  1.26171219808761642112e-1, 1.36370839120290507362e-2, 1.19844998467991074170e-2];
const RA = [-9.86494403484714822705e-3, -6.93858572707181764372e-1, -1.05586262253232909814e1,
  -6.23753324503260060396e1, -1.62396669462573470355e2, -1.84605092906711035994e2, -8.12874355063065934246e1,
  -9.81432934416914548592];
const SA = [1, 1.96512716674392571292e1, 1.37657754143519042600e2, 4.34565877475229228821e2, 6.45387271733267880336e2,
  4.29008140027567833386e2, 1.08635005541779435134e2, 6.57024977031928170135, -6.04244152148580987438e-2];
const RB = [-9.86494292470009928597e-3, -7.99283237680523006574e-1, -1.77579549177547519889e1,
  -1.60636384855821916062e2, -6.37566443368389627722e2, -1.02509513161107724954e3, -4.83519191608651397019e2];
const SB = [1, 3.03380607434824582924e1, 3.25792512996573918826e2, 1.53672958608443695994e3, 3.19985821950859553908e3,
  2.55305040643316442583e3, 4.74528541206955367215e2, -2.24409524465858183362e1];
const ERX = 8.45062911510467529297e-1;

function horner(coefficients: number[], x: number): number {
  let found = 0;
  for (let i = coefficients.length - 1; i >= 0; i--) found = found * x + coefficients[i];
  return found;
}

function withoutLowBits(x: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  view.setUint32(4, 0);
  return view.getFloat64(0);
}

export function erfc(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x)) return NaN;
  if (size < 0.84375) {
    if (size < 1.3877787807814457e-17) return 1 - x;
    const z = x * x, y = horner(PP, z) / horner(QQ, z);
    return x < 0.25 ? 1 - (x + x * y) : 0.5 - (x - 0.5 + x * y);
  }
  if (size < 1.25) {
    const s = size - 1, ratio = horner(PA, s) / horner(QA, s);
    return x >= 0 ? 1 - ERX - ratio : 1 + ERX + ratio;
  }
  if (size < 28) {
    const s = 1 / (size * size);
    if (size >= 2.857142857142857 && x < -6) return 2;
    const near = size < 2.857142857142857;
    const r = horner(near ? RA : RB, s), big = horner(near ? SA : SB, s);
    const z = withoutLowBits(size);
    const found = Math.exp(-z * z - 0.5625) * Math.exp((z - size) * (z + size) + r / big) / size;
    return x > 0 ? found : 2 - found;
  }
  return x > 0 ? 0 : 2;
}

/** P(normal <= x). */
export function ndtr(x: number): number {
  return erfc(-x / Math.SQRT2) / 2;
}

/** P(normal > x). */
export function normalAbove(x: number): number {
  return ndtr(-x);
}

const quantiles = new Map<number, number>(); // plans ask for the same levels thousands of times

/** The x with P(normal <= x) = p. */
export function ndtri(p: number): number {
  const found = quantiles.get(p) ?? quantileOf(p);
  quantiles.set(p, found);
  return found;
}

/** By Newton's steps on the logarithm, from the middle outwards. */
function quantileOf(p: number): number {
  if (p > 0.5) return -quantileOf(1 - p);
  if (p <= 0) return -Infinity;
  if (p === 0.5) return 0;
  let x = -Math.sqrt(-2 * Math.log(p)) + 0.5;
  for (let step = 0; step < 60; step++) {
    const below = ndtr(x), density = Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    const move = (Math.log(below) - Math.log(p)) * below / density;
    x -= move;
    if (Math.abs(move) < 1e-16 * Math.max(1, Math.abs(x))) break;
  }
  return x;
}

const LANCZOS = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];

function logGamma(x: number): number {
  if (x > 20) { // Stirling's series
    const z = 1 / (x * x);
    const tail = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188 - z * 691 / 360360))))) / x;
    return (x - 0.5) * Math.log(x) - x + 0.5 * Math.log(2 * Math.PI) + tail;
  }
  let sum = LANCZOS[0];
  for (let i = 1; i < 9; i++) sum += LANCZOS[i] / (x - 1 + i);
  const t = x + 6.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularised incomplete beta function, by its continued fraction (Lentz). */
export function betainc(a: number, b: number, x: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - betainc(b, a, 1 - x);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const tiny = 1e-300;
  let c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let found = d;
  for (let m = 1; m < 3000; m++) {
    for (const part of [
      m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 + part * d;
      d = 1 / (Math.abs(d) < tiny ? tiny : d);
      c = 1 + part / c;
      if (Math.abs(c) < tiny) c = tiny;
      found *= d * c;
    }
    if (Math.abs(d * c - 1) < 1e-16) break;
  }
  return front * found;
}

/** The x whose regularised incomplete beta function is p. */
export function betaincinv(a: number, b: number, p: number): number {
  let low = 0, high = 1;
  for (let step = 0; step < 200 && high - low > 1e-17 * high; step++) {
    const middle = (low + high) / 2;
    if (betainc(a, b, middle) < p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

let factorials = new Float64Array([0, 0]);

function logFactorial(n: number): number {
  if (n >= factorials.length) {
    const longer = new Float64Array(Math.max(n + 1, 2 * factorials.length));
    longer.set(factorials);
    for (let i = factorials.length; i < longer.length; i++) longer[i] = logGamma(i + 1);
    factorials = longer;
  }
  return factorials[n];
}

function logChoose(n: number, k: number): number {
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

/** P(k or more of the drawn are marked): `drawn` out of `all`, of which `marked` are. */
export function hypergeometricAtLeast(k: number, all: number, marked: number, drawn: number): number {
  const low = Math.max(0, drawn - (all - marked)), high = Math.min(drawn, marked);
  if (k <= low) return 1;
  return Math.min(1, hypergeometricSum(k, high, all, marked, drawn));
}

/** P(k or fewer of the drawn are marked). */
export function hypergeometricAtMost(k: number, all: number, marked: number, drawn: number): number {
  const low = Math.max(0, drawn - (all - marked)), high = Math.min(drawn, marked);
  if (k >= high) return 1;
  return Math.min(1, hypergeometricSum(low, k, all, marked, drawn));
}

function hypergeometricSum(from: number, to: number, all: number, marked: number, drawn: number): number {
  let sum = 0;
  const every = logChoose(all, drawn);
  for (let k = from; k <= to; k++) sum += Math.exp(logChoose(marked, k) + logChoose(all - marked, drawn - k) - every);
  return sum;
}

/** P(k or fewer successes in n tries). */
export function binomialAtMost(k: number, n: number, chance: number): number {
  if (k < 0) return 0;
  if (k >= n) return 1;
  return betainc(n - k, k + 1, 1 - chance);
}
