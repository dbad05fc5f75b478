// How each kind of form control says and takes its value, and what the user
// has typed when the page around it is built anew.

/**
 * @typedef {import('./bind-value.js').ValueBinding} ValueBinding
 * @typedef {import('./views.js').View} View
 */

/** What an element shows for a value of no special kind. @param {any} value */
export function toText(value) {
  if (value == null) return '';
  if (typeof value !== 'object') return String(value);
  if (!Array.isArray(value)) return '';
  return value.map(toText).join(', ');
}

const EDITABLE = new Set(['input', 'textarea', 'select', 'details', 'dialog']);

/** Whether the user can change what it shows. @param {Element} element */
export function isEditable(element) {
  const tag = element.localName;
  return EDITABLE.has(tag) || isEdited(element) || (tag.includes('-') && !tag.startsWith('ui-'));
}

/** @param {Element} element */
function isEdited(element) {
  const editable = element.getAttribute('contenteditable');
  return editable !== null && editable !== 'false';
}

/**
 * How an element says and takes its value. Asked anew each time: a custom
 * element may become what it is after it was bound.
 * @param {any} element
 * @returns {'checked'|'radio'|'file'|'number'|'select'|'gauge'|'open'|'property'|'text'|'content'}
 */
export function kindOf(element) {
  const tag = element.localName;
  if (tag === 'input') {
    const { type } = element;
    if (type === 'checkbox') return 'checked';
    if (type === 'radio' || type === 'file') return type;
    return type === 'number' || type === 'range' ? 'number' : 'text';
  }
  if (tag === 'select') return 'select';
  if (tag === 'progress' || tag === 'meter') return 'gauge';
  if (tag === 'details' || tag === 'dialog') return 'open';
  if (tag.includes('-')) {
    const valued = 'value' in element;
    if ('checked' in element && (!valued || /checkbox|switch|toggle/.test(tag))) return 'checked';
    if (valued) return 'property';
    return 'open' in element ? 'open' : 'content';
  }
  return 'value' in element ? 'text' : 'content';
}

/** @param {any} element @returns {any} the value to send; undefined: nothing */
export function readField(element) {
  switch (kindOf(element)) {
    case 'checked':
      return element.checked;
    case 'radio':
      return element.checked ? element.value : undefined;
    case 'file':
      return undefined;
    case 'number':
      // Half a number ("-", "1e") reads as empty: it is not sent, nor taken for null.
      if (element.validity && element.validity.badInput) return undefined;
      return toNumber(element.value);
    case 'select':
      return element.multiple ? [...element.selectedOptions].map((option) => option.value) : element.value;
    case 'open':
      return element.open;
    case 'property': {
      const { value } = element;
      const isNumber = element.type === 'number' || element.localName.endsWith('-number-input');
      if (isNumber) return typeof value === 'string' ? toNumber(value) : value;
      // Some say null where nothing is typed.
      return value === null && /input|textarea/.test(element.localName) ? '' : value;
    }
    case 'content':
      // What is edited there has lines, which only its rendered text knows.
      return isEdited(element) ? element.innerText.replace(/\n$/, '') : element.textContent;
    default:
      return element.value;
  }
}

/** @param {string} text */
function toNumber(text) {
  return text === '' ? null : Number(text);
}

/** @param {any} element @param {any} value */
export function writeField(element, value) {
  switch (kindOf(element)) {
    case 'checked':
      element.checked = value != null && value !== false && value !== 0;
      break;
    case 'radio':
      element.checked = toText(value) === element.value;
      break;
    case 'file':
      break;
    case 'select':
      writeSelect(element, value);
      break;
    case 'gauge':
      if (value == null && element.localName === 'progress') element.removeAttribute('value');
      else element.value = Number(value) || 0;
      break;
    case 'open':
      writeOpen(element, value != null && value !== false);
      break;
    case 'property':
      writeProperty(element, value);
      break;
    case 'content':
      writeContent(element, toText(value));
      break;
    default:
      writeText(element, value);
  }
}

/** A custom element's `value`; which kind it is of shows in what it has. */
function writeProperty(element, value) {
  const now = element.value;
  let next = value;
  if (value == null) {
    if (typeof now === 'number') next = Number(element.min) || 0;
    else next = element.multiple ? [] : '';
  } else if (typeof value === 'number' && typeof now === 'string') next = String(value);
  if (Array.isArray(next) || now !== next) element.value = next;
}

/** @type {Set<any>} dialogs that shall open and are not in the page yet */
const unopened = new Set();

