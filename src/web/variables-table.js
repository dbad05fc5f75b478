// The rows of the variable browser: a tree or a flat table, sorted and filtered. Of
// ten thousand rows only those that can be seen are elements, used again and again.

/** @typedef {import('./variables.js').Row} Row */

/**
 * @typedef {Object} Column
 * @property {string} key
 * @property {string} title
 * @property {string} [about]
 * @property {boolean} [number]   sorted from the highest on
 * @property {boolean} [further]  shown with all columns only
 * @property {(row: Row) => any} get
 */

/** @type {Column[]} */
const VARIABLE_COLUMNS = [
  { key: 'path', title: 'Path', get: (row) => row.path },
  { key: 'value', title: 'Value', get: (row) => shownValue(row.value) },
  { key: 'type', title: 'Type', get: (row) => row.type },
  { key: 'changes', title: 'Changes', about: 'How often it came to show something else, since this page looks', number: true, get: (row) => row.changes },
  { key: 'gas', title: 'Gas', about: 'What its last read took: about a Lua instruction each', number: true, get: (row) => row.gas },
  { key: 'error', title: 'Error', further: true, get: (row) => row.error || '' },
  { key: 'access', title: 'Access', further: true, get: (row) => row.access },
  { key: 'active', title: 'Active', about: 'Whether it is looked at: watched, and not inactive', further: true, get: (row) => (row.active ? 'yes' : 'no') },
  { key: 'properties', title: 'Properties', further: true, get: (row) => shownProperties(row) },
  { key: 'diagnostics', title: 'Diagnostics', about: 'What diag said while it was computed', further: true, get: (row) => row.diagnostics.map(([, text]) => text).join('; ') },
  { key: 'id', title: 'Id', number: true, further: true, get: (row) => row.id },
];

/** Rows beyond the edges that are there already. */
const SPARE_ROWS = 6;
/** Two lines a row on narrow screens. @type {[string, number, number]} */
const ROW_HEIGHTS = ['(max-width: 44rem)', 52, 28];
const FLASH_MS = 1000;

/** JSON as people read it: objects by their numbers. @param {string} value */
export function shownValue(value) {
  return value.replaceAll(/\{"obj":(\d+)\}/g, '#$1');
}

/** @param {Row} row */
export function shownProperties({ properties }) {
  return Object.keys(properties).map((name) => `${name}=${properties[name]}`).join(' ');
}

