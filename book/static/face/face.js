// A face that the reader turns, lights, ages and exaggerates, and a trained network that says who it
// is: an explorable that draws and computes in the page.
//
// `mount(element, state)` builds it, as a page's <script type="module"> does; the default export has
// the form that an anywidget asks for. Everything that a reader can set stands in the address behind
// the #, so that a view can be linked.

import { copyButton, html, svg, viewIn } from "../dom.js";
import { FacePainter, HeadShapes } from "./head.js";
import { Network, SIDE, cosine, softmax } from "./network.js";
import { load } from "./tensors.js";

export const NETWORKS = {
  one_task: "one task",
  all_tasks: "all tasks",
  eq8: "learned weights",
  aprn: "made to forget pose",
};
const ABOUT = {
  one_task: "trained to recognise people and for nothing else",
  all_tasks: "trained on pose, light and expression too, at fixed weights",
  eq8: "trained on all four tasks, and learned their weights by Eq. 8 as the paper prints it",
  aprn: "trained to recognise people, then made to forget where landmarks are (APRN)",
};
const ASKED = { pos: "pose", illum: "light", exp: "expression" };
const YAWS = [...Array(13).keys()].map((k) => 15 * k - 90);

// The default makes the point: the head is turned, and the network takes it for somebody else.
export const DEFAULT = {
  person: 6,
  yaw: 75,
  light: -30,
  expression: 0,
  age: null,
  exaggeration: 1,
  network: "one_task",
};
const ENROLLED = { yaw: 0, light: 0, expression: 0, age: null, exaggeration: 1 };

const round = (v, digits = 2) => Number(v.toFixed(digits));

export function toHash({ person, yaw, light, expression, age, exaggeration, network }) {
  const parts = [person, yaw, light ?? "none", expression, age === null ? "own" : round(age)];
  return `face=${[...parts, round(exaggeration), network].join(",")}`;
}

// What does not parse, or lies outside what the controls reach, is left as it was.
export function fromHash(hash, state = DEFAULT) {
  const parts = viewIn(hash, "face");
  if (parts.length !== 7 || parts.some((part) => part === "")) return state;
  const found = {
    person: Number(parts[0]),
    yaw: Number(parts[1]),
    light: parts[2] === "none" ? null : Number(parts[2]),
    expression: Number(parts[3]),
    age: parts[4] === "own" ? null : Number(parts[4]),
    exaggeration: Number(parts[5]),
    network: parts[6],
  };
  const within = (v, low, high) => Number.isFinite(v) && v >= low && v <= high;
  const whole = (v, high) => Number.isInteger(v) && within(v, 0, high);
  const valid =
    whole(found.person, 23) &&
    within(found.yaw, -90, 90) &&
    (found.light === null || within(found.light, -90, 90)) &&
    whole(found.expression, 5) &&
    (found.age === null || within(found.age, 0.66, 1)) &&
    within(found.exaggeration, 0, 2) &&
    Object.hasOwn(NETWORKS, found.network);
  return valid ? found : state;
}

export function asCell(state, about) {
  const { number } = about.people[state.person];
  const shot =
    state.light === null
      ? "get_shot(0)"
      : `Shot(7, 7, ${round(state.light, 1)}, 0.0, FLASH_INTENSITY)`;
  const older =
    state.age === null
      ? ""
      : `phenotype = person.phenotype | {"age": ${round(state.age)}}
row = head.phenotype_coefficients(phenotype)[0]
person.coefficients[: len(row)] = row
person = replace(person, phenotype=phenotype)
`;
  const more =
    state.exaggeration === 1
      ? ""
      : `person = replace(
    person, coefficients=exaggerate(person, ${round(state.exaggeration)}, limited=False)
)
`;
  const light = state.light === null ? "get_shot" : "FLASH_INTENSITY, Shot";
  const imports = [
    (older || more) && "from dataclasses import replace\n",
    "import matplotlib.pyplot as plt\n",
    "from mtl_helpers.faces.draw.render import identity_faces, render_vertices\n",
    more && "from mtl_helpers.faces.model.exaggeration import exaggerate\n",
    "from mtl_helpers.faces.model.head import HeadModel\n",
    "from mtl_helpers.faces.model.identity import sample_identities\n",
    "from mtl_helpers.faces.scene.appearance import skin_of\n",
    "from mtl_helpers.faces.scene.cameras import Camera\n",
    `from mtl_helpers.faces.scene.lights import ${light}\n`,
    "from mtl_helpers.faces.scene.look import Look\n",
  ];
  return `${imports.filter(Boolean).join("")}
head = HeadModel.load()
person = sample_identities(1, seed=0, start=${number})[0]
skin = skin_of(person)
${older}${more}expression = "${about.expressions[state.expression]}"
faces = identity_faces(head, person, [expression], seed=0)
look = ${about.lookCode}
camera = Camera("05_1", ${round(state.yaw, 1)}, 0.0, 0)
shot = ${shot}
image = render_vertices(head, faces[0], skin=skin, look=look, camera=camera, shot=shot)
plt.imshow(image)
plt.axis("off");
`;
}

