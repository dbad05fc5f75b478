// `ui-upload` and `ui-download`: files to the session and from it.

import { runsCode } from './paths.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 * @typedef {import('./views.js').View} View
 */

/** An element that takes files; how is loaded with the first one. */
export class UploadBinding {
  /** @param {App} app @param {View} view @param {Binding} binding */
  constructor(app, view, binding) {
    this.app = app;
    this.view = view;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    import('./upload.js').then((upload) => upload.takeFiles(this.app, this.view, this.binding, element));
  }

  changed() {}
}

/** A link or button that saves the file at the address which `session:download` gave. */
export class DownloadBinding {
  /** @param {App} app @param {Binding} binding */
  constructor(app, binding) {
    this.app = app;
    this.binding = binding;
    this.element = /** @type {any} */ (null);
    this.address = '';
  }

  attach(element) {
    if (this.element === element) return;
    this.element = element;
    if (element.localName !== 'a') element.addEventListener('click', (event) => this.#save(event));
  }

  /** @param {Variable} v */
  changed(v) {
    const { base, session } = this.app.address;
    const told = typeof v.value === 'string' && !runsCode(v.value) ? v.value : '';
    this.address = told.startsWith(`/${session}/`) ? base + told.slice(1) : told;
    if (this.element.localName !== 'a') return void (this.element.disabled = !told);
    this.element.toggleAttribute('download', !!told);
    if (told) this.element.setAttribute('href', this.address);
    else this.element.removeAttribute('href');
  }

  /** By a link of its own: should the file be gone, the page stays. */
  #save(event) {
    event.preventDefault();
    if (!this.address) return;
    const link = document.createElement('a');
    link.href = this.address;
    link.download = '';
    link.click();
  }

  /** @param {Variable} v */
  failed(v) {
    this.app.errors.mark(this.element, v, this.binding.path);
  }
}
