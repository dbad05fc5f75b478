// <ui-chart>: numbers one looks at rather than reads.
//
//   <ui-chart ui-prop-data="history" type="line" label="Load"></ui-chart>
//
// `data` is an array of numbers, or an array of such arrays (several series);
// `labels` an array of texts for the x axis. `type`: sparkline, line (default)
// or bar. `min`, `max` fix the scale, `unit` follows each number.

const SVG = 'http://www.w3.org/2000/svg';
const CSS_TEXT = `@layer lunette {
:where(ui-chart) { display: block; position: relative; height: 11rem; margin-block: .75rem; color: inherit; contain: layout; }
:where(ui-chart[type=sparkline]) { display: inline-block; width: 7rem; height: 1.75rem; margin-block: 0; vertical-align: middle; }
ui-chart[hidden] { display: none; }
ui-chart svg { display: block; position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
ui-chart .ui-grid { stroke: currentColor; stroke-opacity: .12; shape-rendering: crispEdges; }
ui-chart .ui-tick { fill: currentColor; fill-opacity: .6; font-size: .6875rem; font-variant-numeric: tabular-nums; }
ui-chart .ui-line { fill: none; stroke: currentColor; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round; }
ui-chart .ui-area { fill: currentColor; fill-opacity: .1; }
ui-chart .ui-bar { fill: currentColor; fill-opacity: .85; }
ui-chart .ui-bar.ui-near { fill-opacity: 1; }
ui-chart .ui-dot { fill: currentColor; stroke: var(--surface, Canvas); stroke-width: 2; }
ui-chart .ui-series-0 { color: var(--chart-1, var(--accent, #3b5bdb)); }
ui-chart .ui-series-1 { color: var(--chart-2, #0f9d8a); }
ui-chart .ui-series-2 { color: var(--chart-3, #d9822b); }
ui-chart .ui-series-3 { color: var(--chart-4, #b0479b); }
ui-chart .ui-tip { fill: currentColor; font-size: .75rem; font-weight: 600; font-variant-numeric: tabular-nums; }
}`;

/** Room for the numbers of the scale, px. */
const LEFT = 40;
const BOTTOM = 18;

/**
 * @typedef {Object} Frame  where the plot lies and how values map to it
 * @property {number} x0
 * @property {number} x1
 * @property {number} y0  top
 * @property {number} y1  bottom
 * @property {number[]} ticks
 * @property {(i: number) => number} x
 * @property {(value: number) => number} y
 * @property {number} count
 */

/** @param {any} data @returns {(number|null)[][]} */
function seriesOf(data) {
  if (!Array.isArray(data)) return [];
  const rows = data.some(Array.isArray) ? data.filter(Array.isArray) : [data];
  return rows.map((row) => row.map((n) => (n == null || !Number.isFinite(Number(n)) ? null : Number(n))));
}

/** Round numbers between low and high, about `count` of them. */
function niceTicks(low, high, count) {
  const raw = (high - low) / Math.max(1, count) || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((n) => n * power).find((n) => n >= raw) || raw;
  const ticks = [];
  for (let t = Math.floor(low / step) * step; t < high + step * 0.999; t += step) ticks.push(Number(t.toPrecision(12)));
  return ticks;
}

/** @param {number} n */
function short(n) {
  const size = Math.abs(n);
  if (size >= 1e9) return `${Number((n / 1e9).toPrecision(3))}G`;
  if (size >= 1e6) return `${Number((n / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((n / 1e3).toPrecision(3))}k`;
  return String(Number(n.toPrecision(4)));
}

/** @param {Element} parent @param {string} name @param {Object<string, string|number>} attributes */
function draw(parent, name, attributes, text = '') {
  const made = document.createElementNS(SVG, name);
  for (const key in attributes) made.setAttribute(key, String(attributes[key]));
  if (text) made.textContent = text;
  parent.append(made);
  return made;
}

export function defineChart() {
  if (customElements.get('ui-chart')) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS_TEXT);
  document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
  customElements.define('ui-chart', Chart);
}

class Chart extends HTMLElement {
  static observedAttributes = ['type', 'min', 'max', 'unit', 'label', 'data'];

  constructor() {
    super();
    /** @type {any} */
    this.values = [];
    /** @type {string[]} */
    this.names = [];
    this.due = 0;
    this.near = -1;
    this.named = false;
    this.resized = new ResizeObserver(() => this.later());
    // Set before this class was loaded, they hide its own.
    for (const name of ['data', 'labels']) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
  }

