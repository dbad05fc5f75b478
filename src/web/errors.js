// A variable's error shows where its value does, until the next success.

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./views.js').View} View
 * @typedef {import('./notices.js').Notices} Notices
 */

const CONTROLS = /^(input|textarea|select)$/;

let notes = 0;

export class Errors {
  /** @param {Notices} notices */
  constructor(notices) {
    this.notices = notices;
    /** @type {Promise<typeof import('./overlay.js')>|null} */
    this.overlay = null;
    /** @type {WeakMap<Element, {owner: Variable, note: Element|null, title: string|null}>} */
    this.marked = new WeakMap();
  }

  /**
   * Marks or clears an element.
   * @param {any} element
   * @param {Variable} v
   * @param {string} field  the path, by which `ui-error="field"` finds its text
   */
  mark(element, v, field) {
    if (!v.error) return this.#clear(element, v);
    this.#clear(element, null);
    const title = element.getAttribute('title');
    element.classList.add('ui-error');
    element.setAttribute('aria-invalid', 'true');
    element.setAttribute('title', v.error.description);
    const note = this.#noteFor(element, field);
    if (note) {
      note.textContent = v.error.description;
      note.removeAttribute('hidden');
      if (!note.id) note.id = `ui-error-${++notes}`;
      element.setAttribute('aria-describedby', note.id);
    }
    this.marked.set(element, { owner: v, note, title });
  }

  /** @param {Variable|null} owner  only what this variable marked */
  #clear(element, owner) {
    const mark = this.marked.get(element);
    if (!mark || (owner && mark.owner !== owner)) return;
    this.marked.delete(element);
    element.classList.remove('ui-error');
    element.removeAttribute('aria-invalid');
    element.removeAttribute('aria-describedby');
    if (mark.title === null) element.removeAttribute('title');
    else element.setAttribute('title', mark.title);
    if (!mark.note) return;
    if (mark.note.hasAttribute('ui-error')) mark.note.textContent = '';
    else mark.note.remove();
  }

  /** The author's `ui-error="field"` nearby, else one made for a form control. */
  #noteFor(element, field) {
    for (let near = element.parentElement; field && near; near = near.parentElement) {
      const note = near.querySelector(`[ui-error="${CSS.escape(field)}"]`);
      if (note) return note;
      if (near.hasAttribute('ui-viewdef')) break;
    }
    if (!CONTROLS.test(element.localName) || !element.parentNode) return null;
    const note = document.createElement('small');
    note.className = 'ui-error-text';
    note.setAttribute('role', 'alert');
    element.after(note);
    return note;
  }

  /** With --dev, errors of code are told with where they came from. @param {Variable} v */
  develop(v) {
    const { error } = v;
    const trouble = error && error.detail && !v.gone ? { message: error.description, ...error.detail } : null;
    if (!trouble && !this.overlay) return;
    this.overlay = this.overlay || import('./overlay.js');
    // In the order of what happened, though the first one waits for the module.
    this.overlay.then((overlay) => overlay.setTrouble(v, trouble));
  }

  /** A call failed: its button says so, and the user is told. @param {any} element @param {Variable} v */
  onCall(element, v) {
    this.mark(element, v, '');
    if (v.error && !v.error.detail) this.notices.toast(v.error.description, 'error');
  }

  /** A whole view failed. @param {View} view @param {Variable} v */
  onView(view, v) {
    if (v.parent === null) return this.#onApp(view, v);
    const root = view.nodes().find((node) => node instanceof Element);
    if (root) this.mark(root, v, '');
  }

  /** Variable 1: without it there is no page. */
  #onApp(view, v) {
    if (!v.error) return;
    if (view.def && v.error.detail) return;
    if (view.def) this.notices.toast(v.error.description, 'error');
    else this.notices.fatal('This page could not be started', v.error.description);
  }
}
