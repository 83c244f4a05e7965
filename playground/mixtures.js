// Mixtures of Gaussians (gmm), of boxes (umm), of boxes with soft edges (soft).
// A mixture is {kind, temperature, logits, where, size}; where[k] and size[k] are pairs:
// mean and log-variance, or centre and log-side. Coordinates are standardised.

const LOG_2PI = Math.log(2 * Math.PI);

/** The mixture of a training after one of its epochs. */
function mixtureAt(pack, run, index) {
  const name = `${run.kind}.${run.n_components}.${run.start}`;
  const flat = row(tensor(pack, name), index);
  const rows = Array.from({ length: run.n_components }, (_, k) =>
    Array.from(flat.subarray(5 * k, 5 * k + 5)),
  );
  return {
    kind: run.kind,
    temperature: run.temperatures ? run.temperatures[index] : null,
    outside: pack.meta.outside,
    floor: pack.meta.floor,
    logits: rows.map((five) => five[0]),
    where: rows.map((five) => five.slice(1, 3)),
    size: rows.map((five) => five.slice(3, 5)),
  };
}

/** Both edges of a box along a dimension. */
function edges(mixture, k, d) {
  const half = 0.5 * Math.exp(mixture.size[k][d]);
  return [mixture.where[k][d] - half, mixture.where[k][d] + half];
}

/** What one dimension adds to log p(x | k); -Infinity outside a box. */
function dimensionLogProb(mixture, k, d, x) {
  const size = mixture.size[k][d];
  if (mixture.kind === "gmm") {
    const z = (x - mixture.where[k][d]) * Math.exp(-0.5 * size);
    return -0.5 * (z * z + size + LOG_2PI);
  }
  const [low, high] = edges(mixture, k, d);
  if (mixture.kind === "umm") return low <= x && x <= high ? -size : -Infinity;
  const width = Math.exp(size) / mixture.temperature;
  const a = (x - low) / mixture.temperature;
  const scale = Math.log(-Math.expm1(-width)) - size;
  return scale + logSigmoid(a) + logSigmoid(width - a);
}

/** log p(k) + log p(x | k) of every component. */
function jointLogProb(mixture, x) {
  const weight = logSoftmax(mixture.logits);
  return weight.map((w, k) => {
    const p = dimensionLogProb(mixture, k, 0, x[0]) + dimensionLogProb(mixture, k, 1, x[1]);
    if (mixture.kind === "soft") return Math.max(w + p, mixture.floor);
    return w + (p === -Infinity ? mixture.outside : p);
  });
}

/** log p(x) in nats; outside (-1e6) where no box is. */
function logDensity(mixture, x) {
  const found = logSumExp(jointLogProb(mixture, x));
  const covered = mixture.kind !== "umm" || found > 0.5 * mixture.outside;
  return covered ? found : mixture.outside;
}

/** p(k | x) of every component. */
function responsibilities(mixture, x) {
  return softmax(jointLogProb(mixture, x));
}

/** {mean, coverage, covered} of log p over points [x, y]: of all, and where a box is. */
function meanLogLikelihood(mixture, points) {
  let sum = 0;
  let covered = 0;
  let n = 0;
  for (const point of points) {
    const found = logDensity(mixture, point);
    sum += found;
    if (found > mixture.outside) {
      covered += found;
      n += 1;
    }
  }
  return { mean: sum / points.length, coverage: n / points.length, covered: covered / n };
}

/** Draw n points: [{k, x}]. */
function sampleMixture(mixture, n, random) {
  const weights = softmax(mixture.logits);
  return Array.from({ length: n }, () => {
    const k = drawIndex(weights, random);
    return { k, x: [0, 1].map((d) => drawAlong(mixture, k, d, random)) };
  });
}

function drawAlong(mixture, k, d, random) {
  if (mixture.kind === "gmm") {
    const sigma = Math.exp(0.5 * mixture.size[k][d]);
    return mixture.where[k][d] + sigma * drawNormal(random);
  }
  const [low, high] = edges(mixture, k, d);
  const inside = low + random() * (high - low);
  if (mixture.kind === "umm") return Math.min(inside, high);
  const u = 1 - random(); // never 0; the edges are logistic
  return inside + mixture.temperature * Math.log(u / (1 - u || Number.EPSILON));
}

/**
 * The density p on the raster of xs and ys, a row for each y. Each component is a product
 * of two factors, so that a pixel costs no exponential.
 */
function densityRaster(mixture, xs, ys) {
  const weights = softmax(mixture.logits);
  const raster = new Float64Array(xs.length * ys.length);
  weights.forEach((weight, k) => {
    const along = xs.map((x) => weight * Math.exp(dimensionLogProb(mixture, k, 0, x)));
    ys.forEach((y, j) => {
      const factor = Math.exp(dimensionLogProb(mixture, k, 1, y));
      if (factor < 1e-30) return;
      for (let i = 0, at = j * xs.length; i < xs.length; i += 1, at += 1) {
        raster[at] += factor * along[i];
      }
    });
  });
  return raster;
}
