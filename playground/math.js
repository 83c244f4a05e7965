// What all models are made of. Vectors are arrays; sums are in double precision.

/** W x + b, for W (n, m) as {shape, values}; b may be missing. */
function linear(weight, bias, x) {
  const [n, m] = weight.shape;
  const { values } = weight;
  const y = new Float64Array(n);
  for (let i = 0, at = 0; i < n; i += 1) {
    let sum = bias ? bias.values[i] : 0;
    for (let j = 0; j < m; j += 1, at += 1) sum += values[at] * x[j];
    y[i] = sum;
  }
  return y;
}

/** The linear layer that a model names. */
function linearLayer(model, name, x) {
  return linear(model.get(`${name}.weight`), model.get(`${name}.bias`), x);
}

function add(a, b) {
  const sum = new Float64Array(a);
  for (let i = 0; i < sum.length; i += 1) sum[i] += b[i];
  return sum;
}

/** Mean 0 and variance 1 over a vector, then a weight and a bias, if there are any. */
function layerNorm(x, weight, bias, epsilon = 1e-5) {
  let mean = 0;
  for (const value of x) mean += value / x.length;
  let variance = 0;
  for (const value of x) variance += (value - mean) ** 2 / x.length;
  const scale = 1 / Math.sqrt(variance + epsilon);
  const y = new Float64Array(x);
  for (let i = 0; i < y.length; i += 1) {
    y[i] = (y[i] - mean) * scale;
    if (weight) y[i] = y[i] * weight.values[i] + bias.values[i];
  }
  return y;
}

/** The layer norm that a model names. */
function normLayer(model, name, x) {
  return layerNorm(x, model.get(`${name}.weight`), model.get(`${name}.bias`));
}

/** The largest first, so that no exponential overflows. */
function logSumExp(x) {
  let most = -Infinity;
  for (const value of x) most = Math.max(most, value);
  if (most === -Infinity) return most;
  let sum = 0;
  for (const value of x) sum += Math.exp(value - most);
  return most + Math.log(sum);
}

function logSoftmax(x) {
  const total = logSumExp(x);
  return new Float64Array(x).map((value) => value - total);
}

function softmax(x) {
  return logSoftmax(x).map(Math.exp);
}

/** log of the logistic function, exact at both ends. */
function logSigmoid(x) {
  return Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
}

/** The error function, by its series of positive terms. */
function erf(x) {
  const square = x * x;
  if (square > 36) return Math.sign(x); // 1 - erf(6) is below 1e-16
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n += 1) {
    term *= (2 * square) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-square) * sum;
}

function gelu(x) {
  return 0.5 * x * (1 + erf(x / Math.SQRT2));
}

/** GPT-2's approximation of gelu. */
function geluTanh(x) {
  const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
  return 0.5 * x * (1 + Math.tanh(inner));
}

/**
 * Attention of one more position in a layer: its query looks at all keys so far, its own
 * among them. cache {keys, values} grows by one. Heads lie side by side in q, k and v.
 * Returns {output, weights}: weights[h][t] is how much head h looks at position t.
 */
function attend(cache, q, k, v, nHead) {
  cache.keys.push(k);
  cache.values.push(v);
  const width = q.length / nHead;
  const output = new Float64Array(q.length);
  const weights = [];
  for (let h = 0; h < nHead; h += 1) {
    const scores = cache.keys.map((key) => {
      let sum = 0;
      for (let i = h * width; i < (h + 1) * width; i += 1) sum += q[i] * key[i];
      return sum / Math.sqrt(width);
    });
    const share = softmax(scores);
    for (let t = 0; t < share.length; t += 1) {
      const value = cache.values[t];
      for (let i = h * width; i < (h + 1) * width; i += 1) output[i] += share[t] * value[i];
    }
    weights.push(share);
  }
  return { output, weights };
}

function emptyCache(nLayer) {
  return Array.from({ length: nLayer }, () => ({ keys: [], values: [] }));
}
