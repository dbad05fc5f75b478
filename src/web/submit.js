// `ui-submit`: what a form's fields hold, as one table, and where its errors
// stand. Loaded with the first form that has one.

/**
 * @typedef {import('./client.js').App} App
 * @typedef {import('./errors.js').Errors} Errors
 * @typedef {import('./store.js').Variable} Variable
 */

const BUTTONS = new Set(['submit', 'button', 'reset', 'image']);

/** Elements that an answer marked. @type {WeakMap<Variable, Set<Element>>} */
const markedFields = new WeakMap();

/** A form's fields, in the order of the page; custom elements among them. @param {any} form @returns {any[]} */
export function controlsOf(form) {
  const found = new Set(form.elements);
  for (const element of form.querySelectorAll('[name]')) if (element.localName.includes('-')) found.add(element);
  return [...found].sort((a, b) => (a.compareDocumentPosition(b) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
}

/**
 * The table: a field's value by its name. Several fields of one name are a list.
 * @param {any[]} controls
 * @param {any} submitter  the button that was pressed, if one was
 * @param {(element: any) => any} read
 * @param {(element: any) => string} kind
 */
export function gather(controls, submitter, read, kind) {
  /** @type {Map<string, any[]>} */
  const byName = new Map();
  for (const control of controls) {
    const name = nameOf(control);
    if (!name || !isSent(control, kind)) continue;
    const group = byName.get(name);
    if (group) group.push(control);
    else byName.set(name, [control]);
  }
  /** @type {Object<string, any>} */
  const table = {};
  for (const [name, group] of byName) table[name] = groupValue(group, read, kind);
  if (submitter && nameOf(submitter)) table[nameOf(submitter)] = submitter.value;
  return table;
}

/** @param {any} control @returns {string} */
function nameOf(control) {
  return control.getAttribute('name') || (typeof control.name === 'string' ? control.name : '');
}

function isSent(control, kind) {
  if (control.disabled || control.matches(':disabled')) return false;
  const tag = control.localName;
  if (tag.includes('-')) return /^(?:property|checked)$/.test(kind(control)) && !tag.endsWith('-button');
  return /^(?:input|select|textarea)$/.test(tag) && !BUTTONS.has(control.type) && kind(control) !== 'file';
}

function groupValue(group, read, kind) {
  const [first] = group;
  const isRadio = kind(first) === 'radio';
  if (isRadio) {
    const chosen = group.find((control) => control.checked);
    return chosen ? chosen.value : null;
  }
  if (kind(first) !== 'checked') {
    const values = group.map((control) => read(control) ?? null);
    return group.length > 1 ? values : values[0];
  }
  if (group.length > 1) return group.filter((control) => control.checked).map((control) => control.value);
  // "on" is what a checkbox says that was given no value.
  const own = first.hasAttribute('value') && first.value !== 'on';
  return first.checked && own ? first.value : first.checked;
}

/**
 * Puts the texts of an answer at the fields they name, as far as those do not
 * show a variable, which has its own error. Returns what has no place.
 * @param {App} app
 * @param {Element} form
 * @param {Variable} variable
 * @param {Object<string, string>} fields
 * @returns {string}
 */
export function markFields(app, form, variable, fields) {
  const controls = controlsOf(form);
  const siblings = variable.parent && variable.parent.children ? [...variable.parent.children] : [];
  const marked = new Set();
  const rest = [];
  for (const [field, text] of Object.entries(fields)) {
    const control = controls.find((one) => nameOf(one) === field);
    const binding = control && app.fields.byElement.get(control);
    const told = siblings.some((v) => v !== variable && v.error && v.props.path === field);
    if (told && (!control || (binding && binding.binding.path === field))) continue;
    if (!control) {
      rest.push(text);
      continue;
    }
    app.errors.put(control, variable, field, text);
    marked.add(control);
  }
  markedFields.set(variable, marked);
  return rest.join('; ');
}

/** @param {Errors} errors @param {Variable} variable */
export function clearMarks(errors, variable) {
  for (const control of markedFields.get(variable) || []) errors.clear(control, variable);
  markedFields.delete(variable);
}

/** The first field that was refused. @param {Element} form */
export function focusFirst(form) {
  const bad = controlsOf(form).find((control) => control.getAttribute('aria-invalid') === 'true' && !BUTTONS.has(control.type));
  if (bad) bad.focus();
}
