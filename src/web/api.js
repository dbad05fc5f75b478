// `window.uiApp`: what a page's own scripts may use.

/**
 * @typedef {import('./client.js').App} App
 * @typedef {import('./store.js').Variable} Variable
 */

/** @param {App} app */
export function publish(app) {
  const { store, fields } = app;
  const find = (ref) => (typeof ref === 'string' ? document.getElementById(ref) : ref);
  const outside = {
    get: (id) => store.byId.get(id),
    watch: (id, callback) => watch(store.byId.get(id), { changed: (v) => callback(v.value, v) }),
    watchErrors: (id, callback) => watch(store.byId.get(id), { changed() {}, failed: (v) => callback(v.error, v) }),
    create({ parentId = 1, properties }) {
      const parent = store.byId.get(parentId);
      return parent ? store.create(parent, properties).id : 0;
    },
    update(id, value) {
      const v = store.byId.get(id);
      if (v) v.trigger(value);
    },
    destroy(id) {
      const v = store.byId.get(id);
      if (v) v.destroy();
    },
  };
  window['uiApp'] = {
    getStore: () => outside,
    getBinding: (ref) => fields.byElement.get(find(ref)),
    getConnection: () => app.connection,
    /** The element that a template calls by this name (`ui-ref`). @param {string} name */
    getRef: (name) => document.querySelector(`[ui-ref~="${CSS.escape(name)}"]`),
    /** Goes to another address of the app. @param {string} url */
    navigateTo: (url) => app.history.go('/' + String(url).replace(/^\/+/, '')),
    /** Hands over an element's value, or a given one, as if the user had typed it. */
    updateValue(ref, value) {
      const binding = fields.byElement.get(find(ref));
      if (!binding) return;
      binding.take(value);
      store.outbox.flush(true);
    },
  };
}

/** @param {Variable|undefined} v */
function watch(v, watcher) {
  if (!v) return () => {};
  v.watch(watcher);
  return () => v.unwatch(watcher);
}
