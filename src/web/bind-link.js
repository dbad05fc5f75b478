// `ui-link`: an address of the app. A plain click goes there in this session; a
// new tab, which begins a session of its own, is the browser's doing.

import { toText } from './fields.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 */

export class LinkBinding {
  /** @param {App} app @param {string} url  '' when the variable says where @param {Binding} binding */
  constructor(app, url, binding) {
    this.app = app;
    this.url = url;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    element.addEventListener('click', (event) => this.#clicked(event));
    if (element.localName !== 'a') {
      if (!element.hasAttribute('role')) element.setAttribute('role', 'link');
      if (!element.hasAttribute('tabindex')) element.setAttribute('tabindex', '0');
      element.addEventListener('auxclick', (event) => event.button === 1 && this.#elsewhere());
      element.addEventListener('keydown', (event) => {
        if (event.key === 'Enter' && event.target === element) this.#clicked(event);
      });
    }
    this.#show();
  }

  /** @param {Variable} v */
  changed(v) {
    const text = toText(v.value);
    // Only addresses of this app: neither "//host" nor "https:".
    this.url = text && '/' + text.replace(/^[/\\\s]+/, '');
    this.#show();
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }

  /** Where it leads without a session. */
  get href() {
    return this.app.address.base + this.url.slice(1);
  }

  #show() {
    const { element, url } = this;
    if (element.localName !== 'a') return;
    if (url) element.setAttribute('href', this.href);
    else element.removeAttribute('href');
  }

  #clicked(event) {
    const { element, url } = this;
    if (!url || event.defaultPrevented) return;
    const isAnchor = element.localName === 'a';
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return isAnchor ? undefined : this.#elsewhere();
    if (isAnchor && (element.target || element.hasAttribute('download'))) return;
    event.preventDefault();
    this.app.history.go(url);
  }

  #elsewhere() {
    if (this.url) open(this.href, '_blank', 'noopener');
  }
}
