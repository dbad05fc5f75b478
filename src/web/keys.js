// `ui-event-keypress-ctrl-enter`: which key, with exactly which modifiers.

/**
 * @typedef {Object} KeySpec
 * @property {string} key  lower case, as the event names it
 * @property {string} code  where the key sits, for letters and digits
 * @property {boolean} ctrl
 * @property {boolean} shift
 * @property {boolean} alt
 * @property {boolean} meta
 */

const MODIFIERS = new Set(['ctrl', 'shift', 'alt', 'meta']);

const NAMES = {
  left: 'arrowleft',
  right: 'arrowright',
  up: 'arrowup',
  down: 'arrowdown',
  esc: 'escape',
  return: 'enter',
  space: ' ',
  del: 'delete',
  ins: 'insert',
  pgup: 'pageup',
  pgdn: 'pagedown',
  plus: '+',
  minus: '-',
};

/** @param {string} text  what follows `keypress-` @returns {KeySpec} */
export function parseKey(text) {
  const parts = text.toLowerCase().split('-');
  const held = new Set();
  while (parts.length > 1 && MODIFIERS.has(parts[0])) held.add(parts.shift());
  const name = parts.join('-') || '-';
  const code = /^[a-z]$/.test(name) ? `Key${name.toUpperCase()}` : /^\d$/.test(name) ? `Digit${name}` : '';
  return {
    key: NAMES[name] || name,
    code,
    ctrl: held.has('ctrl'),
    shift: held.has('shift'),
    alt: held.has('alt'),
    meta: held.has('meta'),
  };
}

/** @param {KeySpec} spec @param {KeyboardEvent} event */
export function matchesKey(spec, event) {
  if (event.ctrlKey !== spec.ctrl || event.shiftKey !== spec.shift) return false;
  if (event.altKey !== spec.alt || event.metaKey !== spec.meta) return false;
  if ((event.key || '').toLowerCase() === spec.key) return true;
  // With a modifier the key may write something else ("Alt+L" on some systems).
  return spec.code !== '' && (spec.ctrl || spec.alt || spec.meta || spec.shift) && event.code === spec.code;
}
