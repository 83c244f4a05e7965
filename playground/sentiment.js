// The assignment's classifier of sentiment/model.py: one block over all max_len places.

const UNKNOWN = 1; // and 0 pads
// sentiment/tokens.py's, with Python's idea of a letter
const WORD = "[\\p{L}\\p{N}_]";
const REVIEW_TOKEN = new RegExp(
  `${WORD}+?(?=n't(?!${WORD}))|n't(?!${WORD})|'(?:s|m|d|ll|re|ve)(?!${WORD})|${WORD}+` +
    "|\\.\\.\\.|--|[^\\p{L}\\p{N}_\\s]",
  "gu",
);
const MENDED = {
  "\x85": "...", "\x91": "'", "\x92": "'", "\x93": '"', "\x94": '"', "\x96": "--",
  "\x97": "--", "’": "'", "´": "'", "`": "'",
}; // prettier-ignore

/** A review's tokens in lower case, {word, begin, end} of the mended text. */
function reviewTokens(text) {
  const mended = text.toLowerCase().replace(/[\x85\x91-\x94\x96\x97’´`]/g, (c) => MENDED[c]);
  return mended.replace(/<br\s*\/?>/g, " ").match(REVIEW_TOKEN) ?? [];
}

function sentimentModel(pack) {
  const numbers = new Map(pack.meta.words.map((word, i) => [word, i + UNKNOWN + 1]));
  return { ...pack.meta, numbers, get: (name) => tensor(pack, name) };
}

/** The number of each word; UNKNOWN for a word outside the vocabulary. */
function sentimentIds(model, words) {
  return words.slice(0, model.max_len).map((word) => model.numbers.get(word) ?? UNKNOWN);
}

/** The vector of a word: int8 times the scale of its row. */
function wordVector(model, id) {
  const scale = model.get("embedding.scale").values[id];
  return Float64Array.from(row(model.get("embedding.int8"), id), (whole) => whole * scale);
}

/**
 * {logit, attention} of words' numbers; attention[i][j] is how much word i looks at
 * word j, and what is missing to 1 in a row goes to the padding.
 */
function sentimentForward(model, ids) {
  const rows = Array.from({ length: model.max_len }, (_, t) => wordVector(model, ids[t] ?? PAD));
  const { mixed, attention } = lookAtAll(model, rows, ids.length);
  const first = sampleNorm(model, "blocks.0.norm1", mixed);
  const second = first.map((x) => {
    const wide = linearLayer(model, "blocks.0.linear1", x).map((v) => Math.max(v, 0));
    return add(x, linearLayer(model, "blocks.0.linear2", wide));
  });
  const last = sampleNorm(model, "blocks.0.norm2", second);
  const mean = last.reduce(add).map((sum) => sum / last.length);
  return { logit: linearLayer(model, "fc", mean)[0], attention };
}

/** Each row plus what it attends to. All pads are one and the same key. */
function lookAtAll(model, rows, nWords) {
  const [q, k, v] = ["w_q", "w_k", "w_v"].map((name) => {
    const weight = model.get(`blocks.0.attention.${name}.weight`);
    const words = rows.slice(0, nWords + 1).map((x) => linear(weight, null, x));
    return words;
  });
  const pads = rows.length - nWords;
  const scores = q.map((query) =>
    k.map((key, t) => {
      const score = query.reduce((sum, value, i) => sum + value * key[i], 0);
      return score / Math.sqrt(query.length) + (t === nWords ? Math.log(pads) : 0);
    }),
  );
  const shares = scores.map(softmax);
  const seen = shares.map((share) => {
    const sum = new Float64Array(rows[0].length);
    share.forEach((p, t) => v[t].forEach((value, i) => (sum[i] += p * value)));
    return sum;
  });
  const mixed = rows.map((x, t) => add(x, seen[Math.min(t, nWords)]));
  return { mixed, attention: shares.slice(0, nWords).map((share) => share.slice(0, nWords)) };
}

/** One mean and one variance for all values of a review, as the assignment has it. */
function sampleNorm(model, name, rows) {
  const n = rows.length * rows[0].length;
  const total = (f) => rows.reduce((sum, x) => sum + x.reduce((a, b) => a + f(b), 0), 0);
  const mean = total((value) => value) / n;
  const scale = 1 / Math.sqrt(total((value) => (value - mean) ** 2) / n + 1e-8);
  const gamma = model.get(`${name}.gamma`);
  const beta = model.get(`${name}.beta`);
  return rows.map((x, t) => {
    const [g, b] = [row(gamma, t), row(beta, t)];
    return x.map((value, i) => g[i] * (value - mean) * scale + b[i]);
  });
}
