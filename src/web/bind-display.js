// Bindings that only show: attributes, classes, styles, properties, markup.

import { toText } from './fields.js';
import { autofocus } from './focus.js';

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

const LIMITS = new Set(['min', 'max', 'step', 'type', 'multiple', 'maxlength']);

export class AttrBinding extends DisplayBinding {
  show(value) {
    // ui-attr-onclick would be code, and javascript: links are code too.
    if (this.name.startsWith('on')) return;
    if (value == null || value === false) return this.element.removeAttribute(this.name);
    // An empty ARIA attribute would say no.
    const text = value === true ? (this.name.startsWith('aria-') ? 'true' : '') : toText(value);
    if (/^(href|src|action|formaction|xlink:href)$/.test(this.name) && /^[\s\0-\x1f]*javascript:/i.test(text)) return;
    this.element.setAttribute(this.name, text);
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
    this.given = toText(value).split(/[\s,]+/).filter(Boolean);
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

export class PropBinding extends DisplayBinding {
  show(value) {
    const name = this.name === 'innerhtml' || this.name === 'outerhtml' ? '' : ownName(this.element, this.name);
    if (name) this.element[name] = value;
  }
}

/** HTML attributes are lower case, properties are not: `ui-prop-tabindex`. */
function ownName(element, name) {
  const camel = name.replace(/-(\w)/g, (_, c) => c.toUpperCase());
  if (camel in element) return camel;
  for (const key in element) if (key.toLowerCase() === name) return key === 'innerHTML' || key === 'outerHTML' ? '' : key;
  return camel;
}

/** Markup from Lua, cleaned. `?replace` puts it in place of the element. */
export class HtmlBinding extends DisplayBinding {
  /** @param {App} app @param {Binding} binding @param {import('./views.js').View} view */
  constructor(app, binding, view) {
    super(app, '', binding);
    this.view = view;
    /** @type {Node[]} what stands in place of the element */
    this.nodes = [];
  }

  async show(value) {
    const { sanitize } = await import('./sanitize.js');
    if (value === this.value) this.#put(sanitize(toText(value)));
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
