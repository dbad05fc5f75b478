// `--dev`: what is chosen in the variable browser, another tab of this session, is
// outlined here. No part of ordinary pages; the server has no part in it.

const OUTLINE_CSS = `
[data-lunette-outline] { outline: 3px solid #c2255c !important; outline-offset: 2px !important;
  box-shadow: 0 0 0 2px Canvas !important; scroll-margin: 25vh; }`;

const outlineChannel = new BroadcastChannel('lunette-variables');
const outlineSheet = new CSSStyleSheet();
outlineSheet.replaceSync(OUTLINE_CSS);
document.adoptedStyleSheets = [...document.adoptedStyleSheets, outlineSheet];

/** The elements in the page that show a variable; of one that has none, those of the variables below it. @param {any} v @param {any[]} all @returns {Element[]} */
function outlinedBy(v, all) {
  const found = new Set();
  /** @param {any} piece */
  const add = (piece) => {
    if (piece instanceof Element) found.add(piece);
    else if (piece && piece.pieces) piece.pieces.forEach(add);
  };
  for (const watcher of v.watchers) {
    add(watcher.element);
    add(watcher.container);
    add(watcher);
  }
  const shown = [...found].filter((element) => element.getClientRects().length);
  if (shown.length) return shown;
  return all.filter((other) => other.parent === v).flatMap((below) => outlinedBy(below, all));
}

/** @param {{session: string, page: number|null, wire: number|null}} wanted  page: null is all; wire: null is none */
function outlineWanted({ session, page, wire }) {
  const app = window['uiApp'];
  if (!app || !location.pathname.split('/').includes(session)) return;
  for (const element of document.querySelectorAll('[data-lunette-outline]')) element.removeAttribute('data-lunette-outline');
  const { view } = app.getConnection().link;
  if (wire === null || (page !== null && view !== page)) return;
  const store = app.getStore().get(1)?.store;
  const variable = store?.byId.get(wire);
  const elements = variable ? outlinedBy(variable, [...store.byId.values()]) : [];
  for (const element of elements) element.setAttribute('data-lunette-outline', '');
  if (elements.length) elements[0].scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
  outlineChannel.postMessage({ outlined: elements.length, session, wire });
}

outlineChannel.addEventListener('message', ({ data }) => {
  if (data.session && data.outlined === undefined) outlineWanted(data);
});
