// The character GPT of transformer.py, one token at a time.

/** The model of an epoch: what gptStep needs. */
function gptModel(pack, epoch) {
  const { meta } = pack;
  return { ...meta, get: (name) => tensor(pack, `${epoch}.${name}`) };
}

/** {logits, attention[layer][head]} after one more token; cache is emptyCache's. */
function gptStep(model, cache, token) {
  const position = cache[0].keys.length;
  let x = add(row(model.get("wte.weight"), token), row(model.get("wpe.weight"), position));
  const attention = cache.map((layer, i) => {
    const [y, weights] = gptBlock(model, `h.${i}`, layer, x);
    x = y;
    return weights;
  });
  x = normLayer(model, "ln_f", x);
  return { logits: linear(model.get("lm_head.weight"), null, x), attention };
}

function gptBlock(model, name, layer, x) {
  const qkv = linearLayer(model, `${name}.attn.c_attn`, normLayer(model, `${name}.ln_1`, x));
  const [q, k, v] = [0, 1, 2].map((i) => qkv.slice(i * x.length, (i + 1) * x.length));
  const { output, weights } = attend(layer, q, k, v, model.n_head);
  const middle = add(x, linearLayer(model, `${name}.attn.c_proj`, output));
  const wide = linearLayer(model, `${name}.mlp.c_fc`, normLayer(model, `${name}.ln_2`, middle));
  return [add(middle, linearLayer(model, `${name}.mlp.c_proj`, wide.map(geluTanh))), weights];
}

/**
 * {logits, attention[layer][head][position]} after the last block_size of the tokens;
 * the logits are of the token that comes next.
 */
function gptForward(model, tokens) {
  const cache = emptyCache(model.n_layer);
  const steps = tokens.slice(-model.block_size).map((t) => gptStep(model, cache, t));
  const attention = cache.map((_, i) =>
    Array.from({ length: model.n_head }, (__, h) => steps.map((s) => s.attention[i][h])),
  );
  return { logits: steps[steps.length - 1].logits, attention };
}

/** A text's characters: {character, token}, where token is -1 for one that is unknown. */
function gptTokens(characters, text) {
  const all = Array.from(characters);
  return Array.from(text, (character) => ({ character, token: all.indexOf(character) }));
}

/** The tokens that the model reads: an empty text begins as after a new line. */
function gptContext(model, text) {
  const known = gptTokens(model.characters, text).filter(({ token }) => token >= 0);
  if (known.length) return known.map(({ token }) => token);
  return [Math.max(Array.from(model.characters).indexOf("\n"), 0)];
}