export class VariableTable {
  /**
   * @param {HTMLElement} grid
   * @param {HTMLElement} heads
   * @param {HTMLElement} body
   * @param {Map<number, Row>} rows
   * @param {(row: Row|null) => void} chosen
   */
  constructor(grid, heads, body, rows, chosen) {
    this.grid = grid;
    this.heads = heads;
    this.body = body;
    this.rows = rows;
    this.chosen = chosen;
    this.isTree = true;
    this.wanted = '';
    /** What is shown: all columns, and only rows that changed or failed. @type {Object<string, boolean>} */
    this.shows = { all: false, changed: false, failed: false };
    /** @type {{column: Column, down: boolean}|null} */
    this.sorting = null;
    /** @type {Set<number>} */
    this.closed = new Set();
    /** Rows in the order in which they stand. @type {{row: Row, depth: number, below: boolean}[]} */
    this.order = [];
    this.chosenId = 0;
    /** Until when rows are marked as just changed. @type {Map<number, number>} */
    this.fresh = new Map();
    /** @type {HTMLElement[]} */
    this.pool = [];
    this.frame = 0;
    this.narrow = matchMedia(ROW_HEIGHTS[0]);
    this.#putHeads();
    for (const [where, what] of /** @type {[EventTarget, string][]} */ ([[grid, 'scroll'], [window, 'resize'], [this.narrow, 'change']])) {
      where.addEventListener(what, () => this.#paintSoon());
    }
    grid.addEventListener('keydown', (event) => this.#key(event));
    body.addEventListener('click', (event) => this.#click(event));
  }

  // ---- what is shown ----------------------------------------------------------------

  /** Rows differ, came or went. @param {number[]} changed  those that show something else */
  renew(changed) {
    const until = performance.now() + FLASH_MS;
    for (const id of changed) this.fresh.set(id, until);
    this.#arrangeSoon();
  }

  /** @param {boolean} isTree */
  arrange(isTree) {
    this.isTree = isTree;
    this.grid.setAttribute('role', isTree ? 'treegrid' : 'grid');
    this.#arrangeSoon();
  }

  /** @param {string} what @param {boolean} on */
  only(what, on) {
    this.shows[what] = on;
    if (what === 'all') this.#putHeads();
    this.#arrangeSoon();
  }

  /** @param {string} text */
  find(text) {
    this.wanted = text.toLowerCase();
    this.#arrangeSoon();
  }

  chosenRow() {
    return this.rows.get(this.chosenId) || null;
  }

  /** @param {number} id  0: none */
  choose(id) {
    const row = this.rows.get(id);
    this.chosenId = row ? id : 0;
    for (let at = row; at && at.parent !== null; at = this.rows.get(at.parent)) this.closed.delete(at.parent);
    this.#arrange();
    const place = this.order.findIndex(({ row }) => row.id === id);
    if (place >= 0) this.#reveal(place);
    this.chosen(row || null);
    this.#paint();
  }

  #columns() {
    return VARIABLE_COLUMNS.filter((column) => this.shows.all || !column.further);
  }

  /** @param {Row} row */
  #matches(row) {
    if (this.shows.changed && !row.changes) return false;
    if (this.shows.failed && !row.error) return false;
    if (!this.wanted) return true;
    return [row.path, row.value, row.type, row.error || '', String(row.id)].some((text) => text.toLowerCase().includes(this.wanted));
  }

  #arrangeSoon() {
    this.stale = true;
    this.#paintSoon();
  }

  #arrange() {
    this.stale = false;
    const rows = [...this.rows.values()];
    const order = this.#comparison();
    const matching = rows.filter((row) => this.#matches(row));
    if (!this.isTree) {
      this.order = matching.sort(order).map((row) => ({ row, depth: 0, below: false }));
    } else {
      // Whatever matches is shown with what is above it.
      const kept = new Set();
      for (const row of matching) {
        for (let at = /** @type {Row|undefined} */ (row); at && !kept.has(at.id); at = at.parent === null ? undefined : this.rows.get(at.parent)) kept.add(at.id);
      }
      /** @type {Map<number|null, Row[]>} */
      const below = new Map();
      for (const row of rows) {
        if (!kept.has(row.id)) continue;
        const parent = row.parent !== null && this.rows.has(row.parent) ? row.parent : null;
        const siblings = below.get(parent);
        if (siblings) siblings.push(row);
        else below.set(parent, [row]);
      }
      for (const siblings of below.values()) siblings.sort(order);
      this.order = [];
      this.#lay(below, null, 0);
    }
    const { length } = this.order;
    this.grid.setAttribute('aria-rowcount', String(length + 1));
    this.grid.classList.toggle('empty', !length);
  }

