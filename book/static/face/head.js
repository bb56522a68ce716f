// A head in WebGL: shapes added up, normals, shadows, paint.
//
// It follows the renderer of mtl_helpers.faces.draw: the same template, cameras, lights, tone curve
// and paint by place on the template. Left out are lashes, fine texture and the renderer's noise.
// Shadows stand at the vertices there too; here a map of depths decides them, there a ray each.

import { load } from "./tensors.js";

// materials, by the renderer's numbers
const SKIN = 0;
const WALL = 8;
const SHADOW_SIDE = 512;
const SHADOW_REACH = 2.6;
// how far a vertex must lie behind what the map has to be in its shadow
const SHADOW_SLACK = 0.04;

// ---- shapes ----------------------------------------------------------------------------------

export class HeadShapes {
  constructor({ tensors, metadata }) {
    this.about = JSON.parse(metadata.about);
    this.tensors = tensors;
    this.own = tensors.mean.shape[0];
    const rim = tensors.rim.values.length;
    this.count = this.own + rim * this.about.rings.length;
  }

  static async load(url) {
    return new HeadShapes(await load(url));
  }

  // Adds amount times shape number k of a tensor of shapes to vertices (V, 3).
  add(vertices, name, k, amount) {
    if (!amount) return;
    const { values } = this.tensors[name];
    const unit = this.about.units[name][k] * amount;
    const start = k * vertices.length;
    for (let i = 0; i < vertices.length; i += 1) vertices[i] += unit * values[start + i];
  }

  // Vertices (V, 3) with the collar of a person. `age` is the head model's; `exaggeration` is the
  // factor on what tells the person from others of the same gender, age and ancestry; `strength` is
  // the expression's.
  face({ person, age, exaggeration = 1, expression = 0, strength = 1 }) {
    const about = this.about.people[person];
    const vertices = Float32Array.from(this.tensors.mean.values);
    this.add(vertices, "people", person, 1);
    this.add(vertices, "distinct", person, exaggeration - 1);
    const [young, old] = this.about.ages;
    this.add(vertices, "older", 0, ((age ?? about.age) - about.age) / (old - young));
    const { origin, scale } = this.framing(vertices);
    // framed by the neutral face, so that an open mouth does not move the picture
    if (expression > 0) this.add(vertices, "expressions", expression - 1, strength);
    for (let i = 0; i < vertices.length; i += 1) {
      vertices[i] = (vertices[i] - origin[i % 3]) / scale;
    }
    return this.withCollar(vertices);
  }

  centre(vertices, name) {
    const ids = this.tensors[name].values;
    const sum = [0, 0, 0];
    for (const id of ids) for (let k = 0; k < 3; k += 1) sum[k] += vertices[3 * id + k];
    return sum.map((v) => v / ids.length);
  }

  // The unit is the distance of the eyes, the origin lies on the axis on which the head turns.
  framing(vertices) {
    const right = this.centre(vertices, "right_eye");
    const left = this.centre(vertices, "left_eye");
    const mouth = this.centre(vertices, "mouth_corners");
    const eyes = right.map((v, k) => (v + left[k]) / 2);
    const scale = Math.hypot(...right.map((v, k) => v - left[k]));
    const depth = eyes[1] + this.about.axisDepth * scale;
    return { origin: [eyes[0], depth, (eyes[2] + mouth[2]) / 2], scale };
  }

  withCollar(vertices) {
    const rim = this.tensors.rim.values;
    const all = new Float32Array(3 * this.count);
    all.set(vertices);
    const centre = this.centre(vertices, "rim");
    this.about.rings.forEach(([x, y, down, keep], ring) => {
      const factor = [x, y, keep];
      rim.forEach((id, place) => {
        const to = 3 * (this.own + ring * rim.length + place);
        for (let k = 0; k < 3; k += 1) {
          all[to + k] = centre[k] + (vertices[3 * id + k] - centre[k]) * factor[k];
        }
        all[to + 2] += down;
      });
    });
    return all;
  }

