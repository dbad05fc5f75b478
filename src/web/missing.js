// An object whose type has no viewdef. Those who develop see in its place what it
// is and which file would show it; all others see nothing, and the log has it.
// Loaded with the first of them.

/** @typedef {import('./client.js').App} App */
/** @typedef {import('./views.js').View} View */

const MISSING_CSS = `
.ui-missing { margin: .5rem 0; padding: .75rem 1rem; border: 2px dashed #d6336c; border-radius: .5rem;
  background: Canvas; color: CanvasText; font: .9rem/1.45 system-ui, sans-serif; text-align: start; }
.ui-missing p { margin: 0 0 .35rem; }
.ui-missing code, .ui-missing dl { font: .85rem/1.45 ui-monospace, monospace; }
.ui-missing dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; margin: .35rem 0 0; }
.ui-missing dd { margin: 0; overflow-wrap: anywhere; }`;

/** Longer texts of a field are cut. */
const FIELD_CHARS_MAX = 200;

/** @type {CSSStyleSheet|null} */
let missingSheet = null;

/** Types already told of. @type {Set<string>} */
const toldMissing = new Set();

/**
 * @param {App} app
 * @param {View} view
 * @param {string} type
 * @param {string[]} namespaces  looked for, best first
 * @param {boolean} dev
 */
export function tellMissing(app, view, type, namespaces, dev) {
  const keys = [...new Set([...namespaces, 'DEFAULT'])].map((namespace) => `${type}.${namespace}`);
  const { variable } = view;
  if (view.disposed || variable.gone || variable.type !== type) return;
  if (dev) {
    const { box, fill } = missingBox(type, keys);
    if (!view.showInstead(type, box)) return;
    const { obj } = variable.value || {};
    if (!obj) return;
    app.asked.push({ obj, tell: fill });
    app.store.outbox.raw({ type: 'getObjects', data: { objIds: [obj] } });
  } else if (!toldMissing.has(keys[0])) {
    toldMissing.add(keys[0]);
    const files = keys.map((key) => `viewdefs/${key}.html`).join(' or ');
    const description = `no viewdef for type ${type}: create ${files}`;
    console.warn(`lunette: ${description}`);
    app.store.outbox.raw({ type: 'error', data: { varId: variable.id, code: 'missing-viewdef', description } });
  }
}

/**
 * @param {string} type
 * @param {string[]} keys  what was looked for, best first
 * @returns {{box: HTMLElement, fill: (fields: Object<string, any>) => void}}
 */
function missingBox(type, keys) {
  if (!missingSheet) {
    missingSheet = new CSSStyleSheet();
    missingSheet.replaceSync(MISSING_CSS);
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, missingSheet];
  }
  const box = document.createElement('section');
  box.className = 'ui-missing';
  box.setAttribute('aria-label', `No viewdef for ${type}`);
  const head = document.createElement('p');
  const name = document.createElement('strong');
  name.textContent = type;
  head.append('No viewdef shows objects of type ', name, '.');
  const advice = document.createElement('p');
  advice.append('Create ');
  keys.forEach((key, i) => {
    const file = document.createElement('code');
    file.textContent = `viewdefs/${key}.html`;
    advice.append(i ? ' or ' : '', file);
  });
  advice.append(', with one <template> in it.');
  const list = document.createElement('dl');
  box.append(head, advice, list);
  return {
    box,
    fill(fields) {
      const rows = Object.keys(fields).sort().flatMap((field) => {
        const term = document.createElement('dt');
        term.textContent = field;
        const text = document.createElement('dd');
        text.textContent = (JSON.stringify(fields[field]) ?? '').slice(0, FIELD_CHARS_MAX);
        return [term, text];
      });
      list.replaceChildren(...rows);
    },
  };
}
