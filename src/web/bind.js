// From a directive of a compiled template to the binding that carries it out.

import { ValueBinding, TextBinding, isField } from './bind-value.js';
import { AttrBinding, ClassBinding, StyleBinding, PropBinding, HtmlBinding, CodeBinding } from './bind-display.js';
import { ActionBinding, EventBinding, SubmitBinding } from './bind-events.js';
import { UploadBinding, DownloadBinding } from './bind-files.js';
import { LinkBinding } from './bind-link.js';
import { followOutput } from './scroll.js';

/**
 * @typedef {import('./store.js').Variable} Variable
 * @typedef {import('./templates.js').Directive} Directive
 * @typedef {import('./client.js').App} App
 * @typedef {import('./views.js').View} View
 *
 * @typedef {Object} ElementBinding
 * @property {(element: Element) => void} attach  (also later, to a new element)
 */

/**
 * @param {App} app
 * @param {View} view      whose variable the paths start from
 * @param {any} element
 * @param {Directive} directive
 * @param {Variable} variable
 * @returns {ElementBinding}
 */
export function bind(app, view, element, directive, variable) {
  const made = make(app, view, element, directive, variable);
  made.attach(element);
  if (variable) variable.watch(made);
  if (directive.binding.options.scrollOnOutput) followOutput(element);
  return made;
}

function make(app, view, element, directive, variable) {
  const { kind, name, binding } = directive;
  if (kind === 'value') return isField(element) ? new ValueBinding(app, variable, binding) : new TextBinding(app, binding);
  if (kind === 'attr') return new AttrBinding(app, name, binding);
  if (kind === 'class') return new ClassBinding(app, name, binding);
  if (kind === 'style') return new StyleBinding(app, name, binding);
  if (kind === 'prop') return new PropBinding(app, name, binding);
  if (kind === 'html') return new HtmlBinding(app, binding, view);
  if (kind === 'code') return new CodeBinding(app, binding, view);
  if (kind === 'link') return new LinkBinding(app, name, binding);
  if (kind === 'submit') return new SubmitBinding(app, view, binding);
  if (kind === 'action') return new ActionBinding(app, view, binding);
  if (kind === 'upload') return new UploadBinding(app, view, binding);
  if (kind === 'download') return new DownloadBinding(app, binding);
  return new EventBinding(app, view, name, binding, directive.fixed);
}
