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

/** @param {any} element */
function isCheckbox(element) {
  if (element.localName === 'input') return element.type === 'checkbox';
  return 'checked' in element && /checkbox|switch|toggle/.test(element.localName);
}

/** @param {any} element */
function isRadio(element) {
  return element.localName === 'input' && element.type === 'radio';
}

/** @param {any} element @returns {any} the value to send; undefined: nothing */
export function readField(element) {
  if (isCheckbox(element)) return element.checked;
  if (isRadio(element)) return element.checked ? element.value : undefined;
  if (element.localName === 'select' && element.multiple) {
    return [...element.selectedOptions].map((option) => option.value);
  }
  if (element.localName === 'input') {
    if (element.type === 'file') return undefined;
    if (element.type !== 'number' && element.type !== 'range') return element.value;
    // Half a number ("-", "1e") reads as empty: it is not sent, nor taken for null.
    if (element.validity && element.validity.badInput) return undefined;
    return element.value === '' ? null : Number(element.value);
  }
  if ('value' in element) return element.value;
  if ('checked' in element) return element.checked;
  return element.textContent;
}

/** @param {any} element @param {any} value */
export function writeField(element, value) {
  if (isCheckbox(element)) element.checked = value === true || (value != null && value !== false && value !== 0);
  else if (isRadio(element)) element.checked = toText(value) === element.value;
  else if (element.localName === 'select') writeSelect(element, value);
  else if (element.localName === 'input' && element.type === 'file') return;
  else if (element.localName === 'progress' && value == null) element.removeAttribute('value');
  else if (/^(progress|meter)$/.test(element.localName)) element.value = Number(value) || 0;
  else if (element.localName.includes('-') && 'value' in element) element.value = value ?? '';
  else if ('value' in element) writeText(element, value);
  else if ('checked' in element) element.checked = !!value;
  else if (element.textContent !== toText(value)) element.textContent = toText(value);
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
        const edited = !!binding && (binding.edited || binding.orphaned || (undelivered && !binding.delivered));
        if (!scrolled && !focused && !edited) continue;
        kept.push({
          address: addressOf(element, root),
          scroll: [element.scrollLeft, element.scrollTop],
          focused,
          selection: focused ? selectionOf(element) : null,
          edited,
          text: binding ? readField(element) : undefined,
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
