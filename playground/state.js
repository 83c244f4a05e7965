// What is set in the page, kept in its address: whoever opens that sees the same.

const PANELS = ["gpt", "mixtures", "headlines", "sentiment"];
const defaults = new Map();
let shownPanel = PANELS[0];
let writing = 0;

/** Controls by their names in the address: gpt.epoch and so on. */
function stateControls() {
  return PANELS.flatMap((panel) =>
    Array.from(byId(`panel-${panel}`).querySelectorAll("[data-state]"), (control) => [
      `${panel}.${control.dataset.state}`,
      control,
    ]),
  );
}

/** Note how the controls are set before anyone touches them. */
function noteDefaults() {
  for (const [name, control] of stateControls()) defaults.set(name, control.value);
}

/** Set the controls from the address. A browser keeps them within their limits. */
function readAddress() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const [name, control] of stateControls()) {
    const before = control.value;
    control.value = state.get(name) ?? defaults.get(name);
    const number = control.type === "number" && !control.checkValidity();
    if (control.value === "" && control.tagName === "SELECT") control.value = before;
    if (number) control.value = defaults.get(name);
    if (control.maxLength > 0) control.value = control.value.slice(0, control.maxLength);
  }
  const wanted = state.get("panel");
  shownPanel = PANELS.includes(wanted) ? wanted : PANELS[0];
}

/** The address of what is set now: only what differs from the defaults. */
function addressNow() {
  const state = new URLSearchParams({ panel: shownPanel });
  for (const [name, control] of stateControls()) {
    const own = name.startsWith(`${shownPanel}.`);
    if (own && control.value !== defaults.get(name)) state.set(name, control.value);
  }
  return `#${state}`;
}

/** Write the address, though not at every step of a slider: browsers limit that. */
function writeAddress() {
  clearTimeout(writing);
  writing = setTimeout(() => {
    try {
      history.replaceState(null, "", addressNow());
    } catch {
      // a browser that lets no page from disk change its address: nothing is lost
    }
  }, 250);
}