  // Sums of the area-weighted normals of the triangles round each vertex; their length is lost.
  normals(vertices) {
    const faces = this.tensors.faces.values;
    const normals = new Float32Array(vertices.length);
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = [3 * faces[f], 3 * faces[f + 1], 3 * faces[f + 2]];
      const ux = vertices[b] - vertices[a];
      const uy = vertices[b + 1] - vertices[a + 1];
      const uz = vertices[b + 2] - vertices[a + 2];
      const vx = vertices[c] - vertices[a];
      const vy = vertices[c + 1] - vertices[a + 1];
      const vz = vertices[c + 2] - vertices[a + 2];
      const nx = uy * vz - uz * vy;
      const ny = uz * vx - ux * vz;
      const nz = ux * vy - uy * vx;
      for (const v of [a, b, c]) {
        normals[v] += nx;
        normals[v + 1] += ny;
        normals[v + 2] += nz;
      }
    }
    return normals;
  }

  // 1 where a vertex is lit from a direction, 0 in shadow, soft at the edge: (V,).
  lit(vertices, normals, direction) {
    const map = new DepthMap(vertices, direction, this.about.camera.target);
    const faces = this.tensors.faces.values;
    for (let f = 0; f < faces.length; f += 3) map.add(faces[f], faces[f + 1], faces[f + 2]);
    const facing = new Uint8Array(this.count);
    const hard = new Float32Array(this.count);
    for (let v = 0; v < this.count; v += 1) {
      const toward =
        normals[3 * v] * direction[0] +
        normals[3 * v + 1] * direction[1] +
        normals[3 * v + 2] * direction[2];
      facing[v] = toward > 0 ? 1 : 0;
      if (facing[v]) hard[v] = map.free(v);
    }
    // the mean with the neighbours that face the light; the vertex counts twice, as do inner edges
    const sum = hard.map((h) => 2 * h);
    const count = new Float32Array(this.count).fill(2);
    for (let f = 0; f < faces.length; f += 3) {
      for (let k = 0; k < 3; k += 1) {
        const v = faces[f + k];
        const a = faces[f + ((k + 1) % 3)];
        const b = faces[f + ((k + 2) % 3)];
        sum[v] += facing[a] * hard[a] + facing[b] * hard[b];
        count[v] += facing[a] + facing[b];
      }
    }
    return sum.map((total, v) => (facing[v] ? total / count[v] : 0));
  }
}

// How far what stands nearest to a far light is from the middle, on a square across the light.
class DepthMap {
  constructor(vertices, direction, target) {
    const side = unit(cross([0, 0, 1], direction));
    const axes = [side, cross(direction, side), direction];
    const scale = [SHADOW_SIDE / (2 * SHADOW_REACH), SHADOW_SIDE / (2 * SHADOW_REACH), 1];
    const start = [SHADOW_SIDE / 2, SHADOW_SIDE / 2, 0];
    // places on the map and heights above it: (V, 3)
    this.places = new Float32Array(vertices.length);
    for (let v = 0; v < vertices.length; v += 3) {
      for (let k = 0; k < 3; k += 1) {
        let sum = 0;
        for (let j = 0; j < 3; j += 1) sum += axes[k][j] * (vertices[v + j] - 0.5 * target[j]);
        this.places[v + k] = start[k] + scale[k] * sum;
      }
    }
    this.nearest = new Float32Array(SHADOW_SIDE * SHADOW_SIDE).fill(-Infinity);
  }

  add(i, j, k) {
    const p = this.places;
    const ax = p[3 * i];
    const ay = p[3 * i + 1];
    const bx = p[3 * j];
    const by = p[3 * j + 1];
    const cx = p[3 * k];
    const cy = p[3 * k + 1];
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    if (area === 0) return;
    // heights rise evenly over the triangle
    const az = p[3 * i + 2] / area;
    const bz = p[3 * j + 2] / area;
    const cz = p[3 * k + 2] / area;
    const sign = Math.sign(area);
    const last = SHADOW_SIDE - 1;
    const x0 = Math.max(0, Math.ceil(Math.min(ax, bx, cx) - 0.5));
    const x1 = Math.min(last, Math.floor(Math.max(ax, bx, cx) - 0.5));
    const y0 = Math.max(0, Math.ceil(Math.min(ay, by, cy) - 0.5));
    const y1 = Math.min(last, Math.floor(Math.max(ay, by, cy) - 0.5));
    for (let y = y0; y <= y1; y += 1) {
      const py = y + 0.5;
      for (let x = x0; x <= x1; x += 1) {
        const px = x + 0.5;
        const u = (bx - px) * (cy - py) - (cx - px) * (by - py);
        const v = (cx - px) * (ay - py) - (ax - px) * (cy - py);
        const w = area - u - v;
        if (sign * u < 0 || sign * v < 0 || sign * w < 0) continue;
        const at = y * SHADOW_SIDE + x;
        const height = u * az + v * bz + w * cz;
        if (height > this.nearest[at]) this.nearest[at] = height;
      }
    }
  }

