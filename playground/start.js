// From the loaded page to panels that react.

const panels = {
  gpt: gptPanel,
  mixtures: mixturesPanel,
  headlines: headlinesPanel,
  sentiment: sentimentPanel,
};

/** Whether a panel has what it needs; sentiment begins without its file. */
function isReady(name) {
  return name === "sentiment" ? !commands().sentiment : packs.has(name);
}

/** What trains each model that this page is without. */
function commands() {
  try {
    return JSON.parse(byId("data-commands").textContent);
  } catch {
    return {};
  }
}

let frame = 0;

/** Something was set: show it with the next frame, and write the address. */
function changed() {
  writeAddress();
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(() => ask(shownPanel, "show"));
}

/** Open a panel and close the others, at once: the next key may be meant for it. */
function choosePanel(chosen) {
  shownPanel = chosen;
  for (const name of PANELS) {
    const shown = name === chosen;
    byId(`panel-${name}`).hidden = !shown;
    byId(`tab-${name}`).setAttribute("aria-selected", shown);
    byId(`tab-${name}`).tabIndex = shown ? 0 : -1;
  }
  changed();
}

/** Arrow keys go from tab to tab, as the pattern for tabs has it. */
function listenToTabs() {
  PANELS.forEach((name, i) => {
    const tab = byId(`tab-${name}`);
    tab.addEventListener("click", () => choosePanel(name));
    tab.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (!step) return;
      const next = PANELS[(i + step + PANELS.length) % PANELS.length];
      choosePanel(next);
      byId(`tab-${next}`).focus();
    });
  });
}

/** Unpack what is in the page; say in each panel what it lacks. */
function openPanels() {
  const missing = commands();
  for (const name of PANELS) {
    const data = byId(`data-${name}`);
    if (missing[name]) {
      showTrouble(name, `There is no model here yet: run ${missing[name]}, then export this page again.`);
    } else if (data) {
      openPack(name, () => unpackText(data.textContent));
    } else if (name !== "sentiment") {
      showTrouble(name, "The weights in this file are damaged (they are missing); export the page again.");
    }
    byId(`panel-${name}`).querySelector(".body").hidden = !isReady(name);
  }
}

/** Let a panel do something, if it can; what it cannot is told in it, and ends it. */
function ask(name, what) {
  if (!isReady(name)) return;
  try {
    panels[name][what]();
  } catch (error) {
    if (!(error instanceof DamagedWeights)) console.error(error);
    packs.delete(name);
    byId(`panel-${name}`).querySelector(".body").hidden = true;
    showTrouble(name, `This panel cannot work here: ${error.message}; export the page again.`);
  }
}

/** Set the controls from the address: once for the menus, once for what depends on them. */
function restore() {
  for (let pass = 0; pass < 2; pass += 1) {
    readAddress();
    for (const name of PANELS) ask(name, "prepare");
  }
  choosePanel(shownPanel);
}

/** Compare with PyTorch's numbers, and say so in one line. */
function tellChecks(names) {
  const line = byId("check");
  try {
    const found = names.map((name) => CHECKS[name](packs.get(name)));
    const wrong = found.filter(({ difference, limit }) => !(difference <= limit));
    line.className = wrong.length ? "bad" : "good";
    const list = (wrong.length ? wrong : found)
      .map(({ what, difference }) => `${what} (${difference.toExponential(0)})`)
      .join(", ");
    const verdict = wrong.length ? "✗ Not as in PyTorch, by so much: " : "✓ As in PyTorch, up to: ";
    line.textContent = found.length ? verdict + list : "No model is in this page.";
    line.title = `Allowed: ${LOGITS_LIMIT} for logits, ${DENSITY_LIMIT} for log-densities`;
  } catch (error) {
    line.className = "bad";
    line.textContent = `✗ The numbers could not be compared: ${error.message}`;
  }
}

function listen() {
  listenToTabs();
  for (const [, control] of stateControls()) control.addEventListener("input", changed);
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => savePicture(button.dataset.save));
  }
  window.addEventListener("hashchange", restore);
  window.addEventListener("resize", changed);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}

async function start() {
  try {
    await pause(); // what has been read so far is painted first
    openPanels();
    for (const name of PANELS) ask(name, "begin");
    for (const name of PANELS) ask(name, "prepare");
    noteDefaults();
    listen();
    restore();
    await painted();
    tellChecks([...packs.keys()]);
  } catch (error) {
    byId("check").className = "bad";
    byId("check").textContent = `This page cannot work here: ${error.message}`;
  }
}

start();
