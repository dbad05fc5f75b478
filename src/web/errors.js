// A variable's error shows where its value does, until the next success.

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./views.js').View} View
 * @typedef {import('./notices.js').Notices} Notices
 */

import { kindOf } from './fields.js';

const CONTROLS = /^(input|textarea|select)$/;

/** What an object is said to lack. */
const LACKS = /^there is no method /;

let notes = 0;

/** Puts an attribute back as it was. @param {Element} element @param {string} name @param {string|null} value */
function giveBack(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else element.setAttribute(name, value);
}

/** A group of radio buttons needs one note, at its first. @param {any} element */
function isLaterRadio(element) {
  if (element.type !== 'radio' || !element.name) return false;
  const within = element.form || element.getRootNode();
  return within.querySelector(`input[type=radio][name="${CSS.escape(element.name)}"]`) !== element;
}

export class Errors {
  /** @param {Notices} notices */
  constructor(notices) {
    this.notices = notices;
    /** @type {Promise<typeof import('./overlay.js')>|null} */
    this.overlay = null;
    /** @type {WeakMap<Element, {owner: Variable, note: Element|null, title: string|null, described: string|null}>} */
    this.marked = new WeakMap();
  }

  /**
   * Marks or clears an element.
   * @param {any} element
   * @param {Variable} v
   * @param {string} field  the path, by which `ui-error="field"` finds its text
   */
  mark(element, v, field) {
    if (v.error) this.put(element, v, field, v.error.description);
    else this.clear(element, v);
  }

  /** @param {any} element @param {Variable} owner @param {string} field @param {string} text */
  put(element, owner, field, text) {
    this.clear(element, null);
    const title = element.getAttribute('title');
    const described = element.getAttribute('aria-describedby');
    element.classList.add('ui-error');
    element.setAttribute('aria-invalid', 'true');
    element.setAttribute('title', text);
    const note = this.#noteFor(element, field);
    if (note) {
      note.textContent = text;
      note.removeAttribute('hidden');
      if (!note.id) note.id = `ui-error-${++notes}`;
      // What the author said of the field still holds.
      const ids = (described || '').split(/\s+/).filter((id) => id && id !== note.id);
      element.setAttribute('aria-describedby', [...ids, note.id].join(' '));
    }
    this.marked.set(element, { owner, note, title, described });
  }

  /** @param {any} element @param {Variable|null} owner  only what this variable marked */
  clear(element, owner) {
    const mark = this.marked.get(element);
    if (!mark || (owner && mark.owner !== owner)) return;
    this.marked.delete(element);
    element.classList.remove('ui-error');
    element.removeAttribute('aria-invalid');
    giveBack(element, 'title', mark.title);
    giveBack(element, 'aria-describedby', mark.described);
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
    const isControl = CONTROLS.test(element.localName) || kindOf(element) === 'property';
    if (!isControl || !element.parentNode || isLaterRadio(element)) return null;
    const note = document.createElement('small');
    note.className = 'ui-error-text';
    note.setAttribute('role', 'alert');
    element.after(note);
    return note;
  }

  /** With --dev, errors of code are told with where they came from. @param {Variable} v */
  develop(v) {
    const { error } = v;
    const { traceback = '', source = '', fields = null } = (error && error.detail) || {};
    const isCode = error && error.detail && !fields && !v.gone;
    const trouble = isCode ? { message: error.description, traceback, source } : null;
    if (error && !trouble && !v.gone && LACKS.test(error.description)) this.#misspelt(v);
    if (!trouble && !this.overlay) return;
    // In the order of what happened, though the first one waits for the module.
    this.#withOverlay((overlay) => overlay.setTrouble(v, trouble));
  }

  /** A method that there is not comes from no line of code, and most likely from a template. @param {Variable} v */
  async #misspelt(v) {
    const { error } = v;
    const { dev } = await import('./allowed.js');
    if (!dev || !error || v.error !== error || v.gone) return;
    const { path } = v.props;
    const message = error.description.includes(path) ? error.description : `${path}: ${error.description}`;
    const trouble = { message, traceback: '', source: '' };
    this.#withOverlay((overlay) => overlay.setTrouble(v, trouble));
  }

  /** @param {(overlay: typeof import('./overlay.js')) => void} act */
  #withOverlay(act) {
    this.overlay = this.overlay || import('./overlay.js');
    this.overlay.then(act);
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
    if (v.error.detail) {
      if (!view.def) this.#withOverlay((overlay) => overlay.beginWhenMended());
    } else if (view.def) this.notices.toast(v.error.description, 'error');
    else this.notices.fatal('This page could not be started', v.error.description);
  }
}
