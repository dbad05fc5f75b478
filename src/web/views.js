// A View shows the object of one variable with the viewdef of its type.
//
// The view's place in the page is held by a host: the `ui-view` element itself,
// or a comment for a list row. Showing a viewdef replaces the host by copies of
// the template's roots; clearing the view puts the host back.

import { ITEM_VIEWDEF } from './templates.js';
import { List } from './viewlist.js';
import { bind } from './bind.js';
import { toText } from './fields.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./templates.js').Viewdef} Viewdef
 * @typedef {import('./templates.js').Place} Place
 * @typedef {import('./client.js').App} App
 *
 * @typedef {Node|View} Piece  what a view consists of in the page: a root that is
 *   itself a `ui-view` is that view, whose nodes come and go
 *
 * @typedef {Object} Dress     what the first root takes over from the view's element
 * @property {string} id
 * @property {string} className
 * @property {string} css
 * @property {string} [ref]      how scripts call it
 * @property {Element|null} [pattern]  a list's exemplar
 */

export const LIST_TYPE = 'lua.ViewList';
const ITEM_TYPE = 'lua.ViewListItem';

let vended = 0;

/** An id for an element that the author gave none. */
export function vendId() {
  return `ui-${++vended}`;
}

export class View {
  /**
   * @param {App} app
   * @param {View|List|null} parent
   * @param {Variable} variable
   * @param {Element|Comment} host
   * @param {Dress} dress
   * @param {string} [namespace]  for variable 1, which carries none itself
   */
  constructor(app, parent, variable, host, dress, namespace) {
    this.app = app;
    this.parent = parent;
    this.variable = variable;
    this.host = host;
    this.dress = dress;
    this.namespace = namespace;
    /** @type {Piece[]} what is in the page now */
    this.pieces = [host];
    /** @type {{pieces: Piece[], fragment: DocumentFragment}|null} waiting to be shown */
    this.incoming = null;
    /** @type {Viewdef|null} */
    this.def = null;
    /** @type {(View|List)[]} */
    this.inner = [];
    /** @type {Variable[]} the template's variables */
    this.made = [];
    /** @type {{attach: (el: Element) => void}[]} bindings on the view's own element */
    this.own = [];
    /** @type {List|null} this view is a built-in list */
    this.list = null;
    /** @type {Variable|null} asked for before the type was known */
    this.items = null;
    /** First child element of the author's: the pattern for list items. */
    this.exemplar = host instanceof Element ? host.firstElementChild : null;
    this.isText = false;
    /** The type that has no viewdef, while a box says so. */
    this.lacks = '';
    /** The host's own content was replaced. */
    this.spoiled = false;
    this.disposed = false;
    if (host instanceof Element && !host.hasChildNodes()) host.toggleAttribute('hidden', true);
    app.views.add(this);
    variable.watch(this);
  }

  /** Starts the list's `items` variable in the same frame as the list itself. */
  expectList() {
    if (this.app.viewdefs.resolve(LIST_TYPE, this.variable.inherited('namespace'), 'list-item')) return;
    this.#makeItems();
  }

