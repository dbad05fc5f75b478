// A List shows an array of objects, one view a row.
//
// A row belongs to an item of the array, and its variable holds that very item:
// when items come, go or move, nothing is said about the rows that stay, and
// focus, caret, scroll and half-typed text go with their item. What an item
// shows may become another element; then the row's variables hear of it.
//
// Elements without an identity of their own (plain values, and arrays that are no
// `items` of a list) have rows by their index.

import { View, vendId } from './views.js';
import { STYLE } from './templates.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./client.js').App} App
 */

/** One row: the variable of its item and the view of what the item shows. */
class Row {
  /** @param {List} list @param {string|number} key */
  constructor(list, key) {
    this.list = list;
    this.key = key;
    this.structural = true;
    /** @type {number|undefined} the object that it shows */
    this.face = undefined;
    /** @type {Variable} */
    this.slot = /** @type {any} */ (null);
    /** @type {Variable} */
    this.shown = /** @type {any} */ (null);
    /** @type {View} */
    this.view = /** @type {any} */ (null);
  }

  changed() {
    const { value } = this.shown;
    if (!value || value.obj === this.face) return;
    if (this.face === undefined) this.face = value.obj;
    else this.list.app.toArrange.add(this.list);
  }
}

export class List {
  /**
   * @param {App} app
   * @param {View} parent
   * @param {Element} container
   * @param {Variable} variable  holds the array
   * @param {Element|null} exemplar
   */
  constructor(app, parent, container, variable, exemplar) {
    this.app = app;
    this.parent = parent;
    this.container = container;
    this.variable = variable;
    this.exemplar = exemplar;
    /** Elements are ViewListItems: the row shows their `item`. */
    this.wrapped = variable.props.path === 'items';
    const { identity, window } = /** @type {Variable} */ (variable.parent).props;
    this.byItem = this.wrapped && !!identity;
    this.structural = true;
    /** @type {Row[]} */
    this.rows = [];
    this.select = container.closest('select, sl-select, wa-select');
    this.disposed = false;
    /** @type {any} what scrolls a part of a long array */
    this.window = null;
    if (this.wrapped && window) this.#openWindow();
    variable.watch(this);
    if (variable.value !== undefined) app.toArrange.add(this);
  }

  async #openWindow() {
    // Few pages have long lists, so that this part comes with the first.
    const { Window } = await import('./window.js');
    if (this.disposed) return;
    this.window = new Window(this);
    this.app.store.settle();
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
    const { value, gone } = this.variable;
    if (gone || value === undefined) return;
    if (this.window) this.window.before();
    const array = Array.isArray(value) ? value : [];
    const keys = keysOf(array, this.byItem);
    this.#findAgain(keys, array);
    const old = new Map(this.rows.map((row) => [row.key, row]));
    const before = new Map(this.rows.map((row, i) => [row, i]));
    const rows = keys.map((key, i) => old.get(key) || this.#newRow(key, array[i], i));
    const staying = new Set(rows);
    for (const row of this.rows) if (!staying.has(row)) this.#drop(row);
    this.rows = rows;
    this.#place(before);
    this.#forgetOthers();
    this.rowChanged();
    if (this.window) this.window.after();
  }

  /**
   * After a lost connection the items have other numbers: it is the same list
   * again, and the same place the same thing.
   */
  #findAgain(keys, array) {
    this.rows.forEach((row, i) => {
      if (row.slot.item !== null) return;
      row.key = i < array.length ? keys[i] : '';
      row.face = undefined;
      if (row.key) this.app.store.hold(row.slot, array[i]);
    });
  }

  /** What is half typed belongs to the object that was shown, unless all are others now. */
  #forgetOthers() {
    const others = this.rows.filter(({ face, shown }) => face !== undefined && shown.value && shown.value.obj !== face);
    for (const row of others) {
      row.face = row.shown.value.obj;
      if (others.length < this.rows.length) this.app.fields.forget(row.view);
    }
  }

  /** @param {string|number} key @param {any} item @param {number} index */
  #newRow(key, item, index) {
    const { app } = this;
    const row = new Row(this, key);
    const id = vendId();
    const namespace = this.exemplar && this.exemplar.getAttribute('ui-namespace');
    /** @type {Object<string,string>} */
    const props = namespace ? { namespace } : {};
    const held = this.byItem && item && item.obj !== undefined;
    row.slot = held
      ? app.store.create(this.variable, props, item)
      : app.store.create(this.variable, { path: String(index), ...props });
    const custom = !this.wrapped || app.viewdefs.resolve('lua.ViewListItem',
      row.slot.inherited('namespace'), row.slot.inherited('fallbackNamespace'));
    row.shown = custom ? row.slot : app.store.create(row.slot, { path: 'item', elementId: id });
    row.shown.watch(row);
    const pattern = this.exemplar;
    const dress = {
      id,
      className: pattern ? pattern.className : '',
      css: (pattern && pattern.getAttribute(STYLE)) || '',
      pattern,
    };
    row.view = new View(app, this, row.shown, document.createComment(''), dress);
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
    let next = this.window ? this.window.tail : null;
    for (let i = this.rows.length - 1; i >= 0; i--) {
      const { view } = this.rows[i];
      if (!still.has(i)) for (const node of view.nodes()) move(this.container, node, next);
      next = view.firstNode();
    }
  }

  /** A select shows its choice only once the option is there. */
  rowChanged() {
    if (this.select) this.app.fields.reapply(this.select);
    if (this.window) this.window.later();
  }

  /** Templates of items changed: all rows are made anew. */
  rebuild() {
    const rows = this.rows;
    this.rows = [];
    for (const row of rows) this.#drop(row);
    this.app.toArrange.add(this);
  }

  dispose() {
    this.disposed = true;
    if (this.window) this.window.dispose();
    this.variable.unwatch(this);
    this.app.toArrange.delete(this);
    for (const row of this.rows) row.view.dispose();
    this.rows = [];
  }
}

/** Numbers of the objects, and which time it is that one comes; all else by its index. */
function keysOf(array, byItem) {
  const seen = new Map();
  return array.map((element, i) => {
    const obj = byItem && element ? element.obj : undefined;
    if (obj === undefined) return `#${i}`;
    const times = seen.get(obj) || 0;
    seen.set(obj, times + 1);
    return times ? `${obj} ${times}` : obj;
  });
}

/** Moves without losing focus or reloading frames where the browser can. */
function move(container, node, next) {
  if (container.moveBefore && node.isConnected && container.isConnected) container.moveBefore(node, next);
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
