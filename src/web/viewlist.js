// A List shows an array of objects, one view a row.
//
// Rows belong to objects; variables belong to indexes. When the array changes,
// each row looks for the variable that now shows its object and takes over that
// variable's address together with everything below it (`Store.swap`). So a
// move sends nothing at all, a removal one `destroy`, an insertion the new row
// (and, if it is not at the end, one more: the last index is new to the row that
// moves there), and focus, caret, scroll and half-typed text go with their
// object. A server that keeps an item's variable with its item is fine too: then
// each row's variable already shows the right object and nothing is exchanged.

import { View, vendId } from './views.js';
import { STYLE } from './templates.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./client.js').App} App
 */

/** How often an index that should hold an object may turn out empty. */
const MISSES_MAX = 3;

/** One row: the variable at its index and the view of its item. */
class Row {
  /** @param {List} list @param {string|number} key @param {number|undefined} obj */
  constructor(list, key, obj) {
    this.list = list;
    this.key = key;
    this.obj = obj;
    this.structural = true;
    this.misses = 0;
    /** @type {Variable} */
    this.slot = /** @type {any} */ (null);
    /** @type {View} */
    this.view = /** @type {any} */ (null);
  }

  /** The variable shows the row's object, or has not answered yet. */
  fits() {
    const { value } = this.slot;
    return this.obj === undefined || value === undefined || (value !== null && value.obj === this.obj);
  }

  /** It is on the way to an index at which the object is no more. @param {number} index */
  misasked(index) {
    const { value, batch, props } = this.slot;
    return value === undefined && batch > 0 && props.path !== String(index);
  }

  changed() {
    if (this.fits()) this.misses = 0;
    // An empty index: usually the array that says so comes along, but it may also
    // have been asked for just before the list grew shorter. Not for ever, though:
    // a server that keeps saying so is asked no more.
    else if (this.slot.value !== null || this.misses++ < MISSES_MAX) this.list.app.toArrange.add(this.list);
  }
}

export class List {
  /**
   * @param {App} app
   * @param {View} parent
   * @param {Element} container
   * @param {Variable} variable  holds the array
   * @param {Element|null} exemplar
   * @param {boolean} wrapped   elements are ViewListItems: the row shows their `item`
   */
  constructor(app, parent, container, variable, exemplar, wrapped) {
    this.app = app;
    this.parent = parent;
    this.container = container;
    this.variable = variable;
    this.exemplar = exemplar;
    this.wrapped = wrapped;
    this.structural = true;
    /** @type {Row[]} */
    this.rows = [];
    this.select = container.closest('select, sl-select, wa-select');
    variable.watch(this);
    if (variable.value !== undefined) app.toArrange.add(this);
  }

