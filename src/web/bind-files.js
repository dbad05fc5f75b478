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
    // What is dropped while the module is on its way: the browser would leave the page for it.
    /** @type {File[]} */
    const early = [];
    const keep = (event) => early.push(...filesOf(event));
    const dropped = element.localName === 'input' ? [] : ['dragover', 'drop'];
    for (const type of dropped) element.addEventListener(type, keep);
    import('./upload.js').then((upload) => {
      for (const type of dropped) element.removeEventListener(type, keep);
      upload.takeFiles(this.app, this.view, this.binding, element, early, filesOf);
    });
  }

  changed() {}
}

/** The files that are dropped by this event, which goes no further if it carries any. @param {DragEvent} event */
function filesOf(event) {
  const data = event.dataTransfer;
  if (!data || !data.types.includes('Files')) return [];
  event.preventDefault();
  const files = [...data.items].filter((item) => {
    const entry = item.webkitGetAsEntry && item.webkitGetAsEntry();
    return item.kind === 'file' && !(entry && entry.isDirectory);
  });
  return /** @type {File[]} */ (files.map((item) => item.getAsFile()).filter(Boolean));
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
