// `?scrollOnOutput`: a log that shows its end, unless the reader went up in it.

/** Nearer to the end than this counts as being there. */
const END_PX = 40;

/** @param {Element} element */
export function followOutput(element) {
  let atEnd = true;
  element.addEventListener('scroll', () => {
    atEnd = element.scrollHeight - element.scrollTop - element.clientHeight < END_PX;
  });
  new MutationObserver(() => {
    if (atEnd) element.scrollTop = element.scrollHeight;
  }).observe(element, { childList: true, subtree: true, characterData: true });
}