  free(v) {
    const x = this.places[3 * v];
    const y = this.places[3 * v + 1];
    const height = this.places[3 * v + 2];
    // beyond the map stand only shoulders
    if (!(x >= 0 && y >= 0 && x < SHADOW_SIDE && y < SHADOW_SIDE)) return 1;
    const nearest = this.nearest[Math.floor(y) * SHADOW_SIDE + Math.floor(x)];
    return nearest > height + SHADOW_SLACK ? 0 : 1;
  }
}

// ---- cameras and lights ----------------------------------------------------------------------

// Rows right, down and forward of a camera at a yaw in degrees; positive shows the left cheek.
export function cameraAxes(yaw) {
  const a = (yaw * Math.PI) / 180;
  return [
    [Math.cos(a), Math.sin(a), 0],
    [0, 0, -1],
    [-Math.sin(a), Math.cos(a), 0],
  ];
}

export function lightDirection(yaw, pitch = 0) {
  const [a, b] = [(yaw * Math.PI) / 180, (pitch * Math.PI) / 180];
  return [Math.sin(a) * Math.cos(b), -Math.cos(a) * Math.cos(b), Math.sin(b)];
}

const cross = (a, b) => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
const unit = (a) => a.map((v) => v / Math.hypot(...a));

// ---- shaders ---------------------------------------------------------------------------------

const SHARED = `
float ramp(float low, float high, float v) {
  float t = clamp((v - low) / (high - low), 0.0, 1.0);
  return t * t * (3.0 - 2.0 * t);
}
float between(float v, float x0, float y0, float x1, float y1) {
  return y0 + (y1 - y0) * clamp((v - x0) / (x1 - x0), 0.0, 1.0);
}
// hairline, sideburn, ragged, strands; top and side
uniform vec4 hair;
uniform vec2 thick;
float aboveHairline(vec3 q) {
  float y = q.y;
  float line;
  if (y < 0.35) line = between(y, -0.45, 1.22 + hair.x, 0.35, 0.92 + 0.6 * hair.x);
  else if (y < 0.85) line = between(y, 0.35, 0.92 + 0.6 * hair.x, 0.85, 0.25);
  else if (y < 1.05) line = between(y, 0.85, 0.25, 1.05, -0.55 + hair.y);
  else if (y < 1.55) line = between(y, 1.05, -0.55 + hair.y, 1.55, -0.15);
  else line = between(y, 1.55, -0.15, 2.2, -1.0);
  return q.z - line;
}
`;

const VERTEX = `#version 300 es
precision highp float;
in vec3 position;
in vec3 normal;
in vec3 place;
in vec3 tint;
in vec3 marks;
in float free;
uniform mat3 axes;
uniform vec3 target;
uniform float distance_;
uniform float zoom;
uniform highp int material;
out vec3 q;
out vec3 n;
out vec3 skinTint;
out vec3 lipEarOpen;
out float lit;
${SHARED}
void main() {
  if (material == 8) {
    vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
    gl_Position = vec4(corner, 0.0, 1.0);
    q = vec3(0.0, 0.0, 0.5 - 0.5 * corner.y);
    n = skinTint = lipEarOpen = vec3(0.0);
    lit = 0.0;
    return;
  }
  vec3 unitNormal = normalize(normal);
  vec3 p = position;
  if (place.z > -1.4 && (place.z > 0.2 || place.y > 0.7)) {
    float inside = ramp(0.0, 0.45, aboveHairline(place)) * (1.0 - marks.y);
    p += unitNormal * inside * mix(thick.y, thick.x, ramp(0.7, 1.7, place.z));
  }
  lit = free;
  vec3 c = axes * (p - target);
  float depth = c.z + distance_;
  // depths from 10 to 30 units, of which the head has some four
  gl_Position = vec4(zoom * c.x, -zoom * c.y, 2.0 * depth - 30.0, depth);
  q = place;
  n = unitNormal;
  skinTint = tint * tint;
  lipEarOpen = marks;
}`;

