// A page without a browser: the client's own link, outbox and store, a clock that
// is told the time, and in place of views the least that shows an app: some
// fields, some buttons, a list whose rows are addressed by their items.

import { Link } from './link.js';
import { Store } from './store.js';

// ---- what a browser would bring -------------------------------------------------

let clock = 0;
let vended = 0;
/** @type {Map<number, {at: number, run: () => void}>} */
const timers = new Map();

globalThis.setTimeout = (run, ms = 0) => {
  timers.set(++vended, { at: clock + ms, run });
  return vended;
};
globalThis.clearTimeout = (timer) => void timers.delete(timer);
globalThis.queueMicrotask = (run) => void Promise.resolve().then(run);
globalThis.reportError = (error) => {
  throw error;
};
globalThis.console = { warn() {}, error() {}, log() {} };

// ---- the page -------------------------------------------------------------------

class Row {
  constructor(page, item) {
    const { store } = page;
    this.slot = store.create(page.items, {}, item);
    this.item = store.create(this.slot, { path: 'item' });
    this.name = store.create(this.item, { path: 'name', access: 'r' });
    this.note = store.create(this.item, { path: 'note' });
  }
}

class Page {
  constructor() {
    /** @type {string[]} what is to be sent */
    this.out = [];
    this.broken = false;
    /** Views that were not the one before. */
    this.views = 0;
    /** Calls of which nobody knows whether they were made. */
    this.doubts = 0;
    this.link = new Link({
      send: (text) => void this.out.push(text),
      ready: (resumed) => this.ready(resumed),
      frame: (frame, ack) => this.store.receive(frame, ack),
      broken: () => {
        this.broken = true;
      },
    });
    this.store = new Store(this.link, { app() {}, failed() {}, structure: () => this.arrange(), doubt: () => void this.doubts++, settled() {} });
    const { store } = this;
    const show = (path, props = {}) => store.create(store.root, { path, ...props });
    this.fields = { plain: show('plain'), loud: show('loud()', { access: 'rw' }), clock: show('clock', { access: 'r' }), calls: show('calls()', { access: 'r' }) };
    this.list = show('rows()', { wrapper: 'lua.ViewList', identity: 'true' });
    this.items = store.create(this.list, { path: 'items', delta: 'true' });
    this.items.watch({ structural: true, changed: () => void (this.moved = true) });
    /** @type {Map<number, Row>} */
    this.rows = new Map();
    this.moved = false;
    /** @type {Object<string, import('./store.js').Variable>} made when first used */
    this.calls = {};
  }

  ready(resumed) {
    if (resumed) return this.store.outbox.flush(false);
    this.views++;
    if (this.store.resync()) this.doubts++;
  }

  /** What a list does: rows stay with their items; after a lost view, with their places. */
  arrange() {
    if (!this.moved) return;
    this.moved = false;
    const array = Array.isArray(this.items.value) ? this.items.value : [];
    const rows = [...this.rows.values()];
    const again = new Map();
    rows.forEach((row, i) => {
      if (row.slot.item !== null) again.set(row.slot.item.obj, row);
      else if (i < array.length) {
        this.store.hold(row.slot, array[i]);
        again.set(array[i].obj, row);
      }
    });
    this.rows = new Map(array.map((item) => [item.obj, again.get(item.obj) || new Row(this, item)]));
    const staying = new Set(this.rows.values());
    for (const row of rows) if (!staying.has(row)) row.slot.destroy();
  }

  /** A key was hit in a field: it has this text now. */
  type(variable, text) {
    variable.write(text);
    this.store.outbox.flush(true);
  }

  press(path, argument) {
    const { store } = this;
    const call = this.calls[path] || (this.calls[path] = store.create(store.root, { path, access: 'action' }));
    call.trigger(argument);
  }

  snapshot() {
    const shown = (v) => (v.value === undefined ? null : v.value);
    const fields = Object.entries(this.fields).map(([name, v]) => [name, shown(v)]);
    const rows = [...this.rows.values()].map(({ name, note }) => [shown(name), shown(note)]);
    return { ...Object.fromEntries(fields), rows };
  }
}

/** @type {Page[]} */
const pages = [];

/** What the test calls: a name and JSON. */
const doors = {
  open: () => pages.push(new Page()) - 1,
  query: ({ page }) => pages[page].link.query(),
  hear: ({ page, text }) => pages[page].link.take(text),
  /** What a socket had not taken yet is gone with it. */
  lost: ({ page }) => {
    pages[page].out = [];
    pages[page].link.lost();
  },
  acknowledge: ({ page }) => pages[page].link.acknowledge(true),
  type: ({ page, field, text }) => pages[page].type(pages[page].fields[field], text),
  note: ({ page, row, text }) => {
    const rows = [...pages[page].rows.values()];
    if (rows.length) pages[page].type(rows[row % rows.length].note, text);
  },
  press: ({ page, path, argument }) => pages[page].press(path, argument),
  spoil: ({ page }) => {
    pages[page].link.receivedCheck ^= 1;
  },
  forget: ({ page }) => pages[page].link.forget(),
  snapshot: ({ page }) => pages[page].snapshot(),
  counts: ({ page }) => ({ views: pages[page].views, doubts: pages[page].doubts }),
  /** Time passes. Returns what each page wants to send, whether it wants another connection, and when a timer is due. */
  advance: ({ now }) => {
    clock = now;
    for (const [timer, { at, run }] of [...timers]) {
      if (at > clock || !timers.delete(timer)) continue;
      run();
    }
    const taken = pages.map((page) => {
      const { out, broken } = page;
      page.out = [];
      page.broken = false;
      return { out, broken };
    });
    return { pages: taken, due: Math.min(...[...timers.values()].map(({ at }) => at), 1e15) };
  },
};

globalThis.door = (name, json) => JSON.stringify(doors[name](JSON.parse(json)) ?? null);
