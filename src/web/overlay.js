// `--dev`: errors in the app's code, over the page, until they are mended or
// dismissed. Loaded with the first error that says where it came from.

/** @typedef {{message: string, traceback: string, source: string}} Trouble */

const OVERLAY_CSS = `
.ui-dev-errors { position: fixed; inset: auto 0 0 0; z-index: 2147483000; max-height: 60vh; overflow: auto;
  margin: 0; padding: .75rem 1rem 1rem; box-sizing: border-box; background: Canvas; color: CanvasText;
  border-top: .25rem solid #d6336c; box-shadow: 0 -.25rem 1rem #0006; font: .9rem/1.45 system-ui, sans-serif; }
.ui-dev-errors header { display: flex; justify-content: space-between; align-items: center; gap: 1rem; }
.ui-dev-errors h2 { margin: 0; font-size: 1rem; }
.ui-dev-errors article { margin: .75rem 0 0; padding: 0; border: 0; background: none; box-shadow: none; }
.ui-dev-errors p { margin: 0; overflow-wrap: anywhere; }
.ui-dev-errors code, .ui-dev-errors pre { font: .85rem/1.45 ui-monospace, monospace; }
.ui-dev-errors pre { margin: .35rem 0 0; padding: .4rem .6rem; overflow: auto; white-space: pre;
  background: color-mix(in srgb, CanvasText 8%, Canvas); color: CanvasText; border-radius: .25rem; }
.ui-dev-errors details { margin: .5rem 0 0; padding: 0; border: 0; background: none; }
.ui-dev-errors details > summary { margin: 0; cursor: pointer; }
.ui-dev-errors > p { margin-top: .75rem; font-size: .85rem; opacity: .75; }`;

/** How often the server is asked whether a session could start now. */
const AGAIN_MS = 500;
/** A line of a traceback that says where in the app's own code: other lines help nobody. */
const OWN_FRAME = /\n\t\S+:\d+: in /;

/** Errors by whom they are of. @type {Map<object, Trouble>} */
const troubles = new Map();
/** @type {{box: HTMLElement, list: HTMLElement}|null} what shows them, once it is made */
let overlayParts = null;

/** @param {object} owner @param {Trouble|null} trouble  null: it is mended */
export function setTrouble(owner, trouble) {
  if (trouble) troubles.set(owner, trouble);
  else if (!troubles.delete(owner)) return;
  showTroubles();
}

function showTroubles() {
  if (!troubles.size) return dismissTroubles();
  const { box, list } = overlayParts || makeOverlay();
  // One fault may show in many places.
  const told = new Set();
  const articles = [];
  for (const trouble of troubles.values()) {
    if (told.has(trouble.message)) continue;
    told.add(trouble.message);
    articles.push(articleOf(trouble));
  }
  list.replaceChildren(...articles);
  if (!box.isConnected) document.body.append(box);
}

/** @param {Trouble} trouble */
function articleOf({ message, traceback, source }) {
  const made = document.createElement('article');
  const place = /^(\S+?:\d+): ([^]*)$/.exec(message);
  const text = overlayElement('p', '');
  if (place) text.append(overlayElement('code', place[1]), ' ');
  text.append(overlayElement('strong', place ? place[2] : message));
  made.append(text);
  if (source) made.append(overlayElement('pre', source));
  if (OWN_FRAME.test(traceback)) {
    const details = document.createElement('details');
    details.append(overlayElement('summary', 'Traceback'), overlayElement('pre', traceback));
    made.append(details);
  }
  return made;
}

function makeOverlay() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(OVERLAY_CSS);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  const box = overlayElement('section', '');
  box.className = 'ui-dev-errors';
  box.setAttribute('aria-labelledby', 'ui-dev-errors-title');
  const title = overlayElement('h2', 'Error in the code of this app');
  title.id = 'ui-dev-errors-title';
  const close = overlayElement('button', 'Dismiss');
  close.setAttribute('type', 'button');
  close.addEventListener('click', () => dismissTroubles());
  const header = overlayElement('header', '');
  header.append(title, close);
  const list = overlayElement('div', '');
  list.setAttribute('role', 'alert');
  // Long code scrolls sideways, by keyboard, too.
  list.tabIndex = -1;
  box.append(header, list, overlayElement('p', 'Save the file with this mended, and the page goes on by itself.'));
  box.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') dismissTroubles();
  });
  overlayParts = { box, list };
  return overlayParts;
}

/** No session could start here: the page begins anew when the server has something else to say of that. */
export async function beginWhenMended() {
  for (let failed = false; ; ) {
    const { status } = await fetch(location.href, { method: 'HEAD', cache: 'no-store' }).catch(() => ({ status: 0 }));
    if (status === 500) failed = true;
    else if (status) return failed && location.reload();
    await new Promise((done) => setTimeout(done, AGAIN_MS));
  }
}

/** Until the next error. */
function dismissTroubles() {
  troubles.clear();
  if (overlayParts) overlayParts.box.remove();
}

/** @param {string} tag @param {string} text @returns {HTMLElement} */
function overlayElement(tag, text) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  return made;
}