function writeOpen(element, open) {
  unopened.delete(element);
  if (element.localName !== 'dialog') element.open = open;
  else if (!open) element.close();
  else if (!element.open) {
    if (element.isConnected) element.showModal();
    else unopened.add(element);
  }
}

/** New content stands in the page. */
export function openDialogs() {
  for (const dialog of unopened) {
    if (!dialog.isConnected) continue;
    unopened.delete(dialog);
    dialog.showModal();
  }
}

/** @type {WeakSet<Element>} show text for want of anything better */
const placeholders = new WeakSet();

function writeContent(element, text) {
  if (element.localName.includes('-') && !element.matches(':defined')) {
    // What it will be made of is not to be lost.
    if (element.firstElementChild) return;
    placeholders.add(element);
  }
  if (readField(element) === text) return;
  if (isEdited(element)) element.innerText = text;
  else element.textContent = text;
}

/**
 * Elements of names that nothing is defined for, by name.
 * @type {Map<string, {refs: WeakRef<Element>[], limit: number}>}
 */
const undefinedYet = new Map();
/** @type {WeakMap<Element, (() => void)[]>} */
const upgrades = new WeakMap();

/** Acts now, and again when a custom element has become what it is. @param {any} element @param {() => void} act */
export function whenUpgraded(element, act) {
  const name = element.localName;
  if (!name.includes('-') || element.matches(':defined')) return;
  const acts = upgrades.get(element);
  if (acts) return void acts.push(act);
  upgrades.set(element, [act]);
  let waiting = undefinedYet.get(name);
  if (!waiting) {
    undefinedYet.set(name, (waiting = { refs: [], limit: 100 }));
    customElements.whenDefined(name).then(() => upgraded(name), () => {});
  }
  waiting.refs.push(new WeakRef(element));
  // Some names are never defined: what is gone must not pile up.
  if (waiting.refs.length > waiting.limit) {
    waiting.refs = waiting.refs.filter((ref) => ref.deref());
    waiting.limit = 2 * waiting.refs.length + 100;
  }
}

/** @param {string} name */
function upgraded(name) {
  const { refs } = undefinedYet.get(name) || { refs: [] };
  undefinedYet.delete(name);
  for (const ref of refs) {
    const element = ref.deref();
    if (!element) continue;
    customElements.upgrade(element);
    if (placeholders.delete(element) && kindOf(element) !== 'content') element.textContent = '';
    for (const act of upgrades.get(element) || []) act();
    upgrades.delete(element);
  }
}

function writeSelect(select, value) {
  const wanted = new Set((Array.isArray(value) ? value : [value]).map(toText));
  let found = false;
  for (const option of select.options) {
    const on = wanted.has(option.value) && (select.multiple || !found);
    if (select.multiple) option.selected = on;
    else if (on) select.value = option.value;
    found = found || on;
  }
  if (!found && !select.multiple) select.selectedIndex = -1;
}

/** Keeps the caret where it was, and "1." while a number is being typed. */
function writeText(element, value) {
  if (typeof value === 'number' && element.value !== '' && Number(element.value) === value) return;
  const text = toText(value);
  if (element.value === text) return;
  const focused = document.activeElement === element;
  const selection = focused ? selectionOf(element) : null;
  const atEnd = selection && selection[0] === element.value.length;
  element.value = text;
  if (selection && !atEnd) select(element, selection);
}

/** @returns {[number, number]|null} */
function selectionOf(element) {
  try {
    return element.selectionStart == null ? null : [element.selectionStart, element.selectionEnd];
  } catch {
    return null;
  }
}

function select(element, [start, end]) {
  try {
    element.setSelectionRange(start, end);
  } catch {
    // Numbers and dates have no caret to speak of.
  }
}

/** All bound controls, found by their element. */
export class Fields {
  constructor() {
    /** @type {WeakMap<Element, ValueBinding>} */
    this.byElement = new WeakMap();
    /** @type {WeakSet<Element>} those of which the reader has moved the content: to ask each would lay out the page */
    this.scrolled = new WeakSet();
    const noted = (event) => event.target instanceof Element && this.scrolled.add(event.target);
    document.addEventListener('scroll', noted, { capture: true, passive: true });
  }

  /** @param {Element} element @param {ValueBinding} binding */
  add(element, binding) {
    this.byElement.set(element, binding);
  }

  /** Its options changed: choose again. @param {Element} element */
  reapply(element) {
    const binding = this.byElement.get(element);
    if (binding) binding.reapply();
  }

