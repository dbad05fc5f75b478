// The variable browser: what a session's variables show, live, and what its last
// turns did to them. A page of its own beside the app's: it asks the server for
// what is new, again and again while somebody looks, and changes nothing.
//
// The parts: variables-table has the rows, variables-turns the turns and what is
// told of one variable; this one asks, and puts them together.

import { VariableTable } from './variables-table.js';
import { VariableTurns, describeVariable } from './variables-turns.js';

/**
 * @typedef {Object} Row     a variable, as the server tells it
 * @property {number} id
 * @property {number|null} parent
 * @property {number|null} page   the page it is of; null: it is everybody's
 * @property {number} wire        what its page calls it
 * @property {string} path
 * @property {string} name        the end of the path, from the parent on
 * @property {string} type
 * @property {string} value       JSON; of a long one the beginning
 * @property {string|null} error
 * @property {number} changes
 * @property {number} gas
 * @property {number} most_gas
 * @property {string} access
 * @property {boolean} active
 * @property {Object<string, string>} properties
 * @property {[number, string][]} diagnostics
 *
 * @typedef {Object} Change
 * @property {number} id
 * @property {string} path
 * @property {'new'|'changed'|'gone'} kind
 * @property {string|null} was
 * @property {string|null} now
 * @property {boolean} failed
 *
 * @typedef {Object} Moment  a turn
 * @property {number} turn
 * @property {number} at
 * @property {number} times
 * @property {string} label
 * @property {number} gas
 * @property {number} frames_in
 * @property {number} bytes_in
 * @property {number} frames_out
 * @property {number} bytes_out
 * @property {number} made
 * @property {number} changed
 * @property {number} gone
 * @property {number} errors
 * @property {Change[]} changes
 * @property {number} left_out
 * @property {[number, string][]} lines
 */

/** So often the server is asked while things happen, and while nothing does. */
const ASK_MS = 250;
const ASK_QUIET_MS = 1000;
/** After so long no page has said that it shows a variable. */
const OUTLINE_MS = 1500;

/** @param {string} id @returns {any} */
const lookUp = (id) => document.getElementById(id);

