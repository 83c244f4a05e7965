// The map: log-density as a raster, coasts, components, samples, a cross.

const DENSITY_RANGE = 9; // nats below the maximum that the shading shows
const RASTER = 260; // columns
// matplotlib's magma (CC0), every eighth of it
const MAGMA = [
  [0, 0, 4], [28, 16, 68], [79, 18, 123], [129, 37, 129], [181, 54, 122], [229, 80, 100],
  [251, 135, 97], [254, 194, 135], [252, 253, 191],
]; // prettier-ignore

/** The red, green and blue of a share from 0 to 1. */
function magma(share) {
  const at = Math.min(Math.max(share, 0), 1) * (MAGMA.length - 1);
  const i = Math.min(Math.floor(at), MAGMA.length - 2);
  return MAGMA[i].map((low, c) => low + (at - i) * (MAGMA[i + 1][c] - low));
}

/** How a canvas as wide as its place shows the region: pixels, degrees, standardised. */
function makeView(canvas, { region, mean, std }) {
  const [west, south, east, north] = region;
  const width = Math.max(canvas.clientWidth, 240);
  const kilometre = Math.cos((((south + north) / 2) * Math.PI) / 180);
  const height = Math.round((width * (north - south)) / (east - west) / kilometre);
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.height = `${height}px`;
  const toPixels = (long, lat) => [
    ((long - west) / (east - west)) * width,
    ((north - lat) / (north - south)) * height,
  ];
  return {
    width, height, ratio, region, mean, std, toPixels,
    // of standardised coordinates, and back
    place: ([x, y]) => toPixels(x * std[0] + mean[0], y * std[1] + mean[1]),
    spot: (px, py) => [
      (west + (px / width) * (east - west) - mean[0]) / std[0],
      (north - (py / height) * (north - south) - mean[1]) / std[1],
    ],
  }; // prettier-ignore
}

/**
 * Draw a mixture. Components stand out by their shares (K,) of the cross, a point;
 * samples are of sampleMixture, or null; chosen is a component or -1.
 */
function drawMap(canvas, view, mixture, outlines, { shares, samples, cross, chosen }) {
  const context = canvas.getContext("2d");
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  drawDensity(context, view, mixture);
  drawOutlines(context, view, outlines);
  if (samples) drawSamples(context, view, samples);
  mixture.logits.forEach((_, k) => {
    const looked = shares[k];
    context.lineWidth = k === chosen ? 3 : 0.8 + 2.5 * looked;
    context.strokeStyle = k === chosen ? "#3ce0a5" : looked > 0.02 ? "#ffffff" : "#ffffffb0";
    drawComponent(context, view, mixture, k);
  });
  drawCross(context, view, cross);
}

function drawDensity(context, view, mixture) {
  const rows = Math.round((RASTER * view.height) / view.width);
  const middle = (i, n, size) => ((i + 0.5) / n) * size;
  const xs = Array.from({ length: RASTER }, (_, i) => view.spot(middle(i, RASTER, view.width), 0)[0]);
  const ys = Array.from({ length: rows }, (_, j) => view.spot(0, middle(j, rows, view.height))[1]);
  const raster = densityRaster(mixture, xs, ys);
  let most = 0;
  for (const p of raster) most = Math.max(most, p);
  const image = new ImageData(RASTER, rows);
  raster.forEach((p, i) => {
    const share = p > 0 ? 1 + Math.log(p / most) / DENSITY_RANGE : 0;
    image.data.set([...magma(share), 255], 4 * i);
  });
  const small = element("canvas", { width: RASTER, height: rows });
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = mixture.kind === "gmm";
  context.drawImage(small, 0, 0, view.width, view.height);
}

function drawOutlines(context, view, { shape, values }) {
  context.beginPath();
  context.lineWidth = 0.7;
  context.strokeStyle = "#ffffff70";
  let down = false;
  for (let i = 0; i < shape[0]; i += 1) {
    const [long, lat] = [values[2 * i], values[2 * i + 1]];
    const broken = long === -32768;
    const at = view.toPixels(long / 100, lat / 100);
    if (!broken) context[down ? "lineTo" : "moveTo"](...at);
    down = !broken;
  }
  context.stroke();
}

function drawSamples(context, view, samples) {
  context.fillStyle = "#7fd4ff";
  for (const { x } of samples) {
    const [px, py] = view.place(x);
    context.fillRect(px - 1, py - 1, 2, 2);
  }
}

/** Ellipses at one and two standard deviations, or a box. */
function drawComponent(context, view, mixture, k) {
  const [cx, cy] = view.place(mixture.where[k]);
  context.beginPath();
  if (mixture.kind === "gmm") {
    const sigma = mixture.size[k].map((s, d) => mixture.where[k][d] + Math.exp(0.5 * s));
    const [ex, ey] = view.place(sigma);
    for (const n of [1, 2]) {
      context.moveTo(cx + n * (ex - cx), cy);
      context.ellipse(cx, cy, n * (ex - cx), n * (cy - ey), 0, 0, 2 * Math.PI);
    }
  } else {
    const corners = [0, 1].map((d) => edges(mixture, k, d));
    const [west, south] = view.place([corners[0][0], corners[1][0]]);
    const [east, north] = view.place([corners[0][1], corners[1][1]]);
    context.rect(west, north, east - west, south - north);
  }
  context.stroke();
  context.fillStyle = context.strokeStyle;
  context.fillRect(cx - 2, cy - 2, 4, 4); // to drag it by
}

function drawCross(context, view, cross) {
  const [px, py] = view.place(cross);
  context.beginPath();
  context.lineWidth = 2;
  context.strokeStyle = "#3ce0a5";
  for (const [dx, dy] of [[9, 0], [0, 9]]) {
    context.moveTo(px - dx, py - dy);
    context.lineTo(px + dx, py + dy);
  } // prettier-ignore
  context.stroke();
}
