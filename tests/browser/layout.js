// What is laid out badly? One line for each thing that sticks out of the window, whose text is cut off, or that lies
// on another one. What scrolls in a box of its own, or is cut off with an ellipsis, is meant to be.
(() => {
  const found = [];
  const say = (element) => `${element.localName}${element.id ? `#${element.id}` : ""}.${element.className?.baseVal ?? element.className} “${element.textContent.trim().slice(0, 30)}”`;
  const scrolls = (element) => {
    for (let e = element; e && e !== document.body; e = e.parentElement) {
      if (/auto|scroll/.test(getComputedStyle(e).overflowX)) return true;
    }
    return false;
  };
  const seen = (element) => element.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && !element.closest(".sr-only");
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) found.push(`the page is ${wide} px wider than the window`);

  for (const element of document.body.querySelectorAll("*")) {
    if (!seen(element) || element.closest("svg svg, dialog:not([open])")) continue;
    const box = element.getBoundingClientRect();
    // For screen readers alone: one pixel.
    if (box.width <= 1 || box.height <= 1) continue;
    if ((box.right > innerWidth + 1 || box.left < -1) && !scrolls(element)) found.push(`sticks out: ${say(element)}`);
    const style = getComputedStyle(element);
    const hides = /hidden|clip/.test(style.overflowX) && style.textOverflow !== "ellipsis";
    const control = element.matches("button, summary, a, th, label, .badge, h1, h2, h3");
    if ((hides || control) && element.scrollWidth > element.clientWidth + 1 && element.clientWidth && !scrolls(element) && style.textOverflow !== "ellipsis") {
      found.push(`cut off: ${say(element)} needs ${element.scrollWidth} px, has ${element.clientWidth}`);
    }
  }

  // In a chart too: labels must not run into each other.
  const leaves = [...document.body.querySelectorAll("button, input, select, textarea, meter, progress, summary, h1, h2, h3, h4, dt, dd, p, ui-chart, ui-gauge, ui-chart text")];
  const top = document.querySelector("dialog[open]");
  // What stays where it is while the page scrolls lies on the page, and says so by its z-index.
  const floating = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const { position, zIndex } = getComputedStyle(e);
      if (/fixed|sticky/.test(position) && zIndex !== "auto") return true;
    }
    return false;
  };
  const boxes = leaves
    .filter((e) => seen(e) && !floating(e) && (!top || top.contains(e)))
    .map((element) => ({ element, box: element.getBoundingClientRect() }))
    .filter(({ box }) => box.width > 1 && box.height > 1);
  for (let i = 0; i < boxes.length; i++) {
    for (let k = i + 1; k < boxes.length; k++) {
      const [a, b] = [boxes[i], boxes[k]];
      if (a.element.contains(b.element) || b.element.contains(a.element)) continue;
      const across = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left);
      const down = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
      if (across > 2 && down > 2) found.push(`overlap: ${say(a.element)} and ${say(b.element)}`);
    }
  }

  // A finger needs some room; what stands within a line of text or a table's row has it around.
  for (const element of document.body.querySelectorAll("button, input:not([type=checkbox], [type=radio]), select, summary")) {
    const { width, height } = element.getBoundingClientRect();
    if (seen(element) && width && (width < 24 || height < 24) && !element.closest("td, th")) found.push(`too small to hit: ${say(element)} ${width}×${height}`);
  }
  return found;
})()
