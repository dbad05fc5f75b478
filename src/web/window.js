// A part of a long array (`?window=50`): only the rows that can be seen, and some
// beyond each edge, are in the page. Spacers stand for the others, so that the
// scroll bar is that of the whole list; scrolling asks the server for another
// part, whose items show their new elements in the rows that are there.
//
// Loaded by the first list that has a window.

/**
 * @typedef {import('./viewlist.js').List} List
 */

/** While scrolling goes on, the server is asked this often. */
const SCROLL_MS = 40;
/** So long after its last step a scroll is still under way. */
const MOVING_MS = 150;

export class Window {
  /** @param {List} list */
  constructor(list) {
    this.list = list;
    this.structural = true;
    const { store } = list.app;
    /** The variable with the window, which carries the range. */
    this.source = /** @type {import('./store.js').Variable} */ (list.variable.parent);
    this.count = store.create(this.source, { path: 'count', access: 'r' });
    this.first = store.create(this.source, { path: 'first', access: 'r' });
    for (const v of [this.count, this.first]) v.watch(this);
    this.size = Number(this.source.props.window) || 1;
    this.asked = '';
    this.timer = 0;
    this.frame = 0;
    /** Pixels a row, as far as is known. */
    this.height = 0;
    /** @type {any} what scrolls: an element, or the page */
    this.scroller = null;
    /** @type {{row: any, face: any, top: number}[]} rows on screen before the array changed */
    this.seen = [];
    this.focused = false;
    this.head = spacer(list.container);
    this.tail = spacer(list.container);
    list.container.prepend(this.head);
    list.container.append(this.tail);
    this.scrolled = 0;
    this.onScroll = () => {
      this.scrolled = performance.now();
      this.#soon();
    };
    list.app.toArrange.add(list);
    this.later();
  }

  changed() {
    this.list.app.toArrange.add(this.list);
  }