// ---- what a network says -----------------------------------------------------------------------

// Everybody whom a face is looked for among, each by one picture: frontal, frontal flash, neutral.
// The people that the page can draw come first, drawn here; the others, the crowd, come with
// pictures and features that are stored.
export class Gallery {
  constructor(painter, crowd, sheet) {
    this.pictures = painter.shapes.about.people.map((_, person) =>
      painter.picture({ ...ENROLLED, person }),
    );
    this.crowd = crowd;
    this.sheet = sheet;
    this.features = {};
  }

  static async load(painter, base) {
    const sheet = new Image();
    sheet.src = new URL("crowd.webp", base);
    const [{ tensors }] = await Promise.all([
      load(new URL("crowd.safetensors", base)),
      sheet.decode(),
    ]);
    return new Gallery(painter, tensors, sheet);
  }

  get size() {
    return this.pictures.length + Object.values(this.crowd)[0].shape[0];
  }

  // Features of everybody, computed once per network, however many ask meanwhile.
  of(name, network) {
    this.features[name] ??= this.enrol(name, network);
    return this.features[name];
  }

  // In pieces, so that the page stays alive.
  async enrol(name, network) {
    const found = [];
    for (const picture of this.pictures) {
      found.push(network.answer(picture).x);
      await pause();
    }
    const { values, shape } = this.crowd[name];
    for (let k = 0; k < shape[0]; k += 1) {
      found.push(values.subarray(k * shape[1], (k + 1) * shape[1]));
    }
    return found;
  }

  thumbnail(parent, person) {
    const canvas = html("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" }, parent);
    const stored = person - this.pictures.length;
    if (stored < 0) drawGrey(canvas, this.pictures[person]);
    else {
      const columns = this.sheet.naturalWidth / SIDE;
      const x = (stored % columns) * SIDE;
      const y = Math.floor(stored / columns) * SIDE;
      canvas.getContext("2d").drawImage(this.sheet, x, y, SIDE, SIDE, 0, 0, SIDE, SIDE);
    }
  }
}

// Similarity to everybody, the best first: [{ person, similarity }].
export function ranked(x, features) {
  return features
    .map((other, person) => ({ person, similarity: cosine(x, other) }))
    .sort((a, b) => b.similarity - a.similarity);
}

const pause = () => new Promise((done) => setTimeout(done, 0));

// ---- the page ----------------------------------------------------------------------------------

function drawGrey(canvas, grey) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  grey.forEach((v, k) => image.data.set([v, v, v, 255], 4 * k));
  context.putImageData(image, 0, 0);
}

// "0° above" is one of the lights of the corpus; the page's own stand at the height of the head
const signed = (yaw) => `${yaw > 0 ? "+" : ""}${Math.round(yaw)}°`;
const per = (share) => `${Math.round(100 * share)} %`;

const CURVE = { wide: 360, high: 190, left: 34, right: 8, top: 12, bottom: 40 };
const acrossCurve = (yaw) =>
  CURVE.left + ((yaw + 90) / 180) * (CURVE.wide - CURVE.left - CURVE.right);

