// The client's mirror of the server's variables.
//
// A Variable object is what the page is bound to; its `id` is only its present
// address on the server. So after a lost connection the whole tree is created
// anew under fresh ids while the page stays as it is (`resync`).

import { Outbox } from './outbox.js';

/**
 * @typedef {Object} Watcher             what a variable tells about its changes
 * @property {(v: Variable) => void} changed   its value or type is new
 * @property {(v: Variable) => void} [failed]  its error was set or cleared
 * @property {boolean} [structural]      told before all others of the same frame
 *
 * @typedef {Object} ServerError
 * @property {string} code
 * @property {string} description
 * @property {{traceback?: string, source?: string, fields?: Object<string,string>}} [detail]  with --dev: where it came from; of a form: what is wrong with its fields
 *
 * @typedef {Object} Message             one protocol message, either direction
 * @property {string} type
 * @property {Object} data
 *
 * @typedef {Object} Hooks               what the store asks of the page
 * @property {(props: Object<string,string>) => void} app  properties of variable 1 came
 * @property {(v: Variable) => void} failed  its error was set or cleared
 * @property {() => void} structure      lists re-arrange themselves
 * @property {() => void} doubt          something the user did is not done after all
 * @property {() => void} settled        a frame is applied and its answer is sent
 */

/** One variable. `props` are the properties it is created with. */
export class Variable {
  /**
   * @param {Store} store
   * @param {Variable|null} parent
   * @param {Object<string,string>} props
   * @param {{obj: number}} [item]
   */
  constructor(store, parent, props, item) {
    this.store = store;
    this.parent = parent;
    this.props = props;
    /** @type {{obj: number}|null|undefined} a row's item, which it holds itself and has no path to;
     * null: the number it had is of a lost connection */
    this.item = item;
    this.id = 0;
    /** @type {any} undefined until the server answered */
    this.value = item;
    /** @type {string|undefined} */
    this.type = undefined;
    /** @type {Object<string,string>|null} properties the server set */
    this.told = null;
    /** @type {ServerError|null} */
    this.error = null;
    /** @type {Set<Variable>|null} */
    this.children = null;
    /** @type {Watcher[]} */
    this.watchers = [];
    /** The frame that carried its creation; 0: not sent yet. */
    this.batch = 0;
    /** @type {import('./outbox.js').Entry|null} its creation, while that waits */
    this.queued = null;
    /** Whether the server's answer to the creation is known. */
    this.answered = !!item;
    this.gone = false;
    /** Writes that wait in the outbox: the server's values are older than they. */
    this.unsent = 0;
    /** @type {any} what the server has, as far as it was told, while a write is on its way */
    this.theirs = undefined;
    /** @type {any} what a row showed when it was lost; undefined: nothing to know it by */
    this.before = undefined;
    /** The frame that carried the last write: what the server says before it knows of that frame is older. */
    this.wrote = 0;
  }

  /** @param {Watcher} w */
  watch(w) {
    this.watchers.push(w);
    if (this.value !== undefined && !w.structural) w.changed(this);
    if (this.error && w.failed) w.failed(this);
  }

  /** @param {Watcher} w */
  unwatch(w) {
    const at = this.watchers.indexOf(w);
    if (at >= 0) this.watchers.splice(at, 1);
  }

  /** A property that children inherit. @param {string} name */
  inherited(name) {
    for (let v = /** @type {Variable|null} */ (this); v; v = v.parent) {
      const value = (v.told && v.told[name]) || v.props[name];
      if (value) return value;
    }
    return undefined;
  }

  /** Writes a value as a user's edit; an unchanged one is not sent. @param {any} value */
  write(value) {
    // One that was refused may be taken the next time.
    if (sameValue(value, this.value) && !this.error) return false;
    this.value = value;
    this.store.outbox.update(this, value);
    this.store.clearError(this);
    for (const w of this.watchers) w.changed(this);
    return true;
  }

  /** Runs an action (or writes) at once, with everything pending. @param {any} arg */
  trigger(arg) {
    this.store.outbox.update(this, arg === undefined ? null : arg);
    this.store.clearError(this);
    this.store.outbox.flush(true);
  }

  destroy() {
    this.store.destroy(this);
  }
}