  /** A form was reset: what was typed and not sent is gone. @param {HTMLFormElement} form */
  reset(form) {
    for (const element of form.elements) {
      const binding = this.byElement.get(element);
      if (!binding) continue;
      binding.forget();
      binding.reapply();
    }
  }

  /** Sends what is typed in the element now. @param {Element|null} element */
  commit(element) {
    const binding = element && this.byElement.get(element);
    if (binding) binding.commit();
  }

  /** The view shows another object now: what was typed was not meant for it. @param {View} view */
  forget(view) {
    for (const root of view.nodes()) {
      if (!(root instanceof HTMLElement)) continue;
      if (root.contains(document.activeElement)) /** @type {HTMLElement} */ (document.activeElement).blur();
      for (const element of [root, ...root.querySelectorAll('*')]) {
        const binding = this.byElement.get(element);
        if (binding) binding.forget();
      }
    }
  }

  /** Sends what is typed anywhere in a view. @param {View} view */
  commitAll(view) {
    for (const root of view.nodes()) {
      if (!(root instanceof Element)) continue;
      for (const element of [root, ...root.querySelectorAll('*')]) this.commit(element);
    }
  }

  /**
   * What the user had in a view's fields.
   * @param {View} view
   * @param {boolean} [undelivered]  also what was handed over and may not have arrived
   */
  capture(view, undelivered = false) {
    const kept = [];
    for (const root of view.nodes()) {
      if (!(root instanceof Element)) continue;
      for (const element of [root, ...root.querySelectorAll('*')]) {
        const scrolled = this.scrolled.has(element);
        const binding = this.byElement.get(element);
        const focused = element === document.activeElement;
        const edited = binding
          ? binding.edited || binding.orphaned || (undelivered && !binding.delivered)
          : isFilledIn(element);
        if (!scrolled && !focused && !edited) continue;
        kept.push({
          address: addressOf(element, root),
          scroll: [element.scrollLeft, element.scrollTop],
          focused,
          selection: focused ? selectionOf(element) : null,
          edited,
          text: binding || edited ? readField(element) : undefined,
        });
      }
    }
    return kept;
  }

  /** Returns what there is no element for. @param {View} view @param {ReturnType<Fields['capture']>|null} kept */
  restore(view, kept) {
    const missing = [];
    for (const field of kept || []) {
      const { address, scroll, focused, selection, edited, text } = field;
      const element = findAddress(view.nodes(), address);
      if (!element) {
        missing.push(field);
        continue;
      }
      const binding = this.byElement.get(element);
      if (binding) edited ? binding.retype(text) : binding.goOn(text);
      else if (edited) fillIn(element, text);
      if (focused && document.activeElement === document.body) {
        element.focus({ preventScroll: true });
        if (selection) select(element, selection);
      }
      if (scroll[0] || scroll[1]) element.scrollTo(...scroll);
      if (binding && edited) binding.catchUp();
    }
    return missing;
  }
}

/** Whether somebody has put something into a field that only its form knows (`ui-submit`). @param {any} element */
function isFilledIn(element) {
  if (!element.name || !element.closest('form[ui-submit]')) return false;
  if (element.localName === 'select') return [...element.options].some((option) => option.selected !== option.defaultSelected);
  if (element.localName === 'textarea') return element.value !== element.defaultValue;
  if (element.localName !== 'input' || /^(?:file|password|hidden|submit|button|reset|image)$/.test(element.type)) return false;
  if (/^(?:checkbox|radio)$/.test(element.type)) return element.checked !== element.defaultChecked;
  return element.value !== element.defaultValue;
}

/** @param {any} element @param {any} value  as `readField` gave it */
function fillIn(element, value) {
  if (element.type === 'radio') element.checked = value !== undefined;
  else writeField(element, value);
}

/** A name that the same element has in the next copy of an edited template. */
function addressOf(element, root) {
  const own = ['ui-value', 'name', 'ui-action'].find((name) => element.getAttribute(name));
  const selector = own ? `${element.localName}[${own}="${CSS.escape(element.getAttribute(own))}"]` : element.localName;
  const same = [root, ...root.querySelectorAll(selector)].filter((e) => e.matches(selector));
  return { selector, index: same.indexOf(element) };
}

function findAddress(nodes, { selector, index }) {
  const roots = nodes.filter((node) => node instanceof Element);
  const same = roots.flatMap((root) => [root, ...root.querySelectorAll(selector)].filter((e) => e.matches(selector)));
  return same[index];
}