  get data() {
    return this.values;
  }

  set data(values) {
    this.values = values;
    this.later();
  }

  get labels() {
    return this.names;
  }

  set labels(names) {
    this.names = Array.isArray(names) ? names : [];
    this.later();
  }

  connectedCallback() {
    // What the author says of it stands.
    this.named = this.hasAttribute('aria-label') || this.hasAttribute('aria-labelledby');
    if (!this.hasAttribute('role')) this.setAttribute('role', 'img');
    this.resized.observe(this);
    this.addEventListener('pointermove', (event) => this.#point(event));
    this.addEventListener('pointerleave', () => this.#point(null));
    this.later();
  }

  disconnectedCallback() {
    this.resized.disconnect();
  }

  attributeChangedCallback(name, _old, value) {
    if (name === 'data' && value) this.values = value.split(/[\s,]+/).filter(Boolean).map(Number);
    this.later();
  }

  /** Draws once a screen frame, however often the data changes. */
  later() {
    if (this.due || !this.isConnected) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.#render();
    });
  }

  #render() {
    const series = seriesOf(this.values);
    const kind = this.getAttribute('type') || 'line';
    const svg = document.createElementNS(SVG, 'svg');
    svg.setAttribute('aria-hidden', 'true');
    if (!this.named) this.setAttribute('aria-label', this.#summary(series));
    const numbers = series.flat().filter((n) => n !== null);
    if (numbers.length && this.clientWidth) {
      const frame = this.#frame(series, numbers, kind);
      this.frame = frame;
      if (kind !== 'sparkline') this.#axes(svg, frame);
      series.forEach((row, s) => {
        const group = draw(svg, 'g', { class: `ui-series-${s % 4}` });
        if (kind === 'bar') this.#bars(group, frame, row, s, series.length);
        else this.#line(group, frame, row, kind, series.length === 1);
      });
      if (this.near >= 0) this.#tip(svg, frame, series);
    }
    const old = this.querySelector(':scope > svg');
    if (old) old.replaceWith(svg);
    else this.append(svg);
  }

