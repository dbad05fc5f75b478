// What the client has to say, in order, until it is said.
//
// Messages wait here as references to variables, not as ids: after a lost
// connection ids are different, but what the user did is still meant.

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./link.js').Link} Link
 *
 * @typedef {Object} Entry
 * @property {'create'|'update'|'destroy'|'raw'} kind
 * @property {Variable} [v]
 * @property {any} [value]
 * @property {Object<string,string>} [props]
 * @property {number} [id]
 * @property {Object} [message]
 */

/** How long messages that are not a user's action are gathered. */
const COALESCE_MS = 10;
/** Well below the server's frame limit of 1 MiB, counted in characters. */
const FRAME_CHARS_MAX = 250000;

export class Outbox {
  /**
   * @param {Link} link
   * @param {(v: Variable, batch: number) => void} sent  a creation has left, with this frame
   */
  constructor(link, sent) {
    this.link = link;
    this.sent = sent;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Entry[]} about variables that are not created yet */
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
    this.#frames(this.entries.splice(0), userEvent);
    const created = this.early.filter(({ v }) => v && v.batch);
    this.early = this.early.filter(({ v }) => v && !v.batch && !v.gone);
    this.#frames(created, userEvent);
  }

  #frames(entries, userEvent) {
    for (let from = 0; from < entries.length; ) from = this.#frame(entries, from, userEvent);
  }

  /** One frame's worth; returns where the next begins. */
  #frame(entries, from, userEvent) {
    const parts = [];
    /** @type {Entry[]} what the user did */
    const done = [];
    const number = this.link.sent + 1;
    let chars = 0;
    let at = from;
    for (; at < entries.length && chars < FRAME_CHARS_MAX; at++) {
      const entry = entries[at];
      const { kind, v } = entry;
      if (v && !v.batch && kind !== 'create') {
        this.early.push(entry);
        continue;
      }
      const message = encode(entry);
      if (!message) continue;
      if (kind === 'create') {
        this.batch = number;
        this.sent(v, number);
      } else if (kind === 'update') {
        done.push(entry);
        if (!entry.props) {
          v.unsent--;
          v.wrote = number;
        }
      }
      const text = JSON.stringify(message);
      chars += text.length;
      parts.push(text);
    }
    if (parts.length) this.link.send(`{"userEvent":${userEvent},"messages":[${parts.join(',')}]}`, done);
    return at;
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

/** @param {Entry} entry @returns {Object|null|undefined} nothing when it is no longer needed */
function encode(entry) {
  const { kind, v } = entry;
  if (kind === 'raw') return entry.message;
  if (kind === 'destroy') return { type: 'destroy', data: { varId: entry.id } };
  if (!v || v.gone) return null;
  if (kind === 'create') {
    if (v.queued !== entry) return null;
    v.queued = null;
    const data = { id: v.id, parentId: v.parent && v.parent.id, properties: v.props };
    return { type: 'create', data: v.item ? { ...data, value: v.item } : data };
  }
  if (entry.props) return { type: 'update', data: { varId: v.id, properties: entry.props } };
  return { type: 'update', data: { varId: v.id, value: entry.value } };
}
