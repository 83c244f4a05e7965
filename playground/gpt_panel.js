// The panel of the GPT.

const WRITTEN = 240; // characters of a continuation
const gptPanel = {
  /** Set the controls' limits by the model. */
  prepare() {
    const { meta } = packs.get("gpt");
    byId("gpt-epoch").max = meta.epochs.length - 1;
    byId("gpt-topk").max = Array.from(meta.characters).length;
  },

  begin() {
    gptPanel.prepare();
    byId("gpt-epoch").value = byId("gpt-epoch").max;
    byId("gpt-topk").value = byId("gpt-topk").max;
    byId("gpt-next").addEventListener("click", () => gptPanel.type(1));
    byId("gpt-more").addEventListener("click", () => gptPanel.type(20));
    offerNextSeed("gpt-another", "gpt-seed");
    byId("gpt-csv").addEventListener("click", gptPanel.saveSamples);
  },

  settings() {
    const pack = packs.get("gpt");
    const { epochs } = pack.meta;
    return {
      model: gptModel(pack, epochs[Number(byId("gpt-epoch").value)]),
      epoch: epochs[Number(byId("gpt-epoch").value)],
      text: byId("gpt-text").value,
      temperature: Number(byId("gpt-temperature").value),
      topK: Number(byId("gpt-topk").value),
      topP: Number(byId("gpt-topp").value),
      seed: Number(byId("gpt-seed").value),
    };
  },

  show() {
    const set = gptPanel.settings();
    const { model, temperature, topK, topP } = set;
    const characters = Array.from(model.characters);
    tell("gpt-epoch-shown", set.epoch);
    tell("gpt-temperature-shown", temperature === 0 ? "0 (the likeliest)" : temperature.toFixed(2));
    tell("gpt-topk-shown", topK >= characters.length ? "all" : topK);
    tell("gpt-topp-shown", topP === 1 ? "all" : topP.toFixed(2));
    const context = gptContext(model, set.text).slice(-model.block_size);
    gptPanel.showWindow(model, set.text);
    const { logits, attention } = gptForward(model, context);
    const rows = cutTokens(logits, temperature, topK, topP);
    gptPanel.showBars(rows, characters);
    const labels = context.map((token) => visible(characters[token]));
    drawAttention(byId("gpt-attention"), attention, labels);
    gptPanel.write(set);
  },

  /** The last characters of the text: read, too long ago to be read, or unknown. */
  showWindow(model, text) {
    const tokens = gptTokens(model.characters, text);
    const known = tokens.filter(({ token }) => token >= 0).length;
    let left = known - model.block_size; // of the known ones, how many are past
    const chips = tokens.map(({ character, token }) => {
      const kind = token < 0 ? "unknown" : left > 0 ? "past" : "read";
      if (token >= 0) left -= 1;
      return element("span", { text: visible(character), class: kind });
    });
    const shown = chips.slice(-Math.max(2 * model.block_size, 24));
    byId("gpt-window").replaceChildren(...shown);
    const unknown = [...new Set(tokens.filter(({ token }) => token < 0).map((t) => t.character))];
    const all = Array.from(model.characters).length;
    const lacking = unknown.length
      ? ` Left out, as its ${all} characters lack them: ${unknown.slice(0, 12).join(" ")}`
      : "";
    tell("gpt-note", `It reads the last ${model.block_size} characters.${lacking}`);
  },

  showBars(rows, characters) {
    const shown = rows.slice(0, 18);
    const colour = { [KEPT]: color("blue"), [CUT_BY_TOP_K]: color("cut"), [CUT_BY_TOP_P]: color("cut") };
    const edge = { [KEPT]: color("muted"), [CUT_BY_TOP_K]: color("orange"), [CUT_BY_TOP_P]: color("green") };
    const bars = shown.map(({ token, before, after, fate }) => ({
      label: visible(characters[token]),
      value: after,
      outline: before,
      colour: colour[fate],
      edge: edge[fate],
      note: fate === KEPT ? "" : fate,
      shown: fate === KEPT ? percent(after) : `${percent(before)} ${fate}`,
    }));
    drawBars(byId("gpt-bars"), bars, "Probabilities of the next character");
    const kept = rows.filter(({ fate }) => fate === KEPT);
    const mass = kept.reduce((sum, { before }) => sum + before, 0);
    const cut = `— ${kept.length} of ${rows.length} kept, which had ${percent(mass)} (outlines: before the cuts)`;
    tell("gpt-kept", kept.length < rows.length ? cut : `— of ${rows.length}`);
  },

  /** Append drawn characters to the text itself. */
  type(n) {
    const set = gptPanel.settings();
    const random = makeRandom(set.seed * 7919 + set.text.length);
    const place = byId("gpt-text");
    place.value = (set.text + gptPanel.drawn(set, set.text, n, random)).slice(-place.maxLength);
    changed();
  },

  drawn({ model, temperature, topK, topP }, text, n, random) {
    const characters = Array.from(model.characters);
    const tokens = gptContext(model, text).slice(-model.block_size);
    let added = "";
    for (let i = 0; i < n; i += 1) {
      const { logits } = gptForward(model, tokens);
      tokens.push(drawToken(cutTokens(logits, temperature, topK, topP), random));
      added += characters[tokens[tokens.length - 1]];
    }
    return added;
  },

  /** Write on after the text, a few characters at a time. */
  async write(set) {
    const job = beginJob("gpt");
    const random = makeRandom(set.seed);
    const place = byId("gpt-writing");
    const last = set.text.slice(-60);
    let added = "";
    while (added.length < WRITTEN) {
      added += gptPanel.drawn(set, set.text + added, 6, random);
      await pause();
      if (!job.live()) return;
      place.replaceChildren(element("b", { text: last }), added);
    }
  },

  saveSamples() {
    const set = gptPanel.settings();
    const header = ["seed", "epoch", "temperature", "top_k", "top_p", "text", "continuation"];
    return saveDrawn("gpt-csv", "gpt-samples", header, 20, (i) => {
      const text = gptPanel.drawn(set, set.text, 60, makeRandom(set.seed + i));
      return [set.seed + i, set.epoch, set.temperature, set.topK, set.topP, set.text, text];
    });
  },
};