  changed() {
    this.app.toArrange.add(this);
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.container, v, '');
  }

  get depth() {
    let depth = 0;
    for (let v = this.variable.parent; v; v = v.parent) depth++;
    return depth;
  }

  /** Makes the rows match the array. */
  arrange() {
    if (this.variable.gone) return;
    const array = Array.isArray(this.variable.value) ? this.variable.value : [];
    const wanted = keysOf(array);
    this.#adopt(wanted, array);
    /** @type {Map<string|number, Row>} */
    const old = new Map();
    for (const row of this.rows) old.set(row.key, row);
    this.#readdress(wanted, old);
    const before = new Map(this.rows.map((row, i) => [row, i]));
    const rows = wanted.map((key, i) => old.get(key) || this.#newRow(key, array[i], i));
    const staying = new Set(rows);
    for (const row of this.rows) if (!staying.has(row)) this.#drop(row);
    this.rows = rows;
    // Where to ask for it when all is created anew after a reconnect, and its
    // counterpart when the whole list changes places with another.
    rows.forEach(({ slot }, i) => {
      slot.sig = String(i);
      if (slot.props.path !== slot.sig) slot.props = { ...slot.props, path: slot.sig };
    });
    this.#place(before);
    this.rowChanged();
  }

  /**
   * Rows whose object is gone are given to objects that are new: the server has
   * told their values already, so nothing needs to be sent. Besides being cheap
   * this keeps a list made of fresh tables at each look (or of fresh numbers,
   * after a reconnect) from being built anew each time.
   */
  #adopt(wanted, array) {
    const present = new Set(wanted);
    const known = new Set(this.rows.map((row) => row.key));
    const free = new Map();
    this.rows.forEach((row, i) => present.has(row.key) || free.set(i, row));
    if (!free.size) return;
    const wholesale = free.size === this.rows.length;
    const give = (row, i, same) => {
      row.key = wanted[i];
      row.obj = array[i] && array[i].obj;
      // What is half typed belongs to the object that is gone, unless all are:
      // then it is the same list again, and the same place the same thing.
      if (!same || !wholesale) this.app.fields.forget(row.view);
    };
    const strangers = wanted.map((key, i) => (known.has(key) ? -1 : i)).filter((i) => i >= 0);
    const rest = strangers.filter((i) => {
      const row = free.get(i);
      if (!row) return true;
      free.delete(i);
      give(row, i, true);
      return false;
    });
    const left = [...free.values()];
    for (const i of rest.slice(0, left.length)) give(left.shift(), i, false);
  }

  /** Gives each staying row the address at which the server shows its object. */
  #readdress(wanted, old) {
    /** @type {Map<number, Row>} who holds the address that shows this object */
    const holders = new Map();
    for (const row of this.rows) if (row.slot.value && !row.fits()) holders.set(row.slot.value.obj, row);
    wanted.forEach((key, i) => {
      const row = old.get(key);
      if (!row || (row.fits() && !row.misasked(i))) return;
      const holder = holders.get(row.obj);
      if (holder && holder !== row) {
        this.app.store.swap(row.slot, holder.slot);
        if (holder.slot.value) holders.set(holder.slot.value.obj, holder);
      } else {
        // Nobody has it: its index is new to us.
        row.slot.props = { ...row.slot.props, path: String(i) };
        this.app.store.recreate(row.slot);
      }
    });
  }

  /** @param {string|number} key @param {any} value @param {number} index */
  #newRow(key, value, index) {
    const { app } = this;
    const row = new Row(this, key, value && value.obj);
    const id = vendId();
    const namespace = this.exemplar && this.exemplar.getAttribute('ui-namespace');
    const props = { path: String(index), ...(namespace ? { namespace } : {}) };
    row.slot = app.store.create(this.variable, props);
    row.slot.watch(row);
    const custom = !this.wrapped || app.viewdefs.resolve('lua.ViewListItem',
      row.slot.inherited('namespace'), row.slot.inherited('fallbackNamespace'));
    const shown = custom ? row.slot : app.store.create(row.slot, { path: 'item', elementId: id });
    const pattern = this.exemplar;
    const dress = {
      id,
      className: pattern ? pattern.className : '',
      css: (pattern && pattern.getAttribute(STYLE)) || '',
      pattern,
    };
    row.view = new View(app, this, shown, document.createComment(''), dress);
    return row;
  }

  /** @param {Row} row */
  #drop(row) {
    row.view.remove();
    row.view.dispose();
    row.slot.destroy();
  }

  /** Puts the rows in order, moving as few as possible. @param {Map<Row, number>} before */
  #place(before) {
    const still = longestRising(this.rows.map((row) => before.get(row) ?? -1));
    /** @type {Node|null} */
    let next = null;
    for (let i = this.rows.length - 1; i >= 0; i--) {
      const { view } = this.rows[i];
      if (!still.has(i)) for (const node of view.nodes()) move(this.container, node, next);
      next = view.firstNode();
    }
  }

  /** A select shows its choice only once the option is there. */
  rowChanged() {
    if (this.select) this.app.fields.reapply(this.select);
  }

  /** Templates of items changed: all rows are made anew. */
  rebuild() {
    const rows = this.rows;
    this.rows = [];
    for (const row of rows) this.#drop(row);
    this.app.toArrange.add(this);
  }

  dispose() {
    this.variable.unwatch(this);
    this.app.toArrange.delete(this);
    for (const row of this.rows) row.view.dispose();
    this.rows = [];
  }
}

/** Object numbers; an object that comes twice, and what is none, by position. */
function keysOf(array) {
  const seen = new Set();
  return array.map((element, i) => {
    const obj = element && element.obj;
    const key = obj === undefined || seen.has(obj) ? `#${i}` : obj;
    seen.add(key);
    return key;
  });
}

/** Moves without losing focus or reloading frames where the browser can. */
function move(container, node, next) {
  if (container.moveBefore && node.isConnected) container.moveBefore(node, next);
  else container.insertBefore(node, next);
}

/**
 * Indexes of a longest rising run of the non-negative numbers: these rows can
 * stay where they are.
 * @param {number[]} numbers
 * @returns {Set<number>}
 */
function longestRising(numbers) {
  /** @type {number[]} tails[k]: index that ends the best run of length k+1 */
  const tails = [];
  const previous = new Array(numbers.length);
  numbers.forEach((n, i) => {
    if (n < 0) return;
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[tails[middle]] < n) low = middle + 1;
      else high = middle;
    }
    previous[i] = low ? tails[low - 1] : -1;
    tails[low] = i;
  });
  const run = new Set();
  for (let i = tails.length ? tails[tails.length - 1] : -1; i >= 0; i = previous[i]) run.add(i);
  return run;
}