const FRAGMENT = `#version 300 es
#define WHAT
precision highp float;
in vec3 q;
in vec3 n;
in vec3 skinTint;
in vec3 lipEarOpen;
in float lit;
uniform highp int material;
uniform vec3 toLight;
uniform vec3 halfway;
uniform vec2 strengths;
uniform vec2 tone;
uniform bool measured;
uniform vec3 skinAlbedo;
uniform vec3 lipColour;
uniform vec3 browColour;
uniform vec3 iris;
// height, density, arch, slope; length and gloss
uniform vec4 brow;
uniform vec2 browLengthGloss;
uniform vec3 hairColour;
uniform vec3 cloth;
uniform vec3 wall;
out vec4 colour;
${SHARED}
float random(vec3 p) { return fract(sin(dot(p, vec3(12.9898, 78.233, 37.719))) * 43758.5453); }
// noise of mean 0 on a lattice, about as strong as the renderer's
float noise(vec3 p) {
  vec3 i = floor(p);
  vec3 f = p - i;
  f = f * f * (3.0 - 2.0 * f);
  float sum = 0.0;
  for (int k = 0; k < 8; k += 1) {
    vec3 corner = vec3(k & 1, (k >> 1) & 1, k >> 2);
    vec3 w = mix(1.0 - f, f, corner);
    sum += w.x * w.y * w.z * random(i + corner);
  }
  return 1.2 * (sum - 0.5);
}
float browCover() {
  float t = (abs(q.x) - 0.2) / (0.72 * browLengthGloss.x);
  float arch = 0.318 + brow.w * (t - 0.4) + brow.z * t * (1.15 - t);
  float halfWide = 0.075 * brow.x * (1.0 - 0.62 * t) * (0.55 + 0.45 * ramp(-0.05, 0.2, t));
  float across = (q.z - arch) / max(halfWide, 0.012);
  float ends = ramp(-0.09, 0.14, t) * (1.0 - ramp(0.82, 1.08, t));
  return brow.y * ends * (1.0 - ramp(0.5, 1.25, abs(across))) * 0.9;
}
vec3 eye() {
  float dx = abs(q.x) - 0.5;
  float radius = length(vec2(dx, q.z));
  if (radius > 0.096) {
    float corner = ramp(0.12, 0.22, radius);
    vec3 white = vec3(0.56, 0.52, 0.49) * vec3(1.0 - 0.22 * corner, vec2(1.0 - 0.45 * corner));
    if (dx < -0.165) white = mix(white, vec3(0.36, 0.14, 0.12), ramp(-0.165, -0.19, dx));
    return white * (1.0 - 0.45 * ramp(-0.02, 0.10, q.z));
  }
  vec3 ring = iris * (0.75 + 0.45 * ramp(0.035, 0.07, radius));
  ring *= 1.0 - 0.75 * ramp(0.072, 0.092, radius);
  return ring * ramp(0.031, 0.040, radius) * (1.0 - 0.35 * ramp(0.0, 0.09, q.z));
}
vec3 teeth() {
  float place = abs(q.x) / 0.105;
  float gap = abs(place - floor(place) - 0.5);
  float back = ramp(0.1, 0.45, abs(q.x));
  float shade = (1.0 - 0.4 * ramp(0.38, 0.5, gap)) * (1.0 - 0.55 * back);
  return vec3(0.66, 0.61 - 0.04 * back, 0.50 - 0.08 * back) * shade;
}
#ifdef skin
vec3 bareSkin(out float gloss) {
  vec3 painted = skinTint;
  gloss = browLengthGloss.y;
  float x = abs(q.x);
  float ex = x - 0.5;
  if (q.y < 0.3 && q.z > -0.25 && q.z < 0.4 && x < 0.95) {
    // lids: a crease above, lashes at the rim
    float fromEye = length(vec3(ex, q.yz));
    float upper = ramp(-0.04, 0.03, q.z);
    if (fromEye < 0.36) {
      float crease = (fromEye - 0.315) * 40.0;
      painted *= 1.0 - 0.30 * ramp(0.04, 0.12, q.z) * exp(-crease * crease);
      float rim = 0.267 + 0.022 * upper;
      float lash = (1.0 - ramp(rim - 0.005, rim + 0.005, fromEye)) * (0.3 + 0.5 * upper);
      painted *= 1.0 - lash * (0.35 + 0.65 * ramp(rim - 0.05, rim - 0.02, fromEye));
    }
  }
  float lip = lipEarOpen.x;
  if (lip > 0.1) {
    float red = ramp(0.15, 0.75, lip);
    float fromLine = q.z + 1.103;
    vec3 lips = lipColour * (1.0 - 0.10 * ramp(-0.02, 0.03, fromLine));
    lips *= 1.0 - 0.5 * (1.0 - ramp(0.0, 0.035, abs(fromLine)));
    painted = mix(painted, lips, 0.85 * red);
    gloss += 0.05 * red;
  }
  if (x > 0.08 && x < 1.15 && q.z > 0.08 && q.z < 0.85 && q.y < 0.6) {
    float cover = browCover();
    painted = mix(painted, browColour, cover);
    gloss *= 1.0 - cover;
  }
  if (q.z > 0.25 || (q.y > 0.4 && q.z > -1.6)) {
    float height = aboveHairline(q);
    if (height > -0.25) {
      vec3 swirl = q * vec3(9.0, 3.0, 3.0);
      float strand = noise(swirl) + 0.6 * noise(swirl * 2.7);
      float cover = ramp(-0.05, 0.09, height + hair.z * 1.4 * strand);
      cover *= 1.0 - ramp(0.2, 0.6, lipEarOpen.y);
      painted *= 1.0 - 0.25 * ramp(-0.2, 0.0, height);
      painted = mix(painted, hairColour * max(1.0 + hair.w * strand, 0.15), cover);
      gloss *= 1.0 - 0.4 * cover;
    }
  }
  return painted;
}
#endif
void main() {
  vec3 albedo = vec3(0.0);
  float gloss = 0.0;
  float power = 16.0;
  float least = 0.0;
#ifdef skin
  albedo = bareSkin(gloss);
#else
  if (material == 1) { albedo = eye(); gloss = 1.5; power = 2048.0; }
  else if (material == 2) { albedo = skinAlbedo * 0.6; least = 0.5; }
  else if (material == 3) albedo = vec3(0.06, 0.012, 0.012);
  else if (material == 4) albedo = vec3(0.30, 0.09, 0.08);
  else if (material == 5) { albedo = teeth(); gloss = 0.08; }
  else if (material == 6) albedo = cloth;
#endif
  vec3 radiance;
  if (material == 8) radiance = wall * (1.0 - 0.2 * q.z) * (strengths.x + strengths.y);
  else {
    vec3 m = normalize(n);
    radiance = clamp(albedo, 0.0, 1.0) * lipEarOpen.z * (0.7 + 0.3 * m.z) * strengths.x;
    float cosine = max(dot(m, toLight), least);
    if (cosine > 0.0 && strengths.y > 0.0) {
      float glint = gloss * pow(max(dot(m, halfway), 0.0), power);
      radiance += strengths.y * max(lit, least) * (clamp(albedo, 0.0, 1.0) * cosine + glint);
    }
  }
  if (measured) {
    // luminance before the tone curve, up to 4, in two bytes
    float grey = clamp(dot(radiance, vec3(0.2126, 0.7152, 0.0722)) / 4.0, 0.0, 1.0) * 65535.0;
    float high = floor(grey / 256.0);
    colour = vec4(high / 255.0, floor(grey - 256.0 * high) / 255.0, 0.0, 1.0);
  } else colour = vec4(pow(1.0 - exp(-tone.x * radiance), vec3(tone.y)), 1.0);
}`;

