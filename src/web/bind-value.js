// `ui-value`: text on plain elements, two-way on form controls.

import { isEditable, kindOf, readField, writeField, toText, whenUpgraded } from './fields.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 */

/** They show a value and let nobody change it. */
const SHOWN = new Set(['progress', 'meter', 'output']);

/** By these, elements tell that they were opened or closed. */
const OPENINGS = ['toggle', 'close', 'sl-show', 'sl-hide', 'sl-after-hide', 'wa-show', 'wa-hide', 'wa-after-hide'];

/** Whether the element takes a value by property. @param {any} element */
export function isField(element) {
  return SHOWN.has(element.localName) || isEditable(element);
}

/** Anything that only shows text. */
export class TextBinding {
  /** @param {App} app @param {Binding} binding */
  constructor(app, binding) {
    this.app = app;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
    this.text = '';
  }

  attach(element) {
    this.element = element;
  }

  /** @param {Variable} v */
  changed(v) {
    const text = toText(v.value);
    if (text === this.text && this.element.textContent === text) return;
    // The title of a template is the page's while it is shown.
    if (this.element.localName === 'title') document.title = text;
    this.element.textContent = this.text = text;
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }
}

/**
 * A form control. The rule: nothing typed is ever lost.
 *
 * What is typed and not handed over yet is newer than whatever the server says;
 * what was handed over is newer until the server has heard of it, for which the
 * store cares. All else the server says is shown.
 */
export class ValueBinding {
  /** @param {App} app @param {Variable} variable @param {Binding} binding */
  constructor(app, variable, binding) {
    this.app = app;
    this.variable = variable;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
    /** Typed, but not handed over yet. */
    this.edited = false;
    /** An input method is in the middle of a word: its text is nobody else's. */
    this.composing = false;
    this.delay = 0;
    this.lastSent = 0;
    /** Typed after the variable had gone: for what takes this element's place. */
    this.orphaned = false;
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    this.app.fields.add(element, this);
    // A component chooses among others inside it, which may come later still.
    const late = element.localName.includes('-') ? [element, ...element.querySelectorAll(':not(:defined)')] : [];
    for (const one of late) whenUpgraded(one, () => this.reapply());
    const { access } = this.variable.props;
    if (access === 'r' || SHOWN.has(element.localName)) return;
    // What is inside an element tells of itself by the same events.
    const hear = (names, act) => {
      for (const name of names) element.addEventListener(name, (event) => event.target === element && act());
    };
    hear(['input', 'sl-input', 'wa-input'], () => this.#typed());
    hear(['change', 'sl-change', 'wa-change'], () => this.#chosen());
    hear(['blur'], () => this.#left());
    hear(OPENINGS, () => this.#turned());
    hear(['compositionstart'], () => this.#compose(true));
    hear(['compositionend'], () => this.#compose(false));
    element.addEventListener('ui-value-change', (event) => this.#send(event.detail && event.detail.value));
  }

  // ---- from the server -----------------------------------------------------

  /** @param {Variable} v */
  changed(v) {
    if (!this.#busy) writeField(this.element, v.value);
  }

  /** Whether the server has what is on screen. */
  get delivered() {
    const { unsent, wrote, store } = this.variable;
    return !unsent && wrote <= store.acknowledged;
  }

  get #busy() {
    return this.edited || this.composing;
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }

  /** The options it chooses from are new. */
  reapply() {
    if (!this.#busy && this.variable.value !== undefined) writeField(this.element, this.variable.value);
  }

  // ---- from the user -------------------------------------------------------

  #typed() {
    this.edited = true;
    if (this.composing) return;
    const { keypress, debounce, throttle } = this.binding.options;
    if (debounce) return this.#later(Number(debounce) || 0, true);
    if (throttle) return this.#later(Math.max(0, this.lastSent + (Number(throttle) || 0) - Date.now()), false);
    if (keypress) this.#tell();
  }

  /** @param {boolean} on */
  #compose(on) {
    this.composing = on;
    if (!on && this.edited) this.#typed();
  }

  /** Sends after a while; `again`: each key starts the wait anew. */
  #later(ms, again) {
    if (this.delay && !again) return;
    clearTimeout(this.delay);
    this.delay = setTimeout(() => {
      this.delay = 0;
      this.#tell();
    }, ms);
  }

  /** `change`: set by the user, or by a script that tells of it. */
  #chosen() {
    this.edited = true;
    this.#tell();
  }

  /** Opened or closed, by whomever. */
  #turned() {
    const { value } = this.variable;
    if (kindOf(this.element) !== 'open' || value === undefined || value === null && !this.element.open) return;
    if (this.element.open !== (value != null && value !== false)) this.#chosen();
  }

  /** The user's edit goes at once: an answer to it comes without delay. */
  #tell() {
    if (!this.edited) return;
    this.commit();
    if (this.variable.unsent) this.app.store.outbox.flush(true);
  }

  #left() {
    this.composing = false;
    this.#tell();
  }

  /** Hands over what was edited; a field that was only visited says nothing. */
  commit() {
    clearTimeout(this.delay);
    this.delay = 0;
    if (!this.edited) return;
    const value = readField(this.element);
    if (value === undefined) return;
    this.edited = false;
    this.lastSent = Date.now();
    this.#send(value);
  }

  /** For scripts: this value, or what is on screen. @param {any} [value] */
  take(value) {
    if (value !== undefined) return this.#send(value);
    this.edited = true;
    this.commit();
  }

  #send(value) {
    const { variable } = this;
    if (variable.gone) this.orphaned = true;
    const known = variable.value;
    // An empty control shows nil; leaving it alone must not turn nil into "".
    if (variable.gone || (known == null && (value === '' || (known === undefined && value === false)))) return;
    // A number shown in a text field is not turned into text by passing through.
    if (typeof known === 'number' && value === String(known)) return;
    variable.write(value);
  }

  /** What is on screen is of no use any more. */
  forget() {
    if (!this.#busy) return;
    clearTimeout(this.delay);
    this.edited = this.composing = false;
    this.delay = 0;
    if (this.variable.value !== undefined) writeField(this.element, this.variable.value);
  }

  /** Shows what the element before it showed until the server answers. */
  goOn(text) {
    if (this.variable.value === undefined) writeField(this.element, text);
  }

  /** Hands over what the element before this one could not any more. */
  catchUp() {
    if (this.binding.options.keypress || document.activeElement !== this.element) this.#tell();
  }

  /** Puts text back that was not sent when the page was built anew. */
  retype(text) {
    writeField(this.element, text);
    this.edited = true;
  }
}
