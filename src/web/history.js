// The browser's address: `session:navigate` makes entries of its history, and
// back and forward tell the app (properties `url` and `historyIndex` of
// variable 1, which each page has for itself).

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
    addEventListener('popstate', () => this.#moved());
  }

  /** Which entry this is, counted from where the app was opened. */
  get index() {
    return history.state && history.state.lunette;
  }

  /** The address as the app knows it. */
  get url() {
    const { pathname, search, hash } = location;
    const inside = pathname.startsWith(this.root) ? pathname.slice(this.root.length) : '';
    return `${inside || '/'}${search}${hash}`;
  }

  /** A new connection: tells where this page is, unless that is nowhere in particular. */
  opened() {
    if (this.url !== '/' || this.index) this.#tell();
  }

  /** The same page in another session. @param {string} place  its address */
  moved(place) {
    const { base, session } = this.app.address;
    this.root = `${base}${session}`;
    history.replaceState(history.state, '', place + location.hash);
  }

  /** The app goes elsewhere. @param {Object<string,string>} props */
  told(props) {
    if (!props.url || props.url[0] !== '/') return;
    const index = Number(props.historyIndex || this.index);
    const address = this.root + (props.url === '/' ? '' : props.url);
    if (index > this.index) history.pushState({ lunette: index }, '', address);
    else if (props.url !== this.url) history.replaceState({ lunette: index }, '', address);
    this.last = this.index;
  }

  /** @param {number} index */
  #number(index) {
    history.replaceState({ ...history.state, lunette: index }, '');
  }

  #moved() {
    // Links to places on the page (#here) make entries of their own.
    if (!Number.isInteger(this.index)) this.#number(this.last);
    this.last = this.index;
    this.#tell();
    this.app.store.outbox.flush(true);
  }

  #tell() {
    const properties = { url: this.url, historyIndex: String(this.index) };
    this.app.store.outbox.raw({ type: 'update', data: { varId: 1, properties } });
  }
}