// ---- drawing ---------------------------------------------------------------------------------

const ATTRIBUTES = ["position", "normal", "place", "tint", "marks", "free"];

// A program whose uniforms are set by name; all of them read the same attributes.
class Program {
  constructor(gl, vertex, fragment) {
    this.gl = gl;
    this.made = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS)) {
        throw new Error(gl.getShaderInfoLog(shader));
      }
      gl.attachShader(this.made, shader);
    }
    ATTRIBUTES.forEach((name, place) => gl.bindAttribLocation(this.made, place, name));
    gl.linkProgram(this.made);
    if (!gl.getProgramParameter(this.made, gl.LINK_STATUS)) {
      throw new Error(gl.getProgramInfoLog(this.made));
    }
    this.places = {};
  }

  // `kind` ends the name of WebGL's setter, such as "3fv"; what a program lacks is passed over.
  set(name, kind, ...values) {
    this.places[name] ??= this.gl.getUniformLocation(this.made, name);
    this.gl.useProgram(this.made);
    this.gl[`uniform${kind}`](this.places[name], ...values);
  }
}

// Draws faces of some shapes on a canvas, and in pictures of a network's size.
export class FacePainter {
  constructor(canvas, shapes, side) {
    const options = { antialias: false, alpha: false, preserveDrawingBuffer: true };
    const gl = canvas.getContext("webgl2", options);
    if (!gl) throw new Error("no WebGL 2");
    this.gl = gl;
    this.canvas = canvas;
    this.shapes = shapes;
    this.side = side;
    // skin has most of the paint and most of the pixels, so it has a program of its own
    this.skin = new Program(gl, VERTEX, FRAGMENT.replace("WHAT", "skin"));
    this.rest = new Program(gl, VERTEX, FRAGMENT.replace("WHAT", "rest"));
    this.fill();
    this.makeTarget();
    this.setConstants();
  }

