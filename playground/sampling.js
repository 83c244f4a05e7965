// Logits to the distribution that the next token is drawn from.

const KEPT = "kept";
const CUT_BY_TOP_K = "cut by top-k";
const CUT_BY_TOP_P = "cut by top-p";

/**
 * Every token, the likeliest first: {token, before, after, fate}. before is its
 * probability at this temperature, after once top-k and top-p (the smallest set of the
 * likeliest with at least topP) have cut. Temperature 0 keeps the likeliest alone.
 */
function cutTokens(logits, temperature, topK, topP) {
  const order = Array.from(logits, (_, token) => token);
  order.sort((a, b) => logits[b] - logits[a] || a - b);
  const n = Math.min(topK, order.length);
  const most = logits[order[0]];
  const scaled = order.map((token, i) => {
    if (temperature === 0) return i === 0 ? 0 : -Infinity;
    return (logits[token] - most) / temperature;
  });
  const before = softmax(scaled);
  const after = softmax(scaled.slice(0, n));
  let sum = 0;
  const rows = order.map((token, i) => {
    const inTopK = i < n;
    const inTopP = topP >= 1 || sum < topP;
    if (inTopK) sum += after[i];
    const fate = !inTopK ? CUT_BY_TOP_K : inTopP ? KEPT : CUT_BY_TOP_P;
    return { token, before: before[i], after: fate === KEPT ? after[i] : 0, fate };
  });
  const total = rows.reduce((all, { after: p }) => all + p, 0);
  return rows.map((found) => ({ ...found, after: found.after / total }));
}

/** A token drawn from the rows of cutTokens. */
function drawToken(rows, random) {
  return rows[drawIndex(rows.map(({ after }) => after), random)].token;
}

/** The entropy of a distribution in bits. */
function entropyBits(probabilities) {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum -= p * Math.log2(p);
  return sum;
}
