// Starts the page: finds its session, connects, and shows variable 1 in the
// element with `ui-app`.
//
// The parts, in reading order: connection (the socket), link (what outlives it),
// outbox (what is to be said), store (the variables), templates (viewdefs), views
// and viewlist (what is shown), bind-* (each attribute), fields, errors, notices,
// history, arrive, scripts; chart, sanitize, submit, code, missing, overlay and
// upload are loaded when first used.

import { Connection, findSession } from './connection.js';
import { Link } from './link.js';
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
    /** Calls that are not answered yet, and who wants to know.
     * @type {{element: Element, variable: Variable, timer: number, answered: ((certain: boolean) => void)|null}[]} */
    this.waiting = [];
    /** Whoever asked for the fields of an object. @type {{obj: number, tell: (fields: Object<string, any>) => void}[]} */
    this.asked = [];
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
      doubt: () => this.#doubt(),
      settled: () => this.#settled(),
    });
    this.history = new History(this);
    this.arrivals = new Arrivals(this.address.session, this.notices);
    this.arrivals.opened(this.history.index);
    this.scripts = new Scripts(this);
    this.transitions = new Transitions(this.store, this.fields, (nodes) => this.#shown(nodes));
  }

  start() {
    const host = document.querySelector('[ui-app]');
    if (!host) return console.error('lunette: the page has no element with ui-app');
    if (!this.address.session) return this.notices.gone('/');
    const dress = { id: host.id, className: host.className, css: /** @type {HTMLElement} */ (host).style.cssText };
    this.rootView = new View(this, null, this.store.root, host, dress, host.getAttribute('ui-namespace') || undefined);
    // Enter in a form of a page that handles it otherwise must not reload the page.
    document.addEventListener('submit', (event) => {
      const form = /** @type {HTMLFormElement} */ (event.target);
      // The server's own form is below what all of its addresses begin with.
      if (form.getAttribute('action') === '/logout') form.setAttribute('action', `${this.address.base}logout`);
      if (!form.hasAttribute('action') && form.getAttribute('method') !== 'dialog') event.preventDefault();
    });
    // Bound fields go back to what their variables say, and that is after the event.
    document.addEventListener('reset', (event) => setTimeout(() => this.fields.reset(/** @type {HTMLFormElement} */ (event.target))));
    document.addEventListener('visibilitychange', () => document.hidden || this.#wake());
    addEventListener('pagehide', () => this.#leave());
    retypeKept(this);
    this.connection.open();
  }

  /** What is typed goes with the page, or stays behind for the next one. */
  #leave() {
    if (this.link.open && this.rootView) this.fields.commitAll(this.rootView);
    this.store.outbox.flush(true);
    if (this.connection.isDoubtful) keepTyped(this);
  }

  /** The link is open. @param {boolean} resumed  with the view that was */
  #ready(resumed) {
    this.notices.online();
    if (resumed) return this.store.outbox.flush(false);
    const doubt = this.store.resync();
    // What is not said again is not answered either.
    this.#rested(false);
    if (doubt) this.#doubt();
    this.history.opened();
  }

  /** A frame is applied and what it led to is sent. */
  /** Something the user did while the link was cut is not done, or nobody knows. */
  #doubt() {
    this.notices.toast('The server may not have done what you asked for last. Please look again.', 'warning');
  }

  #settled() {
    this.transitions.settle();
    this.#shown([]);
    if (this.afterFrames) this.afterFrames();
  }

  /** @param {Node[]} nodes  what took the place of others */
  #shown(nodes) {
    openDialogs();
    if (nodes.length) this.arrivals.shown(nodes);
    else this.arrivals.settled();
    this.scripts.settle();
  }

  /** What the site allows its pages. */
  allowed() {
    return import('./allowed.js');
  }

  #frame(frame, ack) {
    this.store.resting = document.hidden;
    this.store.receive(frame, ack);
    this.#rested(true);
    const messages = Array.isArray(frame) ? frame : frame ? [frame] : [];
    for (const { type, data } of messages) if (type === 'objects') this.#objects(data.objects);
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

  /** @param {'gone'|'stopped'|'login'} kind */
  #refused(kind) {
    if (kind !== 'login') this.notices.gone(this.address.base + this.history.url.slice(1), kind === 'stopped');
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

  /**
   * A view has nothing to show its object with.
   * @param {View} view
   * @param {string} type
   * @param {string[]} namespaces  looked for, best first
   */
  async missing(view, type, namespaces) {
    const [{ tellMissing }, { dev }] = await Promise.all([import('./missing.js'), this.allowed()]);
    tellMissing(this, view, type, namespaces, dev);
  }

  /**
   * Shows a button as busy: while its call takes noticeably long, or at once where
   * somebody waits for the answer.
   * @param {Element} element
   * @param {Variable} variable
   * @param {((certain: boolean) => void)|null} [answered]  not certain: nobody knows whether the call was made
   */
  busy(element, variable, answered = null) {
    const show = () => element.setAttribute('aria-busy', 'true');
    const timer = answered ? 0 : setTimeout(show, BUSY_AFTER_MS);
    if (answered) show();
    this.waiting.push({ element, variable, timer, answered });
  }

  /** Calls that the server has answered, or never will. @param {boolean} certain */
  #rested(certain) {
    const isOver = ({ variable }) => variable.gone || (!variable.unsent && variable.wrote <= this.store.acknowledged);
    const over = this.waiting.filter(isOver);
    if (over.length) this.waiting = this.waiting.filter((entry) => !over.includes(entry));
    for (const { element, timer, answered } of over) {
      clearTimeout(timer);
      element.removeAttribute('aria-busy');
      if (answered) answered(certain);
    }
  }

  /** @param {{obj: number, value: Object<string, any>}[]} objects */
  #objects(objects) {
    for (const { obj, value } of objects) {
      for (const one of this.asked) if (one.obj === obj) one.tell(value);
      this.asked = this.asked.filter((one) => one.obj !== obj);
    }
  }
}

function start() {
  const app = new App();
  publish(app);
  app.start();
}

if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
else start();
