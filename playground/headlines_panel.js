// The panel of the headlines.

const N_TEXTS = 8;
const HEATS = Array.from({ length: 40 }, (_, i) => (i + 1) / 20);
const headlinesPanel = {
  measured: null, // logits along texts that the model has written

  begin() {
    offerNextSeed("headlines-another", "headlines-seed");
    byId("headlines-csv").addEventListener("click", headlinesPanel.saveSamples);
  },

  prepare() {},

  settings() {
    return {
      model: headlinesModel(packs.get("headlines")),
      text: byId("headlines-text").value,
      temperature: Number(byId("headlines-temperature").value),
      seed: Number(byId("headlines-seed").value),
    };
  },

  show() {
    const set = headlinesPanel.settings();
    const { model, temperature } = set;
    const { tokens, unknown } = headlinesTokens(model, set.text);
    const about = `Size ${model.size}, ${model.n_weights.toLocaleString("en")} weights.`;
    const lacking = unknown.length
      ? ` Left out, as it knows a to z and the space: ${[...new Set(unknown)].slice(0, 12).map(visible).join(" ")}`
      : "";
    tell("headlines-note", about + lacking);
    tell("headlines-temperature-shown", temperature.toFixed(2));
    const logits = headlinesForward(model, tokens).pop();
    headlinesPanel.showBars(model, cutTokens(logits, temperature, Infinity, 1));
    headlinesPanel.write(set, tokens);
  },

  showBars(model, rows) {
    const bars = rows.slice(0, 12).map(({ token, after }) => ({
      label: visible(headlinesSpell(model, token)), value: after, colour: color("blue"),
    })); // prettier-ignore
    drawBars(byId("headlines-bars"), bars, "Probabilities of the next letter");
    const bits = entropyBits(rows.map(({ after }) => after));
    tell("headlines-entropy", `— entropy ${bits.toFixed(2)} bits`);
  },

  /** Texts at this temperature; then the curve, from texts at temperature 1. */
  async write({ model, text, temperature, seed }, tokens) {
    const job = beginJob("headlines");
    const items = [];
    for (let i = 0; i < N_TEXTS; i += 1) {
      await pause();
      if (!job.live()) return;
      const found = headlinesWrite(model, tokens, temperature, makeRandom(seed * 1000 + i));
      const line = element("li");
      line.append(element("b", { text }), found.text);
      items.push(line);
      byId("headlines-writing").replaceChildren(...items);
    }
    await headlinesPanel.measure(model, job);
    if (job.live()) headlinesPanel.showCurve(temperature);
  },

  async measure(model, job) {
    if (headlinesPanel.measured) return;
    const logits = [];
    const { tokens } = headlinesTokens(model, "");
    for (let i = 0; i < N_TEXTS; i += 1) {
      await pause();
      if (!job.live()) return;
      logits.push(...headlinesWrite(model, tokens, 1, makeRandom(i)).logits);
    }
    headlinesPanel.measured = { logits, curve: meanEntropy(logits, HEATS) };
  },

  showCurve(temperature) {
    const { logits, curve } = headlinesPanel.measured;
    drawCurve(byId("headlines-curve"), {
      xs: HEATS,
      ys: curve,
      mark: { x: temperature, y: meanEntropy(logits, [temperature])[0] },
      xLabel: "temperature",
      yLabel: "entropy, bits a letter",
      about: "Mean entropy of the next letter at each temperature",
    });
  },

  saveSamples() {
    const { model, text, temperature, seed } = headlinesPanel.settings();
    const { tokens } = headlinesTokens(model, text);
    const header = ["number", "temperature", "beginning", "continuation"];
    return saveDrawn("headlines-csv", "headlines", header, 50, (i) => {
      const found = headlinesWrite(model, tokens, temperature, makeRandom(seed * 1000 + i));
      return [i + 1, temperature, text, found.text];
    });
  },
};
