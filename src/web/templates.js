// Viewdefs: the templates by "Type.namespace", each compiled once.
//
// Compiling walks a template a single time and notes where its bindings are;
// showing it is then a clone, a few steps to each noted node, and no searching.

import { isEditable } from './fields.js';
import { parseBinding, isCall } from './paths.js';
import { arrayProps, loadElements, meantBy } from './elements.js';

/**
 * @typedef {Object} Slot            a variable that each copy of the template makes
 * @property {Object<string,string>} props
 * @property {string} sig
 *
 * @typedef {Object} Directive
 * @property {string} kind           value, attr, class, style, prop, html, code, link, action, submit, upload, download, event
 * @property {string} name           what follows the kind: attribute, event ...
 * @property {import('./paths.js').Binding} binding
 * @property {number} slot           index into slots; -1: made when first used
 * @property {string|null} [fixed]   what an event writes, if not the element's value
 *
 * @typedef {Object} Place           a node with bindings
 * @property {number[]} steps        child indexes from the root fragment
 * @property {Directive[]} directives
 * @property {'view'|'list'|''} view
 * @property {import('./paths.js').Binding|null} viewBinding
 * @property {string} namespace
 * @property {string} css            its style attribute, set by script (strict CSP)
 * @property {ScriptText|null} script  what a `<script>` of the template contains
 *
 * @typedef {Object} ScriptText
 * @property {string} text
 * @property {string|null} src
 *
 * @typedef {Object} Compiled
 * @property {DocumentFragment} fragment
 * @property {Place[]} places
 * @property {Slot[]} slots
 * @property {string[]} styles
 */

/** One version of one viewdef. */
export class Viewdef {
  /** @param {string} key @param {string} text */
  constructor(key, text) {
    this.key = key;
    this.text = text;
    /** @type {Compiled|null} */
    this.ready = null;
  }

  compiled() {
    return this.ready || (this.ready = compile(this.text, this.key));
  }
}

export class Viewdefs {
  constructor() {
    /** @type {Map<string, Viewdef>} */
    this.byKey = new Map();
    /** @type {Map<string, CSSStyleSheet>} */
    this.sheets = new Map();
  }

  /** @param {Object<string,string>} defs @returns {Set<string>} the types touched */
  merge(defs) {
    const touched = new Set();
    for (const key in defs) {
      const old = this.byKey.get(key);
      if (!defs[key] || (old && old.text === defs[key])) continue;
      const type = key.slice(0, key.lastIndexOf('.'));
      // The stock list templates are built in, in a quicker form.
      if (isStock(type, defs[key])) {
        if (old && this.byKey.delete(key)) touched.add(type);
        continue;
      }
      this.byKey.set(key, new Viewdef(key, defs[key]));
      touched.add(type);
    }
    return touched;
  }

  /** @param {string} type @param {string} [namespace] @param {string} [fallback] */
  resolve(type, namespace, fallback) {
    return (
      (namespace && this.byKey.get(`${type}.${namespace}`)) ||
      (fallback && this.byKey.get(`${type}.${fallback}`)) ||
      this.byKey.get(`${type}.DEFAULT`) ||
      null
    );
  }

  /** Puts a viewdef's styles into the document. @param {Viewdef} def */
  adopt(def) {
    const css = def.compiled().styles.join('\n');
    let sheet = this.sheets.get(def.key);
    if (!sheet) {
      if (!css) return;
      sheet = new CSSStyleSheet();
      this.sheets.set(def.key, sheet);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    }
    if (sheet['text'] !== css) sheet.replaceSync((sheet['text'] = css));
  }
}

const STOCK = {
  'lua.ViewList': '<template><div ui-viewlist="items"></div></template>',
  'lua.ViewListItem': '<template><div ui-view="item"></div></template>',
};

function isStock(type, text) {
  return STOCK[type] !== undefined && text.replace(/>\s+|\s+</g, (s) => s.trim()).trim() === STOCK[type];
}

/** The built-in viewdef of a list item that is shown outside its list. */
export const ITEM_VIEWDEF = new Viewdef('lua.ViewListItem.DEFAULT', STOCK['lua.ViewListItem']);

/** Where a style attribute waits between parsing and use. */
export const STYLE = 'ui-css';

/** @param {string} text @param {string} key @returns {Compiled} */
function compile(text, key) {
  const holder = document.createElement('template');
  // A strict policy complains of each style attribute it parses; set by script
  // (see Place.css) they are allowed.
  holder.innerHTML = text.replace(/(<[^<>]*\s)style(?=\s*=)/gi, `$1${STYLE}`);
  const template = holder.content.querySelector('template');
  /** @type {Compiled} */
  const made = { fragment: document.createDocumentFragment(), places: [], slots: [], styles: [] };
  if (!template) {
    console.error(`lunette: viewdef ${key} has no <template>`);
    return made;
  }
  made.fragment = template.content;
  for (const style of made.fragment.querySelectorAll('style')) {
    made.styles.push(style.textContent || '');
    style.remove();
  }
  /** @type {Map<Element, ScriptText>} */
  const scripts = new Map();
  for (const script of made.fragment.querySelectorAll('script')) disarm(script, scripts);
  // Parts that few pages use come when the first template asks for them.
  loadElements(made.fragment);
  trimEdges(made.fragment);
  walk(made, made.fragment, [], '', key, scripts);
  return made;
}