// Similarity to the own enrolled picture and to the most similar stranger's, over yaw.
function drawCurve(node, points, yaw) {
  node.replaceChildren();
  const { wide, high, left, right, top, bottom } = CURVE;
  // one scale for all views, so that networks can be compared; few similarities are below 0
  const up = (v) => high - bottom - Math.max(v, 0) * (high - top - bottom);
  for (const v of [0, 0.5, 1]) {
    const y = up(v);
    svg("line", { x1: left, x2: wide - right, y1: y, y2: y, class: "grid" }, node);
    svg("text", { x: left - 5, y: y + 4, "text-anchor": "end" }, node, v.toFixed(1));
  }
  for (const at of [-90, -45, 0, 45, 90]) {
    const anchor = at === 90 ? "end" : "middle";
    const x = acrossCurve(at);
    svg("text", { x, y: high - bottom + 17, "text-anchor": anchor }, node, signed(at));
  }
  const middle = { x: (wide + left) / 2, y: high - 6, "text-anchor": "middle" };
  svg("text", middle, node, "yaw of the head");
  const here = acrossCurve(yaw);
  svg("line", { x1: here, x2: here, y1: top, y2: high - bottom, class: "here" }, node);
  for (const [key, look] of [
    ["stranger", { class: "stranger", "stroke-dasharray": "6 4" }],
    ["own", { class: "own" }],
  ]) {
    const line = points.map((p) => `${acrossCurve(p.yaw).toFixed(1)},${up(p[key]).toFixed(1)}`);
    svg("polyline", { points: line.join(" "), fill: "none", ...look }, node);
  }
  for (const p of points) {
    const wrong = p.stranger > p.own;
    const at = { cx: acrossCurve(p.yaw), cy: up(p.own), r: wrong ? 6 : 4 };
    svg("circle", { ...at, class: wrong ? "wrong" : "right" }, node);
    // a place in figures, above a dot that lies low
    const y = at.cy + (at.cy > high - bottom - 24 ? -11 : 20);
    const anchor = p.yaw === 90 ? "end" : "middle";
    const place = { x: at.cx, y, "text-anchor": anchor, class: "place" };
    if (wrong) svg("text", place, node, p.rank);
  }
}

function bar(parent, name, share, words) {
  const line = html("div", { class: "bar" }, parent);
  html("span", {}, line, name);
  const box = html("span", { class: "box" }, line);
  html("span", { class: "filled", style: `width:${Math.max(0, 100 * share)}%` }, box);
  html("span", {}, line, words);
  return line;
}

class FaceLab {
  constructor(element, shapes, state, base) {
    this.shapes = shapes;
    this.state = { ...state };
    this.base = base;
    this.networks = {};
    this.build(element);
    this.painter = new FacePainter(this.canvas, shapes, SIDE);
    this.timeDrawing();
    this.refresh.forEach((run) => run());
    // a phone that sleeps takes its drawings away
    this.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    this.canvas.addEventListener("webglcontextrestored", () => {
      this.painter = new FacePainter(this.canvas, shapes, SIDE);
      this.update();
    });
    new ResizeObserver(() => {
      this.painter.resize(this.sharp());
      this.painter.show(this.view());
    }).observe(this.canvas);
  }

  async fillGallery() {
    this.gallery = await Gallery.load(this.painter, this.base);
    const { size, pictures } = this.gallery;
    const words = `Of ${size} people in the gallery, these ${pictures.length} can be drawn here.`;
    this.people.before(html("p", {}, this.people.parentNode, `${words} Choose whose head it is:`));
    pictures.forEach((_, person) => {
      const button = html("button", { type: "button" }, this.people);
      button.setAttribute("aria-label", `person ${person + 1}`);
      this.gallery.thumbnail(button, person);
      html("span", {}, button, person + 1);
      button.addEventListener("click", () => this.change({ person, age: null }));
      this.refresh.push(() => {
        button.setAttribute("aria-pressed", this.state.person === person);
      });
    });
  }

  address() {
    return toHash(this.state);
  }

  view() {
    const { person, yaw, light, expression, age, exaggeration } = this.state;
    return { person, yaw, light, expression, age, exaggeration, strength: 1 };
  }

