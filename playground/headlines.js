// The transformer of headlines/model.py, one token at a time.

const PAD = 0;

function headlinesModel(pack) {
  const letters = new Map();
  for (const [letter, token] of Object.entries(pack.meta.letters)) {
    if (!letters.has(token)) letters.set(token, letter);
  }
  return { ...pack.meta, get: (name) => tensor(pack, name), spelled: letters };
}

/** The logits of what follows one more token. */
function headlinesStep(model, cache, token) {
  const position = cache[0].keys.length;
  const where = row(model.get("positional_embedding.weight"), position);
  let x = add(row(model.get("embedding.weight"), token), where);
  cache.forEach((layer, i) => {
    x = headlinesBlock(model, `transformer_blocks.${i}`, layer, x);
  });
  if (model.pre_norm) x = layerNorm(x);
  return linearLayer(model, "logits.0", x);
}

function headlinesBlock(model, name, layer, x) {
  const before = model.pre_norm ? normLayer(model, `${name}.layer_norm1`, x) : x;
  const [q, k, v] = ["w_q", "w_k", "w_v"].map((map) =>
    linearLayer(model, `${name}.msha.${map}`, before),
  );
  const { output } = attend(layer, q, k, v, model.n_head);
  const seen = add(x, linearLayer(model, `${name}.msha.w_c`, output));
  if (model.pre_norm) {
    const normed = normLayer(model, `${name}.layer_norm2`, seen);
    return add(seen, headlinesMlp(model, name, normed));
  }
  const normed = normLayer(model, `${name}.layer_norm1`, seen);
  const summed = add(normed, headlinesMlp(model, name, normed));
  return normLayer(model, `${name}.layer_norm2`, summed);
}

function headlinesMlp(model, name, x) {
  const wide = linearLayer(model, `${name}.mlp.0`, x).map(gelu);
  return linearLayer(model, `${name}.mlp.2`, wide);
}

/** The logits after each of the tokens. */
function headlinesForward(model, tokens) {
  const cache = emptyCache(model.n_block);
  return tokens.map((token) => headlinesStep(model, cache, token));
}

/** {tokens, unknown} of a text: the start, its letters; characters without a letter. */
function headlinesTokens(model, text) {
  const tokens = [model.get("embedding.weight").shape[0] - 1];
  const unknown = [];
  for (const character of text.toLowerCase()) {
    const token = model.letters[character];
    if (token === undefined) unknown.push(character);
    else tokens.push(token);
  }
  return { tokens: tokens.slice(0, model.n_tokens - 1), unknown };
}

/** What a token is written as. */
function headlinesSpell(model, token) {
  if (token === PAD) return "end";
  return model.spelled.get(token) ?? "start";
}

/**
 * A text that goes on from tokens at a temperature up to its end: {text, drawn, logits},
 * with each token that was drawn and the logits that it was drawn by.
 */
function headlinesWrite(model, tokens, temperature, random) {
  const cache = emptyCache(model.n_block);
  let logits;
  for (const token of tokens) logits = headlinesStep(model, cache, token);
  const found = { text: "", drawn: [], logits: [] };
  for (let t = tokens.length; t < model.n_tokens; t += 1) {
    const token = drawToken(cutTokens(logits, temperature, Infinity, 1), random);
    found.logits.push(logits);
    found.drawn.push(token);
    if (token === PAD) break;
    found.text += model.spelled.get(token) ?? "";
    logits = headlinesStep(model, cache, token);
  }
  return found;
}

/** The mean entropy in bits of distributions at each temperature. */
function meanEntropy(logits, temperatures) {
  return temperatures.map((temperature) => {
    let sum = 0;
    for (const each of logits) sum += entropyBits(softmax(each.map((l) => l / temperature)));
    return sum / logits.length;
  });
}
