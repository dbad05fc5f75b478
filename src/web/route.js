// A page that becomes another one under a new address: the title follows its
// first heading, a screen reader hears it, and the keyboard goes on there.

import { arriveAt } from './focus.js';

/** @typedef {import('./client.js').App} App */

export class Route {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    this.siteTitle = document.title;
    /** Another address, whose page is not there yet. */
    this.isNew = false;
    /** The heading of the page before. */
    this.heading = '';
  }

  /** The address has changed; the page will. */
  changed() {
    this.isNew = true;
    this.heading = textOf(document.querySelector('h1'));
  }

  /** Everything that has come is on screen. */
  settled() {
    if (!this.isNew || this.app.transitions.open.size) return;
    const heading = document.querySelector('h1');
    const text = textOf(heading);
    // A new address need not be a new page: a search may be in it.
    if (!heading || !text || text === this.heading) return;
    this.isNew = false;
    document.title = `${text} · ${this.siteTitle}`;
    this.app.notices.say(text);
    arriveAt(heading);
  }
}

/** @param {Element|null} element */
function textOf(element) {
  return element ? (element.textContent || '').trim() : '';
}
