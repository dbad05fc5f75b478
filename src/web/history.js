// The browser's address: `session:navigate` and `ui-link` make entries of its
// history, and back and forward tell the app (properties `url` and `historyIndex`
// of variable 1, which each page has for itself).

/** @typedef {import('./client.js').App} App */

export class History {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    const { base, session } = app.address;
    /** What comes before the app's own path. */
    this.root = `${base}${session}`;
    if (!Number.isInteger(this.index)) this.#number(0);
    this.last = this.index;
    /** The page has had a view before: where it was then is not where it must be now. */
    this.begun = false;
    addEventListener('popstate', () => this.#moved());
  }

  /** Which entry this is, counted from where the app was opened. */
  get index() {
    return history.state && history.state.lunette;
  }

  /** The address as the app knows it. */
  get url() {
    const { pathname, search, hash } = location;
    // Entries from before the session was another one have the id of that.
    const inside = /\/[0-9a-f]{32}(\/.*)$/.exec(pathname);
    return `${inside ? inside[1] : '/'}${search}${hash}`;
  }

  /** A new view: tells where this page is, unless it begins and that is nowhere in particular. */
  opened() {
    if (this.url !== '/' || this.index || this.begun) this.#tell();
    this.begun = true;
  }

  /** The same page in another session. @param {string} place  its address */
  moved(place) {
    const { base, session } = this.app.address;
    this.root = `${base}${session}`;
    history.replaceState(history.state, '', place + location.hash);
  }

  /** The user goes elsewhere in the app. @param {string} url */
  go(url) {
    // As a browser does: the same address again is no new entry.
    if (url !== this.url) this.#push(this.index + 1, url);
    this.app.arrivals.begin(this.last, [0, 0]);
    this.#tell();
    this.app.store.outbox.flush(true);
  }

  /** The app goes elsewhere. @param {Object<string,string>} props */
  told(props) {
    if (!props.url || props.url[0] !== '/') return;
    const index = Number(props.historyIndex || this.index);
    const isNew = index > this.index;
    if (!isNew && props.url === this.url) return;
    if (isNew) this.#push(index, props.url);
    else history.replaceState({ lunette: index }, '', this.#address(props.url));
    this.last = this.index;
    this.app.arrivals.begin(this.last, isNew ? [0, 0] : null);
  }

  /** @param {number} index @param {string} url */
  #push(index, url) {
    history.pushState({ lunette: index }, '', this.#address(url));
    this.last = this.index;
  }

  #address(url) {
    return this.root + (url === '/' ? '' : url);
  }

  /** @param {number} index */
  #number(index) {
    history.replaceState({ ...history.state, lunette: index }, '');
  }

  #moved() {
    // Links to places on the page (#here) make entries of their own.
    if (Number.isInteger(this.index)) this.app.arrivals.begin(this.index, this.app.arrivals.placeOf(this.index));
    else this.#number(this.last);
    this.last = this.index;
    if (!location.pathname.startsWith(this.root)) history.replaceState(history.state, '', this.#address(this.url));
    this.#tell();
    this.app.store.outbox.flush(true);
  }

  #tell() {
    const properties = { url: this.url, historyIndex: String(this.index) };
    this.app.store.outbox.raw({ type: 'update', data: { varId: 1, properties } });
  }
}