/** A watcher that fails must not keep the others from hearing. @param {() => void} call */
function tell(call) {
  try {
    call();
  } catch (error) {
    reportError(error);
  }
}

/** @param {Variable} v @returns {Variable[]} it and all below it */
function allBelow(v) {
  return [v, ...[...(v.children || [])].flatMap(allBelow)];
}

/** Equal as far as a page can tell: primitives, or the same object or array. */
export function sameValue(a, b) {
  if (a === b) return true;
  if (a == null || b == null) return a == b;
  if (typeof a !== 'object' || typeof b !== 'object') return false;
  if (a.obj !== undefined || b.obj !== undefined) return a.obj === b.obj;
  return JSON.stringify(a) === JSON.stringify(b);
}

export class Store {
  /**
   * @param {import('./link.js').Link} link
   * @param {Hooks} hooks
   */
  constructor(link, hooks) {
    this.hooks = hooks;
    this.outbox = new Outbox(link, (v, batch) => this.#sent(v, batch), (v) => this.#tooLong(v));
    /** @type {Set<Variable>} rows that were held again, and may be of another object than before */
    this.trials = new Set();
    /** @type {Map<number, Variable>} */
    this.byId = new Map();
    this.nextId = 2;
    this.root = new Variable(this, null, {});
    this.root.id = 1;
    // It is the server's own.
    this.root.batch = -1;
    this.byId.set(1, this.root);
    /** @type {Set<Variable>} */
    this.dirty = new Set();
    /** @type {Set<Variable>} */
    this.dirtyErrors = new Set();
    /** @type {{v: Variable, batch: number}[]} created, answer not yet seen */
    this.awaiting = [];
    /** The last frame of ours that the server knew of when it sent what came last. */
    this.acknowledged = 0;
    /** Told, but not to the page yet: nobody looks at it. */
    this.resting = false;
  }

  /**
   * @param {Variable} parent
   * @param {Object<string,string>} props
   * @param {{obj: number}} [item]  what it holds, in place of a path
   */
  create(parent, props, item) {
    const v = new Variable(this, parent, props, item);
    v.id = this.nextId++;
    this.byId.set(v.id, v);
    (parent.children || (parent.children = new Set())).add(v);
    this.outbox.create(v);
    return v;
  }

  /** @param {Variable} v */
  destroy(v) {
    if (v.gone) return;
    if (v.parent && v.parent.children) v.parent.children.delete(v);
    if (v.batch) this.outbox.destroy(v.id);
    this.#forget(v);
  }

  /** @param {Variable} v */
  #forget(v) {
    v.gone = true;
    if (v.error) this.hooks.failed(v);
    v.watchers = [];
    if (this.byId.get(v.id) === v) this.byId.delete(v.id);
    this.dirty.delete(v);
    this.dirtyErrors.delete(v);
    if (v.children) for (const child of v.children) this.#forget(child);
    v.children = null;
  }