  /** @returns {Frame} */
  #frame(series, numbers, kind) {
    const spark = kind === 'sparkline';
    const set = (name) => (this.hasAttribute(name) ? Number(this.getAttribute(name)) : NaN);
    let low = Number.isFinite(set('min')) ? set('min') : Math.min(...numbers);
    let high = Number.isFinite(set('max')) ? set('max') : Math.max(...numbers);
    if (kind === 'bar') [low, high] = [Math.min(0, low), Math.max(0, high)];
    if (low === high) [low, high] = [low - 1, high + 1];
    const ticks = spark ? [] : niceTicks(low, high, Math.max(2, Math.floor(this.clientHeight / 48)));
    if (!spark) [low, high] = [Math.min(low, ticks[0]), Math.max(high, ticks[ticks.length - 1])];
    const [x0, x1] = spark ? [2, this.clientWidth - 4] : [LEFT, this.clientWidth - 8];
    const [y0, y1] = spark ? [3, this.clientHeight - 3] : [16, this.clientHeight - (this.names.length ? BOTTOM : 6)];
    const count = Math.max(...series.map((row) => row.length));
    const band = (x1 - x0) / count;
    return {
      x0, x1, y0, y1, ticks, count,
      x: (i) => (kind === 'bar' ? x0 + band * (i + 0.5) : count < 2 ? (x0 + x1) / 2 : x0 + ((x1 - x0) * i) / (count - 1)),
      y: (value) => y1 - ((value - low) / (high - low)) * (y1 - y0),
    };
  }

  /** @param {Element} svg @param {Frame} frame */
  #axes(svg, frame) {
    for (const tick of frame.ticks) {
      const y = Math.round(frame.y(tick)) + 0.5;
      draw(svg, 'line', { class: 'ui-grid', x1: frame.x0, x2: frame.x1, y1: y, y2: y });
      draw(svg, 'text', { class: 'ui-tick', x: frame.x0 - 8, y: y + 3.5, 'text-anchor': 'end' }, short(tick));
    }
    const every = Math.ceil(this.names.length / Math.max(1, Math.floor((frame.x1 - frame.x0) / 56)));
    this.names.forEach((name, i) => {
      if (i % every || i >= frame.count) return;
      draw(svg, 'text', { class: 'ui-tick', x: frame.x(i), y: frame.y1 + 14, 'text-anchor': 'middle' }, String(name));
    });
  }

  /** @param {Element} group @param {Frame} frame @param {(number|null)[]} row */
  #line(group, frame, row, kind, filled) {
    /** @type {string[]} a gap in the data is a gap in the line */
    const runs = [];
    let run = '';
    row.forEach((value, i) => {
      if (value !== null) run += `${run ? 'L' : 'M'}${frame.x(i).toFixed(1)} ${frame.y(value).toFixed(1)}`;
      if (run && (value === null || i === row.length - 1)) {
        runs.push(run);
        run = '';
      }
    });
    for (const path of runs) {
      const points = path.slice(1).split('L').map((p) => p.split(' ')[0]);
      const area = `${path}L${points[points.length - 1]} ${frame.y1}L${points[0]} ${frame.y1}Z`;
      if (filled) draw(group, 'path', { class: 'ui-area', d: area });
      draw(group, 'path', { class: 'ui-line', d: path });
    }
    const last = row.length - 1;
    if (last >= 0 && row[last] !== null) {
      draw(group, 'circle', { class: 'ui-dot', cx: frame.x(last), cy: frame.y(row[last]), r: kind === 'sparkline' ? 2.5 : 4 });
    }
  }

  /** @param {Element} group @param {Frame} frame @param {(number|null)[]} row */
  #bars(group, frame, row, s, of) {
    const band = (frame.x1 - frame.x0) / frame.count;
    const width = Math.max(1, Math.min(48, band * 0.72) / of);
    const zero = frame.y(0);
    row.forEach((value, i) => {
      if (value === null) return;
      const y = frame.y(value);
      draw(group, 'rect', {
        class: i === this.near ? 'ui-bar ui-near' : 'ui-bar',
        x: (frame.x(i) + (s - of / 2) * width).toFixed(1),
        y: Math.min(y, zero).toFixed(1),
        width: Math.max(1, width - (of > 1 ? 1 : 0)).toFixed(1),
        height: Math.max(1, Math.abs(zero - y)).toFixed(1),
        rx: Math.min(3, width / 3).toFixed(1),
      });
    });
  }

  /** The numbers under the pointer. */
  #tip(svg, frame, series) {
    const i = this.near;
    const unit = this.getAttribute('unit') || '';
    const text = series.map((row) => (row[i] == null ? '–' : `${short(row[i])}${unit}`)).join(' · ');
    const name = this.names[i] ? `${this.names[i]}: ` : '';
    const x = frame.x(i);
    const side = x > (frame.x0 + frame.x1) / 2 ? 'end' : 'start';
    draw(svg, 'line', { class: 'ui-grid', x1: x, x2: x, y1: frame.y0, y2: frame.y1 });
    series.forEach((row, s) => {
      if (row[i] == null || this.getAttribute('type') === 'bar') return;
      draw(draw(svg, 'g', { class: `ui-series-${s % 4}` }), 'circle', { class: 'ui-dot', cx: x, cy: frame.y(row[i]), r: 4 });
    });
    draw(svg, 'text', { class: 'ui-tip', x, y: 10, 'text-anchor': side }, name + text);
  }

  /** @param {PointerEvent|null} event */
  #point(event) {
    if (this.getAttribute('type') === 'sparkline' || !this.frame) return;
    let near = -1;
    if (event) {
      const x = event.clientX - this.getBoundingClientRect().left;
      for (let i = 0; i < this.frame.count; i++) {
        if (near < 0 || Math.abs(this.frame.x(i) - x) < Math.abs(this.frame.x(near) - x)) near = i;
      }
    }
    if (near === this.near) return;
    this.near = near;
    this.later();
  }

  /** For those who do not see it. */
  #summary(series) {
    const unit = this.getAttribute('unit') || '';
    const label = this.getAttribute('label') || 'Chart';
    const parts = series.map((row) => {
      const numbers = row.filter((n) => n !== null);
      if (!numbers.length) return 'no data';
      const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
      return `${numbers.length} values from ${short(low)}${unit} to ${short(high)}${unit}, last ${short(numbers[numbers.length - 1])}${unit}`;
    });
    return `${label}: ${parts.join('; ') || 'no data'}`;
  }
}