  build(element) {
    element.classList.add("face-lab");
    element.replaceChildren();
    const left = html("div", { class: "drawing" }, element);
    const look = { class: "face", role: "img", tabindex: "0", width: 400, height: 400 };
    const label = { "aria-label": "A head; arrow keys turn it." };
    this.canvas = html("canvas", { ...look, ...label }, left);
    this.letDrag();
    this.controls(html("div", { class: "controls" }, left));
    this.answers = html("div", { class: "answers" }, element);
    this.chooser(this.answers);
    this.said = html("div", { class: "says", "aria-live": "polite" }, this.answers);
    this.sides = html("div", { class: "sides" }, this.answers);
    const figure = html("figure", {}, this.answers);
    const box = `0 0 ${CURVE.wide} ${CURVE.high}`;
    this.curve = svg("svg", { viewBox: box, role: "img", class: "curve" }, figure);
    this.caption = html("figcaption", {}, figure);
    const below = html("div", { class: "gallery" }, element);
    this.people = html("div", { class: "people", role: "group", "aria-label": "gallery" }, below);
  }

  letDrag() {
    const { canvas } = this;
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button || !event.isPrimary) return;
      from = { x: event.clientX, yaw: this.state.yaw };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from || !event.isPrimary) return;
      // a head that is pulled to the right shows its right side
      const turned = from.yaw - (120 * (event.clientX - from.x)) / canvas.clientWidth;
      this.change({ yaw: Math.round(Math.max(-90, Math.min(90, turned))) });
    });
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => {
        from = null;
      });
    }
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: 5, ArrowRight: -5 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.change({ yaw: Math.max(-90, Math.min(90, this.state.yaw + step)) });
    });
  }

  controls(parent) {
    const { about } = this.shapes;
    this.refresh = [];
    const slider = (label, [min, max, step], read, write, words) => {
      const line = html("label", {}, parent);
      html("span", {}, line, label);
      const input = html("input", { type: "range", min, max, step }, line);
      const shown = html("output", {}, line);
      input.addEventListener("input", () => this.change(write(Number(input.value))));
      this.refresh.push(() => {
        input.value = read();
        shown.textContent = words(read());
        input.setAttribute("aria-valuetext", words(read()));
      });
    };
    slider("turn", [-90, 90, 5], () => this.state.yaw, (yaw) => ({ yaw }), signed);
    slider(
      "light from",
      [-90, 90, 5],
      () => this.state.light ?? 0,
      (light) => ({ light }),
      (yaw) => (this.state.light === null ? "off" : signed(yaw)),
    );
    const [young, old] = about.ages;
    const own = () => Math.max(young, Math.min(old, about.people[this.state.person].age));
    const years = (age) => (age < young + 0.08 ? "young" : age > old - 0.08 ? "old" : "middle");
    const ages = [round(young), old, 0.01];
    slider("age", ages, () => this.state.age ?? own(), (age) => ({ age }), years);
    slider(
      "caricature",
      [0, 2, 0.1],
      () => this.state.exaggeration,
      (exaggeration) => ({ exaggeration }),
      (v) => `${v.toFixed(1)} x`,
    );
    const line = html("label", {}, parent);
    html("span", {}, line, "expression");
    const select = html("select", {}, line);
    about.expressions.forEach((name, k) => html("option", { value: k }, select, name));
    select.addEventListener("change", () => this.change({ expression: Number(select.value) }));
    const flash = html("label", { class: "flash" }, parent);
    const box = html("input", { type: "checkbox" }, flash);
    html("span", {}, flash, "flash (without it, the room's light alone)");
    box.addEventListener("change", () => this.change({ light: box.checked ? 0 : null }));
    this.refresh.push(() => {
      select.value = this.state.expression;
      box.checked = this.state.light !== null;
    });
    const buttons = html("div", { class: "buttons" }, parent);
    const reset = html("button", { type: "button" }, buttons, "As in the gallery");
    reset.addEventListener("click", () => this.change({ ...ENROLLED }));
    copyButton(buttons, () => asCell(this.state, about));
  }

  chooser(parent) {
    const set = html("fieldset", {}, parent);
    html("legend", {}, set, "Network");
    const group = `network-${Math.random().toString(36).slice(2)}`;
    for (const [name, words] of Object.entries(NETWORKS)) {
      const label = html("label", {}, set);
      const input = html("input", { type: "radio", name: group, value: name }, label);
      html("span", {}, label, words);
      input.addEventListener("change", () => this.change({ network: name }));
      // a file that did not come is asked for once more when its network is chosen again
      input.addEventListener("click", () => this.networks[name] ?? this.update());
      this.refresh.push(() => {
        input.checked = this.state.network === name;
      });
    }
    this.about = html("p", { class: "about" }, set);
  }

  // A machine without a graphics card draws large pictures slowly: there, what moves is drawn smaller.
  timeDrawing() {
    this.painter.resize(400);
    this.painter.show(this.view());
    this.painter.finish();
    const start = performance.now();
    this.painter.show(this.view());
    this.painter.finish();
    this.slow = performance.now() - start > 12;
  }

  change(changes) {
    const before = this.address();
    Object.assign(this.state, changes);
    if (this.address() !== before) this.update();
  }

  // Draws at the next frame; writes the address and asks the network when the reader pauses.
  update() {
    // what still stands there is about the face as it was
    this.answers.setAttribute("aria-busy", "true");
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.refresh.forEach((run) => run());
      this.painter.resize(this.slow ? 200 : this.sharp());
      this.painter.show(this.view());
    });
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      const asked = this.address();
      this.rest().catch(() => this.address() === asked && this.fail());
    }, 90);
  }

  sharp() {
    const pixels = (this.canvas.clientWidth || 360) * (window.devicePixelRatio || 1);
    // half as many again, for edges without steps
    return Math.round(Math.min(900, 1.5 * pixels));
  }

  async network() {
    const { network: name } = this.state;
    this.networks[name] ??= Network.load(new URL(`${name}.safetensors`, this.base)).catch(
      (error) => {
        delete this.networks[name];
        throw error;
      },
    );
    return this.networks[name];
  }

  // What the network says of the face at rest, then of all yaws; given up when something changes.
  async rest() {
    // until the gallery is there, nobody is looked for
    if (!this.gallery) return;
    const state = this.address();
    const { network: name, person } = this.state;
    const { painter } = this;
    const current = () =>
      this.address() === state && this.painter === painter && !painter.gl.isContextLost();
    const { hash } = window.location;
    if (`#${state}` !== (hash.startsWith("#face=") ? hash : `#${toHash(DEFAULT)}`)) {
      window.history.replaceState(null, "", `#${state}`);
    }
    this.painter.resize(this.sharp());
    this.painter.show(this.view());
    const network = await this.network();
    const features = await this.gallery.of(name, network);
    if (!current()) return;
    const start = performance.now();
    const grey = this.painter.picture(this.view());
    const answer = network.answer(grey);
    if (!current()) return;
    this.milliseconds = performance.now() - start;
    this.tell(grey, ranked(answer.x, features), answer.logits, network);
    const points = [];
    for (const yaw of YAWS) {
      await pause();
      if (!current()) return;
      const { x } = network.answer(this.painter.picture({ ...this.view(), yaw }));
      const order = ranked(x, features);
      points.push({
        yaw,
        rank: 1 + order.findIndex((one) => one.person === person),
        own: order.find((one) => one.person === person).similarity,
        stranger: order.find((one) => one.person !== person).similarity,
      });
    }
    if (!current()) return;
    this.tellCurve(points);
    this.answers.removeAttribute("aria-busy");
    this.settled = state;
  }

  // Without its file a network says nothing, and no other one speaks for it.
  fail() {
    for (const part of [this.about, this.said, this.sides, this.curve, this.caption]) {
      part.replaceChildren();
    }
    this.answers.removeAttribute("aria-busy");
    const words = "The file of this network did not come. Choose it again to ask once more.";
    html("p", { class: "wrong" }, this.said, words);
  }

  tell(grey, order, logits, network) {
    const { state } = this;
    const { about } = this.shapes;
    this.about.textContent = `It was ${ABOUT[state.network]}.`;
    const right = order[0].person === state.person;
    const rank = 1 + order.findIndex((one) => one.person === state.person);
    this.said.replaceChildren();
    const headline = html("p", { class: right ? "right" : "wrong" }, this.said);
    const seen = html("span", { class: "seen" }, headline);
    const canvas = html("canvas", { width: SIDE, height: SIDE, "aria-hidden": "true" }, seen);
    drawGrey(canvas, grey);
    const taken = right ? "It knows" : "It takes";
    const rest = right
      ? `person ${state.person + 1} among ${order.length}.`
      : `person ${state.person + 1} for person ${order[0].person + 1}; of ${order.length} the ` +
        `right one comes at place ${rank}.`;
    html("strong", {}, headline, `${taken} ${rest}`);
    const list = html("div", { class: "nearest" }, this.said);
    const shown = order.slice(0, 3);
    if (rank > 3) shown.push(order[rank - 1]);
    for (const { person, similarity } of shown) {
      const line = bar(list, "", similarity, similarity.toFixed(2));
      const who = line.firstChild;
      this.gallery.thumbnail(who, person);
      who.append(` ${person + 1}`);
      if (person === state.person) line.classList.add("own");
    }
    this.sides.replaceChildren();
    for (const [task, words] of Object.entries(ASKED)) {
      const shares = softmax(logits[task]);
      const best = shares.indexOf(Math.max(...shares));
      const name = about.classes[task][best];
      const line = bar(this.sides, words, shares[best], `${name}, ${per(shares[best])}`);
      if (network.read.includes(task)) line.classList.add("read");
    }
    const read = network.read.length > 0;
    const weights = Object.entries(ASKED)
      .map(([task, words]) => `${words} ${(network.trained.weights[task] ?? 0).toFixed(3)}`)
      .join(", ");
    html(
      "p",
      { class: "about" },
      this.sides,
      read
        ? "Nobody trained it for these three: a linear classifier reads them off its feature."
        : `These three are its side tasks, each with a head. Their weights at the end: ${weights}.`,
    );
    const words = `The head of person ${state.person + 1} at a yaw of ${signed(state.yaw)}`;
    this.canvas.setAttribute("aria-label", `${words}; arrow keys turn it.`);
  }

  tellCurve(points) {
    drawCurve(this.curve, points, this.state.yaw);
    const known = points.filter(({ own, stranger }) => own >= stranger).length;
    const words =
      `Right at ${known} of ${points.length} yaws. The line is the similarity to its own picture ` +
      "in the gallery, the dashes that to the most similar stranger's. Large dots: taken for a " +
      "stranger, with the place at which the right one comes.";
    this.caption.textContent = words;
    this.curve.setAttribute("aria-label", words);
  }
}

