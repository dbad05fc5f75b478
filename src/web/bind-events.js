// `ui-action` and `ui-event-*`: what the user does becomes a call or a write.
//
// Their variables are created when first used, in the same frame as the call.

import { kindOf, readField } from './fields.js';
import { isCall, takesValue } from './paths.js';
import { matchesKey, parseKey } from './keys.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 * @typedef {import('./views.js').View} View
 */

/** What both have: an element, a variable made when first used, errors. */
class CallBinding {
  /** @param {App} app @param {View} view @param {Binding} binding */
  constructor(app, view, binding) {
    this.app = app;
    this.view = view;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
    /** @type {Variable|null} */
    this.variable = null;
    this.listener = (event) => this.heard(event);
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    this.listen(element);
  }

  /** @param {any} _element */
  listen(_element) {}

  /** @param {any} _event */
  heard(_event) {}

  /** The variable; null when there is nothing to be called any more. */
  target() {
    const { app, view, binding } = this;
    if (view.variable.gone) return null;
    if (!this.variable || this.variable.gone) {
      const { path, options } = binding;
      const access = isCall(path) ? 'action' : 'w';
      this.variable = app.store.create(view.variable, { path, access, ...this.wishes, ...options });
      view.made.push(this.variable);
      this.variable.watch(this);
    }
    return this.variable;
  }

  /** Further properties of the variable. @returns {Object<string,string>} */
  get wishes() {
    return {};
  }

  /** @param {any} argument */
  call(argument) {
    const { app } = this;
    const variable = this.target();
    if (!variable) return;
    app.fields.commit(document.activeElement);
    variable.trigger(argument);
  }

  changed() {}

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.onCall(this.element, v);
  }
}

export class ActionBinding extends CallBinding {
  listen(element) {
    element.addEventListener('click', this.listener);
  }

  heard(event) {
    const link = event.target.closest && event.target.closest('a[href]');
    // A modified click on a real link is the browser's ("open in a new tab").
    if (link && (event.ctrlKey || event.metaKey || event.shiftKey)) return;
    event.preventDefault();
    if (this.element.disabled || this.element.getAttribute('aria-disabled') === 'true') return;
    this.call(takesValue(this.binding.path) ? valueOf(this.element) : null);
    if (this.variable) this.app.busy(this.element, this.variable);
  }
}

export class EventBinding extends CallBinding {
  /** @param {App} app @param {View} view @param {string} name @param {Binding} binding @param {string|null} [fixed] */
  constructor(app, view, name, binding, fixed) {
    super(app, view, binding);
    this.fixed = fixed;
    const key = /^keypress-(.+)$/.exec(name);
    this.key = key ? parseKey(key[1]) : null;
    this.event = key ? 'keydown' : name;
  }

  listen(element) {
    element.addEventListener(this.event, this.listener);
  }

  heard(event) {
    if (this.key && (event.isComposing || !matchesKey(this.key, event))) return;
    const { options, path } = this.binding;
    if (options.prevent) event.preventDefault();
    if (options.stop) event.stopPropagation();
    this.app.fields.commit(this.element);
    if (takesValue(path)) this.call(summary(event, this.element));
    else if (isCall(path)) this.call(null);
    else this.call(this.fixed == null ? valueOf(this.element) : plain(this.fixed));
  }
}

/** A form: all its fields in one call, and what is wrong with them at each. */
export class SubmitBinding extends CallBinding {
  listen(element) {
    this.busy = false;
    this.pressed = element;
    this.blamed = null;
    element.addEventListener('submit', this.listener);
    // By the time it is sent, what that takes is there.
    import('./submit.js').catch(() => {});
  }

  get wishes() {
    return { fields: 'true' };
  }

  async heard(event) {
    event.preventDefault();
    if (this.busy) return;
    this.busy = true;
    this.pressed = event.submitter || this.element;
    try {
      this.#send(await import('./submit.js'), event.submitter);
    } catch (error) {
      this.busy = false;
      this.app.notices.toast('The form could not be sent. Reload the page, then try again.', 'error');
      throw error;
    }
  }

  /** @param {typeof import('./submit.js')} form @param {any} submitter */
  #send(form, submitter) {
    const { app, element, binding } = this;
    const controls = form.controlsOf(element);
    for (const control of controls) app.fields.commit(control);
    const variable = this.target();
    if (!variable) return;
    const table = form.gather(controls, submitter, readField, kindOf);
    this.call(takesValue(binding.path) || !isCall(binding.path) ? table : null);
    app.busy(this.pressed, variable, (certain) => this.#answered(form, variable, certain));
  }

  /** @param {typeof import('./submit.js')} form @param {Variable} variable @param {boolean} certain */
  #answered(form, variable, certain) {
    const { app, element, pressed } = this;
    const { error } = variable;
    this.busy = false;
    form.clearMarks(app.errors, variable);
    // Another button may have been blamed before.
    if (this.blamed) app.errors.clear(this.blamed, variable);
    this.blamed = error ? pressed : null;
    if (!error) {
      if (certain && element.hasAttribute('ui-reset')) HTMLFormElement.prototype.reset.call(element);
      return;
    }
    const rest = error.detail && error.detail.fields && form.markFields(app, element, variable, error.detail.fields);
    if (rest === undefined) app.errors.onCall(pressed, variable);
    else if (rest) app.notices.toast(rest, 'error');
    form.focusFirst(element);
  }

  /** Told when it is answered. */
  failed() {}
}

/** What an element stands for when it is an argument. */
function valueOf(element) {
  if (element.localName === 'button' || element.localName === 'li') return element.value || element.textContent.trim();
  const value = readField(element);
  return value === undefined ? null : value;
}

/** What an author means by an attribute: a number, true, false, or a text. @param {string} text */
function plain(text) {
  if (text === 'true' || text === 'false') return text === 'true';
  return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : text;
}

/** An event as plain data. */
function summary(event, element) {
  /** @type {Object<string, any>} */
  const out = { type: event.type };
  for (const name of ['key', 'code', 'button', 'clientX', 'clientY', 'offsetX', 'offsetY', 'deltaX', 'deltaY']) {
    if (event[name] !== undefined) out[name] = event[name];
  }
  for (const name of ['ctrlKey', 'shiftKey', 'altKey', 'metaKey', 'repeat']) if (event[name]) out[name] = true;
  if (isPlain(event.detail)) out.detail = event.detail;
  const value = 'value' in element || 'checked' in element ? readField(element) : undefined;
  if (value !== undefined) out.value = value;
  return out;
}

function isPlain(detail) {
  if (detail == null || detail === 0) return false;
  if (typeof detail !== 'object') return typeof detail !== 'function';
  const proto = Object.getPrototypeOf(detail);
  return proto === Object.prototype || proto === Array.prototype;
}
