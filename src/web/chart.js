// <ui-chart>: numbers one looks at rather than reads.
//
//   <ui-chart ui-value="history" type="line" label="Load"></ui-chart>
//
// `data` is an array of numbers, or an array of such arrays (several series);
// `data-2` to `data-4` are further series, each told on its own. `labels` is an
// array of texts for the x axis. `type`: sparkline, line (default) or bar. `min`,
// `max` fix the scale, `unit` follows each number, `names` ("In, Out") tells
// several series apart.
//
// New data changes attributes of the nodes that are there: a point more in a line
// makes no node, a bar more makes one.

const SVG = 'http://www.w3.org/2000/svg';
const CHART_CSS = `@layer lunette {
:where(ui-chart) { display: block; position: relative; height: 12rem; margin-block: .75rem; color: inherit; contain: layout; }
:where(ui-chart[type=sparkline]) { display: inline-block; width: 7rem; height: 1.75rem; margin-block: 0; vertical-align: middle; }
ui-chart[hidden] { display: none; }
ui-chart svg { display: block; position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
ui-chart .ui-grid { stroke: currentColor; stroke-opacity: .12; shape-rendering: crispEdges; }
ui-chart text { fill: var(--muted, currentColor); font-size: .75rem; font-variant-numeric: tabular-nums; }
ui-chart .ui-line { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
ui-chart .ui-area { fill: currentColor; fill-opacity: .1; }
ui-chart .ui-bar { fill: currentColor; fill-opacity: .85; }
ui-chart .ui-bar.ui-near { fill-opacity: 1; }
ui-chart .ui-dot { fill: currentColor; stroke: var(--surface, Canvas); stroke-width: 2; }
ui-chart .ui-series-0 { color: var(--chart-1, var(--accent, #3b5bdb)); }
ui-chart .ui-series-1 { color: var(--chart-2, #0f9d8a); }
ui-chart .ui-series-2 { color: var(--chart-3, #d9822b); }
ui-chart .ui-series-3 { color: var(--chart-4, #b0479b); }
ui-chart .ui-key { fill: currentColor; }
ui-chart .ui-tip text { fill: currentColor; font-weight: 600; }
@media (forced-colors: active) {
ui-chart .ui-series-1 .ui-line { stroke-dasharray: 6 4; }
ui-chart .ui-series-2 .ui-line { stroke-dasharray: 2 4; }
ui-chart .ui-series-3 .ui-line { stroke-dasharray: 9 3 2 3; }
}
}`;

/** Properties that hold series. */
const SERIES = ['data', 'data2', 'data3', 'data4'];
/** About the width of a letter of the scale, px. */
const LETTER = 7;
/** Room above the plot, for names and the numbers under the pointer, px. */
const TOP = 22;
/** Room below, for the labels, px. */
const BOTTOM = 22;

/**
 * @typedef {(number|null)[]} Row  a series; null is a gap
 *
 * @typedef {Object} Frame  where the plot lies and how values map to it
 * @property {string} kind
 * @property {number} x0
 * @property {number} x1
 * @property {number} y0  top
 * @property {number} y1  bottom
 * @property {number[]} ticks
 * @property {(i: number) => number} x
 * @property {(value: number) => number} y
 * @property {number} count
 */

/** @param {any} data @returns {Row[]} */
function rowsOf(data) {
  if (!Array.isArray(data)) return [];
  const rows = data.some(Array.isArray) ? data.filter(Array.isArray) : [data];
  return rows.map((row) => row.map((/** @type {any} */ n) => (n == null || !Number.isFinite(Number(n)) ? null : Number(n))));
}

/** Lowest, highest and last number, and how many there are. @param {Row[]} rows */
function rangeOf(rows) {
  const range = { low: Infinity, high: -Infinity, last: NaN, count: 0 };
  for (const row of rows) {
    for (const value of row) {
      if (value === null) continue;
      if (value < range.low) range.low = value;
      if (value > range.high) range.high = value;
      range.last = value;
      range.count++;
    }
  }
  return range;
}

/** Round numbers from below `low` to above `high`, about `count` of them. @param {number} low @param {number} high @param {number} count */
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

