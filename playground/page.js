// What the panels share: the page's elements, patience with long work, saved files.

const byId = (id) => document.getElementById(id);

/** A colour of the style sheet, as it is in this scheme. */
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** An element with a text; user text only ever gets in as text. */
function element(name, { text = "", ...attributes } = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function tell(id, text) {
  byId(id).textContent = text;
}

/** A number's text with a minus sign. */
function signed(text) {
  return text.replace("-", "−");
}

/** A character as it can be seen. */
function visible(character) {
  return { "\n": "⏎", " ": "␣", "\t": "⇥" }[character] ?? character;
}

/** Let the browser paint and react. */
function pause() {
  return new Promise((resume) => setTimeout(resume));
}

/** Wait for the next frame, and until it can be seen. */
function painted() {
  return new Promise((resume) => requestAnimationFrame(() => setTimeout(resume)));
}

const jobs = new Map();

/** A job that ends when another of its name begins: ask its live() after each pause. */
function beginJob(name) {
  const job = {};
  jobs.set(name, job);
  return { live: () => jobs.get(name) === job };
}

/** One sentence in a panel instead of what it cannot show. */
function showTrouble(name, sentence) {
  const place = byId(`trouble-${name}`);
  place.textContent = sentence;
  place.hidden = false;
}

function hideTrouble(name) {
  byId(`trouble-${name}`).hidden = true;
}

function save(name, blob) {
  const link = element("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** Save rows of an equal number of fields as a table. */
function saveCsv(name, header, rows) {
  const quoted = (field) => `"${String(field).replaceAll('"', '""')}"`;
  const lines = [header, ...rows].map((fields) => fields.map(quoted).join(","));
  save(`${name}.csv`, new Blob([`${lines.join("\n")}\n`], { type: "text/csv" }));
}

/** Save n drawn rows as a table; meanwhile the button that asked for them counts. */
async function saveDrawn(button, name, header, n, draw) {
  const shown = byId(button).textContent;
  byId(button).disabled = true;
  const rows = [];
  for (let i = 0; i < n; i += 1) {
    tell(button, `${i} of ${n} …`);
    await pause();
    rows.push(draw(i));
  }
  tell(button, shown);
  byId(button).disabled = false;
  saveCsv(name, header, rows);
}

/** Let a button ask for other samples: the next seed. */
function offerNextSeed(button, seed) {
  byId(button).addEventListener("click", () => {
    byId(seed).value = (Number(byId(seed).value) + 1) % 1_000_000;
    changed();
  });
}

/** Save the picture in an element: a canvas as PNG, else its SVG. */
function savePicture(id) {
  const place = byId(id);
  if (place instanceof HTMLCanvasElement) {
    place.toBlob((blob) => save(`${id}.png`, blob));
    return;
  }
  const text = new XMLSerializer().serializeToString(place.querySelector("svg"));
  save(`${id}.svg`, new Blob([text], { type: "image/svg+xml" }));
}

const packs = new Map();

/** Unpack a panel's weights; say in the panel why it cannot be. */
function openPack(name, open) {
  try {
    packs.set(name, open());
    hideTrouble(name);
  } catch (error) {
    if (!(error instanceof DamagedWeights)) throw error;
    showTrouble(name, `The weights in this file are damaged (${error.message}); export the page again.`);
  }
}
