// The last turns, newest first, and all that is told of the one variable that is
// chosen.

import { shownProperties, shownValue } from './variables-table.js';

/**
 * @typedef {import('./variables.js').Row} Row
 * @typedef {import('./variables.js').Change} Change
 * @typedef {import('./variables.js').Moment} Moment
 */

/** As many as the server keeps. */
const SHOWN_TURNS = 200;
/** Changes that are told while a turn is closed. */
const CHANGES_AT_A_GLANCE = 2;

/** @param {string} tag @param {Object<string, string>} [attributes] @param {(Node|string)[]} [content] @returns {any} */
function makeElement(tag, attributes = {}, content = []) {
  const made = document.createElement(tag);
  for (const name in attributes) made.setAttribute(name, attributes[name]);
  made.append(...content);
  return made;
}

/** @param {number} n @param {string} what */
function counted(n, what) {
  return n ? [`${n.toLocaleString('en')} ${what}`] : [];
}

/** @param {number} bytes */
function shownBytes(bytes) {
  return bytes < 2048 ? `${bytes} B` : `${(bytes / 1024).toFixed(bytes < 20480 ? 1 : 0)} KiB`;
}

/** @param {number} at */
function shownTime(at) {
  const time = new Date(at);
  const part = (n, digits = 2) => String(n).padStart(digits, '0');
  return `${part(time.getHours())}:${part(time.getMinutes())}:${part(time.getSeconds())}.${part(time.getMilliseconds(), 3)}`;
}

/** What was, and what is. @param {Change} change @returns {Node[]} */
function beforeAndAfter({ kind, was, now, failed }) {
  const parts = [];
  if (kind === 'new') parts.push(makeElement('small', { class: 'muted' }, ['new']));
  if (was !== null) parts.push(makeElement('del', {}, [shownValue(was)]));
  if (kind === 'gone') parts.push(makeElement('small', { class: 'muted' }, ['gone']));
  if (now !== null) parts.push(makeElement('ins', failed ? { class: 'bad' } : {}, [shownValue(now)]));
  return parts;
}

export class VariableTurns {
  /** @param {HTMLElement} list @param {(id: number) => void} choose */
  constructor(list, choose) {
    this.list = list;
    this.choose = choose;
    /** @type {Map<number, {moment: Moment, item: HTMLElement}>} oldest first */
    this.turns = new Map();
  }

  clear() {
    this.turns.clear();
    this.list.replaceChildren();
  }

  some() {
    return this.turns.size > 0;
  }

  /** @param {Moment[]} moments */
  add(moments) {
    for (const moment of moments) {
      const known = this.turns.get(moment.turn);
      const item = known ? known.item : makeElement('li', { id: `turn-${moment.turn}` });
      this.turns.set(moment.turn, { moment, item });
      this.#fill(item, moment);
      if (!known) this.list.prepend(item);
    }
    for (const [turn, { item }] of this.turns) {
      if (this.turns.size <= SHOWN_TURNS) break;
      this.turns.delete(turn);
      item.remove();
    }
  }

  /** What turns did to a variable, newest first. @param {number} id */
  of(id) {
    const found = [];
    for (const { moment } of this.turns.values()) {
      const change = moment.changes.find((change) => change.id === id);
      if (change) found.unshift({ turn: moment.turn, at: moment.at, change });
    }
    return found;
  }

  /** Shows a turn. @param {number} turn */
  open(turn) {
    const details = this.turns.get(turn)?.item.querySelector('details');
    if (!details) return;
    details.open = true;
    details.scrollIntoView({ block: 'nearest' });
    details.querySelector('summary')?.focus();
  }

  /** @param {HTMLElement} item @param {Moment} moment */
  #fill(item, moment) {
    const isOpen = !!item.querySelector('details[open]');
    const hadFocus = item.contains(document.activeElement);
    const times = moment.times > 1 ? [makeElement('span', { class: 'badge' }, [`× ${moment.times.toLocaleString('en')}`])] : [];
    const bad = moment.errors ? [makeElement('span', { class: 'badge bad' }, counted(moment.errors, moment.errors === 1 ? 'error' : 'errors'))] : [];
    const summary = makeElement('summary', {}, [
      makeElement('span', { class: 'turn-head' }, [
        makeElement('time', {}, [shownTime(moment.at)]),
        makeElement('span', { class: 'turn-label', title: moment.label }, [moment.label]),
        ...times,
        ...bad,
      ]),
      this.#glance(moment),
      makeElement('small', { class: 'turn-facts muted' }, [factsOf(moment).join(' · ')]),
    ]);
    const details = makeElement('details', {}, [summary, ...this.#all(moment)]);
    details.open = isOpen;
    item.replaceChildren(details);
    if (hadFocus) summary.focus();
  }

  /** The first changes in a line. @param {Moment} moment */
  #glance({ changes }) {
    const told = changes.filter((change) => change.kind === 'changed').slice(0, CHANGES_AT_A_GLANCE);
    const lines = told.map((change) => makeElement('span', {}, [`${change.path || 'app'} `, ...beforeAndAfter(change)]));
    return makeElement('span', { class: 'turn-glance code' }, lines);
  }