class VariableBrowser {
  constructor() {
    this.session = location.pathname.split('/').at(-2) || '';
    /** @type {Map<number, Row>} */
    this.rows = new Map();
    this.board = '';
    this.since = this.turnsSince = 0;
    this.pause = ASK_MS;
    this.timer = 0;
    this.asking = false;
    this.table = new VariableTable(lookUp('grid'), lookUp('heads'), lookUp('rows'), this.rows, (row) => this.#chosen(row));
    this.turns = new VariableTurns(lookUp('turns'), (id) => this.table.choose(id));
    this.channel = new BroadcastChannel('lunette-variables');
    this.outlineTimer = 0;
  }

  start() {
    this.channel.addEventListener('message', ({ data }) => this.#outlined(data));
    addEventListener('pagehide', () => this.#outline(null));
    document.addEventListener('visibilitychange', () => document.hidden || this.#soon(0));
    lookUp('wake').addEventListener('click', () => {
      this.board = '';
      this.#soon(0);
    });
    lookUp('live').addEventListener('change', () => this.#soon(0));
    for (const name of ['changed', 'failed', 'all']) {
      lookUp(name).addEventListener('change', () => this.table.only(name, lookUp(name).checked));
    }
    for (const name of ['tree', 'table']) lookUp(name).addEventListener('click', () => this.#arrange(name));
    const filter = lookUp('filter');
    filter.addEventListener('input', () => this.table.find(filter.value));
    document.addEventListener('keydown', (event) => this.#key(event));
    this.#soon(0);
  }

  /** @param {string} way */
  #arrange(way) {
    for (const name of ['tree', 'table']) {
      lookUp(name).toggleAttribute('aria-current', false);
      if (name === way) lookUp(name).setAttribute('aria-current', 'true');
    }
    this.table.arrange(way === 'tree');
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { activeElement } = document;
    const types = activeElement instanceof HTMLInputElement && activeElement.type === 'search';
    if (event.key === '/' && !types && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      lookUp('filter').focus();
    } else if (types && ['Enter', 'ArrowDown'].includes(event.key)) {
      event.preventDefault();
      lookUp('grid').focus();
    }
  }

  // ---- asking --------------------------------------------------------------------

  /** @param {number} ms */
  #soon(ms) {
    clearTimeout(this.timer);
    const waits = document.hidden || !lookUp('live').checked;
    if (!waits) this.timer = setTimeout(() => this.#ask(), ms);
    this.#say(lookUp('live').checked ? '' : 'Paused');
  }

  async #ask() {
    if (this.asking) return;
    this.asking = true;
    let pause = ASK_QUIET_MS;
    try {
      const known = `board=${this.board}&since=${this.since}&turns=${this.turnsSince}`;
      const answer = await fetch(`variables.json?${known}`);
      if (answer.ok) pause = this.#take(await answer.json());
      else this.#say(answer.status === 404 ? 'This session is over.' : 'This session does not run: its page says why.');
      lookUp('grid').toggleAttribute('aria-busy', false);
    } catch {
      this.#say('The server does not answer.');
    }
    this.asking = false;
    clearTimeout(this.timer);
    if (!document.hidden && lookUp('live').checked) this.timer = setTimeout(() => this.#ask(), pause);
  }

  /** What is new. Returns when to ask again. @param {any} answer */
  #take(answer) {
    lookUp('wake').hidden = !answer.sleeps;
    if (answer.waits) this.#say('This session begins when its page is opened.');
    if (answer.sleeps) this.#say('This session sleeps: nothing happens in it.');
    if (!answer.board) return ASK_QUIET_MS;
    if (answer.reset) {
      this.rows.clear();
      this.turns.clear();
    }
    this.board = answer.board;
    this.since = answer.revision;
    this.turnsSince = answer.turn_revision;
    const changed = [];
    for (const row of answer.rows) {
      const before = this.rows.get(row.id);
      if (before && before.changes !== row.changes) changed.push(row.id);
      this.rows.set(row.id, row);
    }
    for (const id of answer.gone) this.rows.delete(id);
    if (answer.reset || answer.rows.length || answer.gone.length) this.table.renew(changed);
    this.turns.add(answer.turns);
    lookUp('no-turns').hidden = this.turns.some();
    this.#tellFacts(answer);
    this.#tellChosen();
    const isNews = answer.rows.length || answer.turns.length;
    this.pause = isNews ? ASK_MS : Math.min(this.pause * 1.5, ASK_QUIET_MS);
    return answer.more ? 0 : this.pause;
  }

  /** @param {any} answer */
  #tellFacts({ session, variables, memory, pages, more }) {
    const count = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
    const facts = [`Session ${session}`, count(variables, 'variable'), count(pages.length, 'page'), `${Math.round(memory / 1024)} KiB of Lua`];
    if (more) facts.push(`${this.rows.size.toLocaleString('en')} read so far`);
    lookUp('facts').textContent = facts.join(' · ');
    let errors = 0;
    for (const row of this.rows.values()) if (row.error) errors++;
    const badge = lookUp('errors');
    badge.hidden = !errors;
    badge.textContent = count(errors, 'error');
    this.#say('');
  }

  /** @param {string} text */
  #say(text) {
    const state = lookUp('state');
    if (state.textContent !== text) state.textContent = text;
  }

  // ---- one variable ---------------------------------------------------------------

  /** @param {Row|null} row */
  #chosen(row) {
    this.#outline(row);
    this.told = '';
    this.#tellChosen();
  }

  #tellChosen() {
    const row = this.table.chosenRow();
    const detail = lookUp('detail');
    detail.hidden = !row;
    if (!row) return;
    const history = this.turns.of(row.id);
    const told = JSON.stringify([row, history]);
    if (told === this.told) return;
    this.told = told;
    describeVariable(detail, row, history, (turn) => this.turns.open(turn));
    lookUp('outlined').textContent = this.outlined || '';
  }

  /** Has the app's pages outline what shows it. @param {Row|null} row */
  #outline(row) {
    clearTimeout(this.outlineTimer);
    this.outlined = '';
    this.channel.postMessage({ session: this.session, wire: row ? row.wire : null, page: row ? row.page : null });
    if (row) this.outlineTimer = setTimeout(() => this.#tellOutlined('No open page shows it.'), OUTLINE_MS);
  }

  /** @param {{outlined?: number, session: string, wire: number}} answer */
  #outlined({ outlined, session, wire }) {
    const row = this.table.chosenRow();
    if (!outlined || session !== this.session || !row || row.wire !== wire) return;
    clearTimeout(this.outlineTimer);
    this.#tellOutlined(outlined === 1 ? 'Outlined in the page.' : `Outlined in the page, ${outlined} times.`);
  }

  /** @param {string} text */
  #tellOutlined(text) {
    this.outlined = text;
    const place = lookUp('outlined');
    if (place) place.textContent = text;
  }
}

new VariableBrowser().start();
