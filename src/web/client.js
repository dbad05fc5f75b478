// Starts the page: finds its session, connects, and shows variable 1 in the
// element with `ui-app`.
//
// The parts, in reading order: connection (the socket), outbox (what is to be
// said), store (the variables), templates (viewdefs), views and viewlist (what
// is shown), bind-* (each attribute), fields, errors, notices, history, arrive,
// scripts; chart, sanitize, submit, code, missing and overlay are loaded when
// first used.

import { Connection, findSession } from './connection.js';
import { Store } from './store.js';
import { Viewdefs } from './templates.js';
import { Transitions } from './transitions.js';
import { View } from './views.js';
import { Fields, openDialogs } from './fields.js';
import { Errors } from './errors.js';
import { Notices } from './notices.js';
import { History } from './history.js';
import { Arrivals } from './arrive.js';
import { Scripts } from './scripts.js';
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
    /** Calls whose answer is waited for; it is not certain that one which met the end of a connection was heard.
     * @type {Map<import('./store.js').Variable, {answered: (certain: boolean) => void, certain: boolean}>} */
    this.calls = new Map();
    /** Whoever asked for the fields of an object. @type {Map<number, (fields: Object<string, any>) => void>} */
    this.asked = new Map();
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
      settled: () => this.#settled(),
    });
    this.history = new History(this);
    this.arrivals = new Arrivals(this.address.session);
    this.arrivals.opened(this.history.index);
    this.scripts = new Scripts(this);
    this.transitions = new Transitions(this.store, this.fields, (nodes) => this.#shown(nodes));
  }

  start() {
    const host = document.querySelector('[ui-app]');
    if (!host) return console.error('lunette: the page has no element with ui-app');
    if (!this.address.session) return this.notices.gone('/');
    const dress = { id: host.id, className: host.className, css: /** @type {HTMLElement} */ (host).style.cssText };
    new View(this, null, this.store.root, host, dress, host.getAttribute('ui-namespace') || undefined);
    // Enter in a form of a page that handles it otherwise must not reload the page.
    document.addEventListener('submit', (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      if (!form.hasAttribute('action') && form.getAttribute('method') !== 'dialog') event.preventDefault();
    });
    // Bound fields go back to what their variables say, and that is after the event.
    document.addEventListener('reset', (event) => setTimeout(() => this.fields.reset(/** @type {HTMLFormElement} */ (event.target))));
    this.connection.open();
  }

  #opened() {
    this.store.resync();
    // What was asked on the old connection is not answered on this one.
    for (const [v, call] of this.calls) {
      call.certain = false;
      this.store.outbox.get(v);
    }
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
    for (const { type, data } of [].concat(frame)) {
      if (type === 'objects') this.#objects(data.objects);
      else if (this.calls.size && data) this.#answered(data.varId);
    }
  }

  /** @param {number} id */
  #answered(id) {
    for (const [v, { answered, certain }] of this.calls) {
      if (v.id !== id && !v.gone) continue;
      this.calls.delete(v);
      answered(certain);
    }
  }

  /** @param {{obj: number, value: Object<string, any>}[]} objects */
  #objects(objects) {
    for (const { obj, value } of objects) {
      const tell = this.asked.get(obj);
      this.asked.delete(obj);
      if (tell) tell(value);
    }
  }

  /** A frame is applied and what it led to is sent. */
  #settled() {
    this.transitions.settle();
    this.#shown([]);
  }

  /** @param {Node[]} nodes  what took the place of others */
  #shown(nodes) {
    openDialogs();
    if (nodes.length) this.arrivals.shown(nodes);
    else this.arrivals.arrive();
    this.scripts.settle();
  }

  /** What the site allows its pages. */
  allowed() {
    return import('./allowed.js');
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

  /**
   * A view has nothing to show its object with. Those who develop see what it is,
   * all others nothing; then the log has it.
   * @param {View} view
   * @param {string} type
   * @param {string[]} namespaces  looked for, best first
   */
  async missing(view, type, namespaces) {
    const keys = [...new Set([...namespaces, 'DEFAULT'])].map((namespace) => `${type}.${namespace}`);
    const { variable } = view;
    const { dev } = await this.allowed();
    if (dev) {
      const { missingBox } = await import('./missing.js');
      if (view.disposed || variable.gone || variable.type !== type) return;
      const { box, fill } = missingBox(type, keys);
      if (!view.showInstead(type, box)) return;
      const { obj } = variable.value || {};
      if (!obj) return;
      this.asked.set(obj, fill);
      this.store.outbox.raw({ type: 'getObjects', data: { objIds: [obj] } });
    } else if (!this.warned.has(keys[0])) {
      this.warned.add(keys[0]);
      const files = keys.map((key) => `viewdefs/${key}.html`).join(' or ');
      const description = `no viewdef for type ${type}: create ${files}`;
      console.warn(`lunette: ${description}`);
      this.store.outbox.raw({ type: 'error', data: { varId: variable.id, code: 'missing-viewdef', description } });
    }
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
