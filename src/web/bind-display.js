// Bindings that only show: attributes, classes, styles, properties, markup.

import { toText, whenUpgraded } from './fields.js';
import { autofocus } from './focus.js';
import { runsCode } from './paths.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 */

/** What they share: the present element, the last value, errors. */
class DisplayBinding {
  /** @param {App} app @param {string} name @param {Binding} binding */
  constructor(app, name, binding) {
    this.app = app;
    this.name = name;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
    this.value = undefined;
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    if (this.value !== undefined) this.show(this.value);
  }

  /** @param {Variable} v */
  changed(v) {
    if (v.value === this.value && (v.value === null || typeof v.value !== 'object')) return;
    this.value = v.value;
    this.show(v.value);
  }

  /** @param {any} _value */
  show(_value) {}

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }
}

/** Attributes and properties that a browser goes to, or can be made to. */
const ADDRESS = /^(?:href|src|action|formaction|data|poster|ping|background|codebase|xlink:href|from|to|by|values)$/i;
const LIMITS = new Set(['min', 'max', 'step', 'type', 'multiple', 'maxlength']);

export class AttrBinding extends DisplayBinding {
  show(value) {
    // ui-attr-onclick would be code, and so are some addresses.
    if (this.name.startsWith('on') || this.name === 'srcdoc' || (ADDRESS.test(this.name) && runsCode(value))) return;
    if (value == null || value === false) return this.element.removeAttribute(this.name);
    // An empty ARIA attribute would say no.
    const text = value === true ? (this.name.startsWith('aria-') ? 'true' : '') : toText(value);
    // A strict policy refuses the attribute, not the style itself.
    if (this.name === 'style') this.element.style.cssText = text;
    else this.element.setAttribute(this.name, text);
    if (this.name === 'autofocus') autofocus(this.element);
    // A value beyond the old limits was cut.
    if (LIMITS.has(this.name)) this.app.fields.reapply(this.element);
    // What a select shows may be the option that has just got its value.
    const select = this.name === 'value' && this.element.closest('select, sl-select, wa-select');
    if (select) this.app.fields.reapply(select);
  }
}

export class ClassBinding extends DisplayBinding {
  constructor(app, name, binding) {
    super(app, name, binding);
    /** @type {string[]} */
    this.given = [];
  }

  show(value) {
    const { classList } = this.element;
    if (this.name) return void classList.toggle(this.name, isTrue(value));
    classList.remove(...this.given);
    // The author's own stay in any case.
    this.given = toText(value).split(/[\s,]+/).filter((name) => name && !classList.contains(name));
    classList.add(...this.given);
  }
}

/** Lua's truth: only nil and false are not. */
function isTrue(value) {
  return value != null && value !== false;
}

export class StyleBinding extends DisplayBinding {
  show(value) {
    const { style } = this.element;
    if (value == null || value === false) style.removeProperty(this.name);
    else style.setProperty(this.name, toText(value));
  }
}

/** Properties that turn text into markup: `ui-html` does that, with care. */
const MARKUP = /^(?:inner|outer)html$|^srcdoc$/i;

export class PropBinding extends DisplayBinding {
  attach(element) {
    if (this.element === element) return;
    // Set before the element is what it will be, a property would hide its own.
    whenUpgraded(element, () => this.value !== undefined && this.show(this.value));
    super.attach(element);
  }

  show(value) {
    const { element } = this;
    if (element.localName.includes('-') && !element.matches(':defined')) return;
    const name = ownName(element, this.name);
    if (!MARKUP.test(name) && !(ADDRESS.test(name) && runsCode(value))) element[name] = value;
  }
}

/** HTML attributes are lower case, properties are not: `ui-prop-tabindex`. */
function ownName(element, name) {
  const camel = name.replace(/-(\w)/g, (_, c) => c.toUpperCase());
  if (camel in element) return camel;
  for (const key in element) if (key.toLowerCase() === name) return key;
  return camel;
}

/** Markup from Lua, cleaned unless the site has it raw. `?replace` puts it in place of the element. */
export class HtmlBinding extends DisplayBinding {
  /** @param {App} app @param {Binding} binding @param {import('./views.js').View} view */
  constructor(app, binding, view) {
    super(app, '', binding);
    this.view = view;
    /** @type {Node[]} what stands in place of the element */
    this.nodes = [];
  }

  async show(value) {
    const [{ sanitize, raw }, { rawHtml }] = await Promise.all([import('./sanitize.js'), this.app.allowed()]);
    if (value === this.value) this.#put((rawHtml ? raw : sanitize)(toText(value)));
  }

  /** @param {DocumentFragment} fragment */
  #put(fragment) {
    if (!this.binding.options.replace) return this.element.replaceChildren(fragment);
    const fresh = fragment.hasChildNodes() ? [...fragment.childNodes] : [document.createComment('')];
    const old = this.nodes.length ? this.nodes : [this.element];
    old[0].replaceWith(...fresh);
    for (const node of old.slice(1)) node.remove();
    this.view.exchange(old, fresh);
    this.nodes = fresh;
  }
}

/** JavaScript from Lua, run once for each value, where the site allows that. */
export class CodeBinding extends DisplayBinding {
  /** @param {App} app @param {Binding} binding @param {import('./views.js').View} view */
  constructor(app, binding, view) {
    super(app, '', binding);
    this.view = view;
  }

  /** What takes the element's place was not what the code was for. */
  attach(element) {
    if (!this.element) super.attach(element);
  }

  /** @param {Variable} v */
  changed(v) {
    if (v.value === this.value) return;
    this.value = v.value;
    const { element, view } = this;
    if (typeof v.value === 'string' && v.value.trim()) this.app.scripts.add({ element, view, code: v.value, variable: v });
  }
}
