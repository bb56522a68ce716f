// Three tasks pull at the weights of their losses: an explorable that computes in the page.
//
// `mount(element, state)` draws it, as a page's <script type="module"> does; the default export has
// the form that an anywidget asks for. Everything that a reader can set stands in the address behind
// the #, so that a view can be linked.

import { copyButton, html, svg, viewIn } from "./dom.js";

export const RULES = {
  total: "the sum, Eq. 8",
  released: "the released layer",
  inverse: "hardest first, Eq. 12",
};
const LOOKS = {
  total: { colour: "#0072b2", dash: "" },
  released: { colour: "#e69f00", dash: "7 4" },
  inverse: { colour: "#009e73", dash: "2 4" },
};
const TASKS = ["A", "B", "C"];
const STEPS = 400;

// The default makes the point: the easiest task is learnt slowly, the hardest fast.
export const DEFAULT = { losses: [1, 1.6, 2.5], speeds: [0.01, 0.02, 0.04], rate: 0.2 };

function softmax(logits) {
  const most = Math.max(...logits);
  const e = logits.map((f) => Math.exp(f - most));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

// Weights and losses of one rule at every step. A step of descent on the logits, and each loss falls
// by the factor exp(-speed * strength), its strength being its weight; under the released layer,
// which trains all tasks alike, it is 1/3.
export function play(rule, { losses, speeds, rate }, steps = STEPS) {
  let L = [...losses];
  let f = L.map(() => 0);
  const path = [{ weights: softmax(f), losses: L }];
  for (let step = 0; step < steps; step += 1) {
    const w = softmax(f);
    const g = rule === "inverse" ? L.map((l) => 1 / l) : L;
    const mean = w.reduce((sum, share, k) => sum + share * g[k], 0);
    f = f.map((logit, k) => logit - rate * w[k] * (g[k] - mean));
    const strength = rule === "released" ? L.map(() => 1 / L.length) : w;
    L = L.map((l, k) => l * Math.exp(-speeds[k] * strength[k]));
    path.push({ weights: softmax(f), losses: L });
  }
  return path;
}

export function toHash({ losses, speeds, rate }) {
  return `tug=${[...losses, ...speeds, rate].map((v) => Number(v.toPrecision(3))).join(",")}`;
}

// What does not parse, or lies outside what the sliders reach, is left as it was.
export function fromHash(hash, state = DEFAULT) {
  // an empty part is no number, though Number("") is 0
  const numbers = viewIn(hash, "tug").map((part) => (part === "" ? NaN : Number(part)));
  const inside = (v, low, high) => Number.isFinite(v) && v >= low && v <= high;
  if (
    numbers.length !== 7 ||
    !numbers.slice(0, 3).every((v) => inside(v, 0.1, 5)) ||
    !numbers.slice(3, 6).every((v) => inside(v, 0, 0.2)) ||
    !inside(numbers[6], 0.001, 2)
  ) {
    return state;
  }
  return { losses: numbers.slice(0, 3), speeds: numbers.slice(3, 6), rate: numbers[6] };
}

export function asCell(state) {
  const list = (values) => `[${values.map((v) => Number(v.toPrecision(3))).join(", ")}]`;
  return `from mtl_helpers.papers.ming2021.simplex import slide

for rule in ("total", "inverse"):
    path = slide(
        rule,
        ${list(state.losses)},
        [0, 0, 0],
        steps=${STEPS},
        rate=${Number(state.rate.toPrecision(3))},
        progress=${list(state.speeds)},
    )
    print(rule, path.weights[-1].round(2), path.losses[-1].round(2))
`;
}

const WIDE = 320;
const HIGH = 290;
const CORNERS = [
  [30, 250],
  [WIDE - 30, 250],
  [WIDE / 2, 28],
];
const place = (w) => [0, 1].map((axis) => w.reduce((sum, v, k) => sum + v * CORNERS[k][axis], 0));

function drawTriangle(node, paths, state) {
  node.replaceChildren();
  svg("polygon", { points: CORNERS.join(" "), class: "edge" }, node);
  CORNERS.forEach(([x, y], k) => {
    const below = k < 2;
    // labels of the lower corners begin and end with the drawing
    const anchor = below ? ["start", "end"][k] : "middle";
    const at = { x: below ? [0, WIDE][k] : x, y: below ? y + 24 : y - 10, "text-anchor": anchor };
    svg("text", at, node, `${TASKS[k]}, loss ${state.losses[k].toFixed(1)}`);
  });
  for (const [rule, path] of Object.entries(paths)) {
    const { colour, dash } = LOOKS[rule];
    const points = path.map(({ weights }) => place(weights).map((v) => v.toFixed(1)).join(","));
    const look = { fill: "none", stroke: colour, "stroke-width": 3, "stroke-dasharray": dash };
    svg("polyline", { points: points.join(" "), ...look }, node);
    const [x, y] = place(path.at(-1).weights);
    svg("circle", { cx: x, cy: y, r: 6, fill: colour, class: "end" }, node);
  }
  const [x, y] = place([1 / 3, 1 / 3, 1 / 3]);
  svg("circle", { cx: x, cy: y, r: 4, class: "start" }, node);
}

function words(paths) {
  return Object.entries(paths).map(([rule, path]) => {
    const { weights, losses } = path.at(-1);
    const first = weights.indexOf(Math.max(...weights));
    const share = Math.round(100 * weights[first]);
    const left = losses.map((l, k) => `${TASKS[k]} ${l.toFixed(2)}`).join(", ");
    return [rule, `${TASKS[first]} has ${share} % of the weight; losses left: ${left}`];
  });
}

export function mount(element, given = fromHash(window.location.hash)) {
  const state = { losses: [...given.losses], speeds: [...given.speeds], rate: given.rate };
  element.classList.add("explorable", "tug-of-war");
  element.replaceChildren();
  const figure = html("div", { class: "drawing" }, element);
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": "Weights of three tasks" },
    figure,
  );
  const said = html("ul", { class: "said", "aria-live": "polite" }, figure);
  const controls = html("div", { class: "controls" }, element);

  const refresh = [];
  const plain = { to: (v) => v, from: (v) => v };
  function slider(label, [min, max, step], read, write, scale = plain) {
    const line = html("label", {}, controls);
    html("span", {}, line, label);
    const input = html("input", { type: "range", min, max, step }, line);
    const shown = html("output", {}, line);
    const show = () => {
      input.value = scale.to(read());
      shown.textContent = Number(read().toPrecision(2));
      input.setAttribute("aria-valuetext", shown.textContent);
    };
    refresh.push(show);
    input.addEventListener("input", () => {
      write(scale.from(Number(input.value)));
      show();
      draw();
      window.history.replaceState(null, "", `#${toHash(state)}`);
    });
    show();
  }

  function draw() {
    const paths = Object.fromEntries(Object.keys(RULES).map((rule) => [rule, play(rule, state)]));
    drawTriangle(drawing, paths, state);
    said.replaceChildren();
    for (const [rule, text] of words(paths)) {
      const item = html("li", {}, said);
      html("span", { class: "swatch", style: `background:${LOOKS[rule].colour}` }, item);
      html("strong", {}, item, RULES[rule]);
      item.append(`: ${text}`);
    }
  }

  TASKS.forEach((task, k) => {
    slider(`loss of ${task}`, [0.1, 5, 0.1], () => state.losses[k], (v) => (state.losses[k] = v));
  });
  TASKS.forEach((task, k) => {
    slider(`speed of ${task}`, [0, 0.2, 0.005], () => state.speeds[k], (v) => (state.speeds[k] = v));
  });
  // the rate runs over decades
  const decades = { to: Math.log10, from: (v) => 10 ** v };
  slider("rate of the weights", [-3, 0.3, 0.05], () => state.rate, (v) => (state.rate = v), decades);
  copyButton(controls, () => asCell(state));
  draw();
  const isView = () => window.location.hash.startsWith("#tug=");
  // a view that is linked is of use only with the drawing in sight
  if (isView()) element.scrollIntoView({ block: "start" });
  window.addEventListener("hashchange", () => {
    if (!isView()) return;
    Object.assign(state, fromHash(window.location.hash, state));
    refresh.forEach((run) => run());
    draw();
    element.scrollIntoView({ block: "start" });
  });
  return { state, draw };
}

export default {
  render({ el }) {
    mount(el, DEFAULT);
  },
};