  set(...uniform) {
    this.skin.set(...uniform);
    this.rest.set(...uniform);
  }

  fill() {
    const { gl, shapes } = this;
    const { count, tensors } = shapes;
    const marks = new Uint8Array(3 * count);
    ["lips", "ears", "openness"].forEach((name, k) => {
      tensors[name].values.forEach((v, vertex) => {
        marks[3 * vertex + k] = v;
      });
    });
    const place = tensors.places.values;
    const first = { place, marks, tint: new Uint8Array(3 * count), free: new Float32Array(count) };
    this.buffers = {};
    ATTRIBUTES.forEach((name, where) => {
      const values = first[name] ?? new Float32Array(3 * count);
      const bytes = values instanceof Uint8Array;
      this.buffers[name] = gl.createBuffer();
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(where);
      const kind = bytes ? gl.UNSIGNED_BYTE : gl.FLOAT;
      gl.vertexAttribPointer(where, values.length / count, kind, bytes, 0, 0);
    });
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, tensors.faces.values, gl.STATIC_DRAW);
  }

  update(name, values) {
    const { gl } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, values);
  }

  makeTarget() {
    const { gl, side } = this;
    // two samples a pixel in each direction, as the corpora have
    this.samples = 2 * side;
    this.target = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    for (const [format, attachment] of [
      [gl.RGBA8, gl.COLOR_ATTACHMENT0],
      [gl.DEPTH_COMPONENT24, gl.DEPTH_ATTACHMENT],
    ]) {
      const storage = gl.createRenderbuffer();
      gl.bindRenderbuffer(gl.RENDERBUFFER, storage);
      gl.renderbufferStorage(gl.RENDERBUFFER, format, this.samples, this.samples);
      gl.framebufferRenderbuffer(gl.FRAMEBUFFER, attachment, gl.RENDERBUFFER, storage);
    }
    this.pixels = new Uint8Array(4 * this.samples ** 2);
  }

  setConstants() {
    const { camera, tone, look } = this.shapes.about;
    this.set("target", "3fv", camera.target);
    this.set("distance_", "1f", camera.distance);
    this.set("zoom", "1f", (2 * camera.distance) / camera.width);
    this.set("tone", "2f", tone.exposure, 1 / tone.gamma);
    this.set("hair", "4f", look.hairline, look.sideburn, look.ragged, look.strands);
    this.set("thick", "2f", look.top, look.side);
    this.set("hairColour", "3fv", look.colour);
    this.set("cloth", "3fv", look.cloth);
    this.set("wall", "3fv", look.backdrop);
  }

  // Puts a face in place; `view` has what HeadShapes.face takes.
  setFace(view) {
    const { shapes } = this;
    const key = [view.person, view.age, view.exaggeration, view.expression, view.strength].join();
    if (key === this.shown) return;
    this.shown = key;
    this.vertices = shapes.face(view);
    this.normals = shapes.normals(this.vertices);
    this.update("position", this.vertices);
    this.update("normal", this.normals);
    this.shadowed = null;
    if (view.person === this.person) return;
    this.person = view.person;
    const from = 3 * shapes.count * view.person;
    this.update("tint", shapes.tensors.tints.values.subarray(from, from + 3 * shapes.count));
    const { skin } = shapes.about.people[view.person];
    this.set("skinAlbedo", "3fv", skin.albedo);
    this.set("lipColour", "3fv", skin.lips);
    this.set("browColour", "3fv", skin.brows);
    this.set("iris", "3fv", skin.iris);
    const { brow_height, brow_density, brow_arch, brow_slope, brow_length, gloss } = skin;
    this.set("brow", "4f", brow_height, brow_density, brow_arch, brow_slope);
    this.set("browLengthGloss", "2f", brow_length, gloss);
  }

  setLight(yaw) {
    const { about } = this.shapes;
    this.set("strengths", "2f", about.light.ambient, yaw === null ? 0 : about.light.flash);
    if (yaw === null) return;
    const direction = lightDirection(yaw);
    this.set("toLight", "3fv", direction);
    const key = `${yaw}`;
    if (key === this.shadowed) return;
    this.shadowed = key;
    this.update("free", this.shapes.lit(this.vertices, this.normals, direction));
  }

  setCamera(yaw, light) {
    const axes = cameraAxes(yaw);
    // by columns
    this.set("axes", "Matrix3fv", false, [0, 1, 2].flatMap((c) => axes.map((row) => row[c])));
    // a flash right behind the head has no half way; its light never reaches the camera
    const half = lightDirection(light ?? 0).map((v, k) => v - axes[2][k]);
    const length = Math.max(Math.hypot(...half), 1e-6);
    this.set("halfway", "3fv", half.map((v) => v / length));
  }

  // Draws the face as a view has it: `yaw` of the camera, `light` the flash's yaw or null for none.
  draw(view, target, side, measured) {
    const { gl } = this;
    this.setFace(view);
    this.setLight(view.light);
    this.setCamera(view.yaw, view.light);
    this.set("measured", "1i", measured ? 1 : 0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.viewport(0, 0, side, side);
    gl.enable(gl.CULL_FACE);
    gl.disable(gl.DEPTH_TEST);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    // the wall is one triangle that covers the picture
    this.rest.set("material", "1i", WALL);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.enable(gl.DEPTH_TEST);
    for (const { material, first, count } of this.shapes.about.materials) {
      const painter = material === SKIN ? this.skin : this.rest;
      painter.set("material", "1i", material);
      gl.drawElements(gl.TRIANGLES, 3 * count, gl.UNSIGNED_SHORT, 6 * first);
    }
  }

  resize(side) {
    if (this.canvas.width === side) return;
    this.canvas.width = side;
    this.canvas.height = side;
  }

  // Waits until what was asked for is drawn.
  finish() {
    const { gl } = this;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
  }

  show(view) {
    this.draw(view, null, this.canvas.width, false);
  }

  // The picture that a network sees, grey levels (side * side,): the mean light of each pixel's four
  // samples, then the tone curve, rounded to bytes.
  picture(view) {
    const { gl, side, samples, pixels } = this;
    const { exposure, gamma } = this.shapes.about.tone;
    this.draw(view, this.target, samples, true);
    gl.readPixels(0, 0, samples, samples, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    const grey = new Uint8Array(side * side);
    const light = (row, column) => {
      const at = 4 * (row * samples + column);
      return ((256 * pixels[at] + pixels[at + 1]) / 65535) * 4;
    };
    for (let y = 0; y < side; y += 1) {
      // the first row that is read is the lowest
      const low = samples - 2 - 2 * y;
      for (let x = 0; x < side; x += 1) {
        let sum = 0;
        for (let k = 0; k < 4; k += 1) sum += light(low + (k >> 1), 2 * x + (k & 1)) / 4;
        grey[y * side + x] = Math.round(255 * (1 - Math.exp(-exposure * sum)) ** (1 / gamma));
      }
    }
    return grey;
  }
}
