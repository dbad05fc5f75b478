// Runs scripts of templates and `ui-code`. Loaded with the first of them.

/** @typedef {import('./scripts.js').Waiting} Waiting */

let warnedOfScripts = false;

/**
 * @param {Waiting[]} ready
 * @param {boolean} allowed
 * @param {string} nonce
 * @param {any} api
 */
export function runAll(ready, allowed, nonce, api) {
  if (!allowed) {
    if (!warnedOfScripts) {
      console.warn(
        'lunette: a template has a <script> or ui-code, and this site does not allow that. ' +
          'Where its templates are to be trusted with it, write allow_scripts = true under [web] in lunette.toml.',
      );
    }
    warnedOfScripts = true;
    return;
  }
  for (const waiting of ready) {
    if (waiting.script) fill(waiting.element, waiting.script, nonce);
    else runCode(waiting, nonce, api);
  }
}

/** An empty script runs when it gets its text. */
function fill(element, { text, src }, nonce) {
  if (!element.isConnected) return;
  element.nonce = nonce;
  // In the order of the page, as written.
  if (!element.hasAttribute('async')) element.async = false;
  if (src !== null) element.src = src;
  else element.textContent = text;
}

/** By a script element, since that is what a policy can allow. @param {Waiting} waiting @param {string} nonce @param {any} api */
function runCode({ element, code, variable }, nonce, api) {
  const value = variable && variable.value;
  const script = document.createElement('script');
  script.nonce = nonce;
  script.textContent = `document.currentScript.run(function (element, value, variable, store) {${code}\n})`;
  script['run'] = (act) => act.call(element, element, value, variable, api.getStore());
  document.head.append(script);
  script.remove();
}