  /** @param {Map<number|null, Row[]>} below @param {number|null} parent @param {number} depth */
  #lay(below, parent, depth) {
    for (const row of below.get(parent) || []) {
      const more = below.has(row.id);
      this.order.push({ row, depth, below: more });
      if (more && (!this.closed.has(row.id) || this.wanted)) this.#lay(below, row.id, depth + 1);
    }
  }

  /** @returns {(a: Row, b: Row) => number} */
  #comparison() {
    const byId = (a, b) => Math.abs(a.id) - Math.abs(b.id) || b.id - a.id;
    if (!this.sorting) return byId;
    const { column, down } = this.sorting;
    const sign = down ? -1 : 1;
    return (a, b) => {
      const [one, other] = [column.get(a), column.get(b)];
      const differs = column.number ? one - other : String(one).localeCompare(String(other), 'en', { numeric: true });
      return sign * differs || byId(a, b);
    };
  }

  // ---- heads --------------------------------------------------------------------------

  #putHeads() {
    const heads = this.#columns().map((column) => {
      const head = document.createElement('span');
      head.setAttribute('role', 'columnheader');
      head.className = `of-${column.key}`;
      const { sorting } = this;
      if (sorting && sorting.column === column) head.setAttribute('aria-sort', sorting.down ? 'descending' : 'ascending');
      const button = document.createElement('button');
      button.type = 'button';
      button.textContent = column.title;
      button.title = column.about || `Sort by ${column.title.toLowerCase()}`;
      button.addEventListener('click', () => this.#sort(column));
      head.append(button);
      return head;
    });
    this.heads.replaceChildren(...heads);
    this.heads.setAttribute('aria-rowindex', '1');
    this.grid.classList.toggle('all', this.shows.all);
    this.pool.splice(0).forEach((line) => line.remove());
  }

  /** Numbers from the highest on, then from the lowest, then not at all. @param {Column} column */
  #sort(column) {
    const first = !!column.number;
    const { sorting } = this;
    if (!sorting || sorting.column !== column) this.sorting = { column, down: first };
    else this.sorting = sorting.down === first ? { column, down: !first } : null;
    const at = this.#columns().indexOf(column);
    this.#putHeads();
    /** @type {HTMLElement} */ (this.heads.children[at].firstElementChild).focus();
    this.#arrangeSoon();
  }

  // ---- rows ---------------------------------------------------------------------------

  #height() {
    return this.narrow.matches && !this.shows.all ? ROW_HEIGHTS[1] : ROW_HEIGHTS[2];
  }

  #paintSoon() {
    if (!this.frame) this.frame = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    if (this.stale) this.#arrange();
    const height = this.#height();
    this.body.style.height = `${this.order.length * height}px`;
    const top = this.grid.scrollTop - this.heads.offsetHeight;
    const first = Math.max(0, Math.floor(top / height) - SPARE_ROWS);
    const last = Math.min(this.order.length, Math.ceil((top + this.grid.clientHeight) / height) + SPARE_ROWS);
    const count = Math.max(0, last - first);
    while (this.pool.length < count) this.#makeLine();
    while (this.pool.length > count) this.pool.pop()?.remove();
    for (let at = first; at < last; at++) this.#fill(this.pool[at % count], at, height);
    const { chosenId } = this;
    const isThere = chosenId && document.getElementById(`row-${chosenId}`);
    if (isThere) this.grid.setAttribute('aria-activedescendant', `row-${chosenId}`);
    else this.grid.removeAttribute('aria-activedescendant');
  }

  #makeLine() {
    const line = document.createElement('div');
    line.setAttribute('role', 'row');
    line.className = 'line';
    for (const column of this.#columns()) {
      const cell = document.createElement('span');
      cell.setAttribute('role', 'gridcell');
      cell.className = `of-${column.key}`;
      line.append(cell);
    }
    this.pool.push(line);
    this.body.append(line);
  }

  /** @param {HTMLElement} line @param {number} at @param {number} height */
  #fill(line, at, height) {
    const { row, depth, below } = this.order[at];
    line.id = `row-${row.id}`;
    line.dataset.id = String(row.id);
    line.style.transform = `translateY(${at * height}px)`;
    line.style.setProperty('--depth', String(depth));
    line.setAttribute('aria-rowindex', String(at + 2));
    line.setAttribute('aria-selected', String(row.id === this.chosenId));
    setOrRemove(line, 'aria-level', this.isTree ? String(depth + 1) : null);
    setOrRemove(line, 'aria-expanded', this.isTree && below ? String(!this.closed.has(row.id) || !!this.wanted) : null);
    line.classList.toggle('bad', !!row.error);
    line.classList.toggle('idle', !row.active);
    this.#columns().forEach((column, i) => {
      const cell = /** @type {HTMLElement} */ (line.children[i]);
      const text = this.#cellText(column, row);
      if (cell.textContent !== text) cell.textContent = text;
      cell.title = text.length > 12 ? text : '';
    });
    this.#flash(line, row.id);
  }

  /** @param {Column} column @param {Row} row */
  #cellText(column, row) {
    if (column.key === 'path' && this.isTree) return row.name || (row.id === 1 ? 'app' : '·');
    if (column.key === 'path') return row.path || 'app';
    if (column.key === 'value' && row.error && !this.shows.all) return row.error;
    const value = column.get(row);
    if (!column.number || column.key === 'id') return String(value);
    return value ? value.toLocaleString('en') : '';
  }

  /** @param {HTMLElement} line @param {number} id */
  #flash(line, id) {
    const until = this.fresh.get(id) || 0;
    const now = performance.now();
    const was = Number(line.dataset.fresh) === id;
    if (until > now && !was) {
      line.dataset.fresh = String(id);
      line.classList.remove('fresh');
      void line.offsetWidth;
      line.classList.add('fresh');
      setTimeout(() => {
        line.classList.remove('fresh');
        delete line.dataset.fresh;
      }, until - now);
    } else if (until <= now) {
      this.fresh.delete(id);
      line.classList.toggle('fresh', false);
    }
  }

  // ---- hands ----------------------------------------------------------------------------

  /** @param {Event} event */
  #click(event) {
    const line = event.target instanceof Element && event.target.closest('.line');
    if (!(line instanceof HTMLElement)) return;
    const id = Number(line.dataset.id);
    const cell = /** @type {HTMLElement} */ (line.firstElementChild);
    const { left } = cell.getBoundingClientRect();
    const edge = left + parseFloat(getComputedStyle(cell).paddingInlineStart);
    const isTwisty = line.hasAttribute('aria-expanded') && /** @type {MouseEvent} */ (event).clientX < edge;
    if (isTwisty) this.#toggle(id, this.closed.has(id));
    else this.choose(id);
  }

  /** @param {number} id @param {boolean} open */
  #toggle(id, open) {
    if (open) this.closed.delete(id);
    else this.closed.add(id);
    this.#arrangeSoon();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.target !== this.grid || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.order.findIndex(({ row }) => row.id === this.chosenId);
    const page = Math.max(1, Math.floor(this.grid.clientHeight / this.#height()) - 2);
    const steps = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.order.length - 1, Enter: at };
    if (event.key === 'Escape') this.choose(0);
    else if (event.key in steps) this.#goTo(steps[event.key]);
    else if (['ArrowLeft', 'ArrowRight'].includes(event.key) && at >= 0) this.#openOrClose(at, event.key === 'ArrowRight');
    else return;
    event.preventDefault();
  }

  /** @param {number} at */
  #goTo(at) {
    const place = Math.min(Math.max(at, 0), this.order.length - 1);
    if (place >= 0) this.choose(this.order[place].row.id);
  }

  /** @param {number} at @param {boolean} open */
  #openOrClose(at, open) {
    const { row, below } = this.order[at];
    const isOpen = below && !this.closed.has(row.id);
    if (open && below) return isOpen ? this.#goTo(at + 1) : this.#toggle(row.id, true);
    if (!open && isOpen) return this.#toggle(row.id, false);
    if (!open && row.parent !== null) this.choose(row.parent);
  }

  /** Scrolls as little as shows the row. @param {number} at */
  #reveal(at) {
    const height = this.#height();
    const head = this.heads.offsetHeight;
    const [top, room] = [at * height, this.grid.clientHeight - head - height];
    this.body.style.height = `${this.order.length * height}px`;
    if (top < this.grid.scrollTop) this.grid.scrollTop = top;
    else if (top > this.grid.scrollTop + room) this.grid.scrollTop = top - room;
  }
}

/** @param {Element} element @param {string} name @param {string|null} value */
function setOrRemove(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}
