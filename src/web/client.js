// Starts the page: finds its session, connects, and shows variable 1 in the
// element with `ui-app`.
//
// The parts, in reading order: connection (the socket), link (what outlives it),
// outbox (what is to be said), store (the variables), templates (viewdefs), views and viewlist (what
// is shown), bind-* (each attribute), fields, errors, notices, history; chart,
// sanitize, overlay and upload are loaded when first used.

import { Connection, findSession } from './connection.js';
import { Link } from './link.js';
import { Store } from './store.js';
import { Viewdefs } from './templates.js';
import { Transitions } from './transitions.js';
import { View } from './views.js';
import { Fields } from './fields.js';
import { Errors } from './errors.js';
import { Notices } from './notices.js';
import { History } from './history.js';
import { keepTyped, retypeKept, reloadOnce } from './keep.js';
import { publish } from './api.js';

/**
 * @typedef {import('./viewlist.js').List} List
 * @typedef {import('./store.js').Variable} Variable
 */

/** A call that takes longer than this shows as busy. */
const BUSY_AFTER_MS = 150;
/** While nobody looks, the page is brought up to date so often. */
const REST_MS = 1000;

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
    /** @type {{element: Element, variable: Variable, timer: number}[]} */
    this.waiting = [];
    this.restTimer = 0;
    /** @type {View|null} shows variable 1 */
    this.rootView = null;
    /** @type {(() => void)|null} called whenever the page shows something new */
    this.afterFrames = null;
    this.link = new Link({
      send: (text) => this.connection.send(text),
      ready: (resumed) => this.#ready(resumed),
      frame: (frame, ack) => this.#frame(frame, ack),
      broken: () => this.connection.renew(),
    });
    this.connection = new Connection(this.address, this.link, {
      lost: () => this.notices.offline(),
      place: ({ base }) => base + this.history.url.slice(1),
      moved: (location, known) => this.#moved(location, known),
      refused: (kind) => this.#refused(kind),
    });
    this.store = new Store(this.link, {
      app: (props) => this.#told(props),
      failed: (v) => this.errors.develop(v),
      structure: () => this.#arrange(),
      settled: () => this.#settled(),
    });
    this.history = new History(this);
    this.transitions = new Transitions(this.store, this.fields);
  }

  start() {
    const host = document.querySelector('[ui-app]');
    if (!host) return console.error('lunette: the page has no element with ui-app');
    if (!this.address.session) return this.notices.gone('/');
    const dress = { id: host.id, className: host.className, css: /** @type {HTMLElement} */ (host).style.cssText };
    this.rootView = new View(this, null, this.store.root, host, dress, host.getAttribute('ui-namespace') || undefined);
    // Enter in a form of a page that handles it otherwise must not reload the page.
    document.addEventListener('submit', (event) => {
      const form = /** @type {Element} */ (event.target);
      if (!form.hasAttribute('action')) event.preventDefault();
    });
    document.addEventListener('visibilitychange', () => document.hidden || this.#wake());
    addEventListener('pagehide', () => this.#leave());
    retypeKept(this);
    this.connection.open();
  }

  /** What is typed goes with the page, or stays behind for the next one. */
  #leave() {
    if (this.link.open && this.rootView) this.fields.commitAll(this.rootView);
    this.store.outbox.flush(true);
    if (!this.link.open) keepTyped(this);
  }

  /** The link is open. @param {boolean} resumed  with the view that was */
  #ready(resumed) {
    this.notices.online();
    if (resumed) return this.store.outbox.flush(false);
    for (const entry of this.waiting.splice(0)) this.#rested(entry);
    const doubt = this.store.resync();
    if (doubt) this.notices.toast('The server may not have done what you asked for last. Please look again.', 'warning');
    this.history.opened();
  }

  #settled() {
    this.transitions.settle();
    if (this.afterFrames) this.afterFrames();
  }

  #frame(frame, ack) {
    this.store.resting = document.hidden;
    this.store.receive(frame, ack);
    const { acknowledged } = this.store;
    const done = (entry) => !entry.variable.unsent && entry.variable.wrote <= acknowledged;
    for (const entry of this.waiting.filter(done)) this.#rested(entry);
    this.waiting = this.waiting.filter((entry) => !done(entry));
    if (this.store.resting) this.#rest();
  }

  /** Nobody looks at the page: it is told what has changed from time to time, and when somebody does. */
  #rest() {
    if (!this.restTimer) this.restTimer = setTimeout(() => this.#wake(), REST_MS);
  }

  #wake() {
    if (!this.restTimer) return;
    clearTimeout(this.restTimer);
    this.restTimer = 0;
    this.store.resting = false;
    this.store.settle();
  }

  /** The page is in another session now. @param {string} place  its address @param {boolean} known */
  #moved(place, known) {
    this.history.moved(place);
    if (known) this.notices.toast('The server was started again. This is a new session; what you typed is still here.', 'warning');
  }

  /** @param {'gone'|'login'} kind */
  #refused(kind) {
    if (kind === 'gone') this.notices.gone(this.address.base);
    else if (!reloadOnce(this)) this.notices.login();
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
      /** @type {List|null} */
      let next = null;
      for (const list of this.toArrange) if (!next || list.depth < next.depth) next = list;
      if (!next) return;
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

  /** Shows a button as busy while its call takes noticeably long. @param {Element} element @param {Variable} variable */
  busy(element, variable) {
    const timer = setTimeout(() => element.setAttribute('aria-busy', 'true'), BUSY_AFTER_MS);
    this.waiting.push({ element, variable, timer });
  }

  #rested({ element, timer }) {
    clearTimeout(timer);
    element.removeAttribute('aria-busy');
  }
}

function start() {
  const app = new App();
  publish(app);
  app.start();
}

if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
else start();
