// Uploads: files that were chosen or dropped go to a method of the session.
//
// Each file has a variable of its own, made for it: the server tells there where
// the content goes, that the method was called, and what went wrong. The content
// goes over HTTP beside the WebSocket. When either is cut, the upload goes on:
// the server is asked how much it has and gets the rest; a variable that is made
// anew says which upload it is about.

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./paths.js').Binding} Binding
 * @typedef {import('./client.js').App} App
 * @typedef {import('./views.js').View} View
 *
 * @typedef {Object} Owner  where files are put
 * @property {App} app
 * @property {View} view
 * @property {Binding} binding
 * @property {any} element
 * @property {File[]} waiting
 * @property {boolean} busy
 * @property {HTMLProgressElement|null} progress
 * @property {Variable|null} failed  of the last file, if its error is marked
 */

/** The first try after a cut comes soon, the others ever later. */
const UPLOAD_RETRY_MS_MIN = 250;
const UPLOAD_RETRY_MS_MAX = 10000;
/** A network that swallows everything is given up after this long without progress. */
const UPLOAD_STALL_MS = 30000;
/** An upload that the server has forgotten begins anew so often. */
const BEGINNINGS_MAX = 5;

/** Makes an element take files, first of all those that were dropped before. @param {App} app @param {View} view @param {Binding} binding @param {any} element @param {File[]} early @param {(event: DragEvent) => File[]} filesOf */
export function takeFiles(app, view, binding, element, early, filesOf) {
  /** @type {Owner} */
  const owner = { app, view, binding, element, waiting: [], busy: false, progress: null, failed: null };
  if (element.localName === 'input' && element.type === 'file') {
    element.addEventListener('change', () => addFiles(owner, [...element.files]));
    // Some may have been chosen while this module was on its way.
    if (element.files.length) addFiles(owner, [...element.files]);
  } else {
    makeDropTarget(owner, filesOf);
    if (early.length) addFiles(owner, early);
  }
}

/** Any other element: files are dropped on it, or chosen after a click. @param {Owner} owner @param {(event: DragEvent) => File[]} filesOf */
function makeDropTarget(owner, filesOf) {
  const { element } = owner;
  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  const mark = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    element.classList.toggle('ui-drop', depth > 0);
  };
  element.addEventListener('dragenter', (event) => carriesFiles(event) && mark(1));
  element.addEventListener('dragleave', (event) => carriesFiles(event) && mark(-1));
  element.addEventListener('dragover', filesOf);
  element.addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    mark(0);
    addFiles(owner, filesOf(event));
  });
  element.addEventListener('click', (event) => {
    const inner = event.target.closest('a[href], button, input, select, textarea, label');
    if (inner && inner !== element) return;
    event.preventDefault();
    chooseFiles(owner);
  });
  if (/^(button|a|label|summary)$/.test(element.localName)) return;
  if (!element.hasAttribute('tabindex')) element.tabIndex = 0;
  if (!element.hasAttribute('role')) element.setAttribute('role', 'button');
  element.addEventListener('keydown', (event) => {
    if (event.target !== element || (event.key !== 'Enter' && event.key !== ' ')) return;
    event.preventDefault();
    chooseFiles(owner);
  });
}

/** @param {Owner} owner */
function chooseFiles(owner) {
  const { element } = owner;
  if (element.disabled || element.getAttribute('aria-disabled') === 'true') return;
  const input = document.createElement('input');
  input.type = 'file';
  input.multiple = element.hasAttribute('multiple');
  input.accept = element.getAttribute('accept') || '';
  input.addEventListener('change', () => addFiles(owner, [...(input.files || [])]));
  input.click();
}

/** One after the other, so that calls come in the order of the files. @param {Owner} owner @param {File[]} files */
async function addFiles(owner, files) {
  const many = owner.element.hasAttribute('multiple');
  owner.waiting.push(...(many ? files : files.slice(0, 1)));
  if (owner.busy) return;
  owner.busy = true;
  owner.element.setAttribute('aria-busy', 'true');
  for (let file = owner.waiting.shift(); file; file = owner.waiting.shift()) {
    await new Upload(owner, file).done;
  }
  owner.busy = false;
  owner.element.removeAttribute('aria-busy');
  if (owner.progress) owner.progress.remove();
  owner.progress = null;
  // The same file can be chosen again.
  if (owner.element.localName === 'input') owner.element.value = '';
}

/** One file on its way. */
class Upload {
  /** @param {Owner} owner @param {File} file */
  constructor(owner, file) {
    this.owner = owner;
    this.file = file;
    this.address = '';
    this.failures = 0;
    this.stall = 0;
    this.beginnings = 0;
    this.ended = false;
    /** @type {XMLHttpRequest|null} */
    this.request = null;
    this.variable = /** @type {any} */ (null);
    /** @type {() => void} */
    this.finish = () => {};
    /** @type {Promise<void>} resolved when it is over, one way or the other */
    this.done = new Promise((resolve) => (this.finish = resolve));
    this.show(0);
    this.begin();
  }

