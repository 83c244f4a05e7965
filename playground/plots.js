// Pictures as SVG. Colours and sizes are attributes, so that a saved file looks the same.

const SVG = "http://www.w3.org/2000/svg";

function svgNode(name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** An empty picture in place of what a container shows, as wide as it is. */
function newPicture(container, height, about) {
  const width = Math.max(container.clientWidth, 240);
  const svg = svgNode("svg", {
    xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
    "font-family": "system-ui, sans-serif", "font-size": 13, fill: color("ink"),
  }); // prettier-ignore
  svg.append(svgNode("title", {}, about));
  svg.append(svgNode("rect", { width, height, fill: color("paper") }));
  container.replaceChildren(svg);
  return { svg, width, height };
}

/** A share as people write it. */
function percent(share) {
  return `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)}%`;
}

/**
 * Bars from above to below: rows {label, value, outline, colour, note}, shares from 0
 * to 1. outline is a frame around: what the value was before. The longest bar fills the
 * picture, or whole would.
 */
function drawBars(container, rows, about, whole) {
  const step = 21;
  const { svg, width } = newPicture(container, rows.length * step + 4, about);
  const left = 12 + 7.5 * Math.max(...rows.map(({ label }) => label.length), 2);
  const room = width - left - 52;
  const longest = Math.max(...rows.map(({ value, outline = 0 }) => Math.max(value, outline)));
  const most = whole ?? Math.max(longest, 1e-9);
  rows.forEach((line, i) => {
    const y = i * step + 2;
    const group = svgNode("g", {});
    const tip = `${line.label}: ${percent(line.value)}${line.note ? `, ${line.note}` : ""}`;
    group.append(svgNode("title", {}, tip));
    group.append(svgNode("text", { x: left - 8, y: y + 14, "text-anchor": "end" }, line.label));
    const bar = (share, attributes) =>
      svgNode("rect", { x: left, width: Math.max((share / most) * room, 0.5), ...attributes });
    group.append(bar(line.value, { y: y + 2, height: 15, fill: line.colour }));
    if (line.outline !== undefined) {
      const look = { fill: "none", stroke: line.edge ?? color("muted"), "stroke-width": 1 };
      const dashed = line.note?.startsWith("cut") ? { "stroke-dasharray": "3 2" } : {};
      group.append(bar(line.outline, { y: y + 2.5, height: 14, ...look, ...dashed }));
    }
    const end = left + (Math.max(line.value, line.outline ?? 0) / most) * room + 6;
    const shown = line.shown ?? percent(line.value);
    group.append(svgNode("text", { x: end, y: y + 14, fill: color("muted"), "font-size": 12 }, shown));
    svg.append(group);
  });
}

/** The maps of every layer and head, maps[layer][head][row][column]; labels: positions'. */
function drawAttention(container, maps, labels) {
  const gap = 14;
  const top = 18;
  const columns = Math.min(maps[0].length, Math.max(2, Math.floor(container.clientWidth / 90)));
  const rowsEach = Math.ceil(maps[0].length / columns);
  const side = (Math.max(container.clientWidth, 240) - (columns - 1) * gap) / columns;
  const height = maps.length * rowsEach * (side + top + 6);
  const { svg } = newPicture(container, height, "Attention of every layer and head");
  maps.forEach((heads, layer) =>
    heads.forEach((map, head) => {
      const x = (head % columns) * (side + gap);
      const y = (layer * rowsEach + Math.floor(head / columns)) * (side + top + 6);
      const name = `layer ${layer + 1}, head ${head + 1}`;
      svg.append(svgNode("text", { x, y: y + 12, "font-size": 11, fill: color("muted") }, name));
      svg.append(attentionMap(map, labels, side, x, y + top));
    }),
  );
}

function attentionMap(map, labels, side, x, y) {
  const group = svgNode("g", { transform: `translate(${x} ${y})` });
  const margin = 13; // for the characters
  const cell = (side - margin) / labels.length;
  const size = Math.min(11, cell + 1);
  const look = { "font-size": size, "text-anchor": "middle", "font-family": "monospace" };
  labels.forEach((label, i) => {
    const middle = margin + (i + 0.5) * cell;
    group.append(svgNode("text", { ...look, x: 5, y: middle - margin + size / 3 }, label));
    group.append(svgNode("text", { ...look, x: middle, y: side - 2 }, label));
  });
  const frame = { x: margin, y: 0, width: side - margin, height: side - margin };
  group.append(svgNode("rect", { ...frame, fill: color("soft"), stroke: color("line") }));
  map.forEach((seen, i) =>
    seen.forEach((share, j) => {
      const square = svgNode("rect", {
        x: margin + j * cell, y: i * cell, width: cell, height: cell,
        fill: color("blue"), "fill-opacity": Math.min(share, 1).toFixed(3),
      }); // prettier-ignore
      const tip = `${labels[i]} (position ${i + 1}) looks at ${labels[j]} (${j + 1}): ${percent(share)}`;
      square.append(svgNode("title", {}, tip));
      group.append(square);
    }),
  );
  return group;
}

/** A curve of ys over xs with a dot at mark {x, y}; both axes start at 0. */
function drawCurve(container, { xs, ys, mark, xLabel, yLabel, about }) {
  const { svg, width, height } = newPicture(container, 260, about);
  const [left, right, top, bottom] = [40, 12, 12, 42];
  const xMost = Math.max(...xs);
  const yMost = Math.ceil(Math.max(...ys, mark.y));
  const toX = (x) => left + (x / xMost) * (width - left - right);
  const toY = (y) => height - bottom - (y / yMost) * (height - top - bottom);
  const label = { fill: color("muted"), "font-size": 12 };
  const line = { stroke: color("line"), "stroke-width": 1 };
  for (let y = 0; y <= yMost; y += 1) {
    svg.append(svgNode("line", { x1: left, x2: width - right, y1: toY(y), y2: toY(y), ...line }));
    svg.append(svgNode("text", { x: left - 8, y: toY(y) + 4, "text-anchor": "end", ...label }, y));
  }
  for (let x = 0; x <= xMost + 1e-9; x += 0.5) {
    const place = { x: toX(x), y: height - bottom + 16, "text-anchor": "middle" };
    svg.append(svgNode("text", { ...place, ...label }, x));
  }
  const points = xs.map((x, i) => `${toX(x).toFixed(1)},${toY(ys[i]).toFixed(1)}`).join(" ");
  svg.append(svgNode("polyline", { points, fill: "none", stroke: color("blue"), "stroke-width": 2 }));
  svg.append(svgNode("circle", { cx: toX(mark.x), cy: toY(mark.y), r: 5, fill: color("orange") }));
  const middle = { x: (left + width) / 2, y: height - 6, "text-anchor": "middle" };
  svg.append(svgNode("text", { ...middle, ...label }, xLabel));
  const turned = { transform: `translate(12 ${height / 2 - 16}) rotate(-90)`, "text-anchor": "middle" };
  svg.append(svgNode("text", { ...turned, ...label }, yLabel));
}
