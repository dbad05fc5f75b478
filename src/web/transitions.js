// No flash: new content is built aside and takes its place when its variables
// have answered, or after a moment if they do not.

import { moveFocus } from './focus.js';

/** @typedef {import('./views.js').View} View */

/** The longest that finished-looking old content may stay in place of the new. */
const HOLD_MS = 100;

/** All views that one frame made to show something new. */
class Transition {
  constructor() {
    /** @type {View[]} */
    this.members = [];
    /** The last batch of creations it waits for. */
    this.batch = 0;
    this.grown = true;
    this.timer = 0;
  }
}

export class Transitions {
  /**
   * @param {import('./store.js').Store} store
   * @param {import('./fields.js').Fields} fields
   * @param {(nodes: Node[]) => void} shown  new content took the place of old
   */
  constructor(store, fields, shown) {
    this.store = store;
    this.fields = fields;
    this.shown = shown;
    /** @type {Transition|null} */
    this.current = null;
    /** @type {Set<Transition>} */
    this.open = new Set();
    /** @type {WeakMap<View, Transition>} */
    this.byView = new WeakMap();
    /** @type {(() => void)[]} */
    this.afterwards = [];
  }

  /** @param {View} view */
  add(view) {
    if (!this.current) {
      const made = (this.current = new Transition());
      made.timer = setTimeout(() => this.#finish(made), HOLD_MS);
      this.open.add(made);
    }
    this.current.members.push(view);
    this.byView.set(view, this.current);
  }

  /** Something inside a waiting view asks for more. @param {View} view */
  grown(view) {
    const transition = this.byView.get(view);
    if (transition) transition.grown = true;
  }

  /** A frame is applied and what it led to is sent. */
  settle() {
    this.current = null;
    for (const transition of [...this.open]) {
      if (transition.grown) {
        transition.batch = this.store.outbox.batch;
        transition.grown = false;
      }
      if (this.store.acknowledged >= transition.batch) this.#finish(transition);
    }
    for (const done of this.afterwards.splice(0)) done();
  }

  /** @param {Transition} transition */
  #finish(transition) {
    if (!this.open.delete(transition)) return;
    clearTimeout(transition.timer);
    if (this.current === transition) this.current = null;
    const { scrollX, scrollY } = window;
    const before = document.activeElement;
    for (const view of transition.members) {
      // The old content took what was typed up to now.
      const kept = this.fields.capture(view);
      const hadFocus = view.nodes().some((node) => node.contains(document.activeElement));
      view.show();
      this.fields.restore(view, kept);
      moveFocus(view, hadFocus);
    }
    const moved = document.activeElement !== before && document.activeElement !== document.body;
    // A page at its top stays there; to ask would lay it out before its time.
    const scrolled = !moved && (scrollX || scrollY);
    if (scrolled && (scrollX !== window.scrollX || scrollY !== window.scrollY)) window.scrollTo(scrollX, scrollY);
    this.shown(transition.members.flatMap((view) => view.nodes()));
  }
}