  /** @param {Variable} v  its creation is on the way @param {number} batch */
  #sent(v, batch) {
    v.batch = batch;
    this.awaiting.push({ v, batch });
  }

  /** @param {Variable} v */
  clearError(v) {
    if (!v.error) return;
    v.error = null;
    this.hooks.failed(v);
    for (const w of v.watchers) if (w.failed) w.failed(v);
  }

  // ---- incoming ------------------------------------------------------------

  /**
   * Applies one frame: first all its values, then tells the page.
   * @param {any} frame  null: only an acknowledgement
   * @param {number} ack
   */
  receive(frame, ack) {
    this.acknowledged = Math.max(this.acknowledged, ack);
    const errors = [];
    const messages = Array.isArray(frame) ? frame : frame ? [frame] : [];
    const refused = new Set(messages.map((one) => one && one.type === 'error' && one.data && one.data.varId));
    for (const message of messages) {
      const data = message && message.data;
      if (!data) continue;
      if (message.type === 'update') this.#update(data, refused.has(data.varId));
      else if (message.type === 'error') errors.push(data);
      else if (message.type === 'destroy') this.#destroyed(data);
    }
    // A value that comes along is the one the error stands on, not its end.
    for (const data of errors) this.#error(data);
    this.#settleAnswers();
    for (const row of this.trials) this.#judge(row);
    if (!this.resting) this.settle();
  }

  /** @param {any} data @param {boolean} refused  an error comes along: what was written last is not what the server has */
  #update(data, refused) {
    const v = this.byId.get(data.varId);
    if (!v) return;
    if (data.properties) this.#properties(v, data.properties);
    let { value } = data;
    if (data.pieces) value = piece(v.value, data.pieces);
    else if (!('value' in data)) return;
    v.answered = true;
    if (v.error) {
      v.error = null;
      this.dirtyErrors.add(v);
    }
    // What was written since is newer: should it come to nothing, the server says so.
    if (this.#isNewer(v) || (refused && v.wrote)) {
      v.theirs = value;
      return;
    }
    v.value = value;
    if (value === null) v.type = '';
    this.dirty.add(v);
  }

  /** Whether the user's own write is newer than what the server says now. @param {Variable} v */
  #isNewer(v) {
    return v.unsent > 0 || v.wrote > this.acknowledged;
  }

  #properties(v, props) {
    if (v === this.root) {
      this.hooks.app(props);
      props = { ...props, viewdefs: '', notices: '' };
    }
    for (const name in props) {
      if (name === 'type') v.type = props.type;
      else if (props[name] === v.props[name]) continue;
      else (v.told || (v.told = {}))[name] = props[name];
      if (name === 'namespace' || name === 'fallbackNamespace') this.#touch(v);
    }
    // Where an upload goes, and that it is there, is what its variable is about.
    if ('type' in props || 'uploadAt' in props) this.dirty.add(v);
  }

  /** Namespaces are inherited, so everything below looks at its viewdef again. */
  #touch(v) {
    this.dirty.add(v);
    if (v.children) for (const child of v.children) this.#touch(child);
  }

  #error(data) {
    const v = this.byId.get(data.varId);
    const { code, description, detail } = data;
    const error = { code: String(code || ''), description: String(description || code || 'error'), detail };
    if (!v) {
      console.warn('lunette:', error.code, error.description);
      return;
    }
    v.error = error;
    this.dirtyErrors.add(v);
  }

  #destroyed(data) {
    const v = this.byId.get(data.varId);
    if (!v || v === this.root) return;
    // Not of our asking (ours are forgotten before they are sent): show nothing.
    this.byId.delete(v.id);
    v.batch = 0;
    v.value = null;
    v.type = '';
    this.dirty.add(v);
  }

  /** Nil is never sent: what an answered batch did not mention is nil. */
  #settleAnswers() {
    let done = 0;
    while (done < this.awaiting.length && this.awaiting[done].batch <= this.acknowledged) {
      const { v, batch } = this.awaiting[done++];
      // With another batch it was created anew since, or changed places.
      if (v.batch !== batch || v.answered || v.gone || v.props.access === 'action') continue;
      v.answered = true;
      // Of what was written since, only what came of it is told.
      if (v.value === null || v.unsent || v.wrote) continue;
      v.value = null;
      v.type = '';
      this.dirty.add(v);
    }
    if (done) this.awaiting.splice(0, done);
  }

  /** Tells the page what changed, lists first: they decide what rows stay. */
  settle() {
    let rounds = 0;
    while (this.dirty.size || this.dirtyErrors.size) {
      if (++rounds > 100) break;
      for (const v of this.dirty) for (const w of v.watchers) if (w.structural) tell(() => w.changed(v));
      this.hooks.structure();
      const changed = this.dirty;
      this.dirty = new Set();
      for (const v of changed) {
        for (const w of v.watchers.slice()) if (!w.structural && !v.gone) tell(() => w.changed(v));
      }
      const failed = this.dirtyErrors;
      this.dirtyErrors = new Set();
      for (const v of failed) {
        this.hooks.failed(v);
        for (const w of v.watchers) if (w.failed) tell(() => w.failed && w.failed(v));
      }
    }
    this.hooks.structure();
    this.outbox.flush(false);
    this.hooks.settled();
  }

  // ---- addresses -----------------------------------------------------------

  /** Gives a row's variable an item again, and with it addresses to all below. @param {Variable} v */
  hold(v, item) {
    if (v.item === null && this.outbox.waitsBelow(v)) this.trials.add(v);
    v.item = item;
    this.#readdress(v);
    v.value = item;
    v.answered = true;
  }

  /** @param {Variable} v */
  #renew(v) {
    // Numbers of objects go with the connection: rows wait until their list has the new ones.
    if (v.item) this.#lose(v);
    else if (v.item === undefined) this.#readdress(v);
  }

  /** @param {Variable} v */
  #readdress(v) {
    if (this.byId.get(v.id) === v) this.byId.delete(v.id);
    const { wrote } = v;
    v.id = this.nextId++;
    v.batch = v.wrote = 0;
    v.answered = false;
    // What is on screen stays; which object it is, the answer tells.
    if (typeof v.value === 'object') v.value = undefined;
    this.byId.set(v.id, v);
    this.outbox.create(v);
    this.#forgetError(v, wrote);
    if (v.children) for (const child of v.children) this.#renew(child);
  }

  /**
   * An error is of the view that is over. What was refused is said again, so that
   * it is neither lost nor taken for good.
   * @param {Variable} v
   * @param {number} wrote  in the old view
   */
  #forgetError(v, wrote) {
    if (!v.error) return;
    if (wrote && !v.unsent && v.props.access !== 'action') this.outbox.update(v, v.value);
    v.error = null;
    this.dirtyErrors.add(v);
  }

  /** Whether it is not known yet that a row is the one the user meant. @param {Variable} v */
  onTrial(v) {
    if (!this.trials.size) return false;
    for (let above = /** @type {Variable|null} */ (v); above; above = above.parent) if (this.trials.has(above)) return true;
    return false;
  }

  /**
   * A row that is held again has its place, but may be of another object. It is
   * the same if it shows the same; else what was done to it was not meant for it.
   * @param {Variable} row
   */
  #judge(row) {
    const all = allBelow(row);
    if (row.gone) this.trials.delete(row);
    if (row.gone || !all.every((v) => v.batch && v.batch <= this.acknowledged)) return;
    this.trials.delete(row);
    if (all.every((v) => v.before === undefined || sameValue(v.before, v.value))) return;
    const isMeant = (v) => all.includes(v);
    this.outbox.drop(isMeant);
    for (const v of all) {
      if (!v.unsent) continue;
      v.unsent = 0;
      v.value = v.theirs === undefined ? null : v.theirs;
      this.dirty.add(v);
    }
    this.hooks.doubt();
  }

  /** @param {Variable} v */
  #tooLong(v) {
    v.error = { code: 'limit', description: 'This is too long to be sent. Please make it shorter.' };
    this.dirtyErrors.add(v);
    queueMicrotask(() => this.settle());
  }

  /** The server does not know it until its row is held again. @param {Variable} v */
  #lose(v) {
    if (v.item) v.item = null;
    const isKnown = !v.unsent && v.answered && v.props.access !== 'action' && typeof v.value !== 'object';
    v.before = isKnown ? v.value : undefined;
    v.batch = v.wrote = v.id = 0;
    v.queued = null;
    if (v.children) for (const child of v.children) this.#lose(child);
  }

  /**
   * A new view knows nothing: watches 1 and creates the whole tree again, then
   * says what the user did and what the old view never heard of. Returns
   * whether calls may be lost.
   */
  resync() {
    const { doubt, waiting } = this.outbox.restart();
    this.byId = new Map([[1, this.root]]);
    this.nextId = 2;
    this.awaiting = [];
    this.acknowledged = 0;
    this.root.answered = false;
    this.root.wrote = 0;
    this.outbox.watch(1);
    if (this.root.children) for (const child of this.root.children) this.#renew(child);
    this.outbox.resume(waiting);
    this.outbox.flush(false);
    return doubt;
  }
}

/** The array that these pieces of the old one and of new elements make. @param {any[]} old */
function piece(old, pieces) {
  const made = [];
  for (let i = 0; i < pieces.length; i++) {
    if (typeof pieces[i] !== 'number') {
      for (const element of pieces[i]) made.push(element);
      continue;
    }
    const start = pieces[i];
    const count = pieces[++i];
    for (let k = 0; k < Math.abs(count); k++) made.push(old[count < 0 ? start - k : start + k]);
  }
  return made;
}
