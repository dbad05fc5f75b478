// What an author writes in a `ui-*` attribute: a path, then `?key=value&key2`.

/**
 * @typedef {Object} Binding
 * @property {string} path
 * @property {Object<string,string>} options  a key without a value is "true"
 */

/** @param {string} text @returns {Binding} */
export function parseBinding(text) {
  const at = optionsAt(text);
  if (at < 0) return { path: text.trim(), options: {} };
  /** @type {Object<string,string>} */
  const options = {};
  for (const part of text.slice(at + 1).split('&')) {
    const equals = part.indexOf('=');
    const key = (equals < 0 ? part : part.slice(0, equals)).trim();
    if (key) options[key] = equals < 0 ? 'true' : decode(part.slice(equals + 1));
  }
  return { path: text.slice(0, at).trim(), options };
}

/** The `?` that ends the path: not one inside a call's text argument. */
function optionsAt(text) {
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === '\\') i++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === "'") quote = c;
    else if (c === '?') return i;
  }
  return -1;
}

function decode(text) {
  try {
    return decodeURIComponent(text.replace(/\+/g, ' ')).trim();
  } catch {
    return text;
  }
}

/** Whether the path ends in a call. @param {string} path */
export function isCall(path) {
  return path.endsWith(')');
}

/** Whether the path ends in a call that takes a value: `name(_)`, `name("x", _)`. @param {string} path */
export function takesValue(path) {
  return /[(,]\s*_\s*[,)]/.test(path.replace(/"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/g, '""'));
}

/** Whether going to this address would run it as code: browsers pass over white space in it. @param {any} address */
export function runsCode(address) {
  return /^javascript:/i.test(String(address).replace(/[\s\0-\x1f]+/g, ''));
}
