// <ui-gauge>: one number between two others, seen at a glance.
//
//   <ui-gauge ui-value="busy" label="Processor" unit=" %" warn="70" bad="90"></ui-gauge>
//
// `min` (0) and `max` (100) are its ends. From `warn` on it is amber, from `bad`
// on red; where `bad` is below `warn`, less is worse. `text` stands in place of
// the number, `label` below it. To assistive programs it is a meter.

const SVG_SPACE = 'http://www.w3.org/2000/svg';
/** The ring is open below: this much of the circle, in degrees, beginning at the lower left. */
const SWEEP = 250;
const RADIUS = 50;
const GAUGE_CSS = `@layer lunette {
:where(ui-gauge) { display: inline-block; width: 8rem; max-width: 100%; color: inherit; text-align: center; vertical-align: top; }
ui-gauge[hidden] { display: none; }
ui-gauge svg { display: block; width: 100%; height: auto; overflow: visible; }
ui-gauge path { fill: none; stroke: currentColor; stroke-width: 9; stroke-linecap: round; }
ui-gauge .ui-track { stroke-opacity: .12; }
ui-gauge .ui-zone { stroke-width: 2.5; stroke-linecap: butt; }
ui-gauge .ui-arc { color: var(--gauge, var(--accent, #3b5bdb)); transition: stroke-dasharray .3s ease-out, color .3s; }
ui-gauge .ui-zone-warn, ui-gauge[data-level=warn] .ui-arc { color: var(--gauge-warn, #d08a1d); }
ui-gauge .ui-zone-bad, ui-gauge[data-level=bad] .ui-arc { color: var(--gauge-bad, #d6434f); }
ui-gauge text { fill: currentColor; font-weight: 640; text-anchor: middle; font-variant-numeric: tabular-nums; letter-spacing: -.02em; }
ui-gauge span { display: block; margin-top: .125rem; color: var(--muted, inherit); font-size: .875rem; line-height: 1.3; overflow-wrap: anywhere; }
@media (prefers-reduced-motion: reduce) { ui-gauge .ui-arc { transition: none; } }
@media (forced-colors: active) { ui-gauge .ui-arc { stroke: Highlight; } }
}`;

export function defineGauge() {
  if (customElements.get('ui-gauge')) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(GAUGE_CSS);
  document.adoptedStyleSheets = [sheet, ...document.adoptedStyleSheets];
  customElements.define('ui-gauge', Gauge);
}

/** A point of the ring, at this share of its length. @param {number} share @param {number} radius */
function onRing(share, radius) {
  const angle = ((90 + (360 - SWEEP) / 2 + SWEEP * share) * Math.PI) / 180;
  return `${(60 + radius * Math.cos(angle)).toFixed(2)} ${(58 + radius * Math.sin(angle)).toFixed(2)}`;
}

/** The ring between two shares of its length. @param {number} from @param {number} to @param {number} radius */
function arc(from, to, radius) {
  const large = (to - from) * SWEEP > 180 ? 1 : 0;
  return `M${onRing(from, radius)}A${radius} ${radius} 0 ${large} 1 ${onRing(to, radius)}`;
}

/** @param {Element} parent @param {string} name @param {string} [className] */
function drawPart(parent, name, className) {
  const made = document.createElementNS(SVG_SPACE, name);
  if (className) made.setAttribute('class', className);
  parent.append(made);
  return made;
}

/** @param {number} n */
function readable(n) {
  return String(Number(n.toPrecision(4)));
}

class Gauge extends HTMLElement {
  static observedAttributes = ['value', 'min', 'max', 'unit', 'label', 'text', 'warn', 'bad'];

  constructor() {
    super();
    /** @type {any} */
    this.given = null;
    this.named = false;
    this.svg = document.createElementNS(SVG_SPACE, 'svg');
    this.svg.setAttribute('viewBox', '0 0 120 96');
    this.svg.setAttribute('aria-hidden', 'true');
    drawPart(this.svg, 'path', 'ui-track').setAttribute('d', arc(0, 1, RADIUS));
    this.warnZone = drawPart(this.svg, 'path', 'ui-zone ui-zone-warn');
    this.badZone = drawPart(this.svg, 'path', 'ui-zone ui-zone-bad');
    this.arc = drawPart(this.svg, 'path', 'ui-arc');
    this.arc.setAttribute('d', arc(0, 1, RADIUS));
    this.arc.setAttribute('pathLength', '100');
    this.number = drawPart(this.svg, 'text');
    this.number.setAttribute('x', '60');
    this.caption = document.createElement('span');
    this.caption.setAttribute('aria-hidden', 'true');
    // Set before this class was loaded, it hides its own.
    if (Object.hasOwn(this, 'value')) {
      const { value } = this;
      delete (/** @type {any} */ (this).value);
      this.value = value;
    }
  }