  #makeItems() {
    if (!this.items) this.items = this.app.store.create(this.variable, { path: 'items', delta: 'true' });
    return this.items;
  }

  changed() {
    this.refresh();
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.onView(this, v);
  }

  /** Shows what the variable's value and type ask for now. */
  refresh() {
    const { value, type } = this.variable;
    if (value === undefined || this.disposed) return;
    if (value === null || (typeof value === 'object' && type === '')) return this.clear();
    if (typeof value !== 'object') return this.#showText(value);
    if (!type) return;
    const namespace = this.variable.inherited('namespace') || this.namespace;
    const fallback = this.variable.inherited('fallbackNamespace');
    let def = this.app.viewdefs.resolve(type, namespace, fallback);
    if (!def && type === LIST_TYPE) return this.#showList();
    if (!def && type === ITEM_TYPE) def = ITEM_VIEWDEF;
    if (!def) return this.#lack(type, namespace, fallback);
    if (def !== this.def) this.#render(def);
  }

  /** Nothing can show the object: not what was there before either. */
  #lack(type, namespace, fallback) {
    if (this.lacks === type) return;
    this.clear();
    this.app.missing(this, type, [namespace, fallback].filter(Boolean));
  }

  /** For those who develop: a box in place of what has no viewdef. @param {string} type @param {Element} box */
  showInstead(type, box) {
    if (this.def || this.list || this.isText || this.lacks === type) return false;
    this.#dropContent();
    this.lacks = type;
    this.#replace([box], box);
    return true;
  }

  /** The object went away: an empty place stays. */
  clear() {
    // A list empties itself when its items go.
    if (this.list || (!this.def && !this.isText && !this.lacks)) return;
    this.#dropContent();
    this.#replace([this.host], this.host);
    this.#emptyHost();
  }

  /** The author's empty state, or nothing to see at all. */
  #emptyHost() {
    const { host } = this;
    if (!(host instanceof Element)) return;
    if (this.spoiled) host.replaceChildren(...(this.exemplar ? [this.exemplar] : []));
    this.spoiled = false;
    host.toggleAttribute('hidden', !host.hasChildNodes());
  }

  /** A list of plain texts or numbers needs no viewdef. */
  #showText(value) {
    if (!this.isText) {
      this.#dropContent();
      let element = this.host;
      if (!(element instanceof Element)) {
        const { pattern } = this.dress;
        element = /** @type {Element} */ (pattern ? pattern.cloneNode(false) : document.createElement('div'));
        this.#wear(element);
        this.#replace([element], element);
        this.host = element;
      } else this.#replace([element], element);
      this.isText = this.spoiled = true;
    }
    const element = /** @type {Element} */ (this.host);
    element.toggleAttribute('hidden', false);
    element.textContent = toText(value);
  }

  /** The built-in look of a list: the view's own element holds the items. */
  #showList() {
    if (this.list) return;
    this.#dropContent(true);
    let container = this.host;
    if (!(container instanceof Element)) {
      container = document.createElement('div');
      this.#wear(container);
    }
    container.replaceChildren();
    container.toggleAttribute('hidden', false);
    this.#replace([container], container);
    this.host = container;
    this.spoiled = true;
    this.list = new List(this.app, this, container, this.#makeItems(), this.exemplar);
    this.inner.push(this.list);
  }

  /** @param {Viewdef} def */
  #render(def) {
    const atOnce = this.#underIncoming() || !this.firstNode().isConnected;
    const kept = atOnce ? this.app.fields.capture(this) : null;
    this.#dropContent();
    this.def = def;
    this.app.viewdefs.adopt(def);
    const { fragment, pieces } = this.#instantiate(def);
    const under = this.#underIncoming();
    if (!under && this.firstNode().isConnected) {
      this.incoming = { pieces, fragment };
      this.app.transitions.add(this);
    } else {
      if (under) this.app.transitions.grown(under);
      this.#replace(pieces, fragment);
      this.app.fields.restore(this, kept);
    }
    if (!this.inRow()) this.app.store.outbox.setProperties(this.variable, { viewdef: def.key });
  }

  /** A transition is over: the waiting content takes its place. */
  show() {
    const incoming = this.incoming;
    if (!incoming) return;
    this.incoming = null;
    this.#replace(incoming.pieces, incoming.fragment);
  }

  /** The nearest view above that is itself not shown yet. @returns {View|null} */
  #underIncoming() {
    for (let p = this.parent; p; p = p.parent) if (p instanceof View && p.incoming) return p;
    return null;
  }

  inRow() {
    for (let p = this.parent; p; p = p.parent) if (p instanceof List) return true;
    return false;
  }

  // ---- content -------------------------------------------------------------

  /** Copies the template and binds the copy. @param {Viewdef} def */
  #instantiate(def) {
    const compiled = def.compiled();
    const fragment = document.importNode(compiled.fragment, true);
    const nodes = compiled.places.map((place) => locate(fragment, place.steps));
    this.#dressRoots(fragment, def.key);
    const { store } = this.app;
    const slots = compiled.slots.map((slot) => store.create(this.variable, slot.props));
    this.made.push(...slots);
    /** @type {Map<Node, View>} */
    const roots = new Map();
    compiled.places.forEach((place, i) => {
      const element = nodes[i];
      if (place.css) element.style.cssText = place.css + ';' + element.style.cssText;
      const inner = place.view ? this.#innerView(place, element) : null;
      if (inner instanceof View && element.parentNode === fragment) roots.set(element, inner);
      if (place.script) this.app.scripts.add({ element, view: this, script: place.script });
      for (const directive of place.directives) {
        const binding = bind(this.app, this, element, directive, slots[directive.slot]);
        if (binding && inner instanceof View) inner.own.push(binding);
      }
    });
    const pieces = [...fragment.childNodes].map((node) => roots.get(node) || node);
    if (!pieces.length) {
      const empty = document.createComment('');
      fragment.append(empty);
      pieces.push(empty);
    }
    return { fragment, pieces };
  }

  /** `ui-view` or `ui-viewlist` in this view's template. @param {Place} place */
  #innerView(place, element) {
    const { path, options } = /** @type {import('./paths.js').Binding} */ (place.viewBinding);
    /** @type {Object<string,string>} */
    const props = { path, ...options };
    const isItems = place.view === 'list' && this.variable.type === LIST_TYPE && !options.wrapper;
    if (place.view === 'list' && !isItems && !props.wrapper) props.wrapper = LIST_TYPE;
    // Rows by item, and arrays as what is new in them.
    if (props.wrapper === LIST_TYPE) props.identity = 'true';
    if (isItems) props.delta = 'true';
    if (place.namespace && !props.namespace) props.namespace = place.namespace;
    props.elementId = element.id || (element.id = vendId());
    const variable = this.app.store.create(this.variable, props);
    this.made.push(variable);
    if (isItems) {
      const exemplar = element.firstElementChild;
      element.replaceChildren();
      const list = new List(this.app, this, element, variable, exemplar);
      this.inner.push(list);
      return list;
    }
    const ref = element.getAttribute('ui-ref') || '';
    const dress = { id: element.id, className: element.className, css: element.style.cssText, ref };
    const view = new View(this.app, this, variable, element, dress);
    if (props.wrapper === LIST_TYPE) view.expectList();
    this.inner.push(view);
    return view;
  }

  /** @param {DocumentFragment} fragment @param {string} key */
  #dressRoots(fragment, key) {
    let first = true;
    const mark = `ui-view-${this.dress.id.startsWith('ui-') ? this.dress.id.slice(3) : this.dress.id || 'app'}`;
    for (const root of fragment.children) {
      root.classList.add(mark);
      if (!first || root.localName === 'script') continue;
      first = false;
      root.setAttribute('ui-viewdef', key);
      this.#wear(root);
    }
  }

  /** Id, class and style of the view's element, on the root that replaces it. */
  #wear(root) {
    const { id, className, css, ref } = this.dress;
    if (id) {
      // The author's own id of a root stays findable as a class.
      if (root.id && root.id !== id) root.classList.add(root.id);
      root.id = id;
    }
    if (className) root.classList.add(...className.split(/\s+/).filter(Boolean));
    if (ref) root.setAttribute('ui-ref', `${root.getAttribute('ui-ref') || ''} ${ref}`.trim());
    if (css) root.style.cssText = `${root.style.cssText};${css}`;
  }

  /** Lets go of what the view showed; its nodes stay until they are replaced. */
  #dropContent(keepItems = false) {
    for (const inner of this.inner) inner.dispose();
    for (const variable of this.made) variable.destroy();
    if (this.items && !keepItems) {
      this.items.destroy();
      this.items = null;
    }
    this.inner = [];
    this.made = [];
    this.list = null;
    this.def = null;
    this.isText = false;
    this.lacks = '';
    this.incoming = null;
  }

  /** The variables go with the variable above them; only the page's side is told. */
  dispose() {
    this.disposed = true;
    this.app.views.delete(this);
    this.variable.unwatch(this);
    for (const inner of this.inner) inner.dispose();
    this.inner = [];
    this.incoming = null;
  }

  // ---- nodes ---------------------------------------------------------------

  /** @param {Piece[]} pieces @param {Node} content  holds the pieces' nodes */
  #replace(pieces, content) {
    if (pieces.length === 1 && this.pieces.length === 1 && pieces[0] === this.pieces[0]) return;
    const old = this.nodes();
    /** @type {ParentNode} */ (old[0].parentNode).insertBefore(content, old[0]);
    this.pieces = pieces;
    const fresh = new Set(this.nodes());
    for (const node of old) if (!fresh.has(node) && node.parentNode) node.parentNode.removeChild(node);
    this.rootsChanged();
  }

  /** Bindings on the view's own element follow to the root that took its place. */
  rootsChanged() {
    const root = this.nodes().find((node) => node instanceof Element);
    if (root) for (const binding of this.own) binding.attach(/** @type {Element} */ (root));
    const { parent } = this;
    if (parent instanceof View && parent.pieces.includes(this)) parent.rootsChanged();
    if (parent instanceof List) parent.rowChanged();
  }

  /** @returns {Node} */
  firstNode() {
    const first = this.pieces[0];
    return first instanceof View ? first.firstNode() : first;
  }

  /** @returns {Node[]} */
  nodes() {
    const [only] = this.pieces;
    if (this.pieces.length === 1) return only instanceof View ? only.nodes() : [only];
    return this.pieces.flatMap((piece) => (piece instanceof View ? piece.nodes() : piece));
  }

  /** A root put other nodes in its own place. @param {Node[]} old @param {Node[]} fresh */
  exchange(old, fresh) {
    for (const pieces of [this.pieces, this.incoming ? this.incoming.pieces : []]) {
      const at = pieces.indexOf(old[0]);
      if (at >= 0) pieces.splice(at, old.length, ...fresh);
    }
  }

  remove() {
    for (const node of this.nodes()) if (node.parentNode) node.parentNode.removeChild(node);
  }
}

/** @param {any} node @param {number[]} steps @returns {any} */
function locate(node, steps) {
  for (let i = 0; i < steps.length; i++) {
    let child = node.firstChild;
    for (let n = steps[i]; n > 0; n--) child = child.nextSibling;
    node = child;
  }
  return node;
}
