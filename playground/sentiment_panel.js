// The panel of the sentiment, whose model is a file beside the page.

let handedOver; // what the file gave to receiveModel

/** What the file beside the page calls. */
function receiveModel(name, content) {
  if (name === "sentiment") handedOver = content;
}

const sentimentPanel = {
  example: 0,
  chosen: -1, // the word whose row is shown

  begin() {
    byId("sentiment-load").addEventListener("click", sentimentPanel.load);
    byId("sentiment-csv").addEventListener("click", sentimentPanel.saveWords);
    byId("sentiment-another").addEventListener("click", () => {
      const { reviews } = packs.get("sentiment").meta;
      sentimentPanel.example = (sentimentPanel.example + 1) % reviews.length;
      byId("sentiment-text").value = reviews[sentimentPanel.example];
      sentimentPanel.chosen = -1;
      changed();
    });
    byId("sentiment-text").addEventListener("input", () => (sentimentPanel.chosen = -1));
  },

  prepare() {},

  /** Add a script element for the file; its end or its error is told in the panel. */
  load() {
    hideTrouble("sentiment");
    byId("sentiment-load").disabled = true;
    tell("sentiment-progress", "Loading sentiment.js …");
    const script = element("script", { src: "sentiment.js" });
    script.onload = sentimentPanel.loaded;
    script.onerror = () => sentimentPanel.failed("sentiment.js is not beside this page.");
    document.head.append(script);
  },

  failed(sentence) {
    byId("sentiment-load").disabled = false;
    tell("sentiment-progress", "");
    showTrouble("sentiment", sentence);
  },

  loaded() {
    openPack("sentiment", () => unpack(handedOver));
    handedOver = undefined;
    if (!packs.has("sentiment")) {
      sentimentPanel.failed("sentiment.js is damaged; export the page again.");
      return;
    }
    byId("sentiment-loading").hidden = true;
    byId("sentiment-loaded").hidden = false;
    const text = byId("sentiment-text");
    if (!text.value) [text.value] = packs.get("sentiment").meta.reviews;
    tellChecks([...packs.keys()]);
    changed();
  },

  /** Its file is loaded where an address names a review. */
  show() {
    if (!packs.has("sentiment")) {
      if (byId("sentiment-text").value && !byId("sentiment-load").disabled) sentimentPanel.load();
      return;
    }
    const model = sentimentModel(packs.get("sentiment"));
    const words = reviewTokens(byId("sentiment-text").value);
    const ids = sentimentIds(model, words);
    sentimentPanel.note(model, words, ids);
    if (!ids.length) {
      sentimentPanel.showNothing();
      return;
    }
    const { logit, attention } = sentimentForward(model, ids);
    const praise = 1 / (1 + Math.exp(-logit));
    sentimentPanel.showVerdict(praise);
    sentimentPanel.showWords(words.slice(0, ids.length), ids, attention);
  },

  note(model, words, ids) {
    const unknown = ids.filter((id) => id === UNKNOWN).length;
    const cut = words.length > ids.length ? ` The last ${words.length - ids.length} are not read.` : "";
    const rare = unknown ? ` ${unknown} outside its vocabulary (dashed).` : "";
    tell("sentiment-note", `${words.length} words of at most ${model.max_len}.${rare}${cut}`);
  },

  showNothing() {
    tell("sentiment-verdict", "Nothing to read.");
    byId("sentiment-bars").replaceChildren();
    byId("sentiment-words").replaceChildren();
    tell("sentiment-looks", "");
  },

  showVerdict(praise) {
    tell("sentiment-verdict", `${praise >= 0.5 ? "Praise" : "Blame"}: ${percent(Math.max(praise, 1 - praise))}`);
    const rows = [
      { label: "praise", value: praise, colour: color("blue") },
      { label: "blame", value: 1 - praise, colour: color("orange") },
    ];
    drawBars(byId("sentiment-bars"), rows, "Probability of praise and of blame", 1);
  },

  /** Each word, with more colour the more the others (or the chosen word) look at it. */
  showWords(words, ids, attention) {
    if (sentimentPanel.chosen >= words.length) sentimentPanel.chosen = -1;
    const { chosen } = sentimentPanel;
    const received = words.map((_, j) => attention.reduce((sum, seen) => sum + seen[j], 0));
    const looked = chosen >= 0 ? Array.from(attention[chosen]) : received;
    const most = Math.max(...looked);
    const buttons = words.map((word, i) => {
      const made = element("button", {
        text: word,
        class: ids[i] === UNKNOWN ? "unknown" : "",
        "aria-pressed": i === chosen,
      });
      made.style.setProperty("--looked", `${((60 * looked[i]) / most).toFixed(1)}%`);
      made.addEventListener("click", () => sentimentPanel.choose(i));
      return made;
    });
    const focused = byId("sentiment-words").contains(document.activeElement);
    byId("sentiment-words").replaceChildren(...buttons);
    if (focused && chosen >= 0) buttons[chosen].focus();
    tell("sentiment-looks", sentimentPanel.describe(words, attention, looked));
  },

  choose(i) {
    sentimentPanel.chosen = sentimentPanel.chosen === i ? -1 : i;
    changed();
  },

  describe(words, attention, looked) {
    const order = looked.map((share, j) => ({ share, j })).sort((a, b) => b.share - a.share);
    const first = order.slice(0, 5).map(({ j }) => words[j]).join(", ");
    const { chosen } = sentimentPanel;
    const shares = chosen >= 0 ? [attention[chosen]] : attention;
    const pads = shares.reduce((sum, seen) => sum + 1 - seen.reduce((a, b) => a + b, 0), 0);
    const whose = chosen >= 0 ? `“${words[chosen]}” looks most at` : "The words look most at";
    return `${whose} ${first}; ${percent(Math.max(pads, 0) / shares.length)} of the attention goes to the padding. Choose a word to see at which it looks.`;
  },

  saveWords() {
    const model = sentimentModel(packs.get("sentiment"));
    const words = reviewTokens(byId("sentiment-text").value);
    const ids = sentimentIds(model, words);
    const { attention } = sentimentForward(model, ids);
    const rows = ids.map((id, j) => {
      const received = attention.reduce((sum, seen) => sum + seen[j], 0) / ids.length;
      return [j + 1, words[j], id === UNKNOWN ? "unknown" : "known", received.toPrecision(6)];
    });
    saveCsv("sentiment-words", ["place", "word", "vocabulary", "attention_received"], rows);
  },
};