  /** Rows are about to change: what is seen now shall stay where it is. */
  before() {
    this.seen = [];
    const { scroller, list } = this;
    this.focused = list.container.contains(document.activeElement);
    if (!scroller || this.#scrollTop() < 1) return;
    const { top, bottom } = this.#port();
    for (const row of list.rows) {
      const element = rootOf(row);
      const rect = element && element.getBoundingClientRect();
      if (rect && rect.bottom > top && rect.top < bottom) this.seen.push({ row, face: row.face, top: rect.top });
    }
  }

  /** Rows have changed. */
  after() {
    this.#measure();
    this.#stretch();
    this.#label();
    const stays = this.seen.find(({ row, face }) => row.face === face && this.list.rows.includes(row) && rootOf(row));
    const root = stays && rootOf(stays.row);
    if (root) {
      const moved = root.getBoundingClientRect().top - stays.top;
      // That would end a smooth scroll, by which nobody sees a pixel's difference.
      const least = performance.now() - this.scrolled < MOVING_MS ? this.height / 2 : 1;
      if (Math.abs(moved) >= least) this.scroller.scrollTop += moved;
    }
    this.seen = [];
    // Whoever was in a row that is gone goes on with the keyboard in the list.
    if (this.focused && document.activeElement === document.body && this.scroller) {
      this.scroller.focus({ preventScroll: true });
    }
    this.#soon();
  }

  /** Rows got their content: once for all of a frame. */
  later() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (!this.list.container.isConnected) return this.later();
      this.#begin();
      this.after();
    });
  }

  #begin() {
    if (this.scroller) return;
    const scroller = (this.scroller = scrollerOf(this.list.container));
    this.target = scroller === document.scrollingElement ? document : scroller;
    this.target.addEventListener('scroll', this.onScroll, { passive: true });
    window.addEventListener('resize', this.onScroll);
    // Rows that come above are made up for here, not by the browser as well.
    scroller.style.overflowAnchor = 'none';
    if (this.target === scroller && !scroller.hasAttribute('tabindex')) scroller.tabIndex = 0;
  }

  /** How high a row is; only when each of them shows something. */
  #measure() {
    const { rows } = this.list;
    if (!rows.length || !rows.every(rootOf)) return;
    /** @returns {HTMLElement} */
    const element = (row) => /** @type {HTMLElement} */ (rootOf(row));
    const top = (row) => element(row).getBoundingClientRect().top;
    const last = rows[rows.length - 1];
    const height = rows.length > 1 ? (top(last) - top(rows[0])) / (rows.length - 1) : element(last).offsetHeight;
    const change = Math.abs(height - this.height);
    // Exact for rows that are alike: then nothing ever has to be made up for, which would end a
    // scroll that is under way. For others the mean of what was seen.
    if (height > 0 && change > 0.01) this.height = !this.height || change < 1 ? height : this.height * 0.7 + height * 0.3;
  }

  #stretch() {
    const first = this.first.value || 0;
    const rest = Math.max(0, (this.count.value || 0) - first - this.list.rows.length);
    stretch(this.head, first * this.height);
    stretch(this.tail, rest * this.height);
  }

  /** What the list is as a whole, for those who hear it. */
  #label() {
    const { container, rows } = this.list;
    const count = this.count.value || 0;
    const first = this.first.value || 0;
    const table = container.closest('table');
    let head = 0;
    if (table) {
      head = table.tHead ? table.tHead.rows.length : 0;
      table.setAttribute('aria-rowcount', String(count + head));
    } else if (container.localName === 'div' && !container.hasAttribute('role')) container.setAttribute('role', 'list');
    const inList = container.getAttribute('role') === 'list';
    rows.forEach((row, i) => {
      const root = rootOf(row);
      if (!root) return;
      if (table) return set(root, 'aria-rowindex', first + i + 1 + head);
      if (inList && !root.hasAttribute('role')) root.setAttribute('role', 'listitem');
      set(root, 'aria-posinset', first + i + 1);
      set(root, 'aria-setsize', count);
    });
  }

  #scrollTop() {
    return this.scroller.scrollTop;
  }

  /** The edges of what can be seen, in the page's coordinates. */
  #port() {
    if (this.target === document) return { top: 0, bottom: window.innerHeight };
    const rect = this.scroller.getBoundingClientRect();
    return { top: rect.top, bottom: Math.min(rect.bottom, window.innerHeight) };
  }

  #soon() {
    if (!this.timer && this.scroller) this.timer = setTimeout(() => this.#ask(), SCROLL_MS);
  }

  /** Asks for another part when what is seen comes near an edge of this one. */
  #ask() {
    this.timer = 0;
    const { container, rows } = this.list;
    const count = this.count.value || 0;
    if (!this.height || !count || !container.isConnected) return;
    const first = this.first.value || 0;
    const { top, bottom } = this.#port();
    const from = this.#indexAt(top, first, count);
    const to = this.#indexAt(bottom, first, count);
    const visible = to - from + 1;
    const size = Math.max(this.size, 2 * visible);
    const beyond = (size - visible) >> 1;
    const near = beyond >> 1;
    const enough = first <= Math.max(0, from - near) && first + rows.length >= Math.min(count, to + 1 + near);
    const start = Math.max(0, Math.min(from - beyond, count - size));
    const range = `${start}-${start + size - 1}`;
    if (enough || range === this.asked) return;
    this.asked = range;
    // Asked for again, should all have to be created anew.
    this.source.props = { ...this.source.props, range };
    this.list.app.store.outbox.setProperties(this.source, { range });
    this.list.app.store.outbox.flush(false);
  }

  /** The row at a height on screen: measured where there are rows, else as the mean has it. */
  #indexAt(y, first, count) {
    const start = this.head.getBoundingClientRect().bottom;
    const end = this.tail.getBoundingClientRect().top;
    const { length } = this.list.rows;
    let index = first + ((y - start) / (end - start)) * length;
    if (y < start || end <= start) index = first - (start - y) / this.height;
    else if (y > end) index = first + length + (y - end) / this.height;
    return Math.max(0, Math.min(count - 1, Math.floor(index)));
  }

  dispose() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    if (this.target) this.target.removeEventListener('scroll', this.onScroll);
    window.removeEventListener('resize', this.onScroll);
    for (const v of [this.count, this.first]) v.destroy();
  }
}

/** A row's element, if it shows one. @returns {HTMLElement|undefined} */
function rootOf(row) {
  return row.view.nodes().find((node) => node instanceof HTMLElement);
}

function set(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Stands for the rows that are not here; of the kind that may stand among them. */
function spacer(container) {
  const inTable = /^(tbody|thead|tfoot|table)$/.test(container.localName);
  const inList = /^(ul|ol|menu)$/.test(container.localName);
  const made = document.createElement(inTable ? 'tr' : inList ? 'li' : 'div');
  made.setAttribute('role', 'presentation');
  made.setAttribute('aria-hidden', 'true');
  const sized = inTable ? made.appendChild(document.createElement('td')) : made;
  if (inTable) /** @type {HTMLTableCellElement} */ (sized).colSpan = 1000;
  for (const element of new Set([made, sized])) {
    Object.assign(element.style, { padding: '0', margin: '0', border: '0', visibility: 'hidden', listStyle: 'none' });
  }
  sized.style.height = '0';
  return made;
}

/** @param {HTMLElement} made @param {number} height */
function stretch(made, height) {
  const sized = /** @type {HTMLElement} */ (made.firstElementChild || made);
  const text = `${Math.round(height * 4) / 4}px`;
  if (sized.style.height !== text) sized.style.height = text;
}

/** The nearest element around (or the container itself) that scrolls, else the page. */
function scrollerOf(container) {
  for (let element = container; element && element !== document.body; element = element.parentElement) {
    const { overflowY } = getComputedStyle(element);
    if (overflowY === 'auto' || overflowY === 'scroll') return element;
  }
  return document.scrollingElement;
}
