// Where the keyboard goes on when the page changes under it.

/** @typedef {import('./views.js').View} View */

/** Whether the user has just done something: pages that change by themselves leave the focus alone. */
function isAsked() {
  return !navigator.userActivation || navigator.userActivation.isActive;
}

/** @param {HTMLElement} element */
function giveFocus(element) {
  if (element.tabIndex < 0) element.tabIndex = -1;
  element.focus();
}

/** `ui-attr-autofocus` has a new value. @param {HTMLElement} element */
export function autofocus(element) {
  if (element.isConnected && isAsked()) giveFocus(element);
}

/**
 * What the user asked for takes the focus where it says so (`autofocus`). Else,
 * where the focus was in what is gone, the heading of the new takes it: who uses
 * a keyboard goes on there, and a screen reader says where that is.
 * @param {View} view  whose content is new
 * @param {boolean} hadFocus  the old content
 */
export function moveFocus(view, hadFocus) {
  const { activeElement, body } = document;
  const lost = hadFocus && (!activeElement || activeElement === body);
  /** @param {string} selector */
  const first = (selector) => {
    for (const root of view.nodes()) {
      if (!(root instanceof HTMLElement)) continue;
      for (const element of [root, ...root.querySelectorAll(selector)]) {
        if (element instanceof HTMLElement && element.matches(selector) && element.checkVisibility()) return element;
      }
    }
    return null;
  };
  const target = (isAsked() && first('[autofocus]')) || (lost && first('h1, h2, h3'));
  if (target) giveFocus(target);
}