// Where WebGL 2 or a file is missing, what stands in the element stays: a still picture.
export async function mount(element, state = fromHash(window.location.hash)) {
  const base = new URL("./", import.meta.url);
  const still = [...element.childNodes];
  const opened = window.location.hash;
  try {
    const probe = document.createElement("canvas").getContext("webgl2");
    if (!probe) throw new Error("no WebGL 2");
    const shapes = await HeadShapes.load(new URL("head.safetensors", base));
    const lab = new FaceLab(element, shapes, state, base);
    await lab.fillGallery();
    // within reach of a browser's console
    element.lab = lab;
    // a view may have been followed, or a control moved, while the files came
    const { hash } = window.location;
    if (hash !== opened) Object.assign(lab.state, fromHash(hash, lab.state));
    lab.update();
    window.addEventListener("hashchange", () => {
      const { hash } = window.location;
      // other anchors of the page are no views
      if (hash && !hash.startsWith("#face=")) return;
      Object.assign(lab.state, fromHash(hash, hash ? lab.state : DEFAULT));
      lab.update();
      if (!hash) return;
      // a link further down the page is of use only with the face in sight
      element.scrollIntoView({ block: "start" });
    });
    return lab;
  } catch (error) {
    element.replaceChildren(...still);
    element.classList.add("still");
    element.dataset.missing = error.message;
    return null;
  }
}

export default {
  render({ el }) {
    mount(el, DEFAULT);
  },
};
