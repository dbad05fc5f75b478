// `ui-value`: text on plain elements, two-way on form controls.

import { readField, writeField, toText } from './fields.js';
import { sameValue } from './store.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 */

/** While the user types, the server's values wait for a pause this long. */
const TYPING_MS = 600;

const FIELDS = new Set(['input', 'textarea', 'select', 'progress', 'meter', 'output']);

/** Whether the element takes a value by property. @param {any} element */
export function isField(element) {
  const tag = element.localName;
  return FIELDS.has(tag) || element.hasAttribute('contenteditable') || (tag.includes('-') && tag !== 'ui-chart');
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
    this.element.textContent = this.text = text;
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }
}

/**
 * A form control. The rule that nothing typed is ever lost: while the user is
 * at it, what the server says waits. A value that came in the meantime may
 * answer an older edit than the one on screen, so after a pause the server is
 * asked for its present one, and only that is shown.
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
    this.typedAt = 0;
    /** The server said something that could not be shown yet. */
    this.held = false;
    this.heldTimer = 0;
    this.delay = 0;
    this.lastSent = 0;
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    this.app.fields.add(element, this);
    const { access } = this.variable.props;
    if (access === 'r' || ['progress', 'meter', 'output'].includes(element.localName)) return;
    const input = () => this.#typed();
    const change = () => this.#chosen();
    for (const name of ['input', 'sl-input', 'wa-input']) element.addEventListener(name, input);
    for (const name of ['change', 'sl-change', 'wa-change', 'blur']) element.addEventListener(name, change);
    element.addEventListener('ui-value-change', (event) => this.#send(event.detail && event.detail.value));
  }

  // ---- from the server -----------------------------------------------------

  /** @param {Variable} v */
  changed(v) {
    if (this.#busy()) {
      this.held = !sameValue(readField(this.element), v.value);
      if (this.held) this.#waitForPause();
      return;
    }
    this.held = false;
    writeField(this.element, v.value);
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }

  /** Whether the text on screen may be newer than what the server knows. */
  #busy() {
    if (document.activeElement !== this.element) return this.edited;
    return this.edited || Date.now() - this.typedAt < TYPING_MS;
  }

  #waitForPause() {
    clearTimeout(this.heldTimer);
    this.heldTimer = setTimeout(() => {
      if (!this.held || this.variable.gone) return;
      if (this.#busy()) return this.edited ? undefined : this.#waitForPause();
      this.held = false;
      this.app.store.outbox.get(this.variable);
    }, TYPING_MS);
  }

  /** The options it chooses from are new. */
  reapply() {
    if (!this.#busy() && this.variable.value !== undefined) writeField(this.element, this.variable.value);
  }

  // ---- from the user -------------------------------------------------------

  #typed() {
    this.edited = true;
    this.typedAt = Date.now();
    const { keypress, debounce, throttle } = this.binding.options;
    if (debounce) return this.#later(Number(debounce) || 0, true);
    if (throttle) return this.#later(Math.max(0, this.lastSent + (Number(throttle) || 0) - Date.now()), false);
    if (keypress) this.commit();
  }

  /** Sends after a while; `again`: each key starts the wait anew. */
  #later(ms, again) {
    if (this.delay && !again) return;
    clearTimeout(this.delay);
    this.delay = setTimeout(() => {
      this.delay = 0;
      if (this.edited) this.commit();
    }, ms);
  }

  /** `change` or `blur`: the user is done here. */
  #chosen() {
    const held = this.held;
    this.commit();
    if (!held || this.variable.unsent) return;
    this.held = false;
    this.app.store.outbox.get(this.variable);
  }

  /** Hands over what is on screen. */
  commit() {
    clearTimeout(this.delay);
    this.delay = 0;
    const value = readField(this.element);
    if (value === undefined) return;
    this.edited = false;
    this.lastSent = Date.now();
    this.#send(value);
  }

  #send(value) {
    const { variable } = this;
    if (variable.gone || variable.value === undefined && (value === '' || value === false)) return;
    // An empty control shows nil; leaving it alone must not turn nil into "".
    if (variable.value === null && value === '') return;
    variable.write(value);
  }

  /** An action left after everything typed so far: its answer may be shown. */
  settled() {
    if (!this.edited) this.typedAt = 0;
  }

  /** Puts text back that was not sent when the page was built anew. */
  retype(text) {
    writeField(this.element, text);
    this.edited = true;
    this.typedAt = Date.now();
  }
}