  begin() {
    const { app, view, binding } = this.owner;
    if (view.variable.gone) return this.end();
    this.forgive();
    this.beginnings++;
    this.address = '';
    this.variable = app.store.create(view.variable, {
      path: binding.path,
      access: 'action',
      ...binding.options,
      upload: String(this.file.size),
      uploadName: this.file.name,
      uploadType: this.file.type,
    });
    this.variable.watch(this);
    app.store.outbox.flush(true);
  }

  /** The error of the file before is of no interest any more. */
  forgive() {
    const { failed, app, element } = this.owner;
    if (!failed) return;
    this.owner.failed = null;
    failed.destroy();
    failed.error = null;
    app.errors.onCall(element, failed);
  }

  /** @param {Variable} v  the server told where the content goes, or that it is through */
  changed(v) {
    const told = v.told && v.told.uploadAt;
    if (this.ended || !told || told === this.address) return;
    if (told === 'done') {
      this.show(this.file.size);
      // What the method refused stays marked.
      if (!v.error) v.destroy();
      return this.end();
    }
    this.address = told;
    // Should the connection be lost, the variable that is made anew goes on with this one.
    v.props.uploadAt = told;
    this.send(0);
  }

  /** @param {Variable} v */
  failed(v) {
    this.owner.app.errors.onCall(this.owner.element, v);
    if (!v.error) return;
    this.owner.failed = v;
    this.end();
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.abort();
    this.finish();
  }

  abort() {
    const { request } = this;
    this.request = null;
    clearTimeout(this.stall);
    if (request) request.abort();
  }

  /** Something moved. */
  moved() {
    clearTimeout(this.stall);
    this.stall = setTimeout(() => {
      this.abort();
      this.retry();
    }, UPLOAD_STALL_MS);
  }

  /** @param {string} method @param {(request: XMLHttpRequest) => void} answered */
  open(method, answered) {
    this.abort();
    this.moved();
    const { base } = this.owner.app.address;
    const request = new XMLHttpRequest();
    this.request = request;
    request.open(method, base + this.address.slice(1));
    const over = (act) => () => {
      if (this.request !== request || this.ended) return;
      this.request = null;
      clearTimeout(this.stall);
      act();
    };
    request.onload = over(() => answered(request));
    request.onerror = over(() => this.retry());
    return request;
  }

  /** Everything from here on. @param {number} offset */
  send(offset) {
    const request = this.open('PUT', () => this.answered(request));
    if (offset) request.setRequestHeader('Upload-Offset', String(offset));
    this.show(offset);
    request.upload.onprogress = (event) => {
      if (this.variable.gone) return this.end();
      this.failures = 0;
      this.moved();
      this.show(offset + event.loaded);
    };
    request.send(this.file.slice(offset));
  }

  /** @param {XMLHttpRequest} request */
  answered(request) {
    const { status } = request;
    const offset = Number(request.getResponseHeader('Upload-Offset'));
    if (status === 409 || (status === 204 && offset < this.file.size)) return this.send(offset);
    // All of it is there; the session says when the method was called.
    if (status === 204) return;
    if (status === 404 && this.beginnings < BEGINNINGS_MAX) {
      this.variable.destroy();
      return this.begin();
    }
    if (status >= 500 && status !== 507) return this.retry();
    this.fail(request.responseText.trim() || `the server answered ${status}`);
  }

  /** @param {string} text */
  fail(text) {
    this.variable.destroy();
    this.variable.error = { code: 'upload', description: `${this.file.name}: ${text}` };
    this.failed(this.variable);
  }

  retry() {
    const ms = Math.min(UPLOAD_RETRY_MS_MAX, UPLOAD_RETRY_MS_MIN * 2 ** this.failures++);
    setTimeout(() => this.resume(), ms * (0.5 + Math.random() / 2));
  }

  /** Asks how much is there and sends the rest, if the file can still be read. */
  async resume() {
    if (this.ended || this.request) return;
    if (this.variable.gone) return this.end();
    try {
      await this.file.slice(0, 1).arrayBuffer();
    } catch {
      return this.fail('the file cannot be read any more: choose it again');
    }
    const request = this.open('HEAD', () => this.answered(request));
    request.send();
  }

  /** @param {number} loaded */
  show(loaded) {
    const { owner, file } = this;
    const { element } = owner;
    if (element.isConnected && !(owner.progress && owner.progress.isConnected)) {
      const own = element.querySelector('progress');
      owner.progress = own ? null : document.createElement('progress');
      if (owner.progress) {
        owner.progress.className = 'ui-upload-progress';
        element.after(owner.progress);
      }
    }
    const shown = owner.progress || element.querySelector('progress');
    if (shown) {
      shown.max = file.size || 1;
      shown.value = file.size ? loaded : 1;
      shown.setAttribute('aria-label', file.name);
    }
    const detail = { name: file.name, loaded, total: file.size };
    element.dispatchEvent(new CustomEvent('ui-upload-progress', { bubbles: true, detail }));
  }
}
