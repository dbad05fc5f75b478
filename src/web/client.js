// Starts the page: finds its session, connects, and shows variable 1 in the
// element with `ui-app`.
//
// The parts, in reading order: connection (the socket), outbox (what is to be
// said), store (the variables), templates (viewdefs), views and viewlist (what
// is shown), bind-* (each attribute), fields, errors, notices, history; chart,
// sanitize, overlay and upload are loaded when first used.

import { Connection, findSession } from './connection.js';
import { Store } from './store.js';
import { Viewdefs } from './templates.js';
import { Transitions } from './transitions.js';
import { View } from './views.js';
import { Fields } from './fields.js';
import { Errors } from './errors.js';
import { Notices } from './notices.js';
import { History } from './history.js';
import { publish } from './api.js';

/** @typedef {import('./viewlist.js').List} List */

/** Everything that the parts share. */
export class App {
  constructor() {
    this.address = findSession();
    this.notices = new Notices();
    this.errors = new Errors(this.notices);
    this.fields = new Fields();
    this.viewdefs = new Viewdefs();
    /** @type {Set<View>} all views that live */
    this.views = new Set();
    /** @type {Set<List>} lists whose array or items changed */
    this.toArrange = new Set();
    /** @type {Set<string>} types already warned about */
    this.warned = new Set();
    /** @type {{element: Element, timer: number}[]} */
    this.waiting = [];
    this.connection = new Connection(this.address, {
      opened: () => this.#opened(),
      frame: (frame) => this.#frame(frame),
      lost: () => this.#lost(),
      refused: (kind) => (kind === 'gone' ? this.notices.gone(this.address.base) : this.notices.login()),
    });
    this.store = new Store(this.connection, {
      app: (props) => this.#told(props),
      failed: (v) => this.errors.develop(v),
      structure: () => this.#arrange(),
      settled: () => this.transitions.settle(),
    });
    this.history = new History(this);
    this.transitions = new Transitions(this.store, this.fields);
  }

  start() {
    const host = document.querySelector('[ui-app]');
    if (!host) return console.error('lunette: the page has no element with ui-app');
    if (!this.address.session) return this.notices.gone('/');
    const dress = { id: host.id, className: host.className, css: /** @type {HTMLElement} */ (host).style.cssText };
    new View(this, null, this.store.root, host, dress, host.getAttribute('ui-namespace') || undefined);
    // Enter in a form of a page that handles it otherwise must not reload the page.
    document.addEventListener('submit', (event) => {
      const form = /** @type {Element} */ (event.target);
      if (!form.hasAttribute('action')) event.preventDefault();
    });
    this.connection.open();
  }

  #opened() {
    this.store.resync();
    this.history.opened();
    this.notices.online();
  }

  #frame(frame) {
    this.store.outbox.heard();
    for (const { element, timer } of this.waiting.splice(0)) {
      clearTimeout(timer);
      element.removeAttribute('aria-busy');
    }
    this.store.receive(frame);
  }

  #lost() {
    this.store.outbox.lost();
    this.notices.offline();
  }

  /** What the server says of the page as a whole. @param {Object<string,string>} props */
  #told(props) {
    if (props.viewdefs) this.#newViewdefs(JSON.parse(props.viewdefs));
    if (props.notices) for (const { text, kind } of JSON.parse(props.notices)) this.notices.toast(text, kind);
    if (props.url) this.history.told(props);
  }

  /** @param {Object<string,string>} defs */
  #newViewdefs(defs) {
    const touched = this.viewdefs.merge(defs);
    if (!touched.size) return;
    for (const view of [...this.views]) {
      if (view.variable.type !== undefined && touched.has(view.variable.type)) this.store.dirty.add(view.variable);
      if (touched.has('lua.ViewListItem') && view.list) view.list.rebuild();
    }
  }

  /** Outer lists first: they decide which inner ones remain. */
  #arrange() {
    while (this.toArrange.size) {
      let next = null;
      for (const list of this.toArrange) if (!next || list.depth < next.depth) next = list;
      this.toArrange.delete(next);
      next.arrange();
    }
  }

  /** @param {string} type @param {string} namespace */
  missing(type, namespace) {
    const key = `${type}.${namespace}`;
    if (this.warned.has(key)) return;
    this.warned.add(key);
    console.warn(`lunette: no viewdef for ${type} (looked for ${key} and ${type}.DEFAULT)`);
  }

  /** Shows a button as busy while its call takes noticeably long. */
  busy(element, afterMs, maxMs) {
    const entry = { element, timer: 0 };
    entry.timer = setTimeout(() => {
      element.setAttribute('aria-busy', 'true');
      entry.timer = setTimeout(() => element.removeAttribute('aria-busy'), maxMs);
    }, afterMs);
    this.waiting.push(entry);
  }
}

function start() {
  const app = new App();
  publish(app);
  app.start();
}

if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
else start();
