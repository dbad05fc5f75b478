// `--dev`: the Record button. It begins a new session of the site, of which the
// server keeps all that happens; pressed again, it makes a test of that. With Alt
// held, a click says that what is there is expected: the page asks the server for
// that variable, which it never does otherwise. Beside it is the way to the variable
// browser. No part of ordinary pages.

const RECORD_CSS = `
:host { position: fixed; inset: auto .5rem .5rem auto; z-index: 2147482000; font: .8rem/1.4 system-ui, sans-serif; }
div { display: flex; flex-wrap: wrap; gap: .4rem; align-items: center; justify-content: end; max-width: min(28rem, 95vw);
  padding: .25rem .4rem; box-sizing: border-box; background: Canvas; color: CanvasText;
  border: 1px solid color-mix(in srgb, CanvasText 30%, Canvas); border-radius: .4rem; opacity: .75; }
div:is(:hover, :focus-within, .on) { opacity: 1; }
div.on { border-color: #c2255c; box-shadow: 0 0 0 1px #c2255c; }
a { color: inherit; padding: .15rem .25rem; text-underline-offset: .18em; }
button, input { font: inherit; color: inherit; background: Canvas; border: 1px solid color-mix(in srgb, CanvasText 40%, Canvas);
  border-radius: .25rem; padding: .15rem .5rem; }
input { inline-size: 9rem; }
p { margin: 0; flex-basis: 100%; overflow-wrap: anywhere; user-select: text; }
p:empty { display: none; }`;

/** What a name of a file may consist of. */
const NAME_PATTERN = '[A-Za-z0-9_\\-]+';

const recordPlace = /^(.*\/)([0-9a-f]{32})(\/.*)?$/.exec(location.pathname);
let recordMarks = 0;
let isRecording = false;

/** @param {string} wish  what follows the session @param {string} method */
async function askRecording(wish, method) {
  const [, base, session] = /** @type {RegExpExecArray} */ (recordPlace);
  const answer = await fetch(`${base}_lunette/record/${session}${wish}`, { method });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** @param {string} tag @param {Object<string,string>} [attributes] */
function recordElement(tag, attributes = {}) {
  const made = /** @type {any} */ (document.createElement(tag));
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  return made;
}

const recordHost = recordElement('ui-record');
const recordBox = recordElement('div', { role: 'group', 'aria-label': 'For those who develop' });
const recordButton = recordElement('button', { type: 'button' });
const recordName = recordElement('input', { 'aria-label': 'Name of the test', placeholder: 'name of the test', pattern: NAME_PATTERN });
const recordVariables = recordElement('a', { target: 'lunette-variables', title: 'The variables of this session, live' });
const recordSaid = recordElement('p', { role: 'status' });

/** @param {string} text */
function sayRecord(text) {
  recordSaid.textContent = text;
}

function showRecording() {
  recordButton.textContent = isRecording ? '■ Stop' : '● Record';
  recordName.hidden = !isRecording;
  recordBox.classList.toggle('on', isRecording);
}

async function startRecording() {
  const [, base] = /** @type {RegExpExecArray} */ (recordPlace);
  const inside = ((recordPlace || [])[3] || '/') + location.search;
  const { session, place } = await askRecording(`/start${inside}`, 'PUT');
  location.assign(`${base}${session}${place}`);
}

async function stopRecording() {
  const name = recordName.value.trim();
  if (!new RegExp(`^${NAME_PATTERN}$`).test(name)) {
    recordName.focus();
    return sayRecord('Give the test a name of letters, digits, - and _.');
  }
  typedIsSaid();
  await delivered();
  const { file, command } = await askRecording(`/save/${name}`, 'PUT');
  isRecording = false;
  showRecording();
  sayRecord(`Saved ${file}. Run it with: ${command}`);
}

/** The server has heard of all that was done. */
async function delivered() {
  const [root] = allVariables();
  for (let n = 0; root && root.store.acknowledged < root.store.outbox.link.sent; n++) {
    if (n === 500) throw new Error('Not saved: the server has not heard of all that was done. Try again when the page is connected.');
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** What is typed in a field that was not left yet. */
function typedIsSaid() {
  const { activeElement } = document;
  if (activeElement instanceof HTMLElement && activeElement !== recordHost) activeElement.blur();
}

// ---- expectations ---------------------------------------------------------------

/** All variables of the page, with who watches them. @returns {any[]} */
function allVariables() {
  const app = window['uiApp'];
  const root = app && app.getStore && app.getStore().get(1);
  return root && root.store ? [...root.store.byId.values()] : [];
}

/** What is shown at an element, or around it: texts and fields before attributes, lists as a whole. @param {any} target @param {boolean} listsOnly */
function shownAt(target, listsOnly) {
  const all = allVariables();
  const isValue = (v) => v.value !== undefined && !(v.value && v.value.obj !== undefined) && !['action', 'w'].includes(v.props.access);
  for (let at = target; at && at !== document; at = at.parentNode) {
    const here = listsOnly ? [] : all.filter((v) => isValue(v) && v.watchers.some((w) => w.element === at));
    const plain = here.find((v) => v.watchers.some((w) => w.element === at && w.name === undefined));
    if (plain || here[0]) return { element: at, variable: plain || here[0] };
    const list = all.find((v) => v.watchers.some((w) => w.container === at));
    if (list && list.parent) return { element: at, variable: list.parent, isList: true };
  }
  return null;
}

/** @param {any} event */
function markExpected(event) {
  if (!isRecording || !event.altKey || event.composedPath().includes(recordHost)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type !== 'click') return;
  typedIsSaid();
  const found = shownAt(event.target, event.shiftKey);
  if (!found) return sayRecord('Nothing here shows a value.');
  const { element, variable, isList } = found;
  const { outbox } = variable.store;
  outbox.raw({ type: 'get', data: { varIds: [variable.id] } });
  outbox.flush(false);
  recordMarks++;
  element.animate([{ outline: '3px solid #c2255c' }, { outline: '3px solid transparent' }], 900);
  sayRecord(`${recordMarks} expected: ${isList ? 'the number of rows' : JSON.stringify(variable.value)}`);
}

async function setUpRecording() {
  if (!recordPlace || !document.querySelector('[ui-app]')) return;
  const state = await askRecording('', 'GET');
  isRecording = state.recording;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(RECORD_CSS);
  const shadow = recordHost.attachShadow({ mode: 'open' });
  shadow.adoptedStyleSheets = [sheet];
  const [, base, session] = recordPlace;
  recordVariables.href = `${base}${session}/variables`;
  recordVariables.textContent = 'Variables';
  recordBox.append(recordSaid, recordVariables, recordName, recordButton);
  shadow.append(recordBox);
  document.body.append(recordHost);
  recordButton.addEventListener('click', () => {
    if (!state.dir) return sayRecord('The built-in demo has no directory for tests: copy lua/demo, and start with --dir.');
    (isRecording ? stopRecording() : startRecording()).catch((error) => sayRecord(error.message));
  });
  recordName.addEventListener('keydown', (event) => event.key === 'Enter' && recordButton.click());
  for (const name of ['pointerdown', 'mousedown', 'mouseup', 'click']) addEventListener(name, markExpected, true);
  if (isRecording) sayRecord('Recording. Alt-click what the test shall expect; with Shift, how many rows there are.');
  showRecording();
}

setUpRecording().catch((error) => console.warn('lunette: no recording:', error.message));