/** The children of a node, one after the other: those that are there are used again. */
class Pen {
  /** @param {Element} parent */
  constructor(parent) {
    this.parent = parent;
    /** @type {Element|null} */
    this.next = parent.firstElementChild;
  }

  /** @param {string} name @param {Object<string, string|number>} attributes */
  draw(name, attributes, text = '') {
    let node = this.next;
    if (node && node.localName === name) this.next = node.nextElementSibling;
    else {
      node = document.createElementNS(SVG, name);
      this.parent.insertBefore(node, this.next);
    }
    for (const key in attributes) {
      const value = String(attributes[key]);
      if (node.getAttribute(key) !== value) node.setAttribute(key, value);
    }
    if (name === 'text' && node.textContent !== text) node.textContent = text;
    return node;
  }

  /** A group with a pen of its own. @param {string} className */
  group(className) {
    return new Pen(this.draw('g', { class: className }));
  }

  /** What is left over of the last time goes. */
  done() {
    while (this.next) {
      const { next } = this;
      this.next = next.nextElementSibling;
      next.remove();
    }
  }
}

export function defineChart() {
  if (customElements.get('ui-chart')) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CHART_CSS);
  document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
  for (const name of [...SERIES, 'labels']) {
    Object.defineProperty(Chart.prototype, name, {
      /** @this {Chart} */
      get() {
        return this.given[name];
      },
      /** @this {Chart} @param {any} value */
      set(value) {
        this.given[name] = value;
        this.later();
      },
    });
  }
  customElements.define('ui-chart', Chart);
}

class Chart extends HTMLElement {
  static observedAttributes = ['type', 'min', 'max', 'unit', 'label', 'names', 'data'];

  constructor() {
    super();
    /** @type {Object<string, any>} what the properties were set to */
    this.given = {};
    this.due = 0;
    /** The point under the pointer; -1: none. */
    this.near = -1;
    this.named = false;
    /** @type {Frame|null} */
    this.frame = null;
    this.svg = document.createElementNS(SVG, 'svg');
    this.svg.setAttribute('aria-hidden', 'true');
    this.resized = new ResizeObserver(() => this.later());
    this.addEventListener('pointermove', (event) => this.#point(event));
    this.addEventListener('pointerleave', () => this.#point(null));
    // Set before this class was loaded, they hide its own.
    const early = /** @type {Object<string, any>} */ (/** @type {unknown} */ (this));
    for (const name of [...SERIES, 'labels']) {
      if (!Object.hasOwn(early, name)) continue;
      this.given[name] = early[name];
      delete early[name];
    }
  }

  connectedCallback() {
    // What the author says of it stands.
    this.named = this.hasAttribute('aria-label') || this.hasAttribute('aria-labelledby');
    if (!this.hasAttribute('role')) this.setAttribute('role', 'img');
    if (this.svg.parentNode !== this) this.append(this.svg);
    this.resized.observe(this);
    this.later();
  }

  disconnectedCallback() {
    this.resized.disconnect();
  }

  /** @param {string} name @param {string|null} _old @param {string|null} value */
  attributeChangedCallback(name, _old, value) {
    if (name === 'data' && value) this.given.data = value.split(/[\s,]+/).filter(Boolean).map(Number);
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

  get #labels() {
    return Array.isArray(this.given.labels) ? this.given.labels.map(String) : [];
  }

  get #unit() {
    return this.getAttribute('unit') || '';
  }

  /** Names of the series, as far as there are any. */
  get #names() {
    return (this.getAttribute('names') || '').split(',').map((name) => name.trim());
  }

  #render() {
    const series = SERIES.flatMap((name) => rowsOf(this.given[name]));
    this.#describe(series);
    const pen = new Pen(this.svg);
    this.frame = null;
    if (rangeOf(series).count && this.clientWidth) {
      const frame = (this.frame = this.#frame(series));
      const axes = pen.group('ui-axes');
      if (frame.kind !== 'sparkline') this.#axes(axes, frame);
      axes.done();
      series.forEach((row, s) => {
        const group = pen.group(`ui-series-${s % 4}`);
        if (frame.kind === 'bar') this.#bars(group, frame, row, s, series.length);
        else this.#line(group, frame, row, series.length === 1);
        group.done();
      });
      if (this.near >= 0 && this.near < frame.count) this.#tip(pen, frame, series);
      else if (series.length > 1 && frame.kind !== 'sparkline') this.#legend(pen, frame, series.length);
    }
    pen.done();
  }