  /** @param {Moment} moment @returns {Node[]} */
  #all({ changes, left_out, lines }) {
    const parts = [];
    if (lines.length) {
      parts.push(makeElement('ul', { class: 'turn-lines code' }, lines.map(([level, text]) => makeElement('li', level ? {} : { class: 'bad' }, [text]))));
    }
    if (changes.length) {
      const items = changes.map((change) => {
        const button = makeElement('button', { type: 'button', class: 'link' }, [change.path || 'app']);
        button.addEventListener('click', () => this.choose(change.id));
        const name = change.kind === 'gone' ? makeElement('span', { class: 'muted' }, [change.path || 'app']) : button;
        return makeElement('li', {}, [name, makeElement('span', { class: 'turn-values' }, beforeAndAfter(change))]);
      });
      parts.push(makeElement('ul', { class: 'turn-changes code' }, items));
    }
    if (left_out) parts.push(makeElement('p', { class: 'muted' }, [`and ${left_out.toLocaleString('en')} more`]));
    if (!parts.length) parts.push(makeElement('p', { class: 'muted' }, ['No variable shows anything else.']));
    return parts;
  }
}

/** @param {Moment} moment */
function factsOf(moment) {
  const { made, changed, gone, gas, frames_in, bytes_in, frames_out, bytes_out } = moment;
  return [
    ...counted(changed, 'changed'),
    ...counted(made, 'new'),
    ...counted(gone, 'gone'),
    ...(frames_in ? [`in ${shownBytes(bytes_in)}`] : []),
    ...(frames_out ? [`out ${shownBytes(bytes_out)}`] : []),
    ...counted(gas, 'gas'),
  ];
}

/**
 * @param {HTMLElement} place
 * @param {Row} row
 * @param {{turn: number, at: number, change: Change}[]} history
 * @param {(turn: number) => void} open
 */
export function describeVariable(place, row, history, open) {
  const facts = [
    ['Value', shownValue(row.value)],
    ['Error', row.error || ''],
    ['Type', row.type],
    ['Changes', row.changes.toLocaleString('en')],
    ['Gas', row.most_gas ? `${row.gas.toLocaleString('en')}, at most ${row.most_gas.toLocaleString('en')}` : '0: a plain field'],
    ['Access', row.access],
    ['Active', row.active ? 'yes' : 'no: it is not looked at'],
    ['Properties', shownProperties(row)],
    ['Diagnostics', row.diagnostics.map(([level, text]) => `${level}: ${text}`).join('\n')],
    ['Id', row.page === null ? `${row.id}, of all pages` : `${row.id}, called ${row.wire} by page ${row.page}`],
  ];
  const list = facts.filter(([, text]) => text).flatMap(([name, text]) => [
    makeElement('dt', {}, [name]),
    makeElement('dd', name === 'Error' ? { class: 'code bad' } : { class: 'code' }, [text]),
  ]);
  const turns = history.map(({ turn, at, change }) => {
    const button = makeElement('button', { type: 'button', class: 'link' }, [shownTime(at)]);
    button.addEventListener('click', () => open(turn));
    return makeElement('li', {}, [button, makeElement('span', { class: 'turn-values' }, beforeAndAfter(change))]);
  });
  const past = turns.length ? [makeElement('h3', {}, ['In the last turns']), makeElement('ul', { class: 'turn-changes code' }, turns)] : [];
  const content = [
    makeElement('h2', { id: 'detail-title', class: 'code' }, [row.path || 'app']),
    makeElement('p', { id: 'outlined', class: 'muted', role: 'status' }),
    makeElement('dl', {}, list),
    ...past,
  ];
  place.replaceChildren(...content);
}
