// Scripts of templates and `ui-code` wait here until what they are about stands
// in the page. Then they run, once, if the site allows it.

/**
 * @typedef {import('./views.js').View} View
 * @typedef {import('./client.js').App} App
 *
 * @typedef {Object} Waiting
 * @property {any} element
 * @property {View} view
 * @property {import('./templates.js').ScriptText} [script]
 * @property {string} [code]
 * @property {import('./store.js').Variable} [variable]
 */

export class Scripts {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    /** @type {Waiting[]} */
    this.waiting = [];
    // By this number a strict policy knows scripts of ours. It is taken before
    // anything is shown, so that nothing shown can give another.
    const own = /** @type {HTMLScriptElement|null} */ (document.querySelector('script[nonce]'));
    this.nonce = (own && own.nonce) || '';
  }

  /** @param {Waiting} waiting */
  add(waiting) {
    this.waiting.push(waiting);
  }

  /** New content may stand in the page. */
  settle() {
    if (!this.waiting.length) return;
    const ready = this.waiting.filter(({ element }) => element.isConnected);
    this.waiting = this.waiting.filter(({ element, view }) => !element.isConnected && !view.disposed);
    if (ready.length) this.#run(ready);
  }

  async #run(ready) {
    const [{ runAll }, { scripts }] = await Promise.all([import('./code.js'), this.app.allowed()]);
    runAll(ready, scripts, this.nonce, window['uiApp']);
  }
}