  get value() {
    return this.given;
  }

  set value(value) {
    this.given = value;
    this.#show();
  }

  connectedCallback() {
    // What the author says of it stands.
    this.named = this.hasAttribute('aria-label') || this.hasAttribute('aria-labelledby');
    if (!this.hasAttribute('role')) this.setAttribute('role', 'meter');
    if (this.svg.parentNode !== this) this.replaceChildren(this.svg, this.caption);
    this.#show();
  }

  /** @param {string} name @param {string|null} _old @param {string|null} value */
  attributeChangedCallback(name, _old, value) {
    if (name === 'value') this.given = value;
    this.#show();
  }

  /** @param {string} name @param {number} otherwise */
  #number(name, otherwise) {
    const text = this.getAttribute(name);
    const number = text === null || text.trim() === '' ? NaN : Number(text);
    return Number.isFinite(number) ? number : otherwise;
  }

  #show() {
    if (!this.isConnected) return;
    const low = this.#number('min', 0);
    const high = Math.max(this.#number('max', 100), low + Number.EPSILON);
    const known = this.given != null && this.given !== '' && Number.isFinite(Number(this.given));
    const value = known ? Number(this.given) : low;
    /** @param {number} n */
    const share = (n) => Math.min(1, Math.max(0, (n - low) / (high - low)));
    const level = known ? this.#zones(value, share) : '';
    if (level) this.dataset.level = level;
    else delete this.dataset.level;

    // A round cap would show even at nothing.
    this.arc.setAttribute('visibility', share(value) > 0 ? 'visible' : 'hidden');
    this.arc.setAttribute('stroke-dasharray', `${(share(value) * 100).toFixed(2)} 200`);
    const text = this.getAttribute('text') || (known ? readable(value) + (this.getAttribute('unit') || '') : '–');
    this.number.textContent = text;
    const size = Math.min(24, 122 / Math.max(1, text.length));
    this.number.setAttribute('font-size', size.toFixed(1));
    this.number.setAttribute('y', (58 + size * 0.36).toFixed(1));
    this.caption.textContent = this.getAttribute('label') || '';
    this.#describe(value, low, high, known ? text : 'no value', level);
  }

  /** Draws where it becomes serious. @param {number} value @param {(n: number) => number} share @returns {''|'warn'|'bad'} */
  #zones(value, share) {
    const warn = this.#number('warn', NaN);
    const bad = this.#number('bad', NaN);
    const falls = bad < warn;
    /** @param {number} limit */
    const past = (limit) => (falls ? value <= limit : value >= limit);
    /** @param {Element} zone @param {number} limit @param {number} until */
    const mark = (zone, limit, until) => {
      const [from, to] = [share(limit), Number.isFinite(until) ? share(until) : falls ? 0 : 1].sort((a, b) => a - b);
      zone.setAttribute('d', Number.isFinite(limit) && to > from ? arc(from, to, RADIUS + 8) : '');
    };
    mark(this.warnZone, warn, bad);
    mark(this.badZone, bad, NaN);
    return past(bad) ? 'bad' : past(warn) ? 'warn' : '';
  }

  /**
   * For those who do not see it: colours need words, too.
   * @param {number} value @param {number} low @param {number} high @param {string} text @param {''|'warn'|'bad'} level
   */
  #describe(value, low, high, text, level) {
    const words = { '': text, warn: `${text}, warning`, bad: `${text}, critical` };
    this.setAttribute('aria-valuemin', String(low));
    this.setAttribute('aria-valuemax', String(high));
    this.setAttribute('aria-valuenow', String(Math.min(high, Math.max(low, value))));
    this.setAttribute('aria-valuetext', words[level]);
    if (!this.named) this.setAttribute('aria-label', this.getAttribute('label') || 'Gauge');
  }
}
