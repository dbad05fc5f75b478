// No flash: new content is built aside and takes its place when its variables
// have answered, or after a moment if they do not.

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
  /** @param {import('./store.js').Store} store @param {import('./fields.js').Fields} fields */
  constructor(store, fields) {
    this.store = store;
    this.fields = fields;
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
      if (this.store.answeredBatch >= transition.batch) this.#finish(transition);
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
    if (!moved && (scrollX !== window.scrollX || scrollY !== window.scrollY)) window.scrollTo(scrollX, scrollY);
  }
}

/**
 * What the user asked for takes the focus where it says so (`autofocus`). Else,
 * where the focus was in what is gone, the heading of the new takes it: who uses
 * a keyboard goes on there, and a screen reader says where that is.
 * @param {View} view @param {boolean} hadFocus
 */
function moveFocus(view, hadFocus) {
  const { activeElement, body } = document;
  const lost = hadFocus && (!activeElement || activeElement === body);
  const asked = navigator.userActivation ? navigator.userActivation.isActive : lost;
  if (!lost && !asked) return;
  const roots = view.nodes().filter((node) => node instanceof HTMLElement);
  /** @param {string} selector */
  const first = (selector) => roots.flatMap((root) => [root, ...root.querySelectorAll(selector)]).find((e) => e.matches(selector) && e.checkVisibility());
  const target = /** @type {HTMLElement|undefined} */ ((asked && first('[autofocus]')) || (lost && first('h1, h2, h3')) || undefined);
  if (!target) return;
  if (target.tabIndex < 0) target.tabIndex = -1;
  target.focus();
}