/** White space around the roots would become stray text between list rows. */
function trimEdges(fragment) {
  for (const edge of ['firstChild', 'lastChild']) {
    for (let n = fragment[edge]; n && n.nodeType !== 1 && !(n.nodeValue || '').trim(); n = fragment[edge]) n.remove();
    for (let n = fragment[edge]; n && n.nodeType === 8; n = fragment[edge]) n.remove();
  }
}

/**
 * Puts an empty script in the place of one, to be filled where copies stand: what
 * a template's own text made never runs.
 * @param {HTMLScriptElement} script
 * @param {Map<Element, ScriptText>} scripts
 */
function disarm(script, scripts) {
  const fresh = document.createElement('script');
  for (const { name, value } of script.attributes) if (name !== 'src') fresh.setAttribute(name, value);
  scripts.set(fresh, { text: script.textContent || '', src: script.getAttribute('src') });
  script.replaceWith(fresh);
}

/**
 * @param {Compiled} made
 * @param {Node} parent
 * @param {number[]} steps
 * @param {string} namespace
 * @param {string} key
 * @param {Map<Element, ScriptText>} scripts
 */
function walk(made, parent, steps, namespace, key, scripts) {
  let index = -1;
  for (let node = parent.firstChild; node; node = node.nextSibling) {
    index++;
    if (!(node instanceof Element)) continue;
    const here = [...steps, index];
    const ns = node.getAttribute('ui-namespace') || namespace;
    let place = inspect(made, node, here, ns, key);
    const script = scripts.get(node);
    if (script) place = { ...(place || emptyPlace(here, ns)), script };
    if (place) made.places.push(place);
    // What is inside a view's element is its empty state, or a list's exemplar.
    if (!place || !place.view) walk(made, node, here, ns, key, scripts);
  }
}

/** @param {number[]} steps @param {string} namespace @returns {Place} */
function emptyPlace(steps, namespace) {
  return { steps, directives: [], view: '', viewBinding: null, namespace, css: '', script: null };
}

/** @returns {Place|null} */
function inspect(made, element, steps, namespace, key) {
  const place = emptyPlace(steps, namespace);
  for (const { name, value } of [...element.attributes]) {
    if (name === STYLE || name === 'style') {
      place.css = value;
      element.removeAttribute(name);
    } else if (name === 'ui-view' || name === 'ui-viewlist') {
      place.view = name === 'ui-view' ? 'view' : 'list';
      place.viewBinding = parseBinding(value);
    } else if (name.startsWith('ui-')) {
      const directive = isFixedValue(element, name) ? null : directiveOf(made, element, name.slice(3), value, key);
      // An event's call sends what is typed first: it must hear of it second.
      if (directive && directive.kind === 'value') place.directives.unshift(directive);
      else if (directive) place.directives.push(directive);
    }
  }
  return place.view || place.css || place.directives.length ? place : null;
}

const KINDS = /^(value|html|code|class|action|submit|link|upload|download)$|^(attr|class|style|prop|event)-(.+)$/;

/** @returns {Directive|null} */
function directiveOf(made, element, attribute, text, key) {
  const match = KINDS.exec(meantBy(element, attribute));
  if (!match) return null;
  const kind = match[1] || match[2];
  const name = match[3] || '';
  // An address of the app, as it is; else a path to one.
  if (kind === 'link' && text.trim()[0] === '/') return { kind, name: text.trim(), binding: { path: '', options: {} }, slot: -1 };
  const binding = parseBinding(text);
  if (!binding.path) {
    console.error(`lunette: viewdef ${key}: ui-${attribute} needs a path`);
    return null;
  }
  // A page with a thousand delete buttons makes none of their variables before
  // one is pressed.
  if (kind === 'action' || kind === 'submit' || kind === 'upload') return { kind, name, binding, slot: -1 };
  if (kind === 'event') return { kind, name, binding, slot: -1, fixed: element.getAttribute(`ui-event-${name}-value`) };
  const editable = kind === 'value' && isEditable(element) && !isCall(binding.path);
  const access = editable ? {} : { access: 'r' };
  return { kind, name, binding, slot: slotOf(made, { path: binding.path, ...access, ...arrayProps(element, name), ...binding.options }) };
}

/** `ui-event-click-value` says what `ui-event-click` writes. @param {Element} element @param {string} name */
function isFixedValue(element, name) {
  return name.startsWith('ui-event-') && name.endsWith('-value') && element.hasAttribute(name.slice(0, -'-value'.length));
}

/** Bindings of one template to the same thing share a variable. */
function slotOf(made, props) {
  const sig = Object.entries(props).map((pair) => pair.join('=')).join('&');
  const at = made.slots.findIndex((slot) => slot.sig === sig);
  return at >= 0 ? at : made.slots.push({ props, sig }) - 1;
}
