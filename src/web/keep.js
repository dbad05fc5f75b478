// What is typed and not delivered yet, over a reload of the page: when a login in
// front of the server has expired, or somebody reloads while the server is away.

/**
 * @typedef {import('./client.js').App} App
 */

const TYPED = 'lunette-typed';
const RELOADED = 'lunette-reloaded';
/** A login that does not help must not make the page reload for ever. */
const RELOAD_MS = 60000;
/** Fields that have not come by then are not part of the page any more. */
const WAIT_MS = 10000;

/** Where the app was, whatever the session is called by now. @param {App} app */
function placeOf(app) {
  return app.history.url;
}

/** Puts aside what is not delivered. @param {App} app */
export function keepTyped(app) {
  const kept = app.rootView ? app.fields.capture(app.rootView, true).filter((field) => field.edited) : [];
  try {
    if (kept.length) sessionStorage.setItem(TYPED, JSON.stringify({ place: placeOf(app), kept }));
  } catch {
    // Without storage, or with too much for it, the page can only ask its user to stay.
  }
}

/** Types what was put aside into the same fields again and delivers it. @param {App} app */
export function retypeKept(app) {
  let text = null;
  try {
    text = sessionStorage.getItem(TYPED);
    sessionStorage.removeItem(TYPED);
  } catch {
    // There is none, then.
  }
  if (!text) return;
  const { place, kept } = JSON.parse(text);
  if (place !== placeOf(app)) return;
  let until = 0;
  app.afterFrames = () => {
    until = until || Date.now() + WAIT_MS;
    if (!app.rootView) return;
    const missing = app.fields.restore(app.rootView, kept.splice(0));
    kept.push(...missing);
    app.fields.commitAll(app.rootView);
    if (!kept.length || Date.now() > until) app.afterFrames = null;
  };
}

/** Reloads the page, so that the login can be renewed; false: that was tried just now. @param {App} app */
export function reloadOnce(app) {
  try {
    if (Date.now() - Number(sessionStorage.getItem(RELOADED)) < RELOAD_MS) return false;
    sessionStorage.setItem(RELOADED, String(Date.now()));
  } catch {
    return false;
  }
  keepTyped(app);
  location.reload();
  return true;
}
