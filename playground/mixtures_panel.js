// The panel of the mixtures.

const N_DRAWN = 1000;
const STEP = 0.02; // standard deviations that an arrow key moves
const mixturesPanel = {
  cross: [0, 0], // the point that was pointed at last; first the middle of all places
  view: null,
  dragged: null, // from the pointer to the centre of the component that it drags

  begin() {
    const { meta } = packs.get("mixtures");
    const counts = [...new Set(meta.runs.map((run) => run.n_components))].sort((a, b) => a - b);
    const options = counts.map((n) => element("option", { text: n, value: n }));
    byId("mixtures-count").replaceChildren(...options);
    byId("mixtures-count").value = counts[counts.length - 1];
    mixturesPanel.prepare();
    byId("mixtures-epoch").value = byId("mixtures-epoch").max;
    const canvas = byId("mixtures-map");
    canvas.addEventListener("pointerdown", mixturesPanel.press);
    canvas.addEventListener("pointermove", mixturesPanel.point);
    canvas.addEventListener("pointerup", () => (mixturesPanel.dragged = null));
    canvas.addEventListener("pointercancel", () => (mixturesPanel.dragged = null));
    // a finger on a component drags it, elsewhere it scrolls the page
    canvas.addEventListener(
      "touchstart",
      (event) => mixturesPanel.dragged && event.preventDefault(),
      { passive: false },
    );
    canvas.addEventListener("keydown", mixturesPanel.key);
    byId("mixtures-play").addEventListener("click", mixturesPanel.play);
    byId("mixtures-csv").addEventListener("click", mixturesPanel.saveSamples);
    byId("mixtures-sample").addEventListener("click", () => {
      const sampled = byId("mixtures-sampled");
      sampled.value = sampled.value ? "" : "1";
      changed();
    });
    byId("mixtures-reset").addEventListener("click", () => {
      byId("mixtures-moved").value = "";
      changed();
    });
    for (const name of ["kind", "count", "start", "epoch"]) {
      byId(`mixtures-${name}`).addEventListener("input", () => (byId("mixtures-moved").value = ""));
    }
  },

  /** The training that is nearest to what is chosen; the menus then say which it is. */
  run() {
    const { runs } = packs.get("mixtures").meta;
    const [kind, count, start] = ["kind", "count", "start"].map((n) => byId(`mixtures-${n}`).value);
    const merit = (run) =>
      4 * (run.kind === kind) + 2 * (String(run.n_components) === count) + (run.start === start);
    return runs.reduce((best, run) => (merit(run) > merit(best) ? run : best));
  },

  /** Offer only what there is: menus, epochs, components. */
  prepare() {
    const { runs } = packs.get("mixtures").meta;
    const run = mixturesPanel.run();
    byId("mixtures-kind").value = run.kind;
    byId("mixtures-count").value = run.n_components;
    byId("mixtures-start").value = run.start;
    const same = runs.filter(({ kind }) => kind === run.kind);
    const offer = (name, has) => {
      for (const option of byId(`mixtures-${name}`).options) option.disabled = !has(option.value);
    };
    offer("kind", (value) => runs.some(({ kind }) => kind === value));
    offer("count", (value) => same.some((r) => String(r.n_components) === value));
    offer("start", (value) =>
      same.some((r) => r.n_components === run.n_components && r.start === value),
    );
    byId("mixtures-epoch").max = run.epochs.length - 1;
    const chosen = byId("mixtures-chosen");
    if (chosen.options.length !== run.n_components + 1) {
      const before = chosen.value;
      const names = Array.from({ length: run.n_components }, (_, k) =>
        element("option", { text: `component ${k + 1}`, value: k }),
      );
      chosen.replaceChildren(element("option", { text: "the cross", value: -1 }), ...names);
      chosen.value = before || -1;
      if (chosen.selectedIndex < 0) chosen.value = -1;
    }
  },

  /** The mixture of the epoch, with the components that were moved where they are now. */
  mixture() {
    const run = mixturesPanel.run();
    const found = mixtureAt(packs.get("mixtures"), run, Number(byId("mixtures-epoch").value));
    for (const [k, x, y] of mixturesPanel.moved()) {
      if (k < found.where.length) found.where[k] = [x, y];
    }
    return found;
  },

  /** [k, x, y] of each moved component, as the address has them. */
  moved() {
    const parts = byId("mixtures-moved").value.split(" ").filter(Boolean);
    const numbers = parts.map((part) => part.split(",").map(Number));
    return numbers.filter((n) => n.length === 3 && n.every(Number.isFinite) && n[0] >= 0);
  },

  move(k, [x, y]) {
    const others = mixturesPanel.moved().filter(([other]) => other !== k);
    const all = [...others, [k, Number(x.toFixed(3)), Number(y.toFixed(3))]];
    byId("mixtures-moved").value = all.map((n) => n.join(",")).join(" ");
    changed();
  },

  show() {
    const pack = packs.get("mixtures");
    mixturesPanel.prepare();
    const run = mixturesPanel.run();
    const index = Number(byId("mixtures-epoch").value);
    const soft = run.temperatures ? ` (edges ${run.temperatures[index].toPrecision(2)})` : "";
    tell("mixtures-epoch-shown", `${run.epochs[index]}${soft}`);
    tell("mixtures-caption", `Log-density and components after epoch ${run.epochs[index]}`);
    const mixture = mixturesPanel.mixture();
    const sampled = byId("mixtures-sampled").value !== "";
    byId("mixtures-sample").setAttribute("aria-pressed", sampled);
    byId("mixtures-reset").disabled = !mixturesPanel.moved().length;
    const canvas = byId("mixtures-map");
    mixturesPanel.view = makeView(canvas, pack.meta);
    const { cross } = mixturesPanel;
    const shares = responsibilities(mixture, cross);
    drawMap(canvas, mixturesPanel.view, mixture, tensor(pack, "outlines"), {
      samples: sampled ? mixturesPanel.drawn(mixture) : null,
      shares,
      cross,
      chosen: Number(byId("mixtures-chosen").value),
    });
    mixturesPanel.showSpot(mixture, shares);
    mixturesPanel.showLikelihood(mixture);
  },

  showSpot(mixture, shares) {
    const { cross } = mixturesPanel;
    const place = byId("mixtures-shares");
    const { mean, std, outside } = packs.get("mixtures").meta;
    const [long, lat] = cross.map((value, d) => value * std[d] + mean[d]);
    const found = logDensity(mixture, cross);
    const where = `${lat.toFixed(1)}° north, ${long.toFixed(1)}° east`;
    if (found <= outside) {
      tell("mixtures-spot", `${where}: no box is here.`);
      place.replaceChildren();
      return;
    }
    const perDegree = found - Math.log(std[0] * std[1]);
    tell("mixtures-spot", `${where}: log-density ${signed(perDegree.toFixed(2))} nats per square degree`);
    const order = Array.from(shares, (share, k) => ({ share, k })).sort((a, b) => b.share - a.share);
    const rows = order.slice(0, 8).map(({ share, k }) => ({
      label: `component ${k + 1}`, value: share, colour: color("blue"),
    })); // prettier-ignore
    drawBars(place, rows, "p(k | x) of the likeliest components");
  },

  showLikelihood(mixture) {
    const pack = packs.get("mixtures");
    const { shape } = tensor(pack, "places");
    const points = Array.from({ length: shape[0] }, (_, i) => row(tensor(pack, "places"), i));
    const now = meanLogLikelihood(mixture, points);
    const whole = `Mean log-likelihood of ${shape[0].toLocaleString("en")} test places`;
    if (mixture.kind === "umm") {
      const inside = Number.isFinite(now.covered) ? `; on those it is ${signed(now.covered.toFixed(3))} nats` : "";
      const mean = signed(Math.round(now.mean).toLocaleString("en"));
      tell("mixtures-likelihood", `${whole}: ${mean} nats. Boxes cover ${percent(now.coverage)} of them${inside}.`);
      return;
    }
    tell("mixtures-likelihood", `${whole}: ${signed(now.mean.toFixed(3))} nats${mixturesPanel.comparedToTrained(now, points)}.`);
  },

  comparedToTrained(now, points) {
    if (!mixturesPanel.moved().length) return "";
    const run = mixturesPanel.run();
    const trained = mixtureAt(packs.get("mixtures"), run, Number(byId("mixtures-epoch").value));
    const change = now.mean - meanLogLikelihood(trained, points).mean;
    return `, ${change >= 0 ? "+" : ""}${signed(change.toFixed(3))} by what was moved`;
  },

  drawn(mixture) {
    return sampleMixture(mixture, N_DRAWN, makeRandom(1));
  },

  /** The point of an event, and the component whose centre is near it, or -1. */
  under(event) {
    const { view } = mixturesPanel;
    const bounds = byId("mixtures-map").getBoundingClientRect();
    const [px, py] = [event.clientX - bounds.left, event.clientY - bounds.top];
    const far = mixturesPanel.mixture().where.map((where) => {
      const [x, y] = view.place(where);
      return Math.hypot(x - px, y - py);
    });
    const nearest = far.indexOf(Math.min(...far));
    return { spot: view.spot(px, py), near: far[nearest] < 16 ? nearest : -1 };
  },

  press(event) {
    const { spot, near } = mixturesPanel.under(event);
    byId("mixtures-chosen").value = near;
    mixturesPanel.cross = spot;
    if (near >= 0) {
      event.target.setPointerCapture(event.pointerId);
      const where = mixturesPanel.mixture().where[near];
      mixturesPanel.dragged = where.map((value, d) => value - spot[d]);
    }
    changed();
  },

  point(event) {
    const { spot } = mixturesPanel.under(event);
    const { dragged } = mixturesPanel;
    mixturesPanel.cross = spot;
    if (!dragged) changed();
    else mixturesPanel.move(Number(byId("mixtures-chosen").value), [spot[0] + dragged[0], spot[1] + dragged[1]]);
  },

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    const k = Number(byId("mixtures-chosen").value);
    const from = k >= 0 ? mixturesPanel.mixture().where[k] : mixturesPanel.cross;
    const size = event.shiftKey ? 5 * STEP : STEP;
    const to = from.map((value, d) => value + step[d] * size);
    mixturesPanel.cross = to;
    if (k >= 0) mixturesPanel.move(k, to);
    else changed();
  },

  /** Run through the epochs; a second click stops. */
  async play() {
    const slider = byId("mixtures-epoch");
    const job = beginJob("play");
    if (byId("mixtures-play").textContent === "Stop") {
      tell("mixtures-play", "Play the epochs");
      return;
    }
    tell("mixtures-play", "Stop");
    byId("mixtures-moved").value = "";
    const first = Number(slider.value) < Number(slider.max) ? Number(slider.value) : 0;
    for (let i = first; i <= Number(slider.max); i += 1) {
      slider.value = i;
      changed();
      await new Promise((resume) => setTimeout(resume, 120));
      if (!job.live()) return;
    }
    tell("mixtures-play", "Play the epochs");
  },

  saveSamples() {
    const { mean, std } = packs.get("mixtures").meta;
    const rows = mixturesPanel.drawn(mixturesPanel.mixture()).map(({ k, x }) => [
      ...x.map((value, d) => (value * std[d] + mean[d]).toFixed(4)),
      k + 1,
    ]);
    saveCsv("mixture-samples", ["longitude", "latitude", "component"], rows);
  },
};