  /** @param {Row[]} series @returns {Frame} */
  #frame(series) {
    const kind = this.getAttribute('type') || 'line';
    const spark = kind === 'sparkline';
    const { clientWidth: width, clientHeight: height } = this;
    /** @param {string} name @param {number} otherwise */
    const fixed = (name, otherwise) => {
      const text = this.getAttribute(name);
      return text !== null && Number.isFinite(Number(text)) ? Number(text) : otherwise;
    };
    const range = rangeOf(series);
    let low = fixed('min', range.low);
    let high = fixed('max', range.high);
    if (kind === 'bar') [low, high] = [Math.min(0, low), Math.max(0, high)];
    if (low >= high) [low, high] = [low - 1, low + 1];
    const ticks = spark ? [] : niceTicks(low, high, Math.max(2, Math.floor(height / 48)));
    if (!spark) [low, high] = [Math.min(low, ticks[0]), Math.max(high, ticks[ticks.length - 1])];
    const left = 10 + LETTER * Math.max(...ticks.map((tick) => short(tick).length + this.#unit.length), 1);
    const [x0, x1] = spark ? [3, width - 4] : [left, width - 8];
    const [y0, y1] = spark ? [4, height - 4] : [TOP, height - (this.#labels.length ? BOTTOM : 8)];
    const count = Math.max(...series.map((row) => row.length));
    const band = (x1 - x0) / count;
    return {
      kind, x0, x1, y0, y1, ticks, count,
      x: (i) => (kind === 'bar' ? x0 + band * (i + 0.5) : count < 2 ? (x0 + x1) / 2 : x0 + ((x1 - x0) * i) / (count - 1)),
      y: (value) => y1 - ((value - low) / (high - low)) * (y1 - y0),
    };
  }

  /** @param {Pen} pen @param {Frame} frame */
  #axes(pen, frame) {
    for (const tick of frame.ticks) {
      const y = Math.round(frame.y(tick)) + 0.5;
      pen.draw('line', { class: 'ui-grid', x1: frame.x0, x2: frame.x1, y1: y, y2: y });
      pen.draw('text', { x: frame.x0 - 8, y: y + 4, 'text-anchor': 'end' }, short(tick) + this.#unit);
    }
    const labels = this.#labels.slice(0, frame.count);
    const widest = LETTER * Math.max(...labels.map((label) => label.length), 1) + 12;
    const every = Math.ceil((labels.length * widest) / (frame.x1 - frame.x0 + widest)) || 1;
    labels.forEach((label, i) => {
      if (i % every) return;
      // At the edges of a line they would stand beside the chart.
      const edge = frame.kind === 'bar' ? 'middle' : i === 0 ? 'start' : i === frame.count - 1 ? 'end' : 'middle';
      pen.draw('text', { x: frame.x(i).toFixed(1), y: frame.y1 + 17, 'text-anchor': edge }, label);
    });
  }

  /** @param {Pen} pen @param {Frame} frame @param {Row} row @param {boolean} filled */
  #line(pen, frame, row, filled) {
    let line = '';
    let area = '';
    /** Where the present stretch began: a gap in the data is a gap in the line. */
    let start = '';
    let x = '';
    row.forEach((value, i) => {
      if (value === null) {
        if (start) area += `V${frame.y1}H${start}Z`;
        start = '';
        return;
      }
      x = frame.x(i).toFixed(1);
      const y = frame.y(value).toFixed(1);
      const step = `${start ? 'L' : 'M'}${x} ${y}`;
      // A lone point is a dot: round ends make one of a line to itself.
      line += start ? step : `${step}h0`;
      area += step;
      start = start || x;
    });
    if (start) area += `V${frame.y1}H${start}Z`;
    if (filled) pen.draw('path', { class: 'ui-area', d: area });
    pen.draw('path', { class: 'ui-line', d: line });
    const last = row[row.length - 1];
    if (last == null) return;
    const r = frame.kind === 'sparkline' ? 3 : 4.5;
    pen.draw('circle', { class: 'ui-dot', cx: x, cy: frame.y(last).toFixed(1), r });
  }

  /** @param {Pen} pen @param {Frame} frame @param {Row} row @param {number} s  which of @param {number} of */
  #bars(pen, frame, row, s, of) {
    const band = (frame.x1 - frame.x0) / frame.count;
    const width = Math.max(1, Math.min(56, band * 0.72) / of);
    const zero = frame.y(0);
    row.forEach((value, i) => {
      const y = frame.y(value || 0);
      pen.draw('rect', {
        class: i === this.near ? 'ui-bar ui-near' : 'ui-bar',
        x: (frame.x(i) + (s - of / 2) * width).toFixed(1),
        y: Math.min(y, zero).toFixed(1),
        width: Math.max(1, width - (of > 1 ? 2 : 0)).toFixed(1),
        height: value === null ? 0 : Math.max(1, Math.abs(zero - y)).toFixed(1),
        rx: Math.min(4, width / 4).toFixed(1),
      });
    });
  }

  /** @param {Pen} pen @param {Frame} frame @param {number} count */
  #legend(pen, frame, count) {
    const group = pen.group('ui-legend');
    let { x0: x } = frame;
    this.#names.slice(0, count).forEach((name, s) => {
      if (!name) return;
      group.group(`ui-series-${s % 4}`).draw('rect', { class: 'ui-key', x, y: 3, width: 10, height: 10, rx: 3 });
      group.draw('text', { x: x + 15, y: 12, 'text-anchor': 'start' }, name);
      x += 15 + LETTER * name.length + 18;
    });
    group.done();
  }

  /** The numbers under the pointer. @param {Pen} pen @param {Frame} frame @param {Row[]} series */
  #tip(pen, frame, series) {
    const i = this.near;
    const group = pen.group('ui-tip');
    const names = this.#names;
    const numbers = series.map((row, s) => {
      const value = row[i];
      return `${names[s] ? `${names[s]} ` : ''}${value == null ? '–' : short(value) + this.#unit}`;
    });
    const label = this.#labels[i];
    const x = frame.x(i);
    const right = x > (frame.x0 + frame.x1) / 2;
    group.draw('line', { class: 'ui-grid', x1: x, x2: x, y1: frame.y0, y2: frame.y1 });
    group.draw('text', { x, y: 12, 'text-anchor': right ? 'end' : 'start' }, (label ? `${label}: ` : '') + numbers.join(' · '));
    series.forEach((row, s) => {
      const value = row[i];
      if (value == null || frame.kind === 'bar') return;
      const dot = group.group(`ui-series-${s % 4}`);
      dot.draw('circle', { class: 'ui-dot', cx: x, cy: frame.y(value), r: 4.5 });
      dot.done();
    });
    group.done();
  }

  /** @param {PointerEvent|null} event */
  #point(event) {
    const { frame } = this;
    if (!frame || frame.kind === 'sparkline') return;
    let near = -1;
    if (event) {
      const x = event.clientX - this.getBoundingClientRect().left;
      const share = Math.min(1, Math.max(0, (x - frame.x0) / (frame.x1 - frame.x0)));
      near = frame.kind === 'bar' ? Math.min(frame.count - 1, Math.floor(share * frame.count)) : Math.round(share * (frame.count - 1));
    }
    if (near === this.near) return;
    this.near = near;
    this.later();
  }

  /** For those who do not see it. @param {Row[]} series */
  #describe(series) {
    const unit = this.#unit;
    const names = this.#names;
    const parts = series.map((row, s) => {
      const { low, high, last, count } = rangeOf([row]);
      const name = names[s] ? `${names[s]}: ` : '';
      if (!count) return `${name}no data`;
      const values = count === 1 ? 'one value' : `${count} values from ${short(low)}${unit} to ${short(high)}${unit}`;
      return `${name}${values}, last ${short(last)}${unit}`;
    });
    const summary = parts.join('; ') || 'no data';
    if (this.named) this.setAttribute('aria-description', summary);
    else this.setAttribute('aria-label', `${this.getAttribute('label') || 'Chart'}: ${summary}`);
  }
}
