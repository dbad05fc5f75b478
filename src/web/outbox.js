// What the client has to say, in order, until it is said.
//
// Messages wait here as references to variables, not as ids: after a lost
// connection ids are different, but what the user did is still meant.

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./link.js').Link} Link
 *
 * @typedef {Object} Entry
 * @property {'create'|'update'|'destroy'|'watch'|'raw'} kind
 * @property {Variable} [v]
 * @property {any} [value]
 * @property {Object<string,string>} [props]
 * @property {number} [id]
 * @property {Object} [message]
 */

/** How long messages that are not a user's action are gathered. */
const COALESCE_MS = 10;
/** With three bytes for each of these a frame is still well below the server's limit of 1 MiB. */
const FRAME_CHARS_MAX = 250000;
/** What no frame can carry. */
const ENTRY_BYTES_MAX = 1000000;

export class Outbox {
  /**
   * @param {Link} link
   * @param {(v: Variable, batch: number) => void} sent  a creation has left, with this frame
   * @param {(v: Variable) => void} tooLong  a write never can
   */
  constructor(link, sent, tooLong) {
    this.link = link;
    this.sent = sent;
    this.tooLong = tooLong;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Entry[]} what the user did to variables that are not created yet, and all that came after it */
    this.early = [];
    /** The last frame that carried creations. */
    this.batch = 0;
    this.timer = 0;
  }

  /** @param {Variable} v */
  create(v) {
    // Queued again when its parent's address changed: then only the last counts,
    // which comes after the parent's own.
    v.queued = { kind: 'create', v };
    this.#push(v.queued);
  }

  /** @param {Variable} v @param {any} value */
  update(v, value) {
    const last = this.entries[this.entries.length - 1];
    // While nothing can be sent, what is typed on takes the place of what was typed before.
    if (last && last.v === v && last.kind === 'update' && !last.props && v.props.access !== 'action') {
      last.value = value;
      return;
    }
    v.unsent++;
    this.#push({ kind: 'update', v, value });
  }

  /** @param {Variable} v @param {Object<string,string>} props */
  setProperties(v, props) {
    this.#push({ kind: 'update', v, props });
  }

  /** @param {number} id */
  destroy(id) {
    this.#push({ kind: 'destroy', id });
  }

  /** @param {number} id */
  watch(id) {
    this.#push({ kind: 'watch', id });
  }

  /** @param {Object} message */
  raw(message) {
    this.#push({ kind: 'raw', message });
  }

  #push(entry) {
    this.entries.push(entry);
    if (!this.timer) this.timer = setTimeout(() => this.flush(false), COALESCE_MS);
  }

  /** Sends everything that waits. @param {boolean} userEvent */
  flush(userEvent) {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.link.open) return;
    // What there is to do something to comes first; then what the user did, in the order in which it was done.
    const done = this.early.concat(this.entries.filter(isDone));
    const entries = this.entries.filter((entry) => !isDone(entry)).concat(done);
    this.entries = [];
    this.early = [];
    for (let from = 0; from < entries.length; ) from = this.#frame(entries, from, userEvent);
  }

  /** One frame's worth; returns where the next begins. */
  #frame(entries, from, userEvent) {
    /** @type {string[]} */
    const parts = [];
    /** @type {Entry[]} what the user did */
    const done = [];
    const number = this.link.sent + 1;
    let chars = 0;
    let at = from;
    for (; at < entries.length; at++) {
      const entry = entries[at];
      if (this.#isEarly(entry)) {
        this.early.push(entry);
        continue;
      }
      const message = encode(entry);
      if (!message) continue;
      const text = JSON.stringify(message);
      if (parts.length && chars + text.length > FRAME_CHARS_MAX) break;
      if (entry.v && isDone(entry) && isTooLong(text)) {
        entry.v.unsent--;
        this.tooLong(entry.v);
        continue;
      }
      this.#leaves(entry, number, done);
      chars += text.length;
      parts.push(text);
    }
    if (parts.length) this.link.send(`{"userEvent":${userEvent},"messages":[${parts.join(',')}]}`, done);
    return at;
  }

  /** Whether it has to wait, or stands behind what has to. @param {Entry} entry */
  #isEarly(entry) {
    const { kind, v } = entry;
    if (kind === 'create' || (v && v.gone)) return false;
    return (isDone(entry) && this.early.length > 0) || (!!v && (!v.batch || v.store.onTrial(v)));
  }

  /** @param {Entry} entry @param {number} number @param {Entry[]} done */
  #leaves(entry, number, done) {
    const { kind, v } = entry;
    if (!v) return;
    if (kind === 'create') {
      v.queued = null;
      this.batch = number;
      this.sent(v, number);
    } else if (kind === 'update') {
      done.push(entry);
      if (entry.props) return;
      v.unsent--;
      v.wrote = number;
    }
  }

  /** Whether something the user did waits for a variable below this one. @param {Variable} above */
  waitsBelow(above) {
    const isBelow = (v) => {
      for (; v; v = v.parent) if (v === above) return true;
      return false;
    };
    return this.early.concat(this.entries).some((entry) => isDone(entry) && isBelow(entry.v));
  }

  /** What the user did to a variable is not done after all. @param {(v: Variable) => boolean} isMeant */
  drop(isMeant) {
    const stays = (entry) => !(isDone(entry) && entry.v && isMeant(entry.v));
    this.early = this.early.filter(stays);
    this.entries = this.entries.filter(stays);
  }

  /**
   * The view is a new one: takes out what the user did and what did not take
   * effect; creations and destructions are made anew. `doubt`: there are calls
   * of which nobody knows whether they did, and which are not made again.
   */
  restart() {
    const { unsure, known } = this.link;
    this.link.unsure = [];
    this.batch = 0;
    let doubt = false;
    /** @type {Entry[]} */
    const waiting = [];
    for (const entry of unsure.flatMap((sent) => sent.content)) {
      if (!known && entry.v.props.access === 'action') {
        doubt = true;
        continue;
      }
      if (!entry.props) entry.v.unsent++;
      waiting.push(entry);
    }
    waiting.push(...this.early, ...this.entries);
    this.entries = [];
    this.early = [];
    return { doubt, waiting: waiting.filter((e) => e.kind === 'update' && e.v && !e.v.gone) };
  }

  /** @param {Entry[]} waiting */
  resume(waiting) {
    this.entries.push(...waiting);
  }
}

/** Whether it is something that the user did. @param {Entry} entry */
function isDone({ kind, props }) {
  return kind === 'raw' || (kind === 'update' && !props);
}

/** @param {string} text */
function isTooLong(text) {
  return text.length * 3 > ENTRY_BYTES_MAX && new TextEncoder().encode(text).length > ENTRY_BYTES_MAX;
}

/** @param {Entry} entry @returns {Object|null|undefined} nothing when it is no longer needed */
function encode(entry) {
  const { kind, v } = entry;
  if (kind === 'raw') return entry.message;
  if (kind === 'watch') return { type: 'watch', data: { varId: entry.id } };
  if (kind === 'destroy') return { type: 'destroy', data: { varId: entry.id } };
  if (!v || v.gone) return null;
  if (kind === 'create') {
    if (v.queued !== entry) return null;
    const data = { id: v.id, parentId: v.parent && v.parent.id, properties: v.props };
    return { type: 'create', data: v.item ? { ...data, value: v.item } : data };
  }
  if (entry.props) return { type: 'update', data: { varId: v.id, properties: entry.props } };
  return { type: 'update', data: { varId: v.id, value: entry.value } };
}
